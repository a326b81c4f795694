"""A run folder has one writer, and a dead one's lock is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import tiny

from ganwright.errors import RunError
from ganwright.run import lock
from ganwright.run import train as runs

HOLDER = """
import multiprocessing, os, sys, time
from pathlib import Path
from ganwright.run import lock
with lock.writing(Path(sys.argv[1])):
    # A worker outlives its killed parent. It speaks, so that it has run and let go before.
    if not hasattr(os, "fork") or os.fork() == 0:
        print("held", flush=True)
    time.sleep(60)
    os._exit(0)
"""


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with lock.writing(tmp_path):
        assert lock.writer(tmp_path) == f"process {os.getpid()}"
        with pytest.raises(RunError, match=rf"is being trained by process {os.getpid()}; wait"):
            lock.writing(tmp_path).__enter__()
    assert lock.writer(tmp_path) is None
    with lock.writing(tmp_path):
        pass


def test_a_killed_writer_holds_nothing(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"trained by process {holder.pid}"):
            lock.writing(tmp_path).__enter__()
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    with lock.writing(tmp_path):
        pass


def test_neither_resume_nor_train_joins_a_run_that_is_trained(tmp_path: Path) -> None:
    cls, settings = tiny("gan", steps=1)
    runs.train(cls, settings, tmp_path / "run", quiet=True)
    with lock.writing(tmp_path / "run"):
        with pytest.raises(RunError, match="is being trained by process"):
            runs.resume(tmp_path / "run", {"steps": 2}, quiet=True)
        with pytest.raises(RunError, match=r"trained by process \d+; choose another --out"):
            runs.train(cls, settings, tmp_path / "run", quiet=True)
    assert runs.resume(tmp_path / "run", {"steps": 2}, quiet=True).step == 2


def test_of_two_that_make_one_folder_the_second_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both saw that the place was free; the first's run is untouched."""
    cls, settings = tiny("gan", steps=1)
    runs.train(cls, settings, tmp_path / "run", quiet=True)
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    monkeypatch.setattr(runs, "check_free", lambda _: None)
    with pytest.raises(RunError, match="exists; resume it with"):
        runs.train(cls, settings, tmp_path / "run", quiet=True)
    with (
        lock.writing(tmp_path / "run"),
        pytest.raises(RunError, match=r"is being trained by process \d+; choose another --out"),
    ):
        runs.train(cls, settings, tmp_path / "run", quiet=True)
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()} == before


def test_a_folder_without_locks_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(_: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock, "_lock", unsupported)
    with lock.writing(tmp_path), lock.writing(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot be written: No such file"):
        lock.writing(tmp_path / "nothing").__enter__()
