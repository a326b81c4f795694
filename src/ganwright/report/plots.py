"""Which plots a run's log makes: what compares shares an axis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ganwright.report import terms
from ganwright.report.records import COUNTS, HELD_OUT, SPREAD, Record
from ganwright.report.terms import Kind, Meaning

Array = npt.NDArray[np.float64]

POINTS = 400
"""Points of a curve; more are averaged together."""
_KINDS = (terms.LOSS, terms.SCORE, terms.SHARE)
_SAME = ("reconstruction", "accuracy", "accuracy_source", "accuracy_adapted", "labelled_accuracy")
"""What training and held-out data are measured by in the same way."""
_DECADES = 100.0


@dataclass(frozen=True)
class Series:
    """One curve.

    Args:
        label: what the legend calls it.
        x: steps [n].
        y: values [n].
        meaning: what it is.
        spread: of each value [n], drawn as a band.
    """

    label: str
    x: Array
    y: Array
    meaning: Meaning
    spread: Array | None = None


@dataclass(frozen=True)
class Plot:
    """Curves on one axis.

    Args:
        key: the stem of its file's name.
        title: its heading.
        unit: what the vertical axis says.
        series: the curves.
    """

    key: str
    title: str
    unit: str
    series: tuple[Series, ...]

    @property
    def log(self) -> bool:
        """Whether values are positive and span two decades or more."""
        values = np.concatenate([each.y for each in self.series])
        return bool(values.min() > 0 and values.max() >= _DECADES * values.min())


@dataclass(frozen=True)
class Group:
    """Plots below one heading."""

    title: str
    plots: tuple[Plot, ...]


def groups(record: Record) -> list[Group]:
    """The plots of a run: training, held-out data, metrics, speed; those without points are left
    out, and keys are unique."""
    found = [
        Group("Training", tuple(_training(record))),
        Group("Held-out data", tuple(_held_out(record))),
        Group("Metrics", tuple(_metrics(record))),
        Group("Speed", tuple(_speed(record))),
    ]
    taken: set[str] = set()
    return [
        Group(group.title, tuple(_unique(plot, taken) for plot in group.plots))
        for group in found
        if group.plots
    ]


def names(record: Record) -> list[str]:
    """All that was logged as a number, in the order in which it first was."""
    found = dict.fromkeys(name for row in record.rows for name in row)
    return [n for n in found if n not in COUNTS and len(record.values(n)[0])]


def thinned(x: Array, y: Array) -> tuple[Array, Array]:
    """At most POINTS points: neighbours are averaged."""
    parts = np.array_split(np.stack([x, y], 1), max(1, min(len(x), POINTS)))
    means = np.stack([part.mean(0) for part in parts])
    return means[:, 0], means[:, 1]


def explained(record: Record, name: str) -> Meaning:
    """What a logged number means."""
    player, _, term = name.rpartition("/")
    if name in record.terms or player == HELD_OUT:
        return terms.meaning(record.family, player, term)
    return terms.measured(name)


def series(record: Record, name: str, label: str | None = None) -> Series:
    """The curve of a logged number."""
    x, y = record.values(name)
    steps, spreads = record.values(f"{name}{SPREAD}")
    spread = spreads if 0 < len(x) <= POINTS and np.array_equal(steps, x) else None
    return Series(label or name, *thinned(x, y), explained(record, name), spread)


def _training(record: Record) -> Iterator[Plot]:
    players: dict[str, list[str]] = {}
    for name in names(record):
        if name in record.terms:
            players.setdefault(name.rpartition("/")[0], []).append(name)
    for player, own in players.items():
        for kind in _KINDS:
            yield from _shared(record, player, kind, own)
        for name in own:
            if explained(record, name).kind is terms.ALONE:
                yield _alone(record, name)
    norms = [n for own in players.values() for n in own]
    yield from _shared(record, "", terms.GRADIENT, norms)


def _shared(record: Record, player: str, kind: Kind, of: list[str]) -> Iterator[Plot]:
    """The terms of one kind on one axis, if there are any."""
    own = tuple(series(record, n) for n in of if explained(record, n).kind is kind)
    if own:
        title = f"{player}: {kind.name}" if player else kind.name.capitalize()
        yield Plot(_stem(f"{player}-{kind.name}"), title, kind.unit, own)


def _alone(record: Record, name: str, *beside: Series) -> Plot:
    own = series(record, name)
    return Plot(_stem(name), name, own.meaning.kind.unit, (own, *beside))


def _held_out(record: Record) -> Iterator[Plot]:
    """Each number of held-out data, with that of training where both are measured in one way."""
    logged = names(record)
    for name in logged:
        head, _, term = name.rpartition("/")
        if head != HELD_OUT:
            continue
        same = [n for n in logged if n.endswith(f"/{term}") and n != name and term in _SAME]
        yield _alone(record, name, *(series(record, n) for n in same))


def _metrics(record: Record) -> Iterator[Plot]:
    for name in names(record):
        if name in record.measured and name.rpartition("/")[0] != HELD_OUT:
            yield _alone(record, name)


def _speed(record: Record) -> Iterator[Plot]:
    x, y = record.values("images_per_second")
    if len(x):
        about = Meaning(
            terms.ALONE,
            "Training images per second, pauses for samples and checkpoints included.",
            "Steady; a long fall is worth a look at the data or the machine.",
        )
        own = Series("images per second", *thinned(x, y), about)
        yield Plot("speed", "Images per second", "images/s", (own,))


def _unique(plot: Plot, taken: set[str]) -> Plot:
    key, i = plot.key, 2
    while key.lower() in taken:
        key, i = f"{plot.key}-{i}", i + 1
    taken.add(key.lower())
    return replace(plot, key=key)


def _stem(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text).strip("-.") or "plot"


def epochs(record: Record) -> tuple[Array, list[str]]:
    """Where round numbers of epochs are on the axis of steps, and what they say."""
    steps, images = record.values("images")
    if not record.epoch_images or not len(steps) or images[-1] <= 0:
        return np.zeros(0), []
    from matplotlib.ticker import MaxNLocator

    done = images / record.epoch_images
    ticks: Any = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(0.0, float(done[-1]))
    ticks = ticks[(ticks >= 0) & (ticks <= done[-1])]
    return np.interp(ticks, [0, *done], [0, *steps]), [f"{t:g}" for t in ticks]
