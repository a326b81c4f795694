"""The run folder: whole or not there, and enough by itself to use what was trained.

RUN/config.yaml       all that determines the run
RUN/spec.json         what the data looked like; sampling needs no data
RUN/data.json         where the data lay, and what tells it from other data
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
from typing import Any

from ganwright.config import from_yaml, game_class, to_yaml
from ganwright.data.batch import BATCHES, Spec
from ganwright.data.label_map import LabelMap
from ganwright.data.sources import absolute, there
from ganwright.errors import RunError
from ganwright.families import FAMILIES
from ganwright.game import Game
from ganwright.settings import Settings


def make(out: Path, cls: type[Game], settings: Settings, spec: Spec, data: dict[str, Any]) -> None:
    """Make a run folder beside and rename it.

    Args:
        out: the folder.
        cls: the family.
        settings: of the run.
        spec: what its data looks like.
        data: where it lies and its fingerprint, as `record` has it.

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
        (beside / "data.json").write_text(json.dumps(data, indent=1))
        (beside / "metrics.jsonl").touch()
        if out.exists():
            out.rmdir()
        beside.rename(out)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise RunError(f"can not make the run folder {out}: {error.strerror}") from error


def record(settings: Settings, fingerprint: dict[str, Any]) -> dict[str, Any]:
    """What data.json holds: where the data lies, whatever folder one looks from, and its marks."""
    source, given = settings.data or "", fingerprint["kind"] == "given"
    return {
        "source": source if given else absolute(source),
        "data_root": os.path.abspath(os.path.expanduser(settings.data_root)),
        "fingerprint": fingerprint,
    }


def replace_data(run: Path, data: dict[str, Any]) -> None:
    """Write data.json anew, in one stroke."""
    beside = run / ".data.json"
    beside.write_text(json.dumps(data, indent=1))
    beside.replace(run / "data.json")


def read_data(run: Path) -> dict[str, Any] | None:
    """What a run knows of its data, or None for one that an older version made.

    Raises:
        RunError: data.json is broken.
    """
    path = run / "data.json"
    if not path.exists():
        return None
    try:
        known: dict[str, Any] = json.loads(path.read_text())
        known["source"], known["data_root"], known["fingerprint"]["kind"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} cannot be read ({type(error).__name__}); remove it to resume without checking "
            "that the data is the run's"
        ) from error
    return known


def located(settings: Settings, old: Settings, known: dict[str, Any] | None) -> Settings:
    """The settings with the data where it was, unless they say that it has moved.

    Args:
        settings: of the run as it is to go on.
        old: as it was.
        known: what `read_data` found.

    Raises:
        RunError: it is no longer there.
    """
    if known is None or known["fingerprint"]["kind"] == "given":
        return settings
    source = known["source"]
    if settings.data == old.data and there(source):
        settings = dataclasses.replace(settings, data=source)
    elif settings.data is not None and not there(absolute(settings.data)):
        place = source if settings.data == old.data else settings.data
        raise RunError(
            f"the data of this run is not at {place}; if it was moved, name its place with --data"
        )
    if settings.data_root == old.data_root and Path(known["data_root"]).exists():
        settings = dataclasses.replace(settings, data_root=Path(known["data_root"]))
    return settings


def replace_config(run: Path, cls: type[Game], settings: Settings) -> None:
    """Write config.yaml anew, in one stroke."""
    path, text = run / "config.yaml", to_yaml(name_of(cls), settings)
    beside = path.with_name(f".{path.name}")
    beside.write_text(text)
    beside.replace(path)


def read_config(run: Path) -> tuple[type[Game], Settings]:
    """The family and settings of a run folder.

    Raises:
        RunError: it is no run folder, or another version's.
    """
    try:
        text = (run / "config.yaml").read_text()
    except OSError as error:
        what = "holds no config.yaml" if run.is_dir() else "does not exist"
        raise RunError(f"{run} is not a run folder: it {what}") from error
    name, settings = from_yaml(text)
    return game_class(name), settings


def read_spec(run: Path) -> Spec:
    """What the data of a run looked like."""
    try:
        values = json.loads((run / "spec.json").read_text())
        values["task"] = BATCHES[values["task"]]
        values["shape"] = tuple(values["shape"])
        values["target"] = values["target"] and tuple(values["target"])
        values["classes"] = tuple(values["classes"])
        values["present"] = tuple(values.get("present", ()))
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
