"""The adversarial autoencoder: objectives by hand, priors and posteriors, the uses of labels."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from autoencoders import BATCH, LINEAR, NETS, SPEC, softplus, trained, zeroed
from helpers import tiny, trainer_of
from torch import Tensor

from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.aae import AAE
from ganwright.families.posteriors import Deterministic, GaussianPosterior, Posterior, Universal
from ganwright.families.priors import Gaussian, Mixture, Planar, Prior, SwissRoll
from ganwright.networks import MLP

CPU = torch.device("cpu")


def plain(**changes: Any) -> AAE:
    """Q(x) = x1, P(z) = (z, 0), D(z) = 3 z."""
    game: AAE = zeroed(AAE(AAE.Config(latent=1, **NETS, **changes), SPEC))
    game.Q.head.weight[0, 0] = 1
    game.P.stack[1].weight[0, 0] = 1
    game.D.head.linear.weight[0, 0] = 3
    return game


class Fixed(Prior):
    """Every draw is 2."""

    def draw(self, n: int, latent: int, device: torch.device) -> Tensor:
        return torch.full((n, latent), 2.0)


def test_plain_objectives() -> None:
    game = plain(prior=Fixed())
    # x - P(Q(x)) = (0, 4) and (0, 2)
    assert game.autoencoder(BATCH)["reconstruction"].item() == pytest.approx(20 / 4)
    adv = softplus(-6) + (softplus(3) + softplus(-3)) / 2
    assert game.discriminator(BATCH)["adv"].item() == pytest.approx(adv, rel=1e-6)
    deceived = (softplus(-3) + softplus(3)) / 2
    assert game.encoder(BATCH)["adv"].item() == pytest.approx(deceived, rel=1e-6)
    assert game.measure(BATCH)["reconstruction"].item() == pytest.approx(5)


def test_each_of_three_players_has_its_own_optimizer() -> None:
    trainer = trainer_of("aae")
    names = [trained.player.name for trained in trainer.players]
    assert names == ["autoencoder", "D", "encoder"]
    assert len({id(trained.optimizer) for trained in trainer.players}) == 3
    autoencoder, _, encoder = ({id(w) for w in trained.weights} for trained in trainer.players)
    assert encoder < autoencoder


def test_a_gaussian_prior() -> None:
    z = Gaussian(5.0).draw(20_000, 3, CPU)
    assert z.std(0).tolist() == pytest.approx([5] * 3, rel=0.03)
    assert z.mean(0).abs().max() < 0.15


def test_a_mixture_is_ten_petals() -> None:
    prior = Mixture(components=10, radius=2.0, along=0.3, across=0.05)
    z = prior.of(torch.full((5000,), 3), 10)
    angle = 2 * math.pi * 3 / 10
    out = z @ torch.tensor([math.cos(angle), math.sin(angle)])
    side = z @ torch.tensor([-math.sin(angle), math.cos(angle)])
    assert out.mean() == pytest.approx(2, abs=0.02)
    assert out.std() == pytest.approx(0.3, rel=0.05)
    assert side.mean() == pytest.approx(0, abs=0.01)
    assert side.std() == pytest.approx(0.05, rel=0.05)
    drawn = prior.draw(5000, 2, CPU)
    nearest = (torch.atan2(drawn[:, 1], drawn[:, 0]) / (2 * math.pi / 10)).round().long() % 10
    assert nearest.bincount(minlength=10).tolist() == pytest.approx([500] * 10, abs=90)


def test_a_swiss_roll_is_evenly_filled() -> None:
    roll = SwissRoll(turns=2, radius=3.0, noise=0.0)
    z = roll.at(torch.tensor([0.25, 1.0]))
    torch.testing.assert_close(z, torch.tensor([[1.5, 0.0], [3.0, 0.0]]), atol=1e-5, rtol=0)
    inner = (roll.draw(8000, 2, CPU).norm(dim=1) < 1.5).float().mean()
    assert inner == pytest.approx(0.25, abs=0.02), "half the radius is a quarter of the length"
    places = roll.of(torch.arange(4), 4).norm(dim=1)
    assert (places >= torch.tensor([0, 0.25, 0.5, 0.75]).sqrt() * 3).all()
    assert (places <= torch.tensor([0.25, 0.5, 0.75, 1]).sqrt() * 3).all()


def test_guided_codes_have_their_class_s_place() -> None:
    config = AAE.Config(latent=2, prior=Mixture(components=2), guided=True, **NETS)
    game: AAE = zeroed(AAE(config, SPEC))
    game.D.head.linear.weight.copy_(torch.tensor([[0.0, 0, 5, 7]]))  # it sees the label alone
    (z, y), (code, _) = game.codes(BATCH)
    assert y is BATCH.labels
    assert code.shape == (2, 2)
    assert z[0, 0] > 0 > z[1, 0], "class a to the right, class b to the left"
    adv = (softplus(-5) + softplus(-7) + softplus(5) + softplus(7)) / 2
    assert game.discriminator(BATCH)["adv"].item() == pytest.approx(adv, rel=1e-6)


def test_guided_and_styled_each_class_has_the_whole_gaussian() -> None:
    """D is told the label, so that codes must follow the prior within each class."""
    config = AAE.Config(latent=1, guided=True, styled=True, **NETS)
    game: AAE = zeroed(AAE(config, SPEC))
    game.D.head.linear.weight.copy_(torch.tensor([[0.0, 5, 7]]))  # it sees the label alone
    adv = (softplus(-5) + softplus(-7) + softplus(5) + softplus(7)) / 2
    assert game.discriminator(BATCH)["adv"].item() == pytest.approx(adv, rel=1e-6)
    for label in (0, 1):
        z = game.prior(20_000, torch.full((20_000,), label))
        assert z.mean() == pytest.approx(0, abs=0.03)
        assert z.std() == pytest.approx(1, rel=0.03)


def test_a_styled_decoder_is_told_the_label() -> None:
    game: AAE = zeroed(AAE(AAE.Config(latent=1, styled=True, **NETS), SPEC))
    game.P.stack[1].weight.copy_(torch.tensor([[0.0, 1, 0], [0, 0, 2]]))
    # x - P is (1, 4) - (1, 0) and (-1, 2) - (0, 2)
    assert game.autoencoder(BATCH)["reconstruction"].item() == pytest.approx((16 + 1) / 4)
    assert game.sample(2, torch.tensor([1, 0])).tolist() == [[0, 2], [1, 0]]
    rows = game.restyled(BATCH.images)
    assert rows.tolist() == [[1, 4], [1, 0], [0, 2], [-1, 2], [1, 0], [0, 2]]
    with pytest.raises(SettingsError, match="labels"):
        game.reconstruct(BATCH.images)


@pytest.mark.parametrize("posterior", [Deterministic(), GaussianPosterior(), Universal(2)])
def test_posteriors_differ_in_their_noise(posterior: Posterior) -> None:
    torch.manual_seed(0)
    Q = posterior.encoder(MLP(hidden_D=(8,)), (1, 4, 4), 3)
    x = torch.rand(5, 1, 4, 4)
    assert Q(x).shape == (5, 3)
    noisy = not isinstance(posterior, Deterministic)
    assert torch.equal(Q(x), Q(x)) is not noisy
    Q.eval()
    assert torch.equal(Q(x), Q(x)) is not isinstance(posterior, Universal)


def test_a_gaussian_posterior_has_the_predicted_variance() -> None:
    Q = GaussianPosterior().encoder(LINEAR, (2,), 1).requires_grad_(False)
    torch.nn.init.zeros_(Q.encoder.head.weight)
    Q.encoder.head.bias.data = torch.tensor([3.0, math.log(4)])
    z = Q(torch.zeros(20_000, 2))
    assert z.mean() == pytest.approx(3, abs=0.05)
    assert z.std() == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"prior": Mixture()}, "latent=2"),
        ({"guided": True}, "Mixture or SwissRoll"),
        ({"guided": True, "prior": Mixture(), "latent": 2}, "components=2"),
        ({"latent": 0}, "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        AAE(AAE.Config(**settings), SPEC)
    for wrong in (Gaussian, SwissRoll, Mixture):
        with pytest.raises(SettingsError, match=wrong.__name__):
            wrong(-1)  # type: ignore[arg-type]


def test_labels_are_refused_where_nothing_knows_them() -> None:
    with pytest.raises(SettingsError, match="without labels"):
        plain().sample(2, torch.tensor([0, 1]))
    with pytest.raises(SettingsError, match="labelled"):
        AAE(AAE.Config(styled=True), Spec(Images, (2,)))


@pytest.mark.parametrize(
    "settings",
    [
        {"prior": Mixture(), "guided": True, "latent": 2},
        {"prior": SwissRoll(), "guided": True, "latent": 2},
        {"styled": True, "posterior": GaussianPosterior()},
        {"posterior": Universal()},
    ],
)
def test_forms_play_and_preview(settings: dict[str, Any]) -> None:
    _, known = tiny("aae")
    trainer = trainer_of("aae", game=replace(known.game, **settings))
    list(trainer.play(2))
    assert trainer.meter.read()[1] is None
    grid = trainer.game.eval().preview(trainer.batches.preview(30))  # type: ignore[attr-defined]
    assert grid.shape[1:] == (1, 8, 8)
    assert len(grid) == (110 if "styled" in settings else 24)


def energy(a: Tensor, b: Tensor) -> float:
    """The energy distance between two samples: 0 where they follow one law."""
    across = torch.cdist(a, b).mean()
    return (2 * across - torch.pdist(a).mean() - torch.pdist(b).mean()).item()


@pytest.mark.slow
def test_codes_match_the_prior(tmp_path: Path) -> None:
    """All 1,617 training codes against as many draws.

    The energy distance is below a tenth of that to a prior which is moved by one deviation.
    """
    from ganwright.metrics.judge import opened

    model, _ = trained("aae", tmp_path)
    game = model.game
    train = opened("digits", model.spec.shape[-1], Path("data")).batch(0, 1617)
    with torch.no_grad():
        codes = game.encode(train.images)  # type: ignore[union-attr]
        draws = game.prior(len(codes))
    assert energy(codes, draws) < 0.1 * energy(draws + 1 / math.sqrt(draws.shape[1]), draws)


@pytest.mark.slow
def test_guided_codes_lie_in_their_petals(tmp_path: Path) -> None:
    """Of held-out digits at least 80 % (chance: 10 %) have codes nearest to their class's petal."""
    model, test = trained("aae-mixture", tmp_path)
    prior = model.game.cfg.prior
    assert isinstance(prior, Planar)
    with torch.no_grad():
        codes = model.game.encode(test.images)
    centres = torch.stack([prior.of(torch.full((500,), k), 10).mean(0) for k in range(10)])
    nearest = torch.cdist(codes, centres).argmin(1)
    assert (nearest == test.labels).float().mean() >= 0.8


@pytest.mark.slow
def test_style_is_kept_and_content_is_the_label(tmp_path: Path) -> None:
    """Decoded as each class, 90 % of drawings are that class; codes tell little of the class."""
    from sklearn.linear_model import LogisticRegression

    from ganwright.metrics.judge import judge

    model, test = trained("aae-style", tmp_path)
    with torch.no_grad():
        drawn = model.game.restyled(test.images).unflatten(0, (-1, 11))[:, 1:]
        codes = model.game.encode(test.images)
    verdict = judge(drawn.flatten(0, 1), "digits")
    asked = torch.arange(10).repeat(len(drawn))
    assert (verdict.labels == asked).float().mean() >= 0.9
    half = len(codes) // 2
    told = LogisticRegression(max_iter=1000).fit(codes[:half], test.labels[:half])  # type: ignore
    assert told.score(codes[half:], test.labels[half:]) < 0.5  # type: ignore[index]
