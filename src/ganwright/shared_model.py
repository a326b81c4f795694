"""The folder of a shared model: it holds weights and settings as a run does, and is none."""

from __future__ import annotations

from pathlib import Path

from ganwright.config.spelling import quoted
from ganwright.errors import RunError

WEIGHTS = "model.safetensors"


def is_shared(folder: Path) -> bool:
    """Whether a folder holds a shared model, and no checkpoint of a run."""
    held = (folder / WEIGHTS).is_file() and (folder / "config.yaml").is_file()
    return held and not any((folder / "checkpoints").glob("step-*"))


def refuse_shared(folder: Path) -> None:
    """Refuse a shared model where a run is needed: it would be taken for one at its start.

    Raises:
        RunError: it is one; the sentence says what it is good for.
    """
    if is_shared(folder):
        raise RunError(
            f"{folder} is a shared model, not a run; ganwright.from_pretrained loads it, and "
            f"`ganwright train FAMILY --init {quoted(folder / WEIGHTS)}` starts from it"
        )
