"""The run folder: whole or not there, and enough by itself to use what was trained.

RUN/config.yaml       all that determines the run
RUN/spec.json         what the data looked like; sampling needs no data
RUN/metrics.jsonl     a line of numbers each log interval
RUN/samples/          grids, always of the same latents or inputs
RUN/checkpoints/      see checkpoint.py
RUN/.lock             who writes to it; see lock.py
RUN/report.html       curves and grids
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from ganwright import atomic, lock
from ganwright.checkpoint import steps
from ganwright.config import from_yaml, game_class, to_yaml
from ganwright.data.batch import BATCHES, Spec
from ganwright.data.label_map import LabelMap
from ganwright.errors import GanwrightError, RunError
from ganwright.families import FAMILIES
from ganwright.game import Game
from ganwright.settings import Settings


def make(out: Path, cls: type[Game], settings: Settings, spec: Spec) -> None:
    """Make a run folder beside and rename it.

    Raises:
        RunError: it cannot be written; nothing is left behind.
    """
    text = to_yaml(name_of(cls), settings)
    values = dataclasses.asdict(spec) | {"task": spec.task.__name__}
    try:
        with atomic.folder(out) as beside:
            (beside / "samples").mkdir()
            (beside / "checkpoints").mkdir()
            (beside / "config.yaml").write_text(text, encoding="utf-8")
            (beside / "spec.json").write_text(json.dumps(values, indent=1))
            (beside / "metrics.jsonl").touch()
    except OSError as error:
        raise RunError(f"cannot make the run folder {out}: {atomic.reason(error)}") from error


def check_free(out: Path) -> None:
    """Refuse a place where something stands already; an empty folder is none.

    Raises:
        RunError: another process trains there, or it holds something.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if holder := lock.writer(out):
        raise RunError(f"{out} is being trained by {holder}; choose another --out")
    if (out / "config.yaml").is_file():
        raise RunError(
            f"{out} exists; resume it with `ganwright resume {out}`, or choose another --out"
        )
    raise RunError(f"{out} exists and is no run folder; choose another --out")


def replace_config(run: Path, cls: type[Game], settings: Settings) -> None:
    """Write config.yaml anew, in one stroke.

    Raises:
        RunError: it cannot be written; the old one is untouched.
    """
    path = run / "config.yaml"
    try:
        atomic.write(path, to_yaml(name_of(cls), settings))
    except OSError as error:
        raise RunError(f"{path} cannot be written: {atomic.reason(error)}") from error


def read_config(run: Path) -> tuple[type[Game], Settings]:
    """The family and settings of a run folder.

    Raises:
        RunError: it is no run folder, or one of a newer format.
        SettingsError: its configuration does not fit.
    """
    try:
        text = (run / "config.yaml").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        what = "holds no config.yaml" if run.is_dir() else "does not exist"
        raise RunError(f"{run} is not a run folder: it {what}{_copy(run)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(
            f"{run / 'config.yaml'} cannot be read: {atomic.reason(error)}{_copy(run)}"
        ) from error
    try:
        name, settings = from_yaml(text)
    except GanwrightError as error:
        raise type(error)(f"{run / 'config.yaml'}: {error}{_copy(run)}") from error
    return game_class(name), settings


def _copy(run: Path) -> str:
    """Where a configuration that is lost or broken stands once more."""
    for path in reversed(steps(run / "checkpoints")):
        if (path / "config.yaml").is_file():
            return f"; a copy of it is {path / 'config.yaml'}"
    return ""


def read_spec(run: Path) -> Spec:
    """What the data of a run looked like."""
    try:
        values = json.loads((run / "spec.json").read_text())
        values["task"] = BATCHES[values["task"]]
        values["shape"] = tuple(values["shape"])
        values["target"] = values["target"] and tuple(values["target"])
        values["classes"] = tuple(values["classes"])
        if values.get("label_map"):
            values["label_map"] = LabelMap(**values["label_map"])
        return Spec(**values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{run / 'spec.json'} cannot be read: {error}") from error


def name_of(cls: type[Game]) -> str:
    """How config.yaml names a family: by its row in the table, or by its import path."""
    for name, entry in FAMILIES.items():
        if f"ganwright.families.{entry.path}" == f"{cls.__module__}:{cls.__qualname__}":
            return name
    return f"{cls.__module__}:{cls.__qualname__}"
