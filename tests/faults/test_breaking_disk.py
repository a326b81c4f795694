"""Full disks, limits on files, and folders that must not be written."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from breaks import limits_files, written
from PIL import Image
from processes import SMALL, check_clean, check_same, command, processes, ran, step, training
from told import check_told

Whole = Callable[..., Path]
OFTEN = ("--sample-every", "20")
KILOBYTES = 4096


def _mounted(*words: str) -> None:
    """Mount something, or skip the test where that is not allowed."""
    try:
        subprocess.run(["mount", *words], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"nothing can be mounted here: {error}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    _mounted("-t", "tmpfs", "-o", f"size={KILOBYTES}k", "tmpfs", str(place))
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=20)


@pytest.mark.slow
def test_full_disk(disk: Path, tmp_path: Path, whole: Whole) -> None:
    """It fills up while the run goes on, and has room again later."""
    run = disk / "run"
    flags = (*SMALL, *OFTEN, "--steps", "1000000", "--out", run)
    with processes(command, *flags, folder=tmp_path / "said") as one:
        one.until(lambda: step(run) >= 10)
        assert 0 < written(disk / "filler") < 1024 * KILOBYTES
        with pytest.raises(OSError, match="No space left"):
            (disk / "more").write_bytes(b"x" * 100_000)
        (disk / "more").unlink()
        written(disk / "filler2")
        for words in ("could not save", "metrics.jsonl: no space", "sample grid: no space"):
            one.until(lambda words=words: words in one.said())
        check_told("full_disk", one.said())
        stuck = step(run)
        check_clean(run, idle=False)
        for filler in disk.glob("filler*"):
            filler.unlink()
        one.until(lambda: step(run) > stuck)
        one.signal(15)
        assert one.wait() == [130]
    check_clean(run)
    last = step(run) // 10 * 10 + 10
    assert ran("resume", run, "--steps", str(last), folder=tmp_path / "b")[0][0] == 0
    check_same(run, whole(last, *OFTEN), rows=False)


def test_full_at_end(tmp_path: Path, whole: Whole) -> None:
    """No file may be as long as a checkpoint's: the first save warns, the last one ends the run."""
    run = tmp_path / "run"
    wide = ("--game.networks", "MLP(hidden_G=(64,), hidden_D=(64,))")
    broken = partial(command, before=partial(limits_files, 30_000))
    with processes(
        broken, *SMALL, *wide, "--steps", "20", "--out", run, folder=tmp_path / "a"
    ) as one:
        assert one.wait() == [2], one.said()
        assert one.said().count("could not save") == 3  # at steps 10 and 20, and at the end
        check_told("full_at_end", one.said())
    check_clean(run)
    assert step(run) == 0
    assert not list(run.glob("checkpoints/.*"))
    assert ran("resume", run, folder=tmp_path / "b")[0][0] == 0
    check_same(run, whole(20, *wide))


@pytest.mark.slow
def test_full_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs as `pack` and as `--cache` write them, where files are limited."""
    (tmp_path / "photos").mkdir()
    for i in range(4):
        Image.new("RGB", (64, 64), (i, 0, 0)).save(tmp_path / "photos" / f"{i}.png")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    broken = partial(command, before=partial(limits_files, 20_000))
    data, out = tmp_path / "photos", tmp_path / "out"
    packing = ("pack", data, out / "x.pack", "--image-size", "64")
    caching = (*SMALL, "--data", data, "--image-size", "64", "--cache", "--out", out / "run")
    for words in (packing, caching):
        with processes(broken, *words, folder=tmp_path / "said") as one:
            assert one.wait() == [2], one.said()
            check_told("full_cache", one.said())
        assert not [p for p in (*out.rglob("*"), *tmp_path.glob("cache/*/*")) if p.is_file()]
        assert not (out / "run").exists()


@pytest.mark.slow
def test_full_disk_refuses_a_pack_before_it_is_written(disk: Path, tmp_path: Path) -> None:
    data = tmp_path / "photos"
    data.mkdir()
    Image.new("RGB", (1400, 1400)).save(data / "x.png")
    words = ("pack", data, disk / "x.pack", "--image-size", "1400")
    status, said = ran(*words, folder=tmp_path / "said")[0]
    assert status == 2
    assert "needs 5.6 MiB, and 4.0 MiB are free there" in said
    assert not list(disk.iterdir())


@pytest.mark.slow
def test_read_only(tmp_path: Path, whole: Whole) -> None:
    """Of a user without rights by the folder's mode, of root by a mount that is read-only."""
    run = tmp_path / "run"
    with training(run, steps=20) as one:
        assert one.wait() == [0]
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    if os.geteuid():
        for folder in (run, *(p for p in run.rglob("*") if p.is_dir())):
            folder.chmod(0o555)
        (run / ".lock").chmod(0o444)
    else:
        _mounted("--bind", str(run), str(run))
        _mounted("-o", "remount,ro,bind", str(run))
    try:
        with pytest.raises(OSError, match=r"Read-only|Permission denied"):
            (run / "try").touch()
        status, said = ran("resume", run, "--steps", "30", folder=tmp_path / "b")[0]
        assert status == 2
        check_told("read_only", said)
        assert said.count("\n") == 1
        assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    finally:
        if os.geteuid():
            for folder in (run, *(p for p in run.rglob("*") if p.is_dir())):
                folder.chmod(0o755)
            (run / ".lock").chmod(0o644)
        else:
            subprocess.run(["umount", str(run)], check=True, timeout=20)
    assert ran("resume", run, "--steps", "30", folder=tmp_path / "c")[0][0] == 0
    check_same(run, whole(30))
