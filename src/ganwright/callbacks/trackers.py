"""TensorBoard, Weights & Biases, MLflow and other trackers, through Accelerate's one interface."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import yaml

from ganwright.callbacks.callback import Callback, Run
from ganwright.config import plugins
from ganwright.errors import SettingsError, missing_extra, nearest

if TYPE_CHECKING:
    from torch import Tensor


class Tracker(Protocol):
    """Where metrics and images go in addition to the run's own files."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Record numbers at a step."""

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        """Record images, float [n, C, H, W] in [-1, 1], at a step, each tensor as one grid."""

    def finish(self) -> None:
        """Write what is left and close."""


class Kind(NamedTuple):
    """A row of the table.

    Args:
        package: what it needs besides Accelerate.
        tracker: Accelerate's class.
        arguments: the run's folder -> what that class is built with.
        show: (Accelerate's tracker, name, grid as uint8 [H, W, 1 or 3], step) -> None.
    """

    package: str
    tracker: str
    arguments: Callable[[Path], dict[str, Any]]
    show: Callable[[Any, str, Any, int], None]


def _tensorboard(run: Path) -> dict[str, Any]:
    return {"run_name": run.resolve().name, "logging_dir": str(run / "tensorboard")}


def _wandb(run: Path) -> dict[str, Any]:
    # The id is the folder's, so that a resumed run goes on in the same curves.
    identity = hashlib.blake2b(str(run.resolve()).encode(), digest_size=8).hexdigest()
    name = run.resolve().name
    return {
        "run_name": "ganwright",
        "name": name,
        "dir": str(run),
        "id": identity,
        "resume": "allow",
    }


def _mlflow(run: Path) -> dict[str, Any]:
    return {"experiment_name": "ganwright", "run_name": run.resolve().name}


def _show_tensorboard(tracker: Any, name: str, grid: Any, step: int) -> None:
    tracker.log_images({name: grid[None]}, step=step, dataformats="NHWC")


def _show_wandb(tracker: Any, name: str, grid: Any, step: int) -> None:
    tracker.log_images({name: [grid]}, step=step)


def _show_mlflow(tracker: Any, name: str, grid: Any, step: int) -> None:
    import_module("mlflow").log_image(grid, key=name, step=step)


TRACKERS: dict[str, Kind] = {
    "tensorboard": Kind("tensorboard", "TensorBoardTracker", _tensorboard, _show_tensorboard),
    "wandb": Kind("wandb", "WandBTracker", _wandb, _show_wandb),
    "mlflow": Kind("mlflow", "MLflowTracker", _mlflow, _show_mlflow),
}


def check(names: Sequence[str]) -> None:
    """See, before a run begins, that each named tracker can be opened.

    Raises:
        SettingsError: if a name is unknown.
        MissingExtraError: if its package is not installed.
    """
    for name in names:
        if name in plugins.rows("trackers") and name not in TRACKERS:
            if plugins.load("trackers", name) is None:
                raise SettingsError(f"the tracker {name} cannot be loaded; leave it out of --log")
            continue
        if name not in TRACKERS:
            known = (*TRACKERS, *plugins.rows("trackers"))
            raise SettingsError(f"unknown tracker {name}; {nearest(name, known)}")
        kind = TRACKERS[name]
        needed = ("accelerate", kind.package)
        if any(find_spec(package) is None for package in needed):
            raise missing_extra(f"--log {name}", *needed)


def open_trackers(names: Sequence[str], run: Path, config: Mapping[str, Any]) -> list[Tracker]:
    """Open each named tracker; call it on one process only.

    Args:
        names: rows of `TRACKERS`.
        run: the run's folder, whose name is the run's there too; local files go into it.
        config: the settings to record; nested mappings become dotted names.

    Raises:
        GanwrightError: as `check`.
    """
    check(names)
    with ExitStack() as opened:  # where one cannot be opened, those before it are closed
        trackers: list[Tracker] = []
        for name in names:
            trackers.append(_opened(name, run, flat(config)))
            opened.callback(trackers[-1].finish)
        opened.pop_all()
    return trackers


def _opened(name: str, run: Path, config: dict[str, bool | int | float | str]) -> Tracker:
    """One tracker; that of an installed package is a class that takes the folder and settings."""
    if name in TRACKERS:
        return _Accelerate(TRACKERS[name], run, config)
    made: Tracker = plugins.load("trackers", name)(run, config)
    return made


class Trackers(Callback):
    """Hands rows and sample grids to the trackers that the settings name.

    Args:
        names: rows of `TRACKERS`.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._open: list[Tracker] = []

    def started(self, run: Run) -> None:
        if run.main and self.names:
            config = yaml.safe_load((run.folder / "config.yaml").read_text(encoding="utf-8"))
            self._open = open_trackers(self.names, run.folder, config)

    def logged(self, run: Run, row: Mapping[str, Any]) -> None:
        numbers = {k: v for k, v in row.items() if isinstance(v, int | float)}
        for tracker in self._open:
            tracker.log(numbers, row["step"])

    def sampled(self, run: Run, images: Mapping[str, Tensor]) -> None:
        for tracker in self._open:
            tracker.log_images(images, run.step)

    def closed(self, run: Run) -> None:
        with ExitStack() as closing:  # each is closed, whatever another raises
            for tracker in self._open:
                closing.callback(tracker.finish)
        self._open = []


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, bool | int | float | str]:
    """Nested settings as one level of dotted names and plain values, which all trackers take."""
    result: dict[str, bool | int | float | str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{prefix}{name}.")
        else:
            result[prefix + name] = value if isinstance(value, bool | int | float) else str(value)
    return result


class _Accelerate:
    """One of Accelerate's trackers behind `Tracker`."""

    def __init__(self, kind: Kind, run: Path, config: dict[str, bool | int | float | str]) -> None:
        from accelerate import PartialState, tracking

        PartialState()  # its logger refuses to work before
        self._kind = kind
        self._tracker: Any = getattr(tracking, kind.tracker)(**kind.arguments(run))
        self._tracker.start()
        try:
            self._tracker.store_init_configuration(config)
        except BaseException:
            self.finish()
            raise

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._tracker.log(dict(values), step=step)

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        from ganwright.report.grid import tile

        for name, pictures in images.items():
            if pictures.ndim == 4:
                grid = tile(pictures)
                self._kind.show(self._tracker, name, grid.reshape(*grid.shape[:2], -1), step)

    def finish(self) -> None:
        self._tracker.finish()
