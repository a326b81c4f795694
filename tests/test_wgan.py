"""WGAN: when D moves, that its weights stay clipped, and that the estimate is observed."""

from __future__ import annotations

import pytest
from helpers import trainer_of

from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.wgan import WGAN
from ganwright.networks import ConvNet

SPEC = Spec(Images, (1, 8, 8))


def test_d_moves_a_hundred_times_at_first_and_every_500th_step() -> None:
    game = WGAN(WGAN.Config(networks=ConvNet(width=4)), SPEC)
    D, G = game.players()
    moves = [D.moves_at(step) for step in range(1001)]
    assert [s for s, m in enumerate(moves) if m == 100] == [*range(25), 500, 1000]
    assert set(moves) == {5, 100}
    assert {G.moves_at(step) for step in range(1001)} == {1}


def test_warm_steps_can_be_left_out() -> None:
    cfg = WGAN.Config(networks=ConvNet(width=4), warm_steps=0, warm_every=0, d_moves=3)
    D, _ = WGAN(cfg, SPEC).players()
    assert {D.moves_at(step) for step in range(1001)} == {3}
    with pytest.raises(SettingsError, match="warm_moves is 0; it must be at least 1"):
        WGAN.Config(warm_moves=0)


def test_weights_are_clipped_after_every_move_and_the_distance_is_logged() -> None:
    trainer = trainer_of("wgan")
    list(trainer.play(3))
    weights = [w.abs().max().item() for w in trainer.game.D.parameters()]
    assert max(weights) == pytest.approx(0.01), "the first weights, from N(0, .02), reach further"
    means, trouble = trainer.meter.read()
    assert trouble is None
    assert means["D/wasserstein"] == pytest.approx(-means["D/adv"])
    assert means["D/wasserstein"] == pytest.approx(means["D/real"] - means["D/fake"], abs=1e-6)
