"""Signals to a training and to its processes: all save at one step, and say how to go on."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from breaks import waits_before
from processes import check_clean, check_same, ran, step, training
from told import check_told

Whole = Callable[..., Path]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def check_signalled(
    run: Path, whole: Whole, number: int, ranks: tuple[int, ...], pause: float, world: int
) -> None:
    """Signal some of the processes, one after the other; nobody loses what was computed."""
    with training(run, world=world) as some:
        some.until(lambda: step(run) >= 10)
        for rank in ranks:
            # by the time of a later signal, both may have saved and ended
            with suppress(*((ProcessLookupError,) if rank != ranks[0] else ())):
                some.signal(number, rank)
            time.sleep(pause)
        assert some.wait(60) == [130] * world, some.said()
        check_told("signalled", some.said())
        assert '"interrupted": true' in some.said()
        assert all("Traceback" not in some.said(rank) for rank in range(world))
    check_clean(run)
    last = step(run)
    assert 10 <= last < 10**6
    assert f'"step": {last}' in some.said()
    ends = ran("resume", run, "--steps", str(last + 10), folder=run.with_name("b"), world=world)
    assert [status for status, _ in ends] == [0] * world, ends
    # one process computes the same as two: see tests/test_many_processes.py
    if world == 1:
        check_same(run, whole(last + 10), rows=False)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_signalled(number: int, tmp_path: Path, whole: Whole) -> None:
    check_signalled(tmp_path / "run", whole, number, (0,), 0.0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
@pytest.mark.parametrize(
    ("ranks", "pause"),
    [((0,), 0.0), ((1,), 0.0), ((0, 1), 0.0), ((0, 1), 0.5), ((1, 0), 0.5)],
    ids=["first", "second", "both", "first, then second", "second, then first"],
)
def test_signalled_with_several_processes(
    number: int, ranks: tuple[int, ...], pause: float, tmp_path: Path, whole: Whole
) -> None:
    check_signalled(tmp_path / "run", whole, number, ranks, pause, 2)


@pytest.mark.slow
def test_signalled_twice(tmp_path: Path) -> None:
    """The second comes as the first has it save, which takes long."""
    run = tmp_path / "run"
    slow = partial(waits_before, "ganwright.training.manifest:write", 3.0)
    with training(run, "--save-every", "100000", before=slow) as one:
        one.until(lambda: (run / "metrics.jsonl").exists() and "\n" in _rows(run))
        one.signal(signal.SIGTERM)
        one.until(lambda: list(run.glob("checkpoints/.step-*")))
        one.signal(signal.SIGTERM)
        assert one.wait(60) == [130], one.said()
        assert "Traceback" not in one.said()
    check_clean(run)
    assert step(run) == 0
    assert ran("resume", run, "--steps", "10", folder=tmp_path / "b")[0][0] == 0


def _rows(run: Path) -> str:
    return (run / "metrics.jsonl").read_text(encoding="utf-8")


def test_killed_rank(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with training(run, world=2) as two:
        two.until(lambda: step(run) >= 10)
        two.signal(signal.SIGKILL, 1)
        assert two.wait(60) == [2, -signal.SIGKILL]
        check_told("killed_rank", two.said(0))
    check_clean(run)
    last = step(run)
    ends = ran("resume", run, "--steps", str(last + 10), folder=tmp_path / "b", world=2)
    assert [status for status, _ in ends] == [0, 0], ends
    whole = tmp_path / "whole"
    with training(whole, steps=last + 10, world=2) as peace:
        assert peace.wait() == [0, 0]
    check_same(run, whole)
