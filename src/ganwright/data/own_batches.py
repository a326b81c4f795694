"""Batches that an object of your own makes, of a type of the library's or of your own."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ganwright.data.endless import Endless
from ganwright.data.fingerprint import fingerprint_of_object
from ganwright.data.types import Batches, Spec, mapped
from ganwright.errors import DataError, described


class OwnBatches(Endless):
    """Stands between a run and an object with `spec` and `batch`, which is all that it must have.

    Where the object has `held_out(count)`, `preview(count)` or `close()`, they are used; else
    nothing is held out, and grids show the first batch. A `fingerprint` of its own, anything that
    JSON holds, is kept with the run and compared when it is resumed.

    Args:
        given: the object; `batch(draw, size, rank, world)` must be a pure function, or a resumed
            run is another one.
        task: the batch type that the family takes.
        device: where batches arrive.

    Raises:
        DataError: its batches are of another type.
    """

    def __init__(self, given: Any, task: type[Any], device: torch.device) -> None:
        self.given: Batches = given
        self.spec: Spec = given.spec
        self.notes: tuple[str, ...] = ()
        self.few = 0
        self.device = device
        self._to = partial(_moved, device=device)
        if self.spec.task is not task:
            raise DataError(
                f"{described(given)} makes batches of {self.spec.task.__name__}, and the family "
                f"takes {task.__name__}; choose another family, or make {task.__name__} its "
                "spec's task"
            )
        self.fingerprint = fingerprint_of_object(
            given, self.spec, content=getattr(given, "fingerprint", None)
        )

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Any:
        """What the object makes, on the device.

        Raises:
            DataError: it is of another type than the spec says.
        """
        return self._seen(self.given.batch(draw, size, rank, world))

    def held_out(self, count: int) -> Any | None:
        """What the object holds out, or None."""
        held_out = getattr(self.given, "held_out", None)
        found = None if held_out is None else held_out(count)
        return None if found is None else self._seen(found)

    def preview(self, count: int) -> Any:
        """What the object shows, else what it holds out, else its first batch."""
        if hasattr(self.given, "preview"):
            return self._seen(self.given.preview(count))
        held_out = self.held_out(count)
        return self.batch(0, count) if held_out is None else held_out

    def close(self) -> None:
        """Close the object, if it can be."""
        getattr(self.given, "close", lambda: None)()

    def _seen(self, batch: Any) -> Any:
        if not isinstance(batch, self.spec.task):
            raise DataError(
                f"{type(self.given).__name__} made {described(batch)}; its spec says that its "
                f"batches are {self.spec.task.__name__}"
            )
        return mapped(batch, self._to)


def _moved(t: Tensor, device: torch.device) -> Tensor:
    return t.to(device)
