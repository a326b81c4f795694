"""Reads the images of a command's input, and skips those that it cannot use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganwright.errors import DataError

if TYPE_CHECKING:
    from ganwright.inference.pictures import Picture

_ALL_DONE, _SOME_SKIPPED = 0, 1


class Reader:
    """Reads images one by one with a bar of progress; names and skips what it cannot use."""

    def __init__(self, read: Callable[[Path], Picture], files: Sequence[Path]) -> None:
        self.read, self.files, self.skipped = read, files, 0

    def __iter__(self) -> Iterator[tuple[Path, Picture]]:
        """Each file that can be used, and its image.

        Raises:
            DataError: the only file cannot be.
        """
        for path in self._shown():
            try:
                picture = self.read(path)
            except DataError as error:
                if len(self.files) == 1:
                    raise
                self.skipped += 1
                print(f"ganwright: skipped: {error}", file=sys.stderr)
            else:
                yield path, picture

    def status(self) -> int:
        """The exit status once all are read.

        Raises:
            DataError: none of them could be used.
        """
        if self.skipped == len(self.files):
            raise DataError(f"none of the {len(self.files)} images could be used")
        return _SOME_SKIPPED if self.skipped else _ALL_DONE

    def _shown(self) -> Iterable[Path]:
        if not sys.stderr.isatty() or len(self.files) < 2:
            return self.files
        from rich.console import Console
        from rich.progress import track

        return track(self.files, "images", console=Console(stderr=True), transient=True)
