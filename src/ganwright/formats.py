"""The format of run folders: a number, so that every version knows what it can read.

1: config.yaml and checkpoints of games, averages and training state, each with its checksum.
2: a checkpoint also holds the config.yaml that it was trained with, and its manifest the counts of
   steps, draws and images and the number of processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ganwright.errors import RunError

FORMAT = 2
"""What this version writes; it reads all up to it."""

SINCE: dict[str, object] = {"held_out": 0.0, "depth": 8}
"""Settings that older versions did not know -> the value by which they did what they did."""

ANY: Any = object()
_OBJECTIVES = {"pack": 1, "unroll": 0, "unroll_lr": ANY}
RETIRED: dict[str, dict[str, Any]] = {
    "acgan": {"conditional": True, **_OBJECTIVES},
    "bgan": {"regularisers": [], **_OBJECTIVES},
    "cgan": {"conditional": True, "pack": 1},
    "infogan": {"conditional": False, **_OBJECTIVES},
}
"""Settings that a family inherited and could not use, with the one value that was not refused."""


class NewerFormatError(RunError):
    """A newer version of the library wrote it."""


def readable(number: object, what: str) -> int:
    """The format of a file that says `number`, or nothing, as those of format 1 do.

    Raises:
        NewerFormatError: a newer version wrote it.
        RunError: it is no format.
    """
    if number is None:
        return 1
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise RunError(f"{what} has the format {number!r}; it must be a whole number from 1")
    if number > FORMAT:
        raise NewerFormatError(
            f"{what} was written by a newer version of Ganwright (format {number}; this one reads "
            f"up to {FORMAT}); update Ganwright"
        )
    return number


def retired(families: Iterable[str], setting: str, value: object) -> bool:
    """Whether a run folder of an earlier version may name a setting that is there no more.

    Args:
        families: the run's family, and those that it derives from.
        setting: one that the family does not have.
        value: what the folder says of it, as YAML has it.
    """
    known = (RETIRED.get(family, {}) for family in families)
    return any(setting in row and row[setting] in (ANY, value) for row in known)
