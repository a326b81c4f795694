"""Comparing runs: the mean and the spread over seeds of what was measured."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ganwright.config.settings import FREE
from ganwright.config.spelling import spell
from ganwright.errors import RunError
from ganwright.families import name_of
from ganwright.report.protocols import evaluations, of_training, unlike
from ganwright.report.records import read_record
from ganwright.run.run_folder import read_config

PLACE = (*(set(FREE) - {"data", "steps"}), "seed", "precision")
"""Settings that do not tell one group from another."""
MACHINE = ("precision", "device")
"""Those of them that do where one seed was trained with several."""
NAMED = 3
"""Runs that a note names at most."""


@dataclass(frozen=True)
class Measured:
    """A run's settings and numbers.

    Args:
        run: its folder.
        seed: its random numbers.
        settings: by dotted name, spelled.
        machine: those of MACHINE.
        values: by name.
        protocols: of each value, as far as it is known.
        evaluated: whether they are of `ganwright evaluate`, and not what training logged.
        at: the step at which each was measured.
        steps: how many the run was to have.
    """

    run: Path
    seed: int
    settings: Mapping[str, str]
    machine: Mapping[str, str]
    values: Mapping[str, float]
    protocols: Mapping[str, Mapping[str, Any]]
    evaluated: bool
    at: Mapping[str, int]
    steps: int

    @property
    def key(self) -> tuple[Any, ...]:
        """What two runs that would repeat each other have in common."""
        return self.seed, *sorted(self.settings.items())


@dataclass(frozen=True)
class Table:
    """Groups of runs: what tells them apart, and each number's mean, spread and count."""

    heads: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], Mapping[str, tuple[float, float, int]]], ...]
    notes: tuple[str, ...] = ()

    def cells(self, around: str = " ± ") -> list[list[str]]:
        """The table as text; the spread is a sample's deviation, left out of one run."""
        lines = [[*self.heads, *self.names, "seeds"]]
        for labels, values in self.rows:
            seeds = max((n for *_, n in values.values()), default=0)
            found = [_cell(values.get(name), around, seeds) for name in self.names]
            lines.append([*labels, *found, str(seeds)])
        return lines

    def text(self) -> str:
        """For a terminal."""
        cells = self.cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        rows = ["  ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)) for row in cells]
        return "\n".join(row.rstrip() for row in rows)

    def csv(self) -> str:
        """Mean, spread and number of seeds as columns of their own, in full precision.

        One seed has no spread: its column is empty.
        """
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        parts = [part for n in self.names for part in (n, f"{n} spread", f"{n} seeds")]
        writer.writerow([*self.heads, *parts])
        for labels, values in self.rows:
            found = [values.get(name, ("", "", 0)) for name in self.names]
            cells = [c for mean, spread, n in found for c in (mean, spread if n > 1 else "", n)]
            writer.writerow([*labels, *cells])
        return out.getvalue().rstrip()

    def latex(self) -> str:
        """A tabular of booktabs."""
        head, *rows = [[_escaped(c) for c in row] for row in self.cells("__PM__")]
        columns = "l" * len(self.heads) + "r" * (len(head) - len(self.heads))
        lines = [" & ".join(row).replace("\\_\\_PM\\_\\_", " $\\pm$ ") + r" \\" for row in rows]
        top = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(head) + r" \\"]
        return "\n".join([*top, r"\midrule", *lines, r"\bottomrule", r"\end{tabular}"])


def compare(runs: Sequence[str | Path]) -> Table:
    """Group runs by everything but the seed.

    Numbers are the newest of `ganwright evaluate`; of a run that was never evaluated, the last that
    training logged. A run that repeats another one, with its seed, is no second sample: the notes
    name it, and it is left out. They also name runs without any number, what a row was measured at
    different steps of, numbers that training logged without saying how they were measured, and
    those that are none.

    Raises:
        RunError: a folder is no run, nothing was measured, or not in the same way.
    """
    folders: dict[Path, Path] = {}
    for run in map(Path, runs):
        folders.setdefault(run.resolve(), run)
    found = [measured(run) for run in folders.values()]
    unsure = _alike(found)
    found, notes = _each_once(_by_machine(found))
    names = tuple(dict.fromkeys(name for each in found for name in each.values))
    if not names:
        raise RunError(
            "none of these runs was measured; run `ganwright evaluate` on each, or train with "
            "--metrics"
        )
    keys = dict.fromkeys(key for each in found for key in each.settings)
    differing = [k for k in keys if len({each.settings.get(k, "-") for each in found}) > 1]
    heads = tuple(dict.fromkeys(["family", *differing]))
    groups: dict[tuple[str, ...], list[Measured]] = {}
    for each in found:
        groups.setdefault(tuple(each.settings.get(k, "-") for k in heads), []).append(each)
    rows = [(labels, {n: s for n in names if (s := _spread(g, n))}) for labels, g in groups.items()]
    notes += tuple(
        f"{each.run} was never measured, so no number counts it; evaluate it"
        for each in found
        if not each.values
    )
    notes += (*unsure, *(note for group in groups.values() for note in _unequal(group)))
    return Table(tuple(h.removeprefix("game.") for h in heads), names, tuple(rows), notes)


def _by_machine(runs: list[Measured]) -> list[Measured]:
    """The same; what one seed was trained with several times in different ways is a setting."""
    for name in MACHINE:
        ways: dict[Any, set[str]] = {}
        for each in runs:
            ways.setdefault(each.key, set()).add(each.machine[name])
        if any(len(several) > 1 for several in ways.values()):
            runs = [
                replace(each, settings={**each.settings, name: each.machine[name]}) for each in runs
            ]
    return runs


def _each_once(runs: list[Measured]) -> tuple[list[Measured], tuple[str, ...]]:
    """The first of those that repeat each other, and what is to be said of the others."""
    first: dict[Any, Measured] = {}
    notes = []
    for each in runs:
        kept = first.setdefault(each.key, each)
        if kept is not each:
            notes.append(
                f"left out {each.run}: {kept.run} has its settings and its seed {each.seed}"
            )
    return list(first.values()), tuple(notes)


def measured(run: Path) -> Measured:
    """What a run's folder says.

    Raises:
        RunError: it is no run folder.
    """
    cls, settings = read_config(run)
    own = {"family": name_of(cls)}
    for f in fields(settings):
        if f.name not in (*PLACE, "game"):
            own[f.name] = _spelled(getattr(settings, f.name))
    for f in fields(settings.game):
        own[f"game.{f.name}"] = _spelled(getattr(settings.game, f.name))
    evaluated = evaluations(run)
    values = {name: float(row["value"]) for name, row in evaluated.items()}
    at = {name: int(row.get("step", settings.steps)) for name, row in evaluated.items()}
    if not evaluated:
        values, at = _logged(run)
    machine = {name: str(getattr(settings, name)) for name in MACHINE}
    protocols = evaluated or of_training(run)
    about = (protocols, bool(evaluated), at, settings.steps)
    return Measured(run, settings.seed, own, machine, values, *about)


def _logged(run: Path) -> tuple[dict[str, float], dict[str, int]]:
    """The last of each number that was measured in training, not the players' terms; its step."""
    record = read_record(run)
    known = {name: record.values(name) for name in record.measured}
    last = {name: (steps[-1], values[-1]) for name, (steps, values) in known.items() if len(steps)}
    return {n: float(v) for n, (_, v) in last.items()}, {n: int(s) for n, (s, _) in last.items()}


def _alike(runs: Sequence[Measured]) -> tuple[str, ...]:
    """See that each number was measured in one way; returns of which that is not known.

    Raises:
        RunError: it was not.
    """
    seen: dict[str, Measured] = {}
    unsure: dict[str, str] = {}
    for each in runs:
        for name in each.values:
            first = seen.setdefault(name, each)
            mine, theirs = (dict(r.protocols.get(name, {})) for r in (each, first))
            why = unlike(theirs, mine)
            if not why:
                continue
            if (mine and theirs) or first.evaluated != each.evaluated:
                raise RunError(
                    f"{name} of {first.run} and of {each.run} do not compare: {why}; evaluate "
                    "them in the same way"
                )
            run = first.run if mine else each.run
            unsure[name] = f"how {name} of {run} was measured is not known; evaluate it"
    return tuple(unsure.values())


def _unequal(group: Sequence[Measured]) -> Iterator[str]:
    """What is to be said of a row: numbers measured at different steps, and what is no number."""
    names = dict.fromkeys(name for each in group for name in each.values)
    most = {n: max(each.at[n] for each in group if n in each.at) for n in names}
    late: dict[tuple[tuple[str, ...], int], list[str]] = {}
    for name, step in most.items():
        less = [each for each in group if each.at.get(name, step) < step]
        runs = tuple(f"{each.run} at step {each.at[name]:,}" for each in less)
        late.setdefault((runs, step), []).append(name)
        for each in group:
            if not math.isfinite(each.values.get(name, 0.0)):
                yield f"{name} of {each.run} is {each.values[name]}, so its mean is nan"
    total = max(each.steps for each in group)
    for (runs, step), of in late.items():
        if runs:
            yield (
                f"one row holds runs measured at different steps: {_few(runs)}, the rest at "
                f"{step:,} of {total:,} ({_few(of)})"
            )
    if len(set(most.values())) > 1:
        said = _few([f"{name} at step {step:,}" for name, step in most.items()])
        yield f"numbers of one row were measured at different steps: {said}; evaluate them again"


def _few(parts: Sequence[str]) -> str:
    """The first of them, and how many others there are."""
    others = f" and {len(parts) - NAMED} others" if len(parts) > NAMED else ""
    return ", ".join(parts[:NAMED]) + others


def _spread(group: Sequence[Measured], name: str) -> tuple[float, float, int] | None:
    values = [each.values[name] for each in group if name in each.values]
    if not values:
        return None
    if not all(map(math.isfinite, values)):
        odd = values[0] if len({*map(str, values)}) == 1 else math.nan
        return odd, math.nan, len(values)
    around = statistics.stdev(values) if len(values) > 1 else 0.0
    return statistics.fmean(values), around, len(values)


def _cell(found: tuple[float, float, int] | None, around: str, seeds: int) -> str:
    """A mean and its spread; its count where that is not the row's."""
    if found is None:
        return "-"
    mean, spread, count = found
    text = f"{mean:.4g}{around}{spread:.2g}" if count > 1 else f"{mean:.4g}"
    return text if count == seeds else f"{text} ({count} seed{'s' * (count > 1)})"


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else spell(value, brief=True)


def _escaped(text: str) -> str:
    named = {"\\": "textbackslash", "^": "textasciicircum", "~": "textasciitilde"}
    marks = {mark: f"\\{mark}" for mark in "&%$#_{}"}
    marks |= {mark: f"\\{name}{{}}" for mark, name in named.items()}
    return "".join(marks.get(mark, mark) for mark in text)
