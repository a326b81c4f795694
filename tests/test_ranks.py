"""Several processes stop, save and fail together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from ganwright.errors import RunError, SettingsError
from ganwright.run import train as runs
from ganwright.training.engine import Engine

SMALL = (
    *("train", "gan", "--data", "digits", "--image-size", "8", "--batch-size", "4"),
    *("--game.networks", "MLP(hidden_G=(16,), hidden_D=(16,))", "--precision", "fp32"),
    *("--device", "cpu", "--log-every", "5", "--save-every", "1000000"),
)


@contextmanager
def two(*arguments: str | Path, code: str = "") -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes of one run; they are killed if they still live on leaving."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    common = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    program = ["-c", code] if code else ["-m", "ganwright.cli"]
    ranks = [
        subprocess.Popen(
            [sys.executable, *program, *map(str, arguments)],
            env=common | {"RANK": str(rank), "OMP_NUM_THREADS": "1"},
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


def _said(ranks: list[subprocess.Popen[str]], seconds: float = 60) -> list[tuple[int, str]]:
    """How each ended, and what it said of it."""
    ends = [process.communicate(timeout=seconds) for process in ranks]
    return [(process.returncode, end[1]) for process, end in zip(ranks, ends, strict=True)]


def _until_trained(run: Path) -> None:
    for _ in range(600):
        metrics = run / "metrics.jsonl"
        if metrics.exists() and metrics.read_text(encoding="utf-8").count("\n") >= 2:
            return
        time.sleep(0.1)
    raise TimeoutError(f"{run} logs nothing")


@pytest.mark.parametrize("first", [0, 1])
def test_a_signal_to_one_stops_and_saves_both(tmp_path: Path, first: int) -> None:
    run = tmp_path / "run"
    with two(*SMALL, "--steps", "1000000", "--out", run) as ranks:
        _until_trained(run)
        ranks[first].send_signal(signal.SIGTERM)
        # the other is signalled when it has heard of it already
        time.sleep(0.3)
        if ranks[1 - first].poll() is None:
            ranks[1 - first].send_signal(signal.SIGTERM)
        assert _said(ranks, 20) == [(130, ""), (130, "")]
    (saved,) = (run / "checkpoints").iterdir()
    manifest = json.loads((saved / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["world"] == 2
    last = json.loads((run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert last["step"] == manifest["step"] == int(saved.name[5:])
    with pytest.raises(RunError, match="trained by 2 processes and 1 would change its results"):
        runs.resume(run, {"steps": 10**7}, quiet=True)


def test_what_one_cannot_do_ends_both_with_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "something").touch()
    with two(*SMALL, "--steps", "2", "--out", tmp_path / "run") as ranks:
        (a, mine), (b, other) = _said(ranks)
    assert (a, b) == (2, 2)
    assert mine.endswith("run exists and is no run folder; choose another --out\n")
    assert "ganwright: process 0 of 2: " in other
    assert "Traceback" not in mine + other


def test_the_one_left_behind_says_so(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with two(*SMALL, "--steps", "1000000", "--out", run) as ranks:
        _until_trained(run)
        ranks[1].kill()
        status, said = _said(ranks, 30)[0]
    assert status == 2
    assert said.startswith("ganwright: another process of this run has ended")
    assert "Traceback" not in said


AGREE = """
import sys
from ganwright.training.engine import Engine
from ganwright.errors import RunError, SettingsError
engine = Engine.pick("cpu", "fp32")
assert engine.any(engine.rank == 1) and not engine.any(False)
assert engine.gathered(engine.rank) == [0, 1]
with engine.together():
    pass
try:
    with engine.together():
        if engine.rank == 1:
            raise SettingsError("seven")
except (SettingsError, RunError) as error:
    print(type(error).__name__, error)
"""


def test_processes_agree() -> None:
    with two(code=AGREE) as ranks:
        ends = [process.communicate(timeout=60) for process in ranks]
        assert [process.returncode for process in ranks] == [0, 0], ends
    assert [out for out, _ in ends] == [
        "RunError process 1 of 2: seven\n",
        "SettingsError seven\n",
    ]


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
    with two(code=LEAVES) as ranks:
        ends = [process.communicate(timeout=60) for process in ranks]
        assert [process.returncode for process in ranks] == [0, 0], ends
    assert [out.split() for out, _ in ends] == [["True", "0"]] * 2
