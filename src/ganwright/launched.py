"""What torchrun, or another launcher, says to the processes that it starts."""

from __future__ import annotations

import os

from ganwright.errors import SettingsError


def world() -> int:
    """How many processes train together: `WORLD_SIZE`, or 1.

    Raises:
        SettingsError: it is no whole number, or below 1.
    """
    return _told("WORLD_SIZE", 1, least=1)


def rank() -> int:
    """Which of them this one is, from 0 on: `RANK`, or 0.

    Raises:
        SettingsError: it is no whole number, or below 0.
    """
    return _told("RANK", 0, least=0)


def _told(name: str, otherwise: int, least: int) -> int:
    text = os.environ.get(name, str(otherwise))
    if not text.strip().isdecimal() or int(text) < least:
        raise SettingsError(
            f"the environment variable {name} is {text!r}; it must be a whole number, at least "
            f"{least}, as torchrun sets it; to train in one process, unset it"
        )
    return int(text)
