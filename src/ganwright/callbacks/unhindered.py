"""A run continues where what it says can no longer be written."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ganwright.callbacks.callback import Callback, Run

if TYPE_CHECKING:
    from torch import Tensor


class Unhindered(Callback):
    """Another display, as long as it can write: a log's disk is full, or nobody reads any more.

    Args:
        shown: the display; it is called no more once it has failed.
    """

    def __init__(self, shown: Callback) -> None:
        self._shown: Callback | None = shown

    def started(self, run: Run) -> None:
        self._tell(run, "started")

    def stepped(self, run: Run) -> None:
        self._tell(run, "stepped")

    def sampled(self, run: Run, images: Mapping[str, Tensor]) -> None:
        self._tell(run, "sampled", images)

    def logged(self, run: Run, row: Mapping[str, Any]) -> None:
        self._tell(run, "logged", row)

    def warned(self, run: Run, sentence: str) -> None:
        self._tell(run, "warned", sentence)

    def finished(self, run: Run) -> None:
        self._tell(run, "finished")

    def closed(self, run: Run) -> None:
        self._tell(run, "closed")

    def _tell(self, run: Run, hook: str, *values: Any) -> None:
        if self._shown is None:
            return
        try:
            getattr(self._shown, hook)(run, *values)
        except OSError as error:
            self._shown = None
            if not isinstance(error, BrokenPipeError):  # whoever read it has what it wanted
                with suppress(OSError):
                    print(
                        f"ganwright: warning: progress cannot be shown any more ({error.strerror})"
                        "; training continues",
                        file=sys.stderr,
                    )
