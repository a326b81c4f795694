"""Data that is deleted, cut or replaced during training, and processes that read it and die."""

from __future__ import annotations

import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from breaks import reads_on_demand, several, waits_before, workers
from PIL import Image
from processes import SMALL, Processes, check_clean, check_same, command, processes, ran, step
from told import check_told

SLOW = partial(waits_before, "ganwright.training.trainer:Trainer.play_step", 0.01)
STREAM = partial(several, reads_on_demand, SLOW)
"""Data is read as it is wanted, and a step takes so long that one can break something."""


def photos(folder: Path, count: int = 8) -> Path:
    """Small images of noise, which are read from their files at each step."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


@contextmanager
def streaming(run: Path, data: Path, *more: str, workers: int = 1) -> Iterator[Processes]:
    """A training without end that reads its images from files."""
    flags = (*SMALL, "--data", data, "--held-out", "0", "--workers", str(workers))
    broken = partial(command, before=STREAM)
    words = (*flags, *more, "--steps", "1000000", "--out", run)
    with processes(broken, *words, folder=run.with_name("said")) as one:
        one.until(lambda: step(run) >= 10)
        yield one


def check_goes_on(run: Path, data: Path, *more: str) -> None:
    """With whole data again, it becomes the run that was never interrupted."""
    check_clean(run)
    last, whole = step(run) + 10, run.with_name("whole")
    broken = partial(command, before=reads_on_demand)
    flags = (*SMALL, "--data", data, "--held-out", "0", "--workers", "1", *more)
    for words in (("resume", run), (*flags, "--out", whole)):
        steps = ("--steps", str(last))
        with processes(broken, *words, *steps, folder=run.with_name("then")) as one:
            assert one.wait() == [0], one.said()
    check_same(run, whole)


def _delete(path: Path) -> None:
    path.unlink()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def _replace(path: Path) -> None:
    path.write_bytes(b"no image at all")


BREAKS: dict[str, Callable[[Path], None]] = {
    "deleted": _delete,
    "truncated": _truncate,
    "replaced": _replace,
}


def check_broken_file(name: str, tmp_path: Path) -> None:
    data, run = photos(tmp_path / "photos"), tmp_path / "run"
    shutil.copytree(data, tmp_path / "kept")
    with streaming(run, data) as one:
        BREAKS[name](data / "3.png")
        with pytest.raises(OSError):
            Image.open(data / "3.png").load()
        assert one.wait(60) == [2], one.said()
        check_told(name, one.said())
        assert "3.png" in one.said()
    shutil.copyfile(tmp_path / "kept/3.png", data / "3.png")
    check_goes_on(run, data)


def test_deleted(tmp_path: Path) -> None:
    check_broken_file("deleted", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["truncated", "replaced"])
def test_broken_while_it_is_read(name: str, tmp_path: Path) -> None:
    check_broken_file(name, tmp_path)


@pytest.mark.slow
def test_replaced_files_are_skipped_where_that_is_wanted(tmp_path: Path) -> None:
    data, run = photos(tmp_path / "photos"), tmp_path / "run"
    with streaming(run, data, "--on-bad-file", "skip") as one:
        _replace(data / "3.png")
        one.until(lambda: "skipped 1 image" in one.said())
        at = step(run)
        one.until(lambda: step(run) > at)
        one.signal(signal.SIGTERM)
        assert one.wait() == [130], one.said()
        assert "3.png" in one.said()
    check_clean(run)


@pytest.mark.slow
def test_other(tmp_path: Path) -> None:
    data, run = photos(tmp_path / "photos"), tmp_path / "run"
    shutil.copyfile(data / "3.png", tmp_path / "3.png")
    with streaming(run, data) as one:
        Image.new("RGB", (8, 8), (255, 0, 0)).save(data / "3.png")
        at = step(run)
        one.until(lambda: step(run) > at + 10)
        one.signal(signal.SIGTERM)
        assert one.wait() == [130]
        assert "warning" not in one.said()
    check_clean(run)
    status, said = ran("resume", run, "--steps", "999999", folder=tmp_path / "b")[0]
    assert status == 2
    check_told("other", said)
    shutil.copyfile(tmp_path / "3.png", data / "3.png")
    assert ran("resume", run, "--steps", str(step(run) + 10), folder=tmp_path / "c")[0][0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1])
def test_pack_cut(count: int, tmp_path: Path) -> None:
    """It is mapped into memory: to read beyond its end would kill the process without a word."""
    data, run = tmp_path / "x.pack", tmp_path / "run"
    photos(tmp_path / "photos", 200)
    words = ("pack", tmp_path / "photos", data, "--image-size", "8")
    assert ran(*words, folder=tmp_path / "packing")[0][0] == 0
    kept = data.read_bytes()
    with streaming(run, data, workers=count) as one:
        with data.open("rb+") as file:
            file.truncate(64)
        assert one.wait(60) == [2], one.said()
        check_told("pack_cut", one.said())
    data.write_bytes(kept)
    check_goes_on(run, data)


def _worker(one: Processes) -> int:
    """The process that reads the data."""
    pid = one.ranks[0].pid
    assert pid is not None
    found: list[int] = []

    def seen() -> Any:
        found[:] = workers(pid)
        return found

    one.until(seen)
    return found[0]


@pytest.mark.slow
def test_killed_worker(tmp_path: Path) -> None:
    import os

    data, run = photos(tmp_path / "photos"), tmp_path / "run"
    with streaming(run, data) as one:
        os.kill(_worker(one), signal.SIGKILL)
        assert one.wait(60) == [2], one.said()
        check_told("killed_worker", one.said())
    check_goes_on(run, data)


@pytest.mark.slow
def test_worker_memory(tmp_path: Path) -> None:
    data, run = photos(tmp_path / "photos"), tmp_path / "run"
    with streaming(run, data) as one:
        worker = _worker(one)
        resource.prlimit(worker, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        for i in range(8):  # what it reads from now on needs memory that it does not get
            Image.new("RGB", (3000, 3000)).save(data / f"{i}.png")
            time.sleep(0.01)
        assert one.wait(60) == [2], one.said()
        check_told("worker_memory", one.said())
    check_clean(run)
