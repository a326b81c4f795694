"""What an objective gives: named terms to minimise, and what it only observes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from ganwright.errors import GameError, described

GRADIENT = "gradient"
"""What the log calls the norm of a player's gradient."""


class _Record:
    """What one evaluation observes, as pairs of name and value, and what ends its names now."""

    def __init__(self, watched: dict[str, Tensor] | None = None) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.watched = watched
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


def spread(name: str, values: Tensor) -> None:
    """Show all of `values`, such as D's scores, to whoever draws their histogram.

    Nothing is kept where nobody watches this objective.
    """
    record = _open.records[-1] if _open.records else None
    if record is not None and record.watched is not None:
        record.watched[f"{name}{record.suffix}"] = values.detach()


def ask(name: str) -> None:
    """Have `name` observed in this objective by whoever can; nobody does so unasked."""
    if _open.records:
        _open.records[-1].asked.append(name)


def asked(name: str) -> bool:
    """Whether this objective asked for `name`."""
    # torch 2.11 cannot trace `bool` of a list
    return name in _open.records[-1].asked if _open.records else False


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


def observed_in(name: str, seen: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What was observed in scope `name`, by the names that it has there."""
    end = f"_{name}"
    return {key.removesuffix(end): value for key, value in seen.items() if key.endswith(end)}


@contextmanager
def recording(watched: dict[str, Tensor] | None = None) -> Iterator[list[tuple[str, Any]]]:
    """Collect what is observed within, as (name, value), and keep it from any other record.

    Args:
        watched: gets what is shown by `spread`.
    """
    record = _Record(watched)
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


def evaluate_watched(
    objective: Callable[[Any], Any], batch: Any
) -> tuple[Any, list[tuple[str, Any]], dict[str, Tensor]]:
    """As `evaluate`; and what it showed by `spread`, by name."""
    watched: dict[str, Tensor] = {}
    with recording(watched) as seen:
        terms = objective(batch)
    return terms, seen, watched


def named(
    player: str, kind: str, terms: Any, seen: Sequence[tuple[Any, Any]]
) -> tuple[list[str], list[Tensor]]:
    """The names and values of an objective's terms, then of what it observed.

    Args:
        player: whose objective it is.
        kind: "objective", or what else the sentence is to call it.
        terms: what it gave.
        seen: what it observed, as (name, value).

    Raises:
        GameError: they are not named scalar tensors, or two have one name.
    """
    who = f"{player}'s {kind}"
    if not isinstance(terms, Mapping):
        raise GameError(
            f"{who} gives {described(terms)}; it must give a dict of named terms, such as "
            "{'adv': loss}"
        )
    if not terms:
        raise GameError(f"{who} gives no terms; it must give one or more to minimise")
    names = list(terms)
    for name, _ in seen:
        if name in terms:
            raise GameError(
                f"{who} observes {name!r}, which is one of its terms; choose another name"
            )
        if name in names:
            raise GameError(f"{who} observes {name!r} twice; separate them with `with scope(...):`")
        names.append(name)
    for name, value in terms.items():
        _check_name(f"{who} names a term", name)
        if not _scalar(value):
            raise GameError(
                f"{player}'s term {name!r} is {described(value)}; a term is {_wanted(value)}"
            )
    for name, value in seen:
        _check_name(f"{who} observes", name)
        if not _scalar(value):
            raise GameError(
                f"{who} observes {name!r} as {described(value)}; it must be {_wanted(value)}"
            )
    return names, [*terms.values(), *(value for _, value in seen)]


def _check_name(what: str, name: object) -> None:
    if not isinstance(name, str):
        raise GameError(f"{what} {name!r}, but a name must be a string")
    if name == GRADIENT:
        raise GameError(
            f"{what} {name!r}, which is what the log calls the norm of the whole gradient; choose "
            "another name"
        )


def _scalar(value: object) -> bool:
    return isinstance(value, Tensor) and not value.ndim


def _wanted(value: object) -> str:
    return "a tensor of shape ()" + (
        ": take its mean or sum" if isinstance(value, Tensor) else ", such as a mean"
    )


def independent(player: str, terms: Iterable[str]) -> GameError:
    """The error for an objective into which none of the player's weights enters."""
    return GameError(
        f"{player}'s terms ({', '.join(terms)}) do not depend on the weights that it trains, so "
        "there is nothing to learn from; log other values with observe()"
    )
