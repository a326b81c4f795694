"""Checkpoints that have lost a part: nothing is removed, weights alone still serve."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import LUCK, tensors, tiny, trainer_of
from safetensors.torch import load_file

import ganwright
from ganwright import atomic
from ganwright.errors import RunError
from ganwright.formats import FORMAT
from ganwright.run import train as runs
from ganwright.training import checkpoint
from ganwright.training.manifest import WEIGHTS, hash_of, problem_of

STORED = Path(__file__).parent / "stored" / "format-1"
"""A run of DCGAN on digits, two steps, by the version before run folders had a format; and what it
drew then, and after two more steps."""


def _train(out: Path, steps: int = 4, **changes: Any) -> ganwright.Model:
    cls, settings = tiny("gan", steps=steps, save_every=2, log_every=1, sample_every=2, **changes)
    return runs.train(cls, settings, out, quiet=True)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _damage(path: Path, how: str) -> None:
    if how == "lost":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:40])
    elif how == "binary":
        path.write_bytes(bytes(range(256)))
    else:
        path.write_text("[1, 2]", encoding="utf-8")


@pytest.mark.parametrize("how", ["lost", "cut", "binary", "another type"])
@pytest.mark.parametrize("name", ["manifest.json", "training.pt"])
def test_weights_alone_sample_and_go_on_when_asked(tmp_path: Path, name: str, how: str) -> None:
    drawn = _train(tmp_path / "run", steps=2).sample(3)
    path = tmp_path / "run/checkpoints/step-000002"
    _damage(path / name, how)
    before = _files(tmp_path / "run/checkpoints")
    with pytest.warns(UserWarning, match=r"step-000002 is broken .*; its weights are used"):
        assert torch.equal(ganwright.load(tmp_path / "run").sample(3), drawn)
    with pytest.raises(RunError, match=r"step-000002: .*add --from-weights.*optimizers' state"):
        runs.resume(tmp_path / "run", {"steps": 4}, quiet=True)
    assert _files(tmp_path / "run/checkpoints") == before, "nothing is changed by refusing"
    with pytest.warns(UserWarning, match="its optimizers start from scratch"):
        model = runs.resume(tmp_path / "run", {"steps": 4}, from_weights=True, quiet=True)
    assert model.step == 4
    rows = [
        json.loads(x)
        for x in (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [r["step"] for r in rows] == [1, 2, 3, 4]
    assert rows[-1]["images"] == 16
    assert _files(path) == {k[12:]: v for k, v in before.items()}, "what was broken is there still"


@pytest.mark.parametrize("name", WEIGHTS)
def test_unreadable_weights_never_begin_anew_in_silence(tmp_path: Path, name: str) -> None:
    _train(tmp_path / "run", steps=2)
    _damage(tmp_path / "run/checkpoints/step-000002" / name, "cut")
    before = _files(tmp_path / "run")
    with pytest.raises(RunError, match=r"no usable checkpoint yet \(.*is truncated or altered"):
        ganwright.load(tmp_path / "run")
    for from_weights in (False, True):
        with pytest.raises(RunError, match=r"no checkpoint of .* can be read.*start over, move"):
            runs.resume(tmp_path / "run", {"steps": 4}, from_weights=from_weights, quiet=True)
    assert {k: v for k, v in _files(tmp_path / "run").items() if k != ".lock"} == {
        k: v for k, v in before.items() if k != ".lock"
    }


@pytest.mark.parametrize("data", [b"q\x00", b"u.", b"\x80\x02(o.", b"PK\x03\x04"])
def test_bytes_with_fitting_checksums_are_one_sentence(tmp_path: Path, data: bytes) -> None:
    """Torch reads `q` as a mark of an empty stack, and its error was an IndexError."""
    _train(tmp_path / "run")
    place = tmp_path / "run" / "checkpoints"
    path = place / "step-000004"
    (path / "training.pt").write_bytes(data)
    about = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    about["sha256"]["training.pt"] = hash_of(path / "training.pt")
    (path / "manifest.json").write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(RunError, match="is not what a run wrote, though its checksums fit"):
        checkpoint.load_newest(place)


def test_what_is_passed_over_is_set_aside(tmp_path: Path) -> None:
    """Resuming from the older checkpoint makes step 4 once more, and keeps what was there."""
    _train(tmp_path / "whole", steps=8)
    _train(tmp_path / "run", steps=4)
    newest = tmp_path / "run/checkpoints/step-000004"
    _damage(newest / "training.pt", "cut")
    before = _files(newest)
    with pytest.warns(UserWarning, match=r"skipped; it is kept as .*step-000004\.broken"):
        runs.resume(tmp_path / "run", {"steps": 8}, quiet=True)
    assert _files(newest.with_name("step-000004.broken")) == before
    whole, run = tensors(tmp_path / "whole"), tensors(tmp_path / "run")
    assert all(torch.equal(whole[k], run[k]) for k in whole)


def test_keep_does_not_prune_what_does_not_verify(tmp_path: Path) -> None:
    _train(tmp_path / "run", steps=4)
    oldest = tmp_path / "run/checkpoints/step-000002"
    _damage(oldest / "game.safetensors", "cut")
    with pytest.warns(UserWarning, match=r"step-000002 is broken .* kept as .*2\.broken"):
        runs.resume(tmp_path / "run", {"steps": 8}, quiet=True)
    names = sorted(p.name for p in (tmp_path / "run/checkpoints").iterdir())
    assert names == ["step-000002.broken", "step-000006", "step-000008"]


def test_a_lost_config_is_found_in_the_checkpoint(tmp_path: Path) -> None:
    _train(tmp_path / "run", steps=2)
    (tmp_path / "run/config.yaml").unlink()
    with pytest.raises(RunError, match=r"holds no config.yaml; a copy of it is .*step-000002"):
        ganwright.load(tmp_path / "run")
    (tmp_path / "run/config.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match=r"config.yaml cannot be read.*a copy of it is"):
        ganwright.load(tmp_path / "run")
    shutil.copy(tmp_path / "run/checkpoints/step-000002/config.yaml", tmp_path / "run")
    assert runs.resume(tmp_path / "run", {"steps": 4}, quiet=True).step == 4


@pytest.mark.parametrize("line", [b"\x00\xff\xfe\n", b"[1]\n", b"{}\n", b'{"step": "a"}\n'])
def test_broken_lines_of_metrics_are_kept_beside(tmp_path: Path, line: bytes) -> None:
    _train(tmp_path / "run", steps=2)
    path = tmp_path / "run/metrics.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + line + second + b'{"step": 9, "ima')
    with pytest.warns(UserWarning, match=r"1 lines of .* cannot be read; they are kept in"):
        runs.resume(tmp_path / "run", {"steps": 4}, quiet=True)
    assert [json.loads(x)["step"] for x in path.read_text(encoding="utf-8").splitlines()] == [
        1,
        2,
        3,
        4,
    ]
    assert (tmp_path / "run/metrics.jsonl.broken").read_bytes() == line


def test_a_run_of_format_1_loads_samples_and_resumes(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(STORED, run)
    drawn, resumed = (
        load_file(STORED / f"{n}.safetensors")["sample"] for n in ("drawn", "resumed")
    )
    before = ganwright.load(run).sample(3, seed=5)
    after = ganwright.resume(run, steps=4, quiet=True).sample(3, seed=5)
    if not LUCK:  # GANWRIGHT_TEST_SEED changes every number
        torch.testing.assert_close(before, drawn, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(after, resumed, rtol=1e-2, atol=1e-4)
    manifest = json.loads(
        (run / "checkpoints/step-000004/manifest.json").read_text(encoding="utf-8")
    )
    assert manifest["format"] == FORMAT
    assert (manifest["step"], manifest["images"], manifest["world"]) == (4, 16, 1)
    assert not list((run / "checkpoints").glob("*.broken"))


def test_a_newer_format_is_one_sentence(tmp_path: Path) -> None:
    _train(tmp_path / "run", steps=2)
    newer = rf"newer version of Ganwright \(format 99; this one reads up to {FORMAT}\); update"
    path = tmp_path / "run/checkpoints/step-000002/manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(manifest | {"format": 99}), encoding="utf-8")
    for call in (ganwright.load, runs.resume):
        with pytest.raises(RunError, match=newer):
            call(tmp_path / "run")  # type: ignore[operator]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    config = tmp_path / "run/config.yaml"
    config.write_text(
        config.read_text(encoding="utf-8").replace(f"format: {FORMAT}", "format: 99"),
        encoding="utf-8",
    )
    for call in (ganwright.load, runs.resume):
        with pytest.raises(RunError, match=newer):
            call(tmp_path / "run")  # type: ignore[operator]


def test_files_and_folders_are_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "some" / "file"
    atomic.write(path, "one")
    atomic.write(path, b"two")
    assert path.read_bytes() == b"two"
    with pytest.raises(TypeError):
        atomic.write(path, 3)  # type: ignore[arg-type]
    assert path.read_bytes() == b"two"
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "kept").touch()
    with pytest.raises(OSError), atomic.folder(tmp_path / "old") as beside:
        (beside / "new").touch()
    assert [p.name for p in (tmp_path / "old").iterdir()] == ["kept"]
    with atomic.folder(tmp_path / "old", replace=True) as beside:
        (beside / "new").touch()
    assert [p.name for p in (tmp_path / "old").iterdir()] == ["new"]
    with pytest.raises(KeyError), atomic.folder(tmp_path / "old", replace=True):
        raise KeyError
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "new", "old", "some"]


def test_systems_that_sync_no_folders_save_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows has it: folders cannot be opened, nor what is open for reading be synced."""
    import os

    opened, real, sync = {}, os.open, os.fsync

    def opening(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        descriptor = real(path, flags, *args, **kwargs)
        opened[descriptor] = flags
        return descriptor

    def syncing(descriptor: int) -> None:
        if opened.get(descriptor, os.O_RDWR) & 3 == os.O_RDONLY:
            raise OSError(9, "Bad file descriptor")
        sync(descriptor)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "fsync", syncing)
    assert _train(tmp_path / "run", steps=2).step == 2
    assert [p.name for p in (tmp_path / "run/checkpoints").iterdir()] == ["step-000002"]


def test_a_crash_while_an_old_checkpoint_is_removed_leaves_no_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, folder = trainer_of("gan"), tmp_path / "checkpoints"
    checkpoint.save(folder, trainer.state_dict(), keep=1)
    list(trainer.play(1))

    def dies(path: Path, **options: Any) -> None:
        next(iter(sorted(Path(path).iterdir()))).unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.rmtree", dies)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(folder, trainer.state_dict(), keep=1)
    monkeypatch.undo()
    (left,) = checkpoint.steps(folder)
    assert (left.name, problem_of(left)) == ("step-000001", None)
    assert [p.name for p in folder.glob("*.broken")] == []
    list(trainer.play(2))
    checkpoint.save(folder, trainer.state_dict(), keep=1)
    assert [p.name for p in folder.iterdir()] == ["step-000002"]
