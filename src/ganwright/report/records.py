"""What a run's folder says of itself, read without its networks and without its data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import yaml

from ganwright.errors import RunError
from ganwright.shared_model import refuse_shared

COUNTS = (
    "step",
    "images",
    "images_per_second",
    "seconds_left",
    "data_wait",
    "memory_mb",
    "rewound_to",
)
"""The numbers of a row that are neither terms nor measured."""
HELD_OUT, HEALTH, SPREAD = "held_out", "health", " spread"


@dataclass(frozen=True)
class Record:
    """A run as its folder shows it.

    Args:
        folder: the run folder.
        config: its config.yaml.
        rows: of metrics.jsonl, by step.
        damaged: lines of metrics.jsonl that cannot be read.
        spec: its spec.json; empty where that cannot be read.
        environment: its environment.json; empty where that cannot be read.
        origin: its origin.json; empty where it began from nothing.
    """

    folder: Path
    config: Mapping[str, Any]
    rows: list[dict[str, Any]]
    damaged: int
    spec: Mapping[str, Any]
    environment: Mapping[str, Any]
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def family(self) -> str:
        """The family's name, as in config.yaml."""
        return str(self.config.get("family", "run"))

    @cached_property
    def settings(self) -> dict[str, str]:
        """Every setting as text, by dotted name."""
        left_out = ("format", "ganwright", "family")
        return {k: v for k, v in _flat(self.config) if k not in left_out}

    @property
    def last(self) -> Mapping[str, Any]:
        """The newest row; empty where there is none."""
        return self.rows[-1] if self.rows else {}

    @property
    def epoch_images(self) -> int:
        """Training images; 0 where their number is not known."""
        count = self.spec.get("count")
        return count if isinstance(count, int) else 0

    @cached_property
    def terms(self) -> set[str]:
        """Names of players' terms and of what is watched: `D/adv`, `health/diversity`.

        A player is known by its gradient; where none was logged, all are that may be one.
        """
        logged = {name for row in self.rows for name in row}
        heads = {name.rpartition("/")[0] for name in logged} - {"", HELD_OUT}
        players = {head for head in heads if f"{head}/gradient" in logged} or heads
        return {name for name in logged if name.rpartition("/")[0] in {*players, HEALTH}}

    @cached_property
    def measured(self) -> list[str]:
        """Names of what metrics and callbacks logged, and of what was measured on held-out data."""
        logged = dict.fromkeys(name for row in self.rows for name in row)
        others = self.terms | set(COUNTS) | {f"{name}{SPREAD}" for name in logged}
        return [n for n in logged if n not in others]

    def values(self, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Steps and values of a number, where it was logged and is finite."""
        known = [(row["step"], row[name]) for row in self.rows if finite(row.get(name))]
        points = np.array(known, dtype=float).reshape(-1, 2)
        return points[:, 0], points[:, 1]

    def before(self, count: str) -> int:
        """The steps or images of the run that this one was forked from: not its own work."""
        found = self.origin.get(count)
        return found if isinstance(found, int) else 0

    @property
    def seconds(self) -> float:
        """How long training took: of each row, its images by its images per second."""
        total, before = 0.0, float(self.before("images"))
        for row in self.rows:
            images, pace = row.get("images"), row.get("images_per_second")
            if finite(images) and finite(pace):
                total += (images - before) / pace if pace > 0 else 0.0
                before = images
        return total


def read_record(run: Path) -> Record:
    """Read a run folder.

    Raises:
        RunError: it is no run folder, or its config.yaml cannot be read.
    """
    if not (run / "config.yaml").is_file():
        what = "it is a file" if run.is_file() else "it does not exist"
        what = "it has no config.yaml" if run.is_dir() else what
        raise RunError(f"{run} is not a run: {what}; name a folder that `ganwright train` made")
    refuse_shared(run)
    try:
        config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RunError(f"{run / 'config.yaml'} cannot be read: {error}") from error
    if not isinstance(config, Mapping):
        raise RunError(f"{run / 'config.yaml'} holds no settings; it must be a mapping")
    rows, damaged = _steps(run / "metrics.jsonl")
    files = (_mapping(run / f"{name}.json") for name in ("spec", "environment", "origin"))
    return Record(run, config, rows, damaged, *files)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a .jsonl file that hold a step; damaged lines are left out."""
    return [row for row in _lines(path) if row is not None]


def health(run: Path) -> list[str]:
    """What the lines of health.jsonl say of the run, {"step": N, "sentence": "..."} each."""
    rows = read_rows(run / "health.jsonl")
    return [f"Step {int(row['step']):,}: {row['sentence']}" for row in rows if "sentence" in row]


def finite(value: Any) -> TypeGuard[float]:
    """Whether this is a number that can be drawn."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and bool(np.isfinite(value))


def _steps(path: Path) -> tuple[list[dict[str, Any]], int]:
    lines = list(_lines(path))
    rows = {int(row["step"]): row for row in lines if row is not None}
    return [rows[step] for step in sorted(rows)], lines.count(None)


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """Each line; None for one without a step, or cut off by a crash."""
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            int(row["step"])
        except (ValueError, KeyError, TypeError, OverflowError):
            yield None
        else:
            yield row


def _mapping(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _flat(settings: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{prefix}{name}", "none" if shown in (None, "") else str(shown)
