"""What receives a run's numbers, images and histograms, and what it needs to write them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ganwright import atomic

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

Plain: TypeAlias = bool | int | float | str
"""A setting as every back end takes it."""

PROJECT = "ganwright"
"""What runs are grouped under where a back end has groups and its own variable names none."""


class Histogram(NamedTuple):
    """How many values lie in each of the bins between `edges`, which has one number more."""

    counts: npt.NDArray[np.int64]
    edges: npt.NDArray[np.float64]

    @classmethod
    def of(cls, values: Tensor, bins: int = 64) -> Histogram:
        """Count the finite values of a tensor; of none, all counts are 0."""
        import numpy as np

        found = values.detach().float().flatten().cpu().numpy().astype(np.float64)
        return cls(*np.histogram(found[np.isfinite(found)], bins))


class Tracker:
    """Base of what receives a run's numbers and images; every method may be left out.

    A run resumed in the same folder opens the same tracker again. What a method raises is reported
    once, and the run continues without this tracker.

    Args:
        run: the run folder; what is stored locally goes into it.
        config: the run's settings by dotted name.
    """

    where: str = ""
    """How to see what was logged: a command or an address."""

    def __init__(self, run: Path, config: Mapping[str, Plain]) -> None:
        pass

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Record numbers at a step: rows of metrics, and what `ganwright evaluate` found."""

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        """Record images at a step: float [n, C, H, W] in [-1, 1], or points [n, 2], by name."""

    def log_histograms(self, histograms: Mapping[str, Histogram], step: int) -> None:
        """Record how values are distributed at a step, by name."""

    def rewound(self, step: int) -> None:
        """The run continues from `step`, resumed or rolled back: what came later did not happen."""

    def finish(self) -> None:
        """Write what is left and close."""


def identity(run: Path) -> str:
    """What a run is called by back ends that resume by name: 32 hexadecimal digits.

    They are drawn when a run is first tracked and kept in its folder, so that a run that was moved
    continues in its curves, and one in a reused path starts its own.

    Raises:
        OSError: the file that holds them cannot be read or written.
    """
    path = run / "tracker-id"
    if not path.is_file():
        atomic.write(path, uuid.uuid4().hex)
    return path.read_text(encoding="utf-8").strip()


def title(run: Path) -> str:
    """What a run is called by people: its folder's name."""
    return run.resolve().name
