"""Several trackers as one, of which none can end a run."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ganwright.trackers import open_tracker
from ganwright.trackers.tracker import Histogram, Plain

if TYPE_CHECKING:
    from torch import Tensor


class Several:
    """The trackers of a run; one that fails is reported once, and receives nothing more.

    Args:
        names: rows of `TRACKERS`, or of installed packages.
        run: the run folder.
        warn: called with one sentence for each tracker that fails.
    """

    def __init__(self, names: Sequence[str], run: Path, warn: Callable[[str], None]) -> None:
        self._open: dict[str, Any] = {}
        self._warn = warn
        for name in dict.fromkeys(names):
            made = self._tried(name, partial(_opened, name, run))
            if made is not None:
                self._open[name] = made

    def __bool__(self) -> bool:
        return bool(self._open)

    @property
    def where(self) -> list[str]:
        """How to see what was logged, for each tracker that says so."""
        found = ((name, getattr(tracker, "where", "")) for name, tracker in self._open.items())
        return [f"{name}: {where}" for name, where in found if where]

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Record numbers at a step."""
        self._each("log", values, step)

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        """Record images at a step."""
        self._each("log_images", images, step)

    def log_histograms(self, histograms: Mapping[str, Histogram], step: int) -> None:
        """Record distributions at a step."""
        self._each("log_histograms", histograms, step)

    def rewound(self, step: int) -> None:
        """What came after `step` did not happen."""
        self._each("rewound", step)

    def finish(self) -> None:
        """Close all."""
        self._each("finish")
        self._open = {}

    def _each(self, hook: str, *details: Any) -> None:
        """Call a method of each tracker that has it, as an installed package's may not."""
        for name, tracker in tuple(self._open.items()):
            method = getattr(tracker, hook, None)
            if method is not None and not self._tried(name, partial(_done, method, details)):
                del self._open[name]
                if hook != "finish":
                    self._tried(name, getattr(tracker, "finish", tuple), quiet=True)

    def _tried(self, name: str, call: Callable[[], Any], quiet: bool = False) -> Any:
        """What a tracker gives; None where it failed.

        What it prints goes to standard error: standard output is the run's own.
        """
        try:
            with redirect_stdout(sys.stderr), _signals_kept():
                return call()
        except Exception as error:  # another project's code: nothing it does may end a run
            if not quiet:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                self._warn(f"--log {name} failed and receives nothing more ({reason[:300]})")
            return None


def _opened(name: str, run: Path) -> Any:
    return open_tracker(name, run, settings_of(run))


def _done(method: Callable[..., Any], details: tuple[Any, ...]) -> bool:
    """Call a method, whatever it gives; true means that it did not fail."""
    method(*details)
    return True


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ctrl-C stays the run's, which then saves: some back ends catch it and close themselves."""
    before = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for which, handler in before.items():
            if handler is not None and signal.getsignal(which) != handler:
                signal.signal(which, handler)


def settings_of(run: Path) -> dict[str, Plain]:
    """A run's settings by dotted name, as plain values.

    Raises:
        OSError: its config.yaml cannot be read.
    """
    config: dict[str, Any] = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    return flat(config)


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Plain]:
    """Nested settings as one level of dotted names and plain values, which all trackers take."""
    result: dict[str, Plain] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{prefix}{name}.")
        else:
            result[prefix + name] = value if isinstance(value, bool | int | float) else str(value)
    return result
