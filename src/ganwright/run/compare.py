"""Comparing runs: the mean and the spread over seeds of what was measured."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ganwright.config.settings import FREE
from ganwright.config.spelling import spell
from ganwright.errors import RunError
from ganwright.families import name_of
from ganwright.report.records import read_record
from ganwright.run.run_folder import read_config

PLACE = (*(set(FREE) - {"data", "steps"}), "seed", "precision")
"""Settings that do not tell one group from another."""
MACHINE = ("precision", "device")
"""Those of them that do where one seed was trained with several."""
VARYING = ("name", "value", "spread", "seed", "step", "reference", "when")
"""What may differ in the protocols of one column."""


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
    """

    run: Path
    seed: int
    settings: Mapping[str, str]
    machine: Mapping[str, str]
    values: Mapping[str, float]
    protocols: Mapping[str, Mapping[str, Any]]

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
            found = [_cell(values.get(name), around) for name in self.names]
            lines.append([*labels, *found, str(max((n for *_, n in values.values()), default=0))])
        return lines

    def text(self) -> str:
        """For a terminal."""
        cells = self.cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        rows = ["  ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)) for row in cells]
        return "\n".join(row.rstrip() for row in rows)

    def csv(self) -> str:
        """Mean, spread and number of seeds as columns of their own, in full precision."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        parts = [part for n in self.names for part in (n, f"{n} spread", f"{n} seeds")]
        writer.writerow([*self.heads, *parts])
        for labels, values in self.rows:
            found = [values.get(name, ("", "", 0)) for name in self.names]
            writer.writerow([*labels, *(part for triple in found for part in triple)])
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
    name it, and it is left out.

    Raises:
        RunError: a folder is no run, nothing was measured, or not in the same way.
    """
    folders: dict[Path, Path] = {}
    for run in map(Path, runs):
        folders.setdefault(run.resolve(), run)
    found = [measured(run) for run in folders.values()]
    _alike(found)
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
    protocols = {str(row["name"]): row for row in _evaluations(run)}
    values = {name: float(row["value"]) for name, row in protocols.items()}
    machine = {name: str(getattr(settings, name)) for name in MACHINE}
    return Measured(run, settings.seed, own, machine, values or _logged(run), protocols)


def _evaluations(run: Path) -> list[dict[str, Any]]:
    path = run / "evaluation.jsonl"
    rows = []
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            row["name"], float(row["value"])
        except (ValueError, KeyError, TypeError):
            continue
        rows.append(row)
    return rows


def _logged(run: Path) -> dict[str, float]:
    """The last of each number that was measured in training: not the players' terms."""
    record = read_record(run)
    values = {name: record.values(name)[1] for name in record.measured}
    return {name: float(found[-1]) for name, found in values.items() if len(found)}


def _alike(runs: Sequence[Measured]) -> None:
    """See that each number was measured in one way.

    Raises:
        RunError: it was not.
    """
    seen: dict[str, tuple[Path, dict[str, Any]]] = {}
    for each in runs:
        for name, row in each.protocols.items():
            own = {k: v for k, v in row.items() if k not in VARYING}
            first, other = seen.setdefault(name, (each.run, own))
            different = [k for k in own.keys() | other.keys() if own.get(k) != other.get(k)]
            if different:
                key = sorted(different)[0]
                ours, theirs = own.get(key, "unknown"), other.get(key, "unknown")
                raise RunError(
                    f"{name} of {first} and of {each.run} do not compare: {key.replace('_', ' ')} "
                    f"{theirs} and {ours}; evaluate them in the same way"
                )


def _spread(group: Sequence[Measured], name: str) -> tuple[float, float, int] | None:
    values = [each.values[name] for each in group if name in each.values]
    if not values:
        return None
    around = statistics.stdev(values) if len(values) > 1 else 0.0
    return statistics.fmean(values), around, len(values)


def _cell(found: tuple[float, float, int] | None, around: str) -> str:
    if found is None:
        return "-"
    mean, spread, count = found
    return f"{mean:.4g}{around}{spread:.2g}" if count > 1 else f"{mean:.4g}"


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else spell(value, brief=True)


def _escaped(text: str) -> str:
    for mark in "&%$#_{}":
        text = text.replace(mark, f"\\{mark}")
    return text
