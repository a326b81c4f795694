"""How a run is asked to stop: Ctrl-C, a scheduler's SIGTERM, the end of a session."""

from __future__ import annotations

import atexit
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")
ECHO = 2.0
"""Seconds in which a second signal to several processes is the first one once more: a terminal
signals all of them, and torchrun passes on what it got itself."""

PASSED_ON = "GANWRIGHT_PASSED_ON"
"""Set in the environment of a process whose parent passes on what it is sent, as `sweep` does: a
terminal or a scheduler may send it to both."""


@dataclass
class Stop:
    """Whether this process was asked to stop, and whether all processes know."""

    asked: bool = False
    agreed: bool = False


@contextmanager
def signals(world: int) -> Iterator[Stop]:
    """A signal ends the loop after the current step; a second one ends it at once.

    Args:
        world: how many processes train together.
    """
    stop, first = Stop(), 0.0
    alone = world == 1 and PASSED_ON not in os.environ

    def note(number: int, _: FrameType | None) -> None:
        nonlocal first
        if stop.asked and (alone or time.monotonic() - first > ECHO):
            raise KeyboardInterrupt
        stop.asked, first = True, first or time.monotonic()

    def restore(number: int, handler: Any) -> None:
        signal.signal(number, handler)
        if world > 1 and stop.agreed:
            _pass_over(number, handler)

    with handled(note, restore):
        yield stop


@contextmanager
def handled(
    note: Callable[[int, FrameType | None], None], restore: Callable[[int, Any], object]
) -> Iterator[None]:
    """Within it, `note` is called when this process is asked to stop.

    Args:
        note: gets the signal's number.
        restore: gets each number at the end, with what handled it before.
    """
    known = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]
    # nohup has a session's end ignored, and it stays so
    wanted = [s for s in known if signal.getsignal(s) is not signal.SIG_IGN]
    try:
        before = {s: signal.signal(s, note) or signal.SIG_DFL for s in wanted}
    except ValueError:  # not in the main thread, where Python allows no handlers
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            restore(number, handler)


def _pass_over(number: int, handler: Any) -> None:
    """Stopped because another process was signalled, this one may still get a signal of its own:
    for a while it changes nothing, and it does not spoil the exit."""
    ended = time.monotonic()

    def note(*_: Any) -> None:
        if time.monotonic() - ended > ECHO:
            signal.signal(number, handler)
            signal.raise_signal(number)

    signal.signal(number, note)
    atexit.register(signal.signal, number, signal.SIG_IGN)


def outlive(_: int = 0) -> None:
    """For a process that reads data: what stops the run is sent to it too, by a terminal or a
    scheduler, and it must read on until the current step is done and saved.

    Its parent ends it. A second SIGTERM does too, since a parent that leaves sends one.
    """
    for name in STOPPING:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)

    def note(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, note)
