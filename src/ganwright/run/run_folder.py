"""The run folder: whole or not there, and enough by itself to use what was trained.

RUN/config.yaml       all that determines the run
RUN/spec.json         what the data looked like; sampling needs no data
RUN/data.json         where the data lay, and what tells it from other data
RUN/origin.json       whose weights it began with, if it did not begin from nothing
RUN/metrics.jsonl     a line of numbers each log interval
RUN/protocols.json    how metrics among them are measured
RUN/ended.json        at which step training ended, and whether a callback stopped it
RUN/samples/          grids, always of the same latents or inputs
RUN/checkpoints/      see checkpoint.py
RUN/.lock             who writes to it; see lock.py
RUN/report.html       curves, samples, cost and settings on one page
RUN/plots/            the plots of that page, a PNG file each
RUN/environment.json  the versions and the machine that it is trained with
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
from collections.abc import Callable
from itertools import count
from os import PathLike
from pathlib import Path
from typing import Any

from ganwright import atomic, launched
from ganwright.config import trust
from ganwright.config.settings import Settings
from ganwright.config.spelling import quoted
from ganwright.data.label_map import LabelMap
from ganwright.data.levels import Levels, Reading
from ganwright.data.named import absolute, there
from ganwright.data.signal import Signal
from ganwright.data.table import Column, Table
from ganwright.data.types import BATCHES, Spec
from ganwright.errors import GanwrightError, RunError
from ganwright.families import name_of
from ganwright.game import Game
from ganwright.run import lock
from ganwright.run.config_file import OtherFamilyError, from_yaml, game_class, to_yaml
from ganwright.shared_model import is_shared
from ganwright.training.checkpoint import steps


def make(
    out: Path,
    cls: type[Game],
    settings: Settings,
    spec: Spec,
    data: dict[str, Any],
    first: Callable[[Path], None] | None = None,
) -> None:
    """Make a run folder under a temporary name and rename it.

    Args:
        out: the folder.
        cls: the family.
        settings: of the run.
        spec: what its data looks like.
        data: where it lies and its fingerprint, as `record` has it.
        first: puts into the folder what a run has that does not begin from nothing.

    Raises:
        RunError: another process has made it meanwhile, or it cannot be written; nothing is left
            behind.
    """
    text = to_yaml(name_of(cls), settings)
    values = dataclasses.asdict(spec) | {"task": spec.task.__name__}
    try:
        with atomic.folder(out) as beside:
            (beside / "samples").mkdir()
            (beside / "checkpoints").mkdir()
            (beside / "config.yaml").write_text(text, encoding="utf-8")
            (beside / "spec.json").write_text(json.dumps(values, indent=1), encoding="utf-8")
            (beside / "data.json").write_text(json.dumps(data, indent=1), encoding="utf-8")
            (beside / "metrics.jsonl").touch()
            if first is not None:
                first(beside)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            check_free(out)
        raise RunError(f"cannot make the run folder {out}: {atomic.reason(error)}") from error


def is_run(given: Any) -> bool:
    """Whether something is the path of a run folder."""
    return isinstance(given, str | PathLike) and (Path(given) / "config.yaml").is_file()


def check_free(out: Path) -> None:
    """Refuse a place where something stands already; an empty folder is none.

    Raises:
        RunError: another process trains there, or it holds something.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if holder := lock.writer(out):
        raise RunError(f"{out} is being trained by {holder}; choose another --out")
    if (out / "config.yaml").is_file() and not is_shared(out):
        raise RunError(
            f"{out} exists; resume it with `ganwright resume {quoted(out)}`, or choose another "
            "--out"
        )
    raise RunError(f"{out} exists and is no run folder; choose another --out")


def record(settings: Settings, fingerprint: dict[str, Any]) -> dict[str, Any]:
    """What data.json holds: where the data lies, whatever folder one looks from, and its marks."""
    source, given = settings.data or "", fingerprint["kind"] == "given"
    return {
        "source": source if given else absolute(source),
        "data_root": os.path.abspath(os.path.expanduser(settings.data_root)),
        "fingerprint": fingerprint,
    }


def replace_data(run: Path, data: dict[str, Any]) -> None:
    """Write data.json again, in one stroke.

    Raises:
        RunError: it cannot be written; the old one is untouched.
    """
    path = run / "data.json"
    try:
        atomic.write(path, json.dumps(data, indent=1))
    except OSError as error:
        raise RunError(f"{path} cannot be written: {atomic.reason(error)}") from error


def read_data(run: Path) -> dict[str, Any] | None:
    """What a run knows of its data, or None for one that an older version made.

    Raises:
        RunError: data.json is broken.
    """
    path = run / "data.json"
    if not path.exists():
        return None
    try:
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for text in (known["source"], known["data_root"], known["fingerprint"]["kind"]):
            Path(text)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} cannot be read ({type(error).__name__}); remove it to resume without checking "
            "that the data is the run's"
        ) from error
    return known


def located(
    settings: Settings,
    old: Settings,
    known: dict[str, Any] | None,
    helps: str = "name its place with --data",
) -> Settings:
    """The settings with the data where it was, unless they say that it has moved.

    Args:
        settings: of the run as it is to continue.
        old: as it was.
        known: what `read_data` found.
        helps: what to do where it was moved.

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
        raise RunError(f"the data of this run is not at {place}; if it was moved, {helps}")
    if settings.data_root == old.data_root and Path(known["data_root"]).exists():
        settings = dataclasses.replace(settings, data_root=Path(known["data_root"]))
    return settings


def replace_config(run: Path, cls: type[Game], settings: Settings) -> None:
    """Write config.yaml again, in one stroke.

    Raises:
        RunError: it cannot be written; the old one is untouched.
    """
    path = run / "config.yaml"
    try:
        atomic.write(path, to_yaml(name_of(cls), settings))
    except OSError as error:
        raise RunError(f"{path} cannot be written: {atomic.reason(error)}") from error


def read_config(run: Path, game: type[Game] | None = None) -> tuple[type[Game], Settings]:
    """The family and settings of a run folder.

    Args:
        run: the run folder.
        game: the family's class, where its name in the run cannot be imported.

    Raises:
        RunError: it is no run folder, or one of a newer format.
        SettingsError: its configuration does not fit, or `game` is another family.
    """
    try:
        text = (run / "config.yaml").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        what = "is a file" if run.is_file() else "does not exist"
        what = "holds no config.yaml" if run.is_dir() else what
        raise RunError(f"{run} is not a run folder: it {what}{_copy(run)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(
            f"{run / 'config.yaml'} cannot be read: {atomic.reason(error)}{_copy(run)}"
        ) from error
    try:
        name, settings = from_yaml(text, game=game, file=run / "config.yaml")
    except OtherFamilyError:  # the file is as it should be
        raise
    except GanwrightError as error:
        copy = "" if trust.FLAG in str(error) else _copy(run, text)
        raise type(error)(f"{error}{copy}") from error
    return game or game_class(name), settings


def _copy(run: Path, broken: str = "") -> str:
    """Where a configuration that is lost or `broken` stands once more, as it was."""
    for path in reversed(steps(run / "checkpoints")):
        sealed = path / "config.yaml"
        if sealed.is_file() and sealed.read_bytes() != broken.encode():
            return f"; a copy of it is {sealed}"
    return ""


def read_spec(run: Path, cls: type[Game]) -> Spec:
    """What the data of a run looked like; a batch type of your own is the family's."""
    try:
        values = json.loads((run / "spec.json").read_text(encoding="utf-8"))
        values["task"] = BATCHES.get(values["task"], cls.task)
        values["shape"] = tuple(map(int, values["shape"]))
        values["target"] = values["target"] and tuple(map(int, values["target"]))
        values["classes"] = tuple(values["classes"])
        for name in ("present", "counts"):
            values[name] = tuple(values.get(name, ()))
        for name in ("label_map", "target_map"):
            if values.get(name):
                values[name] = LabelMap.stored(values[name])
        for name in ("levels", "target_levels"):
            if values.get(name):
                values[name] = Levels(**values[name])
        for name in ("reading", "target_reading"):
            if values.get(name):
                values[name] = Reading.stored(values[name])
        if table := values.get("table"):
            columns = (c | {"values": tuple(c["values"])} for c in table["columns"])
            values["table"] = Table(**table | {"columns": tuple(Column(**c) for c in columns)})
        if signal := values.get("signal"):
            values["signal"] = Signal(tuple(signal["mean"]), tuple(signal["std"]))
        if min(*values["shape"], *(values["target"] or ()), 1) < 1:
            raise ValueError(f"the shape of an image is {values['shape']}")
        return Spec(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{run / 'spec.json'} cannot be read: {atomic.reason(error)}; it holds what the run's "
            "data looked like: restore it, or train again"
        ) from error


def free_folder(parent: Path, family: str, data: str) -> Path:
    """`parent`/<family>-<data>-<NNN> with the first number that no folder has.

    Raises:
        RunError: several processes train, which would each look, and find different ones.
        SettingsError: a launcher's variable is no number.
    """
    if launched.world() > 1:
        raise RunError("several processes must share a run's folder; name it with --out")
    name = re.sub(r"[^\w.]+", "-", Path(data).name).strip("-.") or "data"
    stem = f"{re.split('[.:]', family)[-1].lower()}-{name}"
    taken = {path.name for path in parent.glob(f"{stem}-*")} if parent.is_dir() else set()
    return next(parent / f"{stem}-{i:03}" for i in count(1) if f"{stem}-{i:03}" not in taken)
