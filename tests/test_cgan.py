"""CGAN and ACGAN: how labels enter, against numbers derived by hand."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families import family
from ganwright.families.acgan import ACGAN
from ganwright.families.cgan import CGAN
from ganwright.networks import MLP

LINEAR = MLP(hidden_G=(), hidden_D=(), dropout=0.0)
SPEC = Spec(Images, (2,), classes=("a", "b", "c"), count=4)
BATCH = Images(torch.tensor([[1.0, 2.0], [3.0, -1.0]]), torch.tensor([2, 0]))


def value(x: float) -> float:
    return math.log1p(math.exp(x))


def cgan() -> CGAN:
    """D(x, y) = x1 + 10 y_a - 2 y_c, G(z, y) = (y_a, -y_c)."""
    game = CGAN(CGAN.Config(networks=LINEAR, latent=1), SPEC)
    score, draw = game.D.head.linear, game.G.stack[1]
    with torch.no_grad():
        score.weight.copy_(torch.tensor([[1.0, 0, 10, 0, -2]]))
        score.bias.zero_()
        draw.weight.copy_(torch.tensor([[0.0, 1, 0, 0], [0, 0, 0, -1]]))
        draw.bias.zero_()
    return game.requires_grad_(False)


def test_cgan_tells_both_networks_the_label() -> None:
    # real scores: 1 - 2 and 3 + 10; drawings (0, -1) and (1, 0) score 0 - 2 and 1 + 10
    terms = cgan().discriminator(BATCH)
    assert float(terms["adv"]) == pytest.approx(
        (value(1) + value(-13)) / 2 + (value(-2) + value(11)) / 2, rel=1e-6
    )
    assert float(cgan().generator(BATCH)["adv"]) == pytest.approx(
        (value(2) + value(-11)) / 2, rel=1e-6
    )


def test_cgan_draws_the_asked_class() -> None:
    drawn = cgan().sample(3, torch.tensor([0, 1, 2]))
    assert drawn.tolist() == [[1, 0], [0, 0], [0, -1]]
    assert torch.equal(cgan().sample(3), drawn), "the classes in turn when none is asked"


@pytest.mark.parametrize("cls", [CGAN, ACGAN])
def test_labels_can_not_be_left_out(cls: type[Any]) -> None:
    assert "conditional" not in {f.name for f in fields(cls.Config)}
    with pytest.raises(SettingsError, match=r"^A?CGAN .* needs labels, and this data has none$"):
        cls(cls.Config(networks=LINEAR), Spec(Images, (2,)))


def acgan() -> ACGAN:
    """D's features are x itself, S = x1, C = (x1, x2, 0); G(z, y) = (y_a, -y_c)."""
    game = ACGAN(ACGAN.Config(networks=LINEAR, latent=1), SPEC)
    with torch.no_grad():
        game.D.head.linear.weight.copy_(torch.tensor([[1.0, 0]]))
        game.D.head.linear.bias.zero_()
        game.C.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [0, 0]]))
        game.C.bias.zero_()
        game.G.stack[1].weight.copy_(torch.tensor([[0.0, 1, 0, 0], [0, 0, 0, -1]]))
        game.G.stack[1].bias.zero_()
    return game.requires_grad_(False)


def surprise(logits: list[float], label: int) -> float:
    return math.log(sum(map(math.exp, logits))) - logits[label]


REAL = (surprise([1, 2, 0], 2) + surprise([3, -1, 0], 0)) / 2
FAKE = (surprise([0, -1, 0], 2) + surprise([1, 0, 0], 0)) / 2


def test_acgan_wants_the_right_class_of_real_and_drawn_pictures_alike() -> None:
    terms = acgan().discriminator(BATCH)
    source = (value(-1) + value(-3)) / 2 + (value(0) + value(1)) / 2
    assert float(terms["L_S"]) == pytest.approx(source, rel=1e-6)
    assert float(terms["L_C"]) == pytest.approx(REAL + FAKE, rel=1e-6)


def test_acgan_generator_wants_its_own_class_only() -> None:
    terms = acgan().generator(BATCH)
    assert float(terms["L_S"]) == pytest.approx((value(0) + value(-1)) / 2, rel=1e-6)
    assert float(terms["L_C"]) == pytest.approx(FAKE, rel=1e-6)


def test_acgan_hides_the_label_from_its_discriminator() -> None:
    game = acgan()
    x = BATCH.images
    y = torch.tensor([0, 1])
    assert torch.equal(game.D(x, y), game.D(x))
    assert game.classify(x)[0].tolist() == pytest.approx(
        [math.exp(k) / (math.e + math.e**2 + 1) for k in (1, 2, 0)]
    )


def test_relativistic_loss_needs_no_special_case() -> None:
    from ganwright.losses import Relativistic

    config = CGAN.Config(networks=LINEAR, latent=1, loss=Relativistic())
    game = CGAN(config, SPEC)
    game.requires_grad_(False).load_state_dict(cgan().state_dict())
    # drawings score -2 and 11 against -1 and 13
    wanted = softplus(torch.tensor([-1.0 + 2, 13.0 - 11])).mean()
    assert float(game.generator(BATCH)["adv"]) == pytest.approx(float(wanted), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cgan", "acgan"])
def test_samples_are_of_the_asked_class(name: str, tmp_path: Any) -> None:
    """Of 400 samples at least 90 % are what was asked, 10 % being chance."""
    from recipe import train_gallery

    from ganwright.metrics.judge import judge

    model = train_gallery(name, tmp_path)
    labels = [i % 10 for i in range(400)]
    verdict = judge(model.sample(400, labels=labels), "digits")
    agreement = (verdict.labels == Tensor(labels)).float().mean().item()
    assert agreement >= 0.9
    assert len(verdict.seen) == 10
    assert family(name).needs_labels
