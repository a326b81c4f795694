"""Several processes stop, save and fail together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch
from helpers import meeting_place
from processes import command, processes, ran

from ganwright.errors import RunError, SettingsError
from ganwright.training.engine import Engine

SMALL = (
    *("train", "gan", "--data", "digits", "--image-size", "8", "--batch-size", "4"),
    *("--game.networks", "MLP(hidden_G=(16,), hidden_D=(16,))", "--precision", "fp32"),
    *("--device", "cpu", "--log-every", "5", "--save-every", "1000000"),
)


@contextmanager
def two(code: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Two interpreters that run a program; they are killed if they still live on leaving."""
    store, place = meeting_place()
    common = os.environ | place | {"WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=common | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for rank in (0, 1)
    ]
    try:
        yield ranks
    finally:
        for process in ranks:
            process.kill()
            process.communicate()
        del store


def trained(run: Path) -> bool:
    """Whether something is logged."""
    metrics = run / "metrics.jsonl"
    return metrics.exists() and metrics.read_text(encoding="utf-8").count("\n") >= 2


@pytest.mark.parametrize("first", [0, 1])
def test_a_signal_to_one_stops_and_saves_both(tmp_path: Path, first: int) -> None:
    run = tmp_path / "run"
    words = (*SMALL, "--steps", "1000000", "--out", run)
    with processes(command, *words, folder=tmp_path, world=2) as ranks:
        ranks.until(lambda: trained(run))
        ranks.signal(signal.SIGTERM, first)
        # the other is signalled when it has heard of it already
        time.sleep(0.3)
        with suppress(ProcessLookupError):
            ranks.signal(signal.SIGTERM, 1 - first)
        assert ranks.wait(20) == [130, 130]
        said = ranks.said(0) + ranks.said(1)
    assert "ganwright:" not in said
    assert "Traceback" not in said
    (saved,) = (run / "checkpoints").iterdir()
    manifest = json.loads((saved / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["world"] == 2
    last = json.loads((run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert last["step"] == manifest["step"] == int(saved.name[5:])


def test_what_one_cannot_do_ends_both_with_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "something").touch()
    words = (*SMALL, "--steps", "2", "--out", tmp_path / "run")
    (a, mine), (b, other) = ran(*words, folder=tmp_path, world=2)
    assert (a, b) == (2, 2)
    assert mine.endswith("run exists and is no run folder; choose another --out\n")
    assert "ganwright: process 0 of 2: " in other
    assert "Traceback" not in mine + other


def test_the_one_left_behind_says_so(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = (*SMALL, "--steps", "1000000", "--out", run)
    with processes(command, *words, folder=tmp_path, world=2) as ranks:
        ranks.until(lambda: trained(run))
        ranks.signal(signal.SIGKILL, 1)
        assert ranks.wait(30) == [2, -signal.SIGKILL]
        said = ranks.said()
    assert "\nganwright: another process of this run has ended" in said
    assert "Traceback" not in said


def agree() -> int:
    """What one of two processes says of the other's error."""
    engine = Engine.pick("cpu", "fp32")
    assert engine.any(engine.rank == 1)
    assert not engine.any(False)
    assert engine.gathered(engine.rank) == [0, 1]
    with engine.together():
        pass
    try:
        with engine.together():
            if engine.rank == 1:
                raise SettingsError("seven")
    except (SettingsError, RunError) as error:
        print(type(error).__name__, error)
    return 0


def test_processes_agree(tmp_path: Path) -> None:
    with processes(agree, folder=tmp_path, world=2) as ranks:
        assert ranks.wait(60) == [0, 0], ranks.said()
        said = [ranks.said(rank) for rank in (0, 1)]
    assert said == ["RunError process 1 of 2: seven\n", "SettingsError seven\n"]


def test_one_process_agrees_with_itself() -> None:
    engine = Engine(torch.device("cpu"))
    assert engine.any(True)
    assert not engine.any(False)
    assert engine.gathered("x") == ["x"]
    with pytest.raises(SettingsError, match="seven"), engine.together():
        raise SettingsError("seven")


LEAVES = """
import atexit, os

def threads():
    tasks = [f"/proc/self/task/{task}/comm" for task in os.listdir("/proc/self/task")]
    return [name for name in (open(task).read().strip() for task in tasks) if "gloo" in name]

atexit.register(lambda: print(len(threads())))  # called last
import torch
from ganwright.training.engine import Engine
engine = Engine.pick("cpu", "fp32")
engine.any(False)
torch.optim.Adam([torch.nn.Parameter(torch.ones(1))])  # imports much of torch
print(len(threads()) > 0)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are named by Linux")
def test_no_thread_of_the_group_is_left_when_python_ends() -> None:
    """One that is aborts the process now and then, when it asks for an interpreter that is gone."""
    with two(LEAVES) as ranks:
        ends = [process.communicate(timeout=60) for process in ranks]
        assert [process.returncode for process in ranks] == [0, 0], ends
    assert [out.split() for out, _ in ends] == [["True", "0"]] * 2
