"""A bar on the terminal while data is opened, where that takes a while."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
FEW = 2000
"""Of fewer items than this, no bar is shown."""


def watched(items: Sequence[T], what: str, *, weight: int = 1) -> Iterable[T]:
    """The items, with a bar on standard error while they pass, if that is a terminal.

    Args:
        items: what is gone through.
        what: the word next to the bar.
        weight: how many images an item stands for.
    """
    if not sys.stderr.isatty() or len(items) * weight < FEW:
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, what, console=Console(stderr=True), transient=True)
