"""What seals a checkpoint: the checksum of each file, and the counts of its training.

RUN/checkpoints/step-NNNNNN/manifest.json
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from ganwright.formats import FORMAT, NewerFormatError, readable

WEIGHTS = ("game.safetensors", "average.safetensors")
COUNTS = ("step", "draws", "images", "attempt", "world")
"""What a manifest repeats of the training state."""
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError)
"""What a file raises that cannot be read, or holds something else."""


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
    except UNREADABLE as error:
        return _said(error)
    return None


def _problem(path: Path, names: Sequence[str], *, others: bool = False) -> str | None:
    try:
        sums = dict(read(path)["sha256"])
        for name in dict.fromkeys((*names, *(sums if others else ()))):
            if not (path / name).exists():
                return f"{name} is missing"
            if hash_of(path / name) != sums.get(name):
                return f"{name} is truncated or altered"
    except NewerFormatError:
        raise
    except UNREADABLE as error:
        return _said(error)
    return None


def write(folder: Path, training: dict[str, Any]) -> None:
    counts = {name: training[name] for name in COUNTS if name in training}
    sums = {p.name: hash_of(p) for p in sorted(folder.iterdir())}
    manifest = {"format": FORMAT, **counts, "sha256": sums}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    found: Any = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError("manifest.json is no table")
    readable(found.get("format"), f"checkpoint {path}")
    return found


def counts_of(path: Path) -> dict[str, int]:
    """The counts that a manifest repeats; none where it is lost, or of format 1."""
    try:
        found = read(path)
    except UNREADABLE:
        return {}
    return {name: found[name] for name in COUNTS if isinstance(found.get(name), int)}


def _said(error: Exception) -> str:
    name = Path(str(getattr(error, "filename", "") or "")).name
    if isinstance(error, FileNotFoundError):
        return f"{name} is missing"
    return f"{name + ': ' if name else ''}{type(error).__name__}: {error}"


def hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
