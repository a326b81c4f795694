"""DiscoGAN: its objectives by hand, its turns and its curriculum, and what it discovers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from by_hand import Times, Weighted, flat
from helpers import trainer_of

from ganwright.data.types import Spec, Unpaired
from ganwright.errors import SettingsError
from ganwright.families.discogan import DiscoGAN, mismatch
from ganwright.networks import ConvCritic, EncoderDecoder

SPEC = Spec(Unpaired, (1, 2, 2), (1, 2, 2))
BATCH = Unpaired(flat(1.0, 0.0), flat(0.5, 0.5))


def value(logit: float) -> float:
    return math.log1p(math.exp(logit))


def game(**settings: object) -> DiscoGAN:
    """AB(a) = 2 a, BA(b) = 2 b; D_A(x) = D_B(x) = x, with features x and 2 x."""
    config = DiscoGAN.Config(translator=Times(), patch=Weighted(), **settings)  # type: ignore[arg-type]
    return DiscoGAN(config, SPEC)


def test_discriminators_by_hand() -> None:
    # D_A: real 1, 0; fake 1, 1. D_B: real 1/2, 1/2; fake 2, 0
    terms = game().discriminators(BATCH)
    assert terms["adv_A"].item() == pytest.approx(
        0.5 * ((value(-1) + value(0)) / 2 + value(1)), rel=1e-5
    )
    assert terms["adv_B"].item() == pytest.approx(
        0.5 * (value(-0.5) + (value(2) + value(0)) / 2), rel=1e-5
    )


@pytest.mark.parametrize(("turns", "r"), [(0, 0.01), (9_999, 0.01), (10_000, 0.5)])
def test_translators_by_hand(turns: int, r: float) -> None:
    play = game()
    play.turns.fill_(turns)
    terms = {k: v.item() for k, v in play.translators(BATCH).items()}
    assert terms["adv_A"] == pytest.approx((1 - r) * 0.1 * value(-1), rel=1e-5)
    assert terms["adv_B"] == pytest.approx((1 - r) * 0.1 * (value(-2) + value(0)) / 2, rel=1e-5)
    # mean features: A real 1/2, fake 1; B real 1/2, fake 1; squared gaps of x, then of 2 x
    for side in "AB":
        assert terms[f"matching_{side}"] == pytest.approx((1 - r) * 0.9 * (0.25 + 1), rel=1e-5)
    # back again is four times as bright: errors 3, 0 and 3/2, 3/2, half as large on [0, 1]
    assert terms["reconstruction"] == pytest.approx(r * (9 / 2 + 2.25) / 4, rel=1e-5)
    assert len(terms) == 5


def test_pairs_that_happen_to_stand_together_mean_nothing() -> None:
    torch.manual_seed(0)
    cfg = DiscoGAN.Config(translator=EncoderDecoder(width=4), patch=ConvCritic(width=4))
    play = DiscoGAN(cfg, Spec(Unpaired, (3, 16, 16), (3, 16, 16)))
    a, b = torch.rand(2, 5, 3, 16, 16)
    for objective in (play.translators, play.discriminators):
        one, other = objective(Unpaired(a, b)), objective(Unpaired(a, b.roll(2, 0)))
        assert {k: v.item() for k, v in one.items()} == pytest.approx(
            {k: v.item() for k, v in other.items()}, rel=1e-5
        )


def test_discriminators_move_in_every_third_step_and_translators_otherwise() -> None:
    trainer = trainer_of("discogan")
    moved = []
    for _ in trainer.play(7):
        means, _ = trainer.meter.read()
        moved.append({name.partition("/")[0] for name in means})
    assert moved == [{"D"}, {"G"}, {"G"}, {"D"}, {"G"}, {"G"}, {"D"}]
    assert int(trainer.game.turns) == 7


def test_mismatch_is_of_batch_means() -> None:
    critic = ConvCritic(width=4).discriminator((1, 16, 16)).eval()
    x = torch.rand(4, 1, 16, 16)
    assert mismatch(critic, x, x.flip(0)).item() == pytest.approx(0, abs=1e-9)
    assert mismatch(critic, x, x + 1).item() > 0
    assert len(critic.features(x)) == 1, "all stages but the first"
    assert [
        f.shape[1]
        for f in ConvCritic(width=4).discriminator((1, 64, 64)).features(torch.rand(2, 1, 64, 64))
    ] == [8, 16, 32], "as the authors'"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"matching": 1.5}, "matching is 1.5; it must be from 0 to 1"),
        ({"reconstruction": -1.0}, "reconstruction is -1.0"),
        ({"every": 1}, "every is 1; it must be at least 2"),
    ],
)
def test_settings_are_checked(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        DiscoGAN.Config(**settings)  # type: ignore[arg-type]


@pytest.mark.slow
def test_it_discovers_the_letters(tmp_path: Path) -> None:
    from recipe import train_gallery
    from test_dualgan import same_letters

    for same, best in same_letters(train_gallery("discogan", tmp_path)):
        assert same >= 0.8
        assert best >= same
