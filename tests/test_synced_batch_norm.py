"""With BatchNorm over all processes, several compute what one computes with the whole batch."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers import CONV, TINY, tiny, trainer_of
from processes import processes
from torch import Tensor

from ganwright.errors import RunError, SettingsError
from ganwright.layers.minibatch import across_rows
from ganwright.penalties import R1
from ganwright.precision import default_type
from ganwright.run.assembly import assemble, resolved
from ganwright.run.resuming import check_world
from ganwright.training.engine import Engine
from ganwright.training.synced_batch_norm import SyncedBatchNorm

GAMES: dict[str, tuple[str, dict[str, Any]]] = {
    "dcgan": ("dcgan", {"networks": CONV}),
    # D has BatchNorm, too: its second derivative passes through the others' rows
    "a gradient penalty": ("dcgan", {"networks": CONV, "penalties": (R1(),)}),
    "a gain for each class": ("acgan", {}),
    "several pixels of several samples": ("biggan", {}),
}


def played(case: str, synced: bool, out: Path) -> int:
    """Four steps in float64; each rank stores what came of it."""
    name, changes = GAMES[case]
    cls, settings = tiny(name, batch_size=8, seed=5, ema_half_life=20)
    game = cls.Config(**(TINY[name] | changes))
    settings = resolved(cls, dataclasses.replace(settings, game=game))
    engine = Engine.pick("cpu", "fp32", timeout=100, synced=synced)
    with default_type(torch.float64):
        trainer, _ = assemble(cls, settings, engine)
        for _ in trainer.play(4):
            pass
    assert any("BatchNorm" in kind for kind in across_rows(trainer.game))
    state = {part: trainer.state_dict()[part] for part in ("game", "average")}
    torch.save(state, out / f"{engine.rank}-{engine.world}.pt")
    return 0


def found(case: str, world: int, out: Path, *, synced: bool = True) -> list[dict[str, Any]]:
    with processes(played, case, synced, out, folder=out, world=world) as several:
        assert several.wait() == [0] * world, several.said()
    return [torch.load(out / f"{rank}-{world}.pt", weights_only=True) for rank in range(world)]


def apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The largest difference of two states, running statistics among them."""
    assert one.keys() == other.keys()
    pairs = [(one[part], other[part]) for part in one]
    assert all(a.keys() == b.keys() for a, b in pairs)
    return max((a[k] - b[k]).abs().max().item() for a, b in pairs for k in a)


@pytest.mark.parametrize("case", GAMES)
def test_two_processes_normalise_as_one_does(case: str, tmp_path: Path) -> None:
    (alone,), (first, second) = found(case, 1, tmp_path), found(case, 2, tmp_path)
    assert apart(alone, first) < 1e-9
    assert apart(first, second) == 0


@pytest.mark.slow
def test_four_processes_normalise_as_one_does(tmp_path: Path) -> None:
    (alone,), four = found("dcgan", 1, tmp_path), found("dcgan", 4, tmp_path)
    assert all(apart(alone, each) < 1e-9 for each in four)


def test_without_it_they_do_not(tmp_path: Path) -> None:
    (alone,) = found("dcgan", 1, tmp_path)
    first, _ = found("dcgan", 2, tmp_path, synced=False)
    assert apart(alone, first) > 1e-3


def normalised(x: Tensor, weight: Tensor, **how: Any) -> list[Tensor]:
    """Output, both derivatives of it and the running statistics after it."""
    x = x.clone().requires_grad_()
    mean, var = torch.zeros(3), torch.ones(3)
    y = F.batch_norm(x, mean, var, weight, weight + 1, training=True, momentum=0.3, **how)
    (slope,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
    (curve,) = torch.autograd.grad(slope.square().sum(), x)
    return [y.detach(), slope.detach(), curve, mean, var]


def layer(out: Path) -> int:
    """The rows of one rank, beyond float32's reach if the variance were a difference of squares."""
    engine = Engine.pick("cpu", "fp32", timeout=100, synced=True)
    x = torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(1)) + 1000
    rows = x.chunk(engine.world)[engine.rank]
    with engine.whole_batch(len(rows)):
        torch.save(normalised(rows, torch.arange(1.0, 4.0)), out / f"{engine.rank}.pt")
    return 0


def test_the_layer_is_torchs_layer_on_all_rows(tmp_path: Path) -> None:
    with processes(layer, tmp_path, folder=tmp_path, world=2) as two:
        assert two.wait() == [0, 0], two.said()
    first, second = (torch.load(tmp_path / f"{r}.pt", weights_only=True) for r in (0, 1))
    x = torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(1)) + 1000
    whole = normalised(x, torch.arange(1.0, 4.0))
    for rows, all_rows in zip(zip(first[:3], second[:3], strict=True), whole[:3], strict=True):
        scale = all_rows.abs().max().item()
        torch.testing.assert_close(torch.cat(rows), all_rows, rtol=1e-3, atol=1e-4 * scale)
    for mine, others, all_of in zip(first[3:], second[3:], whole[3:], strict=True):
        assert torch.equal(mine, others)
        torch.testing.assert_close(mine, all_of, rtol=1e-4, atol=1e-4)


def test_evaluation_asks_no_other_process() -> None:
    x = torch.randn(4, 3, 2, 2)
    statistics = (torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0, 6.0]))
    with SyncedBatchNorm(0, 2):  # there is no other process
        y = F.batch_norm(x, *statistics)
    assert torch.equal(y, F.batch_norm(x, *statistics))


def test_the_number_of_processes_may_change(tmp_path: Path) -> None:
    game = trainer_of("dcgan").game
    assert across_rows(game, synced=True) == []
    assert across_rows(trainer_of("stylegan2").game, synced=True) == ["Spread"]
    check_world(tmp_path, 1, 2, game, compiled=False, synced=True)
    with pytest.raises(RunError, match="BatchNorm2d"):
        check_world(tmp_path, 1, 2, game, compiled=False)


def test_it_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match="sync_batch_norm does not work with compile"):
        Engine.pick("cpu", "fp32", compile=True, synced=True)
