"""Decoding all of a data set, to name every file that cannot be read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ganwright.data.fitted import Fitted
from ganwright.data.messages import UnreadableError
from ganwright.data.open import Prepared
from ganwright.data.options import DataOptions
from ganwright.data.progress import watched
from ganwright.errors import DataError, SettingsError
from ganwright.run.look import Look, understood

_CHUNK = 256


@dataclass(frozen=True)
class Checked:
    """What decoding all of a data set found.

    Args:
        ready: the source without files whose heads cannot be read; None where none is left.
        count: how many images were tried.
        bad: each that cannot be used, with the reason.
        rest: why the others cannot be used either.
    """

    ready: Prepared | None
    count: int
    bad: tuple[str, ...]
    rest: str | None = None


def check(data: Any, family: str | None, options: DataOptions) -> Checked:
    """Decode every image of every split, as training would.

    Args:
        data, family, options: as for `understood`.

    Raises:
        DataError: the data is missing, or suits no family.
        SettingsError: its items cannot be asked for.
    """
    bad: list[str] = []
    try:
        ready = understood(data, family, replace(options, on_bad_file="refuse"))
    except UnreadableError as error:
        bad += error.names
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what is in `bad`
                ready = understood(data, family, replace(options, on_bad_file="skip"))
        except DataError as other:
            return Checked(None, len(bad), tuple(bad), str(other))
    if isinstance(ready, Look):
        raise SettingsError(
            f"{data} is read as it comes, so it cannot be checked beforehand; leave --check out, "
            "or pass --on-bad-file skip when training"
        )
    sides = [*ready.settled.train, *(ready.settled.test or ())]
    count = len(bad) + sum(map(len, sides))
    bad += [name for side in sides for name in _unreadable(side)]
    return Checked(ready, count, tuple(dict.fromkeys(bad)))


def _unreadable(side: Fitted) -> Iterator[str]:
    for first in watched(range(0, len(side), _CHUNK), "checking", weight=_CHUNK):
        for row in side.read(range(first, min(first + _CHUNK, len(side)))):
            if isinstance(row, DataError):
                yield str(row)
