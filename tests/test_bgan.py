"""BGAN: discrete by construction, weights and objectives by hand, both forms."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import pytest
import torch
from helpers import tiny, trainer_of
from torch import Tensor, nn

from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.bgan import BGAN, ContinuousBGAN, draw, likelihood
from ganwright.losses import Hinge, Minimax
from ganwright.networks import ConvNet
from ganwright.observing import evaluate
from ganwright.optim import Adam
from ganwright.penalties import R1, GradientPenalty


def sigmoid(t: float) -> float:
    return 1 / (1 + exp(-t))


class OnePixel(nn.Module):
    """G: one logit for pictures of a single pixel, whatever z is."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.logit.expand(len(z), 1, 1, 1)


class Scaled(nn.Module):
    """D: F(x) = a x."""

    classes = 0

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = a

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x.flatten(1).sum(1)


def game(logit: float, a: float, **settings: object) -> BGAN:
    """A game over one-pixel pictures."""
    cfg = BGAN.Config(networks=ConvNet(width=4), **settings)  # type: ignore[arg-type]
    made = BGAN(cfg, Spec(Images, (1, 8, 8)))
    made.G, made.D = OnePixel(logit), Scaled(a)  # type: ignore[assignment]
    return made


def test_two_levels_are_bernoulli() -> None:
    log_g = game(1.5, 1.0).log_probabilities(torch.zeros(3, 64))
    assert log_g.shape == (3, 2, 1, 1, 1)
    assert log_g[0].exp().flatten().tolist() == pytest.approx([1 - sigmoid(1.5), sigmoid(1.5)])


def test_drawings_follow_their_probabilities() -> None:
    torch.manual_seed(0)
    p = torch.tensor([0.1, 0.6, 0.3])
    drawn = draw(p.log().view(1, 3, 1).expand(2, 3, 1), 10_000)
    assert drawn.shape == (10_000, 2, 1)
    shares = drawn.flatten().bincount() / 20_000
    # three standard errors of a share of 20,000 are at most .0106
    assert shares.tolist() == pytest.approx(p.tolist(), abs=0.0106)


def test_likelihood_picks_the_drawn_levels() -> None:
    p = torch.tensor([[0.25, 0.5], [0.75, 0.5]])  # two pixels, each of two levels
    levels = torch.tensor([[0, 0], [1, 1], [1, 0]]).view(3, 1, 1, 1, 2)
    found = likelihood(p.log().view(1, 2, 1, 1, 2), levels)
    assert found.exp().flatten().tolist() == pytest.approx([0.125, 0.375, 0.375])


def test_g_follows_the_reweighted_distribution() -> None:
    """With many draws, the weights turn g into q ~ g exp F: the loss is the cross-entropy of q
    and g, and its slope by the logit is g - q. A gradient through the weights would add to it."""
    torch.manual_seed(0)
    played = game(1.0, 0.5, draws=40_000)
    loss = played.generator(Images(torch.zeros(1, 1, 1, 1)))["adv"]
    p = sigmoid(1.0)
    q = p * exp(0.5) / (p * exp(0.5) + (1 - p) * exp(-0.5))
    assert loss.item() == pytest.approx(-(q * log(p) + (1 - q) * log(1 - p)), abs=0.01)
    (slope,) = torch.autograd.grad(loss, played.G.logit)
    assert slope.item() == pytest.approx(p - q, abs=0.01)


def test_the_baseline_leaves_the_slope_as_it_is() -> None:
    """The mean slope of log g is 0, so what the baseline takes off is the entropy's value alone."""
    torch.manual_seed(0)
    played = game(1.0, 0.5, draws=40_000, baseline=True)
    loss = played.generator(Images(torch.zeros(1, 1, 1, 1)))["adv"]
    p = sigmoid(1.0)
    q = p * exp(0.5) / (p * exp(0.5) + (1 - p) * exp(-0.5))
    assert loss.item() == pytest.approx(-(q - p) * (log(p) - log(1 - p)), abs=0.01)
    (slope,) = torch.autograd.grad(loss, played.G.logit)
    assert slope.item() == pytest.approx(p - q, abs=0.01)


def test_weights_compare_the_draws_of_one_z_only() -> None:
    """Two z, two draws each: D's scores of one z must not weigh those of the other."""
    played = game(0.0, 0.0, draws=2)
    rows = torch.tensor([[5.0, -5.0], [5.0, 5.0]])  # [draws, z]
    played.D.forward = lambda x: rows.flatten()
    terms, seen = evaluate(played.generator, Images(torch.zeros(2, 1, 1, 1)))
    loss, effective = terms["adv"], dict(seen)["effective_draws"].item()
    # g is even, so every draw has log 1/2, and weights sum to 1 for each z
    assert loss.item() == pytest.approx(log(2))
    softmax = 1 / (1 + exp(-10))
    squares = (0.5, softmax**2 + (1 - softmax) ** 2)
    assert effective == pytest.approx(1 / (sum(squares) / 2))


def test_d_judges_binary_pictures() -> None:
    played = game(100.0, 2.0)  # every drawing is +1
    batch = Images(torch.tensor([0.2, -0.7]).view(2, 1, 1, 1))  # become +1 and -1
    expected = (log(1 + exp(-2)) + log(1 + exp(2))) / 2 + log(1 + exp(2))
    assert played.discriminator(batch)["adv"].item() == pytest.approx(expected, rel=1e-5)


def test_d_averages_over_all_draws() -> None:
    """An even G: over 4,000 draws of one z, D's term of drawings is the mean of both scores'."""
    torch.manual_seed(0)
    played = game(0.0, 2.0, draws=4_000)
    seen = []
    played.D.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    terms = played.discriminator(Images(torch.ones(1, 1, 1, 1)))
    assert seen == [1, 4_000]
    both = (log(1 + exp(2)) + log(1 + exp(-2))) / 2
    # each draw's term is 1 away from that mean, so the mean of 4,000 has a standard error of .016
    assert terms["adv"].item() == pytest.approx(log(1 + exp(-2)) + both, abs=0.07)


def test_penalties_see_a_drawing_for_each_picture() -> None:
    _, settings = tiny("bgan")
    penalties = (GradientPenalty(), R1(every=2))
    trainer = trainer_of("bgan", game=replace(settings.game, penalties=penalties))
    list(trainer.play(2))
    assert trainer.meter.read()[1] is None


def test_the_default_g_has_batch_norm_and_d_none() -> None:
    made = BGAN(BGAN.Config(), Spec(Images, (1, 16, 16)))
    assert any(isinstance(m, nn.BatchNorm2d) for m in made.G.modules())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in made.D.modules())


@pytest.mark.parametrize(("levels", "values"), [(2, [-1, 1]), (4, [-1, -1 / 3, 1 / 3, 1])])
def test_data_become_the_nearest_level(levels: int, values: list[float]) -> None:
    played = game(0.0, 0.0, levels=levels)
    x = torch.tensor([-1.0, -0.4, 0.4, 1.0])
    nearest = [min(values, key=lambda v: abs(v - t)) for t in x.tolist()]
    assert played.pictures(played.levels(x)).tolist() == pytest.approx(nearest)
    assert played.levels(torch.tensor([0.0, 1e-6, -1e-6])).tolist()[:1] == [0 if levels == 2 else 2]


def test_samples_are_binary_by_construction() -> None:
    game = trainer_of("bgan").game.eval()
    assert set(game.sample(64).unique().tolist()) == {-1.0, 1.0}


def test_colour_samples_have_the_levels_asked_for_and_the_class() -> None:
    _, settings = tiny("bgan", data="glyphs")
    cfg = replace(settings.game, levels=4, conditional=True)
    trainer = trainer_of("bgan", data="glyphs", game=cfg)
    list(trainer.play(1))
    samples = trainer.game.sample(64)
    assert samples.shape == (64, 3, 8, 8)
    assert samples.unique().tolist() == pytest.approx([-1, -1 / 3, 1 / 3, 1])
    assert trainer.game.preview_columns == 26


def test_what_can_not_be_weighed_is_refused() -> None:
    assert BGAN.Config(loss=Minimax()).levels == 2
    with pytest.raises(SettingsError, match="cannot use Hinge"):
        BGAN.Config(loss=Hinge())
    with pytest.raises(SettingsError, match="levels is 1; it must be at least 2"):
        BGAN.Config(levels=1)
    with pytest.raises(SettingsError, match=r"conditional needs labels.*--no-game.conditional"):
        BGAN(BGAN.Config(conditional=True), Spec(Images, (1, 8, 8)))
    with pytest.raises(SettingsError, match="not points"):
        BGAN(BGAN.Config(), Spec(Images, (2,)))


def test_the_continuous_form_has_its_authors_numbers() -> None:
    """main_continuous.py of github.com/rdevon/BGAN."""
    cfg = ContinuousBGAN.Config()
    assert cfg.latent == 128
    assert cfg.optimizer_d == cfg.optimizer_g == Adam(lr=1e-4, betas=(0.5, 0.999))
    assert ContinuousBGAN.batch_size == 64


def test_the_continuous_form_draws_fakes_to_the_boundary() -> None:
    """G: 1/2 E F², where log D - log(1 - D) = F."""
    played = trainer_of("bgan-continuous").game
    played.D = Scaled(1 / 64)
    played.G.forward = lambda z, y=None: torch.full((len(z), 1, 8, 8), -0.6)
    batch = Images(torch.ones(4, 1, 8, 8))
    assert played.generator(batch)["adv"].item() == pytest.approx(0.5 * 0.36)
    expected = log(1 + exp(-1)) + log(1 + exp(-0.6))
    assert played.discriminator(batch)["adv"].item() == pytest.approx(expected, rel=1e-5)
