"""InfoGAN by hand-derived numbers; slow: Q recovers the codes, and codes are classes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import trainer_of
from torch import Tensor, nn

from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.infogan import InfoGAN
from ganwright.networks import MLP

LINEAR = MLP(hidden_G=(), hidden_D=(), dropout=0.0)
SPEC = Spec(Images, (2,), count=4)
BATCH = Images(torch.zeros(8, 2))


def linear(**changes: Any) -> InfoGAN:
    """Linear networks with all weights 0; one code of 4 values and one on [-1, 1]."""
    values: dict[str, Any] = {"latent": 3, "categories": (4,), "continuous": 1}
    game = InfoGAN(InfoGAN.Config(networks=LINEAR, **values | changes), SPEC)
    game.Q = nn.Linear(2, game.Q[-1].out_features)
    for w in game.parameters():
        nn.init.zeros_(w)
    return game.requires_grad_(False)


def test_the_noise_holds_z_and_codes() -> None:
    game = InfoGAN(InfoGAN.Config(networks=LINEAR, categories=(10, 3)), SPEC)
    v = game.noise(2000)
    assert v.shape == (2000, 62 + 10 + 3 + 2)
    z, a, b, c = v.split([62, 10, 3, 2], 1)
    assert z.std() == pytest.approx(1, abs=0.02)
    assert torch.equal(a.sum(1), torch.ones(2000))
    assert torch.equal(b.sum(1), torch.ones(2000))
    assert a.mean(0).tolist() == pytest.approx([0.1] * 10, abs=0.03)
    assert -1 <= c.min() < -0.95
    assert 0.95 < c.max() <= 1
    assert c.std() == pytest.approx(1 / math.sqrt(3), abs=0.02)


@pytest.mark.parametrize("objective", ["discriminator", "generator"])
def test_an_ignorant_q_costs_the_entropy_of_the_codes(objective: str) -> None:
    game = linear()
    torch.manual_seed(3)
    c = game.noise(8)[:, -1]
    torch.manual_seed(3)
    terms = getattr(game, objective)(BATCH)
    assert float(terms["categorical"]) == pytest.approx(math.log(4), rel=1e-6)
    assert float(terms["continuous"]) == pytest.approx(float((c**2 / 2).mean()), rel=1e-6)
    adv = {"discriminator": 2 * math.log(2), "generator": math.log(2)}[objective]
    assert float(terms["adv"]) == pytest.approx(adv, rel=1e-6)


def test_a_perfect_q_costs_what_its_logits_say() -> None:
    game = linear()
    codes = torch.tensor([[9.0, 9, 9, 0, 0, 1, 0, 0.5]])
    h = torch.tensor([[2.0, 0.5]])
    with torch.no_grad():
        game.Q.weight.copy_(torch.tensor([[0.0, 0], [0, 0], [1, 0], [0, 0], [0, 1]]))
    terms = game.information(h, codes)
    assert float(terms["categorical"]) == pytest.approx(math.log(1 + 3 * math.exp(-2)), rel=1e-6)
    assert float(terms["continuous"]) == 0


def test_lambda_weighs_the_information() -> None:
    h, codes = torch.zeros(1, 2), torch.tensor([[0.0, 0, 0, 0, 0, 1, 0, 0.5]])
    once, thrice = linear().information(h, codes), linear(information=3.0).information(h, codes)
    for name in ("categorical", "continuous"):
        assert float(thrice[name]) == pytest.approx(3 * float(once[name]))


def test_a_predicted_variance_enters_the_likelihood() -> None:
    game = linear(predict_variance=True)
    with torch.no_grad():
        game.Q.bias[-1] = math.log(4)
    codes = torch.tensor([[0.0, 0, 0, 0, 0, 1, 0, 0.5]])
    nll = game.information(torch.zeros(1, 2), codes)["continuous"]
    assert float(nll) == pytest.approx((math.log(4) + 0.25 / 4) / 2, rel=1e-6)


def test_information_reaches_both_players_and_the_shared_body() -> None:
    game = trainer_of("infogan").game
    assert isinstance(game, InfoGAN)
    for w in game.parameters():
        w.requires_grad_(True)
    x = torch.zeros(4, 1, 8, 8)
    body = next(game.D.stack.parameters())
    drawing = next(game.G.parameters())
    for objective in (game.discriminator, game.generator):
        information = objective(Images(x))["categorical"]
        by_body, by_drawing = torch.autograd.grad(information, [body, drawing])
        assert by_body.abs().max() > 0
        assert by_drawing.abs().max() > 0


def test_a_sweep_changes_one_code() -> None:
    game = linear(continuous=2)
    game.G = Echo()
    base = game.noise(3)
    swept = game.sweep(base, 1, torch.tensor([-2.0, 0, 2]))
    assert swept[:, -1].tolist() == [-2, 0, 2] * 3
    assert torch.equal(swept[:, :-1], base[:, :-1].repeat_interleave(3, 0))


class Echo(nn.Module):
    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return z


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SettingsError, match="categories is 1; it must be at least 2"):
        InfoGAN.Config(categories=(1,))
    with pytest.raises(SettingsError, match="a code"):
        InfoGAN.Config(categories=(), continuous=0)


@pytest.mark.slow
def test_q_recovers_codes_and_codes_are_classes(tmp_path: Path) -> None:
    """Of 1,000 drawings Q names 95 % of the codes; held-out digits agree with codes to 60 %.

    Chance is 10 % for both; the second is under the best one-to-one naming of codes by classes.
    """
    from matching import matched
    from recipe import train_gallery

    from ganwright.metrics.judge import opened

    model = train_gallery("infogan", tmp_path)
    game = model.game
    assert isinstance(game, InfoGAN)
    with torch.no_grad():
        v = game.noise(1000)
        read, _ = game.recover(game.G(v))
        truth = v[:, 62:72].argmax(1)
        assert (read[0].argmax(1) == truth).float().mean() >= 0.95
        size = game.spec.shape[-1]
        images, labels = opened("digits", size, Path("data")).held_out(1000)[:2]  # type: ignore
        found = game.recover(images)[0][0].argmax(1)
    assert matched(found, labels) >= 0.6
