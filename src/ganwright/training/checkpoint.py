"""Checkpoints that are whole or not there, and of which nothing unreadable is ever removed.

RUN/checkpoints/step-NNNNNN/
    game.safetensors      the networks and all state of the game
    average.safetensors   the averages, for inference
    training.pt           optimizers and counts: what resuming needs besides
    config.yaml           the settings that it was trained with
    manifest.json         the format, the counts, and the checksum of every other file
"""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganwright import atomic
from ganwright.errors import RunError
from ganwright.formats import FORMAT, NewerFormatError, readable

WEIGHTS = ("game.safetensors", "average.safetensors")
COUNTS = ("step", "draws", "images", "attempt", "world")
"""What a manifest repeats of the training state."""
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError)


@dataclass(frozen=True)
class Checkpoint:
    """What one folder holds.

    Args:
        step: how far training had come.
        game, average: the game's tensors and the averages'.
        training: optimizers and counts; empty where they are lost.
        config: the configuration it was trained with, as text; None in format 1.
        counts: steps, draws, images ... as far as they are known.
    """

    step: int
    game: dict[str, Tensor]
    average: dict[str, Tensor]
    training: dict[str, Any] = field(default_factory=dict)
    config: str | None = None
    counts: dict[str, int] = field(default_factory=dict)


def _silent(_: str) -> None:
    """Warn nobody."""


def save(
    folder: Path,
    state: Mapping[str, Any],
    *,
    keep: int,
    config: str = "",
    warn: Callable[[str], None] = _silent,
) -> Path:
    """Write `folder`/step-NNNNNN and drop all whole ones but the `keep` newest.

    Args:
        state: what `Trainer.state_dict` gives.
        config: the run's configuration, which is sealed with it.
        warn: told of checkpoints that do not verify; they are set aside, never dropped.

    Raises:
        RunError: the disk is full or cannot be written; what was there before is untouched.
    """
    training = state["training"]
    target = folder / f"step-{training['step']:06d}"
    try:
        for stale in folder.glob(".step-*"):
            shutil.rmtree(stale)
        if target.exists() and (problem := problem_of(target)):
            warn(f"checkpoint {target} is broken ({problem}); it is kept as {set_aside(target)}")
        with atomic.folder(target, replace=True) as beside:
            save_file(_plain(state["game"]), beside / WEIGHTS[0])
            save_file(_plain(state["average"]), beside / WEIGHTS[1])
            torch.save(training, beside / "training.pt")
            (beside / "config.yaml").write_text(config, encoding="utf-8")
            _write_manifest(beside, training)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RunError(
            f"could not save {target}: {atomic.reason(error)}; earlier checkpoints are intact, "
            "free some space and it is tried again at the next interval"
        ) from error
    for old in steps(folder)[:-keep]:
        if problem := problem_of(old):
            warn(f"checkpoint {old} is broken ({problem}); it is kept as {set_aside(old)}")
        else:
            with suppress(OSError):
                atomic.remove(old)
    return target


def load_newest(
    folder: Path, *, step: int | None = None, warn: Callable[[str], None] = _silent
) -> Checkpoint | None:
    """The newest checkpoint that is whole, or that of `step`; None where there is none.

    A broken one is named through `warn` and skipped.

    Raises:
        RunError: `step` has no checkpoint, or its checkpoint is broken; or a newer version of the
            library wrote them.
    """
    for path in _candidates(folder, step):
        problem = problem_of(path)
        if problem is None:
            return load(path)
        if step is not None:
            raise RunError(f"checkpoint {path} is broken: {problem}; leave step out for the newest")
        warn(f"checkpoint {path} is broken ({problem}) and skipped")
    return None


def load_weights(
    folder: Path, *, step: int | None = None, warn: Callable[[str], None] = _silent
) -> Checkpoint | None:
    """The newest weights that can be used, or those of `step`; None where there are none.

    Networks and averages that verify are enough. If none verify, the newest that can be read are
    taken unverified. `warn` gets both.

    Raises:
        RunError: `step` has no checkpoint, or none with usable weights; or a newer version of the
            library wrote them.
    """
    problems: list[str] = []
    for verified in (True, False):
        for path in _candidates(folder, step):
            whole = problem_of(path)
            broken = weights_problem(path, verified=verified)
            if broken:
                problems += [f"checkpoint {path} is broken ({broken}) and skipped"] * verified
                continue
            if verified:
                _tell(warn, problems)
            if whole:
                state = "its weights are used" if verified else "its weights are used unverified"
                warn(f"checkpoint {path} is broken ({whole}); {state}")
            return load(path, training=whole is None)
    if step is not None:
        raise RunError(f"{problems[0]}; leave step out for the newest")
    _tell(warn, problems)
    return None


def load(path: Path, *, training: bool = True) -> Checkpoint:
    """What a checkpoint holds, with or without its training state; it must have been verified.

    Raises:
        RunError: its checksums fit, and yet it holds something else.
    """
    try:
        state = _training(path) if training else {}
        game, average = (load_file(path / name) for name in WEIGHTS)
    except (pickle.UnpicklingError, RuntimeError, EOFError, *_UNREADABLE) as error:
        raise RunError(
            f"checkpoint {path} is not what a run wrote, though its checksums fit: "
            f"{atomic.reason(error)}; take another with --step, or train again"
        ) from error
    counts = {name: state[name] for name in COUNTS if name in state} or _counts(path)
    step = counts.get("step", step_of(path))
    return Checkpoint(step, game, average, state, _config(path), counts)


def sealed(path: Path) -> tuple[str | None, dict[str, int]]:
    """The configuration that a checkpoint was trained with, and its counts, without its tensors."""
    return _config(path), _counts(path)


def steps(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first; those set aside are none."""
    found = [p for p in folder.glob("step-*") if p.name[5:].isdigit()]
    return sorted(found, key=step_of)


def problem_of(path: Path) -> str | None:
    """Why a checkpoint is not whole; None if it verifies.

    Raises:
        NewerFormatError: a newer version of the library wrote it.
    """
    return _problem(path, (*WEIGHTS, "training.pt"), others=True)


def weights_problem(path: Path, *, verified: bool = True) -> str | None:
    """Why the networks and averages of a checkpoint cannot be used; None if they can.

    Args:
        verified: they must agree with the manifest, where False asks only that they can be read.
    """
    if verified:
        return _problem(path, WEIGHTS)
    try:
        for name in WEIGHTS:
            load_file(path / name)
    except _UNREADABLE as error:
        return _said(error)
    return None


def _problem(path: Path, names: Sequence[str], *, others: bool = False) -> str | None:
    try:
        sums = dict(_manifest(path)["sha256"])
        for name in dict.fromkeys((*names, *(sums if others else ()))):
            if not (path / name).exists():
                return f"{name} is missing"
            if _hash(path / name) != sums.get(name):
                return f"{name} is truncated or altered"
    except NewerFormatError:
        raise
    except _UNREADABLE as error:
        return _said(error)
    return None


def set_aside(path: Path) -> Path:
    """Rename a checkpoint so that it is no longer looked at; returns where it is."""
    names = (f"{path.name}.broken{'' if i == 1 else i}" for i in count(1))
    place = next(path.with_name(n) for n in names if not path.with_name(n).exists())
    return path.rename(place)


def _candidates(folder: Path, step: int | None) -> Iterator[Path]:
    """The newest first, or the one of `step` alone."""
    if step is None:
        yield from reversed(steps(folder))
        return
    path = folder / f"step-{step:06d}"
    if not path.is_dir():
        have = ", ".join(p.name for p in steps(folder)) or "none"
        raise RunError(f"there is no checkpoint of step {step} in {folder}; it holds {have}")
    yield path


def _tell(warn: Callable[[str], None], sentences: list[str]) -> None:
    for sentence in sentences:
        warn(sentence)
    sentences.clear()


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # A network that stands under two names is stored under both: safetensors shares no memory.
    return {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}


def _write_manifest(folder: Path, training: dict[str, Any]) -> None:
    counts = {name: training[name] for name in COUNTS if name in training}
    sums = {p.name: _hash(p) for p in sorted(folder.iterdir())}
    manifest = {"format": FORMAT, **counts, "sha256": sums}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _manifest(path: Path) -> dict[str, Any]:
    found: Any = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError("manifest.json is no table")
    readable(found.get("format"), f"checkpoint {path}")
    return found


def _counts(path: Path) -> dict[str, int]:
    """The counts that a manifest repeats; none where it is lost, or of format 1."""
    try:
        found = _manifest(path)
    except _UNREADABLE:
        return {}
    return {name: found[name] for name in COUNTS if isinstance(found.get(name), int)}


def _config(path: Path) -> str | None:
    try:
        return (path / "config.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _training(path: Path) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickles that it then refuses
        state: Any = torch.load(path / "training.pt", map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or any(not isinstance(state.get(n), int) for n in COUNTS[:3]):
        raise ValueError(f"training.pt has no {', '.join(COUNTS[:3])}")
    return state


def _said(error: Exception) -> str:
    name = Path(str(getattr(error, "filename", "") or "")).name
    if isinstance(error, FileNotFoundError):
        return f"{name} is missing"
    return f"{name + ': ' if name else ''}{type(error).__name__}: {error}"


def step_of(path: Path) -> int:
    """The step that a checkpoint's folder is named after."""
    return int(path.name.removeprefix("step-"))


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
