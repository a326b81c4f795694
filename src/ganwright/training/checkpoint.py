"""Checkpoints that are whole or not there: written beside, synced, verified, then renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ganwright.errors import RunError

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """What one folder holds: the game's tensors, the averages', and the training state."""

    step: int
    game: dict[str, Tensor]
    average: dict[str, Tensor]
    training: dict[str, Any]


def save(
    folder: Path, game: nn.Module, average: nn.Module, training: dict[str, Any], *, keep: int
) -> Path:
    """Write `folder`/step-NNNNNN and drop all but the `keep` newest.

    Raises:
        RunError: the disk is full or can not be written; what was there before is untouched.
    """
    target = folder / f"step-{training['step']:06d}"
    beside = folder / f".{target.name}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.glob(".step-*"):
            shutil.rmtree(stale)
        beside.mkdir()
        save_file(_plain(game), beside / "game.safetensors")
        save_file(_plain(average), beside / "average.safetensors")
        torch.save(training, beside / "training.pt")
        _write_manifest(beside, training["step"])
        if target.exists():
            shutil.rmtree(target)
        beside.rename(target)
        _sync(folder)
    except (OSError, SafetensorError, RuntimeError) as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise RunError(
            f"could not save {target}: {_reason(error)}; earlier checkpoints are intact, free some "
            "space and it is tried again at the next interval"
        ) from error
    for old in _steps(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def load_newest(
    folder: Path, *, step: int | None = None, warn: Callable[[str], None] = lambda _: None
) -> Checkpoint | None:
    """The newest checkpoint that verifies, or that of `step`; None where there is none.

    A broken one is named through `warn` and passed over.

    Raises:
        RunError: `step` has no checkpoint, or its checkpoint is broken.
    """
    if step is not None:
        path = folder / f"step-{step:06d}"
        if not path.is_dir():
            have = ", ".join(p.name for p in _steps(folder)) or "none"
            raise RunError(f"there is no checkpoint of step {step} in {folder}; it holds {have}")
        if problem := _problem(path):
            raise RunError(
                f"checkpoint {path} is broken: {problem}; leave --step out for the newest"
            )
        return _load(path)
    for path in reversed(_steps(folder)):
        problem = _problem(path)
        if problem is None:
            return _load(path)
        warn(f"checkpoint {path} is broken ({problem}) and passed over")
    return None


def load_into(module: nn.Module, tensors: dict[str, Tensor], what: Path) -> None:
    """Fill a module's parameters and buffers in place, keeping their memory layout.

    Raises:
        RunError: names or shapes do not fit.
    """
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise RunError(
            f"the checkpoint in {what} does not fit the family's networks: "
            f"{str(error).splitlines()[1].strip()}"
        ) from error


def _plain(module: nn.Module) -> dict[str, Tensor]:
    # A network that stands under two names is stored under both: safetensors shares no memory.
    return {k: v.detach().cpu().contiguous().clone() for k, v in module.state_dict().items()}


def _write_manifest(folder: Path, step: int) -> None:
    files = sorted(p for p in folder.iterdir())
    manifest = {"format": FORMAT, "step": step, "sha256": {p.name: _hash(p) for p in files}}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    for path in [*files, folder / "manifest.json", folder]:
        _sync(path)


def _problem(path: Path) -> str | None:
    """Why a checkpoint can not be used; None if it verifies."""
    try:
        manifest = json.loads((path / "manifest.json").read_text())
        if manifest["format"] != FORMAT:
            return f"format {manifest['format']}, this version reads {FORMAT}"
        for name, expected in manifest["sha256"].items():
            if _hash(path / name) != expected:
                return f"{name} is truncated or altered"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _load(path: Path) -> Checkpoint:
    training = torch.load(path / "training.pt", map_location="cpu", weights_only=True)
    return Checkpoint(
        training["step"],
        load_file(path / "game.safetensors"),
        load_file(path / "average.safetensors"),
        training,
    )


def _steps(folder: Path) -> list[Path]:
    found = [p for p in folder.glob("step-*") if p.name[5:].isdigit()]
    return sorted(found, key=lambda p: int(p.name[5:]))


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    text = str(error)
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in text:
        return "no space left on the disk"
    return text.splitlines()[0] if text else type(error).__name__
