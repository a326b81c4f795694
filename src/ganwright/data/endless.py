"""Data whose items come one after the other, and of which no last one is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ganwright.errors import DataError, described


class Endless:
    """Base of data that can be trained on, and that metrics cannot read from end to end."""

    given: Any
    """What the caller passed."""

    def splits(self) -> dict[str, int]:
        """None: it is not known where the items end."""
        return {}

    def each(self, split: str, size: int, limit: int | None = None) -> Iterator[Any]:
        """Nothing to read from the first item to the last.

        Raises:
            DataError: always.
        """
        raise DataError(
            f"{described(self.given)} has no last item, so metrics cannot read it to its end; "
            "pass a data set, or evaluate the run afterwards with --against"
        )
