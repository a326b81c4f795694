"""CycleGAN: its objectives by hand, its pool, and what it recovers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from by_hand import Times, Weighted, flat
from helpers import tiny, trainer_of
from test_dualgan import same_letters

from ganwright.data.types import Spec, Unpaired
from ganwright.errors import SettingsError
from ganwright.families.cyclegan import CycleGAN
from ganwright.layers.forward_state import still
from ganwright.penalties import R1
from ganwright.pool import ReplayPool

SPEC = Spec(Unpaired, (1, 2, 2), (1, 2, 2))
BATCH = Unpaired(flat(1.0, 0.0), flat(0.5, 0.5))


def game(**settings: object) -> CycleGAN:
    """AB(a) = 2 a, BA(b) = 2 b; D_A(x) = D_B(x) = x."""
    config = CycleGAN.Config(translator=Times(), patch=Weighted(), **settings)  # type: ignore[arg-type]
    return CycleGAN(config, SPEC)


def test_translators_by_hand() -> None:
    terms = {k: v.item() for k, v in game().translators(BATCH).items()}
    # BA(b) = 1, 1 scores 1; AB(a) = 2, 0: both are 1 away from the target 1, without a half
    assert terms["adv_A"] == pytest.approx(0)
    assert terms["adv_B"] == pytest.approx(1)
    # there and back is four times as bright: mean errors 3/2 and 3/2
    assert terms["cycle"] == pytest.approx(10 * (1.5 + 1.5))
    # BA(a) = 2 a and AB(b) = 2 b: mean errors 1/2 and 1/2
    assert terms["identity"] == pytest.approx(5 * (0.5 + 0.5))
    assert "identity" not in game(identity=0.0).translators(BATCH)


def test_discriminators_are_halved() -> None:
    play = game(pool=0)
    # D_A: real 1, 0 and fake 1, 1; D_B: real 1/2, 1/2 and fake 2, 0
    assert play.discriminator_A(BATCH)["adv"].item() == pytest.approx(0.5 * (1 / 2 + 1))
    assert play.discriminator_B(BATCH)["adv"].item() == pytest.approx(0.5 * (1 / 4 + 4 / 2))


def test_only_discriminators_are_shown_the_past() -> None:
    play = game(pool=2)
    play.discriminator_A(BATCH)
    assert play.past_A.count.item() == 2
    assert play.past_B.count.item() == 0
    before = play.past_A.images.clone()
    terms = play.translators(Unpaired(flat(1.0), flat(0.25)))
    # BA(b) = 1/2 itself is judged, whatever the pool holds
    assert terms["adv_A"].item() == pytest.approx(0.25)
    assert torch.equal(play.past_A.images, before)


def test_the_pool_swaps_half_of_what_it_is_shown() -> None:
    pool = ReplayPool(5, (1, 2, 2))
    assert torch.equal(pool(flat(0, 1, 2, 3, 4)), flat(0, 1, 2, 3, 4)), "it is filled first"
    torch.manual_seed(0)
    store, older = pool.images, 0
    for level in range(5, 405):
        (shown,) = pool(flat(level))
        older += int(shown.max() < level)
        assert shown.max() == level or level in store[:, 0, 0, 0].tolist(), "a swap, not a copy"
    # 400 tosses of a coin: four standard deviations are 40
    assert 160 < older < 240
    assert pool.images is store, "its state is a buffer, written in place"
    assert len(store[:, 0, 0, 0].unique()) == 5
    assert torch.equal(ReplayPool(0, (1, 2, 2))(flat(7)), flat(7))


def test_a_held_pool_shows_its_store_and_takes_nothing_in() -> None:
    pool = ReplayPool(4, (1, 2, 2))
    pool(flat(0, 1, 2, 3))
    before = pool.images.clone()
    torch.manual_seed(0)
    with still([pool]):
        shown = torch.cat([pool(flat(9)) for _ in range(400)])[:, 0, 0, 0]
    assert torch.equal(pool.images, before)
    assert set(shown.tolist()) == {0, 1, 2, 3, 9}
    # 400 tosses of a coin: four standard deviations are 40
    assert 160 < int((shown == 9).sum()) < 240
    half_full = ReplayPool(4, (1, 2, 2))
    half_full(flat(0, 1))
    with still([half_full]):
        assert torch.equal(half_full(flat(7, 8)), flat(7, 8))
    assert int(half_full.count) == 2


@pytest.mark.parametrize("every", [1, 2])
def test_the_pool_takes_each_fake_once(every: int) -> None:
    """Two steps of 4 pictures, the first with a lazy penalty: 8 are stored, not 12."""
    _, settings = tiny("cyclegan")
    cfg = replace(settings.game, penalties=(R1(1.0, every=every),), pool=20)
    trainer = trainer_of("cyclegan", game=cfg)
    list(trainer.play(2))
    assert trainer.game.past_A.count == trainer.game.past_B.count == 8  # type: ignore[union-attr]


def test_the_learning_rate_stays_for_half_and_falls_to_nothing() -> None:
    factor = CycleGAN.Config().optimizer.schedule.factor
    assert [factor(s) for s in (0, 100_000, 150_000, 200_000)] == [1, 1, 0.5, 0]


def test_identity_needs_equal_channels() -> None:
    spec = Spec(Unpaired, (1, 2, 2), (3, 2, 2))
    with pytest.raises(SettingsError, match="equal channels, got 1 and 3; set identity=0"):
        CycleGAN(CycleGAN.Config(translator=Times(), patch=Weighted()), spec)


def test_both_directions_and_cycles_are_measured() -> None:
    play = game()
    numbers = play.measure(BATCH)
    assert numbers["cycle_a"].item() == pytest.approx(1.5)
    assert numbers["cycle_b"].item() == pytest.approx(1.5)
    assert torch.equal(play.translate(BATCH.a, "b2a"), 2 * BATCH.a)
    rows = play.preview(BATCH)
    assert rows[:, 0, 0, 0].tolist() == [1, 2, 4, 0.5, 1, 2, 0, 0, 0, 0.5, 1, 2]
    with pytest.raises(SettingsError, match="unknown direction 'c'"):
        play.translate(BATCH.a, "c")


def test_held_out_numbers_reach_the_log() -> None:
    trainer = trainer_of("cyclegan")
    batch = trainer.batches.held_out(8)  # type: ignore[attr-defined]
    with torch.no_grad():
        numbers = trainer.game.eval().measure(batch)
    assert set(numbers) == {"cycle_a", "cycle_b"}
    assert all(0 < float(v) < 2 for v in numbers.values())


@pytest.mark.slow
def test_it_recovers_the_letters(tmp_path: Path) -> None:
    from recipe import train_gallery

    for same, best in same_letters(train_gallery("cyclegan", tmp_path)):
        assert same >= 0.8
        assert best >= same
