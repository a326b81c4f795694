"""Where a run came from that did not begin from nothing, and its first checkpoint.

The checkpoint stands in the folder as the folder appears, so that resuming never needs what the run
came from.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ganwright import atomic
from ganwright.errors import RunError
from ganwright.training import checkpoint
from ganwright.training.trainer import Trainer

FILE = "origin.json"


@dataclass(frozen=True)
class Origin:
    """What origin.json holds, besides the step and the images with which the run began.

    Args:
        how: "init" or "fork".
        place: the run, checkpoint or file, as an absolute path.
        checksum: the SHA-256 of the weights.
        notes: what fitted, and what differs.
    """

    how: str
    place: str
    checksum: str
    notes: tuple[str, ...]


def first(origin: Origin, trainer: Trainer, keep: int) -> Callable[[Path], None]:
    """What writes origin.json and the first checkpoint into a run folder that is being made."""

    def write(folder: Path) -> None:
        before = {"step": trainer.step, "images": trainer.images}
        atomic.write(folder / FILE, json.dumps(vars(origin) | before, indent=1))
        checkpoint.save(
            folder / "checkpoints",
            trainer.state_dict(),
            keep=keep,
            config=(folder / "config.yaml").read_text(encoding="utf-8"),
        )

    return write


def is_derived(run: Path) -> bool:
    """Whether a run began with the weights of another, which its settings do not give again."""
    return (run / FILE).exists()


def refuse_anew(run: Path) -> None:
    """A run that has lost all checkpoints starts over only if it began from nothing.

    Raises:
        RunError: it began with weights that stood in them.
    """
    path = run / FILE
    if not path.exists():
        return
    try:
        place = json.loads(path.read_text(encoding="utf-8"))["place"]
    except (OSError, ValueError, KeyError, TypeError):
        place = "another run"
    raise RunError(
        f"{run} has no checkpoint left, and it started from weights of {place}; train or fork "
        "again into another folder"
    )
