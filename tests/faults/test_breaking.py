"""Trainings that are killed, doubled or fed with NaN: what is left, and what is said."""

from __future__ import annotations

import math
import os
import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from breaks import clock_jumps, dies_at, spoils
from PIL import Image
from processes import (
    SMALL,
    check_clean,
    check_same,
    command,
    logged,
    processes,
    ran,
    step,
    training,
)
from told import check_told, rows

from ganwright.training import checkpoint

Whole = Callable[..., Path]
MOMENTS = {
    "a save": ("ganwright.training.manifest:write", 2),
    "a save that takes its place": ("ganwright.atomic:_take_place", 3),
    "a step": ("ganwright.training.trainer:Trainer.play_step", 27),
    "an evaluation": ("ganwright.callbacks.evaluation:Evaluation.act", 2),
    "a sample grid": ("ganwright.callbacks.samples:_write", 3),
    "a line of metrics": ("ganwright.callbacks.metrics_log:append", 3),
    "the report": ("ganwright.callbacks.report:write_report", 1),
}
"""Which function is called for which time as the process dies."""
SOMETIMES = ("--sample-every", "15")


def unfinished(folder: Path) -> list[Path]:
    """What was begun under a temporary name."""
    return [p for p in folder.rglob(".*") if re.fullmatch(r"\..*\.\d+", p.name)]


def killed(moment: str, run: Path, whole: Whole) -> None:
    place, number = MOMENTS[moment]
    flags = (*SMALL, *SOMETIMES, "--steps", "30", "--out", run)
    broken = partial(command, before=partial(dies_at, place, number))
    with processes(broken, *flags, folder=run.with_name("said")) as one:
        assert one.wait() == [-signal.SIGKILL]
        assert one.said().endswith("dies now\n")
    check_clean(run)
    if moment.startswith("a save"):
        assert unfinished(run)
        assert step(run) == 10
    ((status, said),) = ran("resume", run, "--steps", "40", folder=run.with_name("then"))
    assert status == 0, said
    assert "Traceback" not in said
    assert step(run) == 40
    assert not unfinished(run / "checkpoints")
    check_clean(run)
    check_same(run, whole(40, *SOMETIMES))


def test_killed_in_save(tmp_path: Path, whole: Whole) -> None:
    killed("a save", tmp_path / "run", whole)


@pytest.mark.slow
@pytest.mark.parametrize("moment", [m for m in MOMENTS if m != "a save"])
def test_killed_anywhere(moment: str, tmp_path: Path, whole: Whole) -> None:
    killed(moment, tmp_path / "run", whole)


def photos(folder: Path, count: int = 6) -> Path:
    """A folder of small images, each of another grey."""
    folder.mkdir()
    for i in range(count):
        Image.new("RGB", (8, 8), (20 * i, 40, 80)).save(folder / f"{i}.png")
    return folder


@pytest.mark.slow
def test_killed_in_pack(tmp_path: Path) -> None:
    data, file = photos(tmp_path / "photos"), tmp_path / "packs" / "photos.pack"
    words = ("pack", data, file, "--image-size", "8")
    broken = partial(command, before=partial(dies_at, "ganwright.data.pack:asdict", 1))
    with processes(broken, *words, folder=tmp_path / "said") as one:
        assert one.wait() == [-signal.SIGKILL]
    assert not file.exists()
    assert len(unfinished(file.parent)) == 1
    assert ran(*words, folder=tmp_path / "then")[0][0] == 0
    assert not unfinished(file.parent)
    whole = tmp_path / "whole.pack"
    assert ran("pack", data, whole, "--image-size", "8", folder=tmp_path / "peace")[0][0] == 0
    assert file.read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_killed_in_export(tmp_path: Path, whole: Whole) -> None:
    out = tmp_path / "exported"
    words = ("export", whole(30), "--formats", "pt2", "state-dict", "--out", out)
    broken = partial(command, before=partial(dies_at, "ganwright.atomic:_clear", 2))
    with processes(broken, *words, folder=tmp_path / "said") as one:
        assert one.wait() == [-signal.SIGKILL]
    (first,) = out.iterdir()  # of at least two
    status, said = ran(*words, "--overwrite", folder=tmp_path / "then")[0]
    assert status == 0, said
    assert len(list(out.iterdir())) > 1
    assert first.exists()
    assert not unfinished(out)


def test_two_trainers_and_a_stale_lock(tmp_path: Path, whole: Whole) -> None:
    run = tmp_path / "run"
    with training(run) as first:
        first.until(lambda: step(run) >= 10)
        ((again, refused),) = ran("resume", run, "--steps", "9999999", folder=tmp_path / "b")
        ((anew, said),) = ran(*SMALL, "--out", run, folder=tmp_path / "c")
        assert (again, anew) == (2, 2)
        for sentence in (refused, said):
            check_told("two_trainers", sentence)
            assert sentence.count("\n") == 1
            assert f"process {first.ranks[0].pid}" in sentence
        assert first.ranks[0].is_alive()
        first.signal(signal.SIGKILL)
        assert first.wait() == [-signal.SIGKILL]
        assert "warning" not in first.said()
    assert (run / ".lock").exists()  # stale_lock
    last = step(run) + 10
    assert ran("resume", run, "--steps", str(last), folder=tmp_path / "d")[0][0] == 0
    check_same(run, whole(last))


@pytest.mark.slow
def test_clock(tmp_path: Path, whole: Whole) -> None:
    """The clock runs backwards, and the oldest checkpoint seems to be of tomorrow."""
    run = tmp_path / "run"
    broken = partial(command, before=clock_jumps)
    with processes(broken, *SMALL, "--steps", "30", "--out", run, folder=tmp_path / "a") as one:
        assert one.wait() == [0], one.said()
        assert one.said().startswith("it is -86400 seconds later")
    check_same(run, whole(30))
    for at, path in enumerate(reversed(checkpoint.steps(run / "checkpoints"))):
        os.utime(path, (4e9 + at, 4e9 + at))
    status, said = ran("resume", run, "--steps", "40", folder=tmp_path / "b")[0]
    assert (status, '"step": 30' in said) == (0, True)
    check_same(run, whole(40))


SPOILT = {
    "nan_data": ("ganwright.data.batches:Data.batch", 15, math.nan),
    "nan_loss": ("ganwright.losses:NonSaturating.generator", 17, math.nan),
    "nan_gradient": ("ganwright.training.trainer:Trainer._differentiate", 33, math.inf),
}


def check_spoilt(name: str, run: Path, whole: Whole) -> None:
    """The run ends in a sentence, its weights are finite, and it goes on as if nothing was."""
    broken = partial(command, before=partial(spoils, *SPOILT[name]))
    flags = (*SMALL, "--steps", "30", "--out", run)
    with processes(broken, *flags, folder=run.with_name("said")) as one:
        assert one.wait() == [2], one.said()
        assert "spoilt now" in one.said()
        check_told(name, one.said())
    assert step(run) == 10
    found = checkpoint.load_newest(run / "checkpoints")
    assert found is not None
    assert all(torch.isfinite(t).all() for t in found.game.values())
    assert ran("resume", run, folder=run.with_name("then"))[0][0] == 0
    check_clean(run)
    check_same(run, whole(30))


def test_nan_loss(tmp_path: Path, whole: Whole) -> None:
    check_spoilt("nan_loss", tmp_path / "run", whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nan_data", "nan_gradient"])
def test_nan_elsewhere(name: str, tmp_path: Path, whole: Whole) -> None:
    check_spoilt(name, tmp_path / "run", whole)


@pytest.mark.slow
def test_nan_loss_is_rolled_back(tmp_path: Path) -> None:
    run = tmp_path / "run"
    broken = partial(command, before=partial(spoils, *SPOILT["nan_loss"]))
    flags = (*SMALL, "--steps", "30", "--on-nan", "rollback", "--out", run)
    with processes(broken, *flags, folder=tmp_path / "said") as one:
        assert one.wait() == [0], one.said()
        assert "was not finite at step" in one.said()
        assert "back to step 10, continuing with new random numbers" in one.said()
    check_clean(run)
    assert [row["step"] for row in logged(run)] == [5, 10, 15, 20, 25, 30]


def test_each_row_is_tried() -> None:
    folder = Path(__file__).parent
    tried = "\n".join(p.read_text(encoding="utf-8") for p in folder.glob("test_breaking*.py"))
    tried += (folder.parent / "test_many_processes.py").read_text(encoding="utf-8")
    assert [name for name in rows() if name not in tried] == []
