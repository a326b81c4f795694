"""The run folder: whole or not there, and enough by itself to use what was trained.

RUN/config.yaml       all that determines the run
RUN/spec.json         what the data looked like; sampling needs no data
RUN/metrics.jsonl     a line of numbers each log interval
RUN/samples/          grids, always of the same latents or inputs
RUN/checkpoints/      see checkpoint.py
RUN/report.html       curves and grids
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

from ganwright.config import from_yaml, game_class, to_yaml
from ganwright.data.batch import BATCHES, Spec
from ganwright.data.label_map import LabelMap
from ganwright.errors import RunError
from ganwright.families import FAMILIES
from ganwright.game import Game
from ganwright.settings import Settings


def make(out: Path, cls: type[Game], settings: Settings, spec: Spec) -> None:
    """Make a run folder beside and rename it.

    Raises:
        RunError: it can not be written; nothing is left behind.
    """
    text = to_yaml(name_of(cls), settings)
    values = dataclasses.asdict(spec) | {"task": spec.task.__name__}
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        (beside / "samples").mkdir()
        (beside / "checkpoints").mkdir()
        (beside / "config.yaml").write_text(text)
        (beside / "spec.json").write_text(json.dumps(values, indent=1))
        (beside / "metrics.jsonl").touch()
        if out.exists():
            out.rmdir()
        beside.rename(out)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise RunError(f"can not make the run folder {out}: {error.strerror}") from error


def replace_config(run: Path, cls: type[Game], settings: Settings) -> None:
    """Write config.yaml anew, in one stroke."""
    path, text = run / "config.yaml", to_yaml(name_of(cls), settings)
    beside = path.with_name(f".{path.name}")
    beside.write_text(text)
    beside.replace(path)


def read_config(run: Path, game: type[Game] | None = None) -> tuple[type[Game], Settings]:
    """The family and settings of a run folder.

    Args:
        run: the run folder.
        game: the family's class, where its name in the run cannot be imported.

    Raises:
        RunError: it is no run folder, or another version's.
    """
    try:
        text = (run / "config.yaml").read_text()
    except OSError as error:
        what = "holds no config.yaml" if run.is_dir() else "does not exist"
        raise RunError(f"{run} is not a run folder: it {what}") from error
    name, settings = from_yaml(text, game=game, file=run / "config.yaml")
    return game or game_class(name), settings


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
        raise RunError(f"{run / 'spec.json'} can not be read: {error}") from error


def name_of(cls: type[Game]) -> str:
    """How config.yaml names a family: by its row in the table, or by its import path."""
    for name, entry in FAMILIES.items():
        if f"ganwright.families.{entry.path}" == f"{cls.__module__}:{cls.__qualname__}":
            return name
    return f"{cls.__module__}:{cls.__qualname__}"
