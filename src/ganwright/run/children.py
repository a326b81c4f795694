"""Commands in processes of their own, which are asked to stop when this process is."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from ganwright.stopping import PASSED_ON, handled


class Children:
    """Processes that run commands of Ganwright, several at a time, each from a thread."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = 0

    def run(self, words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
        """The exit status of a command, and what it says to standard error.

        Once this process was asked to stop, no further command begins.
        """
        if self._stopped:
            return 128 + self._stopped, ""
        with subprocess.Popen(
            [sys.executable, "-m", "ganwright", *words],
            env={**environment, PASSED_ON: "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as child:
            self._running.add(child)
            try:
                if self._stopped:  # while it was started
                    child.send_signal(self._stopped)
                _, errors = child.communicate()
            finally:
                self._running.discard(child)
        return child.returncode, errors

    @contextmanager
    def passing_on(self) -> Iterator[None]:
        """Pass signals on to the commands that run, whose runs are saved and can be resumed.

        Without it, a SIGTERM to this process alone would leave them behind.

        Raises:
            KeyboardInterrupt: there was one.
        """

        def note(number: int, _: FrameType | None) -> None:
            self._stopped = number
            for child in tuple(self._running):
                child.send_signal(number)
            raise KeyboardInterrupt

        with handled(note, signal.signal):
            yield
