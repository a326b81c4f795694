"""Checkpoints that are whole or not there, and of which nothing unreadable is ever removed.

RUN/checkpoints/step-NNNNNN/
    game.safetensors      the networks and all state of the game
    average.safetensors   the averages, for inference
    training.pt           optimizers and counts: what resuming needs besides
    config.yaml           the settings that it was trained with
    manifest.json         the format, the counts, and the checksum of every other file
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
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
from ganwright.training import manifest


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
        if target.exists() and (problem := manifest.problem_of(target)):
            warn(f"checkpoint {target} is broken ({problem}); it is kept as {set_aside(target)}")
        with atomic.folder(target, replace=True) as beside:
            save_file(_plain(state["game"]), beside / manifest.WEIGHTS[0])
            save_file(_plain(state["average"]), beside / manifest.WEIGHTS[1])
            torch.save(training, beside / "training.pt")
            (beside / "config.yaml").write_text(config, encoding="utf-8")
            manifest.write(beside, training)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RunError(
            f"could not save {target}: {atomic.reason(error)}; earlier checkpoints are intact, "
            "free some space and it is tried again at the next interval"
        ) from error
    for old in steps(folder)[:-keep]:
        if problem := manifest.problem_of(old):
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
        problem = manifest.problem_of(path)
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
            whole = manifest.problem_of(path)
            broken = manifest.weights_problem(path, verified=verified)
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
        game, average = (load_file(path / name) for name in manifest.WEIGHTS)
    except MemoryError:
        raise
    except Exception as error:  # of bytes that anything may have written: many kinds
        raise RunError(
            f"checkpoint {path} is not what a run wrote, though its checksums fit: "
            f"{atomic.reason(error)}; take another with --step, or train again"
        ) from error
    counts = {name: state[name] for name in manifest.COUNTS if name in state}
    counts = counts or manifest.counts_of(path)
    step = counts.get("step", step_of(path))
    return Checkpoint(step, game, average, state, _config(path), counts)


def sealed(path: Path) -> tuple[str | None, dict[str, int]]:
    """The configuration that a checkpoint was trained with, and its counts, without its tensors."""
    return _config(path), manifest.counts_of(path)


def steps(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first; those set aside are none."""
    found = [p for p in folder.glob("step-*") if p.name[5:].isdigit()]
    return sorted(found, key=step_of)


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


def _config(path: Path) -> str | None:
    try:
        return (path / "config.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _training(path: Path) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickles that it then refuses
        state: Any = torch.load(path / "training.pt", map_location="cpu", weights_only=True)
    needed = manifest.COUNTS[:3]
    if not isinstance(state, dict) or any(not isinstance(state.get(n), int) for n in needed):
        raise ValueError(f"training.pt has no {', '.join(needed)}")
    return state


def step_of(path: Path) -> int:
    """The step that a checkpoint's folder is named after."""
    return int(path.name.removeprefix("step-"))
