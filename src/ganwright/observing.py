"""Scalars that an objective logs in addition to its terms, recorded where it is evaluated."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor


class _Record:
    """What one evaluation observes, as pairs of name and value, and what ends its names now."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.asked: list[str] = []
        self.suffix = ""


class _Open(threading.local):
    """The records that this thread has open, the innermost last."""

    def __init__(self) -> None:
        self.records: list[_Record] = []


_open = _Open()


def observe(name: str, value: Tensor) -> None:
    """Record a scalar that is watched but not minimised, within an objective.

    The trainer logs it, averages it over processes and hands it to `Game.after` with the terms.
    Losses and penalties may call it too. A name stands once in an objective, `scope` tells several
    apart. Outside an objective nothing is recorded, so that losses can be called anywhere.
    """
    if _open.records:
        record = _open.records[-1]
        value = value.detach() if isinstance(value, Tensor) else value
        record.seen.append((f"{name}{record.suffix}" if record.suffix else name, value))


def ask(name: str) -> None:
    """Have `name` observed in this objective by whoever can; nobody does so unasked."""
    if _open.records:
        _open.records[-1].asked.append(name)


def asked(name: str) -> bool:
    """Whether this objective asked for `name`."""
    return bool(_open.records) and name in _open.records[-1].asked


@contextmanager
def scope(name: str) -> Iterator[None]:
    """End the names of all that is observed within: `real` becomes `real_A` in scope "A".

    For an objective that observes the same twice, such as one of two discriminators:

        with scope("A"):
            adv_A = loss.discriminator(self.D_A, a, fake_a)
        with scope("B"):
            adv_B = loss.discriminator(self.D_B, b, fake_b)
    """
    record = _open.records[-1] if _open.records else _Record()
    before = record.suffix
    record.suffix = f"{before}_{name}"
    try:
        yield
    finally:
        record.suffix = before


@contextmanager
def recording() -> Iterator[list[tuple[str, Any]]]:
    """Collect what is observed within, as (name, value), and keep it from any other record."""
    record = _Record()
    _open.records.append(record)
    try:
        yield record.seen
    finally:
        _open.records.pop()


def evaluate(objective: Callable[[Any], Any], batch: Any) -> tuple[Any, list[tuple[str, Any]]]:
    """Call an objective; return what it gives and what it observed. Compiles as a whole."""
    with recording() as seen:
        terms = objective(batch)
    return terms, seen
