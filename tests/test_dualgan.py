"""DualGAN: its objectives by hand, its clipping and its turns, and what it recovers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from by_hand import Times, Weighted, flat
from helpers import trainer_of

from ganwright.data.types import Spec, Unpaired
from ganwright.errors import SettingsError
from ganwright.families.dualgan import DualGAN
from ganwright.inference.model import Model
from ganwright.networks import PatchGAN, UNet

SPEC = Spec(Unpaired, (1, 2, 2), (1, 2, 2))
BATCH = Unpaired(flat(1.0, 0.0), flat(0.5, 0.5))


def game(**settings: object) -> DualGAN:
    """AB(a) = 2 a, BA(b) = 2 b; D_A(x) = D_B(x) = 3 x."""
    config = DualGAN.Config(
        translator=Times(),
        patch=Weighted(weights=(3.0,)),
        **settings,  # type: ignore[arg-type]
    )
    return DualGAN(config, SPEC)


def test_objectives_by_hand() -> None:
    play = game(cycle_a=20.0, cycle_b=50.0)
    # D_A: real mean 3/2, fake 3; D_B: real 3/2, fake mean 3
    assert play.discriminator_A(BATCH)["adv"].item() == pytest.approx(3 - 1.5)
    assert play.discriminator_B(BATCH)["adv"].item() == pytest.approx(3 - 1.5)
    terms = {k: v.item() for k, v in play.translators(BATCH).items()}
    # there and back is four times as bright: mean errors 3/2 and 3/2
    expected = {"adv_A": -3.0, "adv_B": -3.0, "cycle_a": 20 * 1.5, "cycle_b": 50 * 1.5}
    assert terms == pytest.approx(expected)


def test_pairs_that_happen_to_stand_together_mean_nothing() -> None:
    torch.manual_seed(0)
    cfg = DualGAN.Config(translator=UNet(width=4, dropout=0), patch=PatchGAN(field=16, width=4))
    play = DualGAN(cfg, Spec(Unpaired, (3, 16, 16), (3, 16, 16)))
    a, b = torch.rand(2, 5, 3, 16, 16)
    one = play.translators(Unpaired(a, b))
    other = play.translators(Unpaired(a, b.roll(2, 0)))
    assert {k: v.item() for k, v in one.items()} == pytest.approx(
        {k: v.item() for k, v in other.items()}, rel=1e-5
    )


def test_weights_of_both_critics_are_clipped_after_each_move() -> None:
    trainer = trainer_of("dualgan")
    play = trainer.game
    assert max(w.abs().max() for w in play.D_A.parameters()) > 0.03
    trainer.play_step()
    for D in (play.D_A, play.D_B):
        assert max(w.abs().max() for w in D.parameters()) <= 0.01
    assert max(w.abs().max() for w in play.AB.parameters()) > 0.01, "translators are not"


def test_critics_move_more_often_each_on_fresh_data() -> None:
    trainer = trainer_of("dualgan")
    calls: list[int] = []
    batch = trainer.batches.batch

    def drawn(draw: int, *rest: int) -> object:
        calls.append(draw)
        return batch(draw, *rest)

    trainer.batches.batch = drawn  # type: ignore[method-assign, assignment]
    trainer.play_step()
    assert trainer.players[0].player.moves_at(0) == 2
    # D_A: two batches, D_B: begins with D_A's last and draws another, G: takes the last
    assert calls == [0, 1, 2]
    assert [trained.player.name for trained in trainer.players] == ["D_A", "D_B", "G"]


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="d_moves is 0; it must be at least 1"):
        DualGAN.Config(d_moves=0)
    with pytest.raises(SettingsError, match="it must be at least 0"):
        DualGAN.Config(cycle_a=-1.0)


def benchmark() -> Any:
    """benchmarks/translation.py, which is no package."""
    path = Path(__file__).parent.parent / "benchmarks" / "translation.py"
    spec = importlib.util.spec_from_file_location("translation", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def same_letters(model: Model) -> list[tuple[float, float]]:
    """The share of held-out letters that stay the same, and under the best permutation."""
    translation = benchmark()
    rows = translation.letters(model, translation.data_of(model.run))
    assert all(row["judge"] > 0.95 for row in rows), "the judge knows real letters"
    return [(row["same"], row["best"]) for row in rows]


def test_the_best_permutation_is_found() -> None:
    asked, seen = torch.tensor([0, 0, 1, 1, 2]), torch.tensor([1, 1, 0, 2, 2])
    # 0 -> 1 twice, 1 -> 0 once, 2 -> 2 once
    assert benchmark().same_letter(seen, asked) == pytest.approx((0.2, 0.8))


@pytest.mark.slow
def test_it_recovers_the_letters(tmp_path: Path) -> None:
    from recipe import train_gallery

    for same, best in same_letters(train_gallery("dualgan", tmp_path)):
        assert same >= 0.8
        assert best >= same
