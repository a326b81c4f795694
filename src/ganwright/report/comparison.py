"""Several runs on one page: what differs, final numbers, curves on one axis, grids next to each
other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ganwright import atomic
from ganwright.config.settings import FREE
from ganwright.config.spelling import convert
from ganwright.errors import RunError
from ganwright.report import html
from ganwright.report.drawing import Axis, drawn
from ganwright.report.page import duration, grids, terms
from ganwright.report.plots import Plot, names, series
from ganwright.report.protocols import evaluations, of_training, unlike
from ganwright.report.records import SPREAD, Record, finite, read_record

Runs: TypeAlias = dict[str, Record]

_IDLE = set(FREE) - {"data", "steps"}
"""Settings that change no result."""


def write_comparison(runs: Sequence[str | PathLike[str]], out: str | PathLike[str]) -> Path:
    """Write a page that compares runs; returns its path.

    Raises:
        RunError: a folder is no run, or is named twice.
        OSError: the page cannot be written.
    """
    place: Path = convert(out, Path, "out")
    found = _named([read_record(convert(run, Path, "run")) for run in runs])
    sections = {
        "Runs": html.table(_overview(found), ["", *found]),
        "Settings that differ": html.table(_differing(found), ["", *found]),
        "Final numbers": html.table(_numbers(found), ["", *found])
        + "".join(html.paragraph(sentence) for sentence in _unlike(found)),
        "Samples": html.cards(
            html.card(name, shown)
            for name, record in found.items()
            if (shown := html.slider(grids(record)))
        ),
        "Curves": _curves(found),
    }
    empty = {"Settings that differ": "None.", "Final numbers": "Nothing was measured yet."}
    for name, text in empty.items():
        sections[name] = sections[name] or html.paragraph(text)
    links = html.contents(name for name, body in sections.items() if body)
    parts = [html.section(name, body) for name, body in sections.items()]
    atomic.write(place, html.page(f"{len(found)} runs compared", [links, *parts]))
    return place


def _named(records: Sequence[Record]) -> Runs:
    """Runs by the names of their folders, or by their paths where names repeat."""
    twice = [r for r, n in Counter(r.folder.resolve() for r in records).items() if n > 1]
    if twice:
        raise RunError(f"{twice[0]} is named twice; name each run once")
    often = Counter(record.name for record in records)
    return {r.name if often[r.name] == 1 else str(r.folder): r for r in records}


def _overview(runs: Runs) -> Iterator[list[str]]:
    yield ["family", *(r.family for r in runs.values())]
    yield ["steps", *(f"{int(r.last.get('step', 0)):,}" for r in runs.values())]
    yield ["images", *(f"{r.last.get('images', 0):,}" for r in runs.values())]
    yield ["time", *(duration(r.seconds) for r in runs.values())]


def _differing(runs: Runs) -> Iterator[list[str]]:
    names = dict.fromkeys(name for r in runs.values() for name in r.settings)
    for name in (name for name in names if name not in _IDLE):
        values = [r.settings.get(name, "-") for r in runs.values()]
        if len(set(values)) > 1:
            yield [name, *values]


def _numbers(runs: Runs) -> Iterator[list[str]]:
    """The newest of `ganwright evaluate`, then the last that training measured."""
    columns = [_evaluated(r) | _logged(r) for r in runs.values()]
    for name in dict.fromkeys(name for column in columns for name in column):
        yield [name, *(column.get(name, "-") for column in columns)]


def _evaluated(record: Record) -> dict[str, str]:
    return {
        f"{name} (evaluated)": f"{row['value']:.4g}"
        for name, row in evaluations(record.folder).items()
        if finite(row["value"])
    }


def _unlike(runs: Runs) -> Iterator[str]:
    """A sentence on each number that was not measured in one way."""
    for kind, read in ((" (evaluated)", evaluations), ("", of_training)):
        known = {label: read(record.folder) for label, record in runs.items()}
        for name in dict.fromkeys(name for found in known.values() for name in found):
            first, *others = [label for label, found in known.items() if name in found]
            whys = ((other, unlike(known[first][name], known[other][name])) for other in others)
            if found := next(((other, why) for other, why in whys if why), None):
                yield f"{name}{kind} of {first} and of {found[0]} do not compare: {found[1]}."


def _logged(record: Record) -> dict[str, str]:
    kept = [n for n in names(record) if n in record.measured]
    return {n: f"{record.values(n)[1][-1]:.4g}" for n in kept}


def _curves(runs: Runs) -> str:
    """One plot per number, with a curve per run; measured ones first."""
    axis = Axis(max(float(r.last.get("step", 1)) for r in runs.values()), *_NO_IMAGES)
    logged = dict.fromkeys(name for r in runs.values() for name in names(r))
    measured = {name for r in runs.values() for name in r.measured}
    spreads = {f"{name}{SPREAD}" for name in logged}
    ordered = sorted((n for n in logged if n not in spreads), key=lambda n: n not in measured)
    return html.cards(_card(_plot(runs, name), axis) for name in ordered)


_NO_IMAGES = (np.zeros(0), np.zeros(0), (np.zeros(0), list[str]()))
"""Runs may differ in images per step and per epoch, so their common axis has steps alone."""


def _plot(runs: Runs, name: str) -> Plot:
    own = tuple(series(r, name, label) for label, r in runs.items() if len(r.values(name)[0]))
    first = own[0].meaning
    return Plot(name, name, first.kind.unit, own)


def _card(plot: Plot, axis: Axis) -> str:
    about = " ".join(filter(None, (plot.series[0].meaning.text, plot.series[0].meaning.healthy)))
    silent = tuple(
        replace(each, meaning=each.meaning._replace(text="", healthy="")) for each in plot.series
    )
    body = drawn(plot, axis).svg + terms(replace(plot, series=silent))
    return html.card(plot.title, body + html.paragraph(about, "dim"))
