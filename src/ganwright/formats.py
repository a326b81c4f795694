"""The format of run folders: a number, so that every version knows what it can read.

1: config.yaml and checkpoints of games, averages and training state, each with its checksum.
2: a checkpoint also holds the config.yaml that it was trained with, and its manifest the counts of
   steps, draws and images and the number of processes.
"""

from __future__ import annotations

from ganwright.errors import RunError

FORMAT = 2
"""What this version writes; it reads all up to it."""

SINCE: dict[str, object] = {"held_out": 0.0}
"""Settings that older versions did not know -> the value by which they did what they did."""


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
            f"{what} was written by a newer Ganwright (format {number}; this one reads up to "
            f"{FORMAT}); update Ganwright"
        )
    return number
