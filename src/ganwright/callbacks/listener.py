"""Whoever shows a run's progress."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Protocol

from ganwright.config.settings import Settings
from ganwright.data.types import Spec


class Listener(Protocol):
    """Whoever shows a run's progress."""

    def started(
        self,
        *,
        run: Path,
        family: str,
        settings: Settings,
        spec: Spec,
        device: str,
        precision: str,
        step: int,
    ) -> None:
        """Training begins, or goes on, at `step`."""

    def stepped(self, step: int) -> None:
        """Another step is done."""

    def logged(self, row: dict[str, Any]) -> None:
        """A line was added to metrics.jsonl."""

    def warned(self, sentence: str) -> None:
        """Something the user should know."""

    def finished(self, run: Path, step: int, interrupted: bool) -> None:
        """Training ended, or was interrupted and saved."""


class Silent:
    """A listener that shows nothing but warnings."""

    def started(self, **_: Any) -> None:
        """Shown nowhere."""

    def stepped(self, step: int) -> None:
        """Shown nowhere."""

    def logged(self, row: dict[str, Any]) -> None:
        """Shown nowhere."""

    def warned(self, sentence: str) -> None:
        """Said as a Python warning."""
        warnings.warn(sentence, stacklevel=2)

    def finished(self, run: Path, step: int, interrupted: bool) -> None:
        """Shown nowhere."""
