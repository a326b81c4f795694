"""What a game is handed at each move, and what it is told of its data beforehand.

Images are float32 in [-1, 1], shape [n, C, H, W]; labels are int64 [n].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor

from ganwright.data.label_map import LabelMap


class Images(NamedTuple):
    """Pictures (or 2-D points, shape [n, 2]) and, where the data has them, their labels."""

    images: Tensor
    labels: Tensor | None = None


class Paired(NamedTuple):
    """Two views of the same thing: row i of `a` becomes row i of `b`."""

    a: Tensor
    b: Tensor


class Unpaired(NamedTuple):
    """Two domains without correspondence; row i of `a` says nothing of row i of `b`."""

    a: Tensor
    b: Tensor
    a_labels: Tensor | None = None
    b_labels: Tensor | None = None


class SemiSupervised(NamedTuple):
    """Few labelled images and as many unlabelled ones: the latter's labels are not in the batch."""

    images: Tensor
    labels: Tensor
    unlabelled: Tensor


Batch: TypeAlias = Images | Paired | Unpaired | SemiSupervised


@dataclass(frozen=True)
class Spec:
    """What a data set looks like to a family: enough to build its networks.

    Args:
        task: the batch type the data yields.
        shape: (C, H, W) of the images, or of domain a; (2,) for 2-D points.
        target: (C, H, W) of domain b, for `Paired` and `Unpaired`.
        classes: the names of the labels, in the order of their numbers; empty without labels.
        count: how many training images there are.
        label_map: how files become pictures of domain a, where they are label maps.
        present: the numbers of the classes that training images have; empty where all occur.
    """

    task: type[Batch]
    shape: tuple[int, ...]
    target: tuple[int, ...] | None = None
    classes: tuple[str, ...] = ()
    count: int = 0
    label_map: LabelMap | None = None
    present: tuple[int, ...] = ()

    @property
    def asked(self) -> tuple[int, ...]:
        """The classes that samples are asked of where nobody names one: those that occur."""
        return self.present or tuple(range(len(self.classes)))


def mapped(batch: Batch, function: Callable[[Tensor], Tensor]) -> Batch:
    """The batch with `function` applied to each of its tensors."""
    changed: Any = (None if t is None else function(t) for t in batch)
    return type(batch)(*changed)


BATCHES: dict[str, type[Batch]] = {
    "Images": Images,
    "Paired": Paired,
    "Unpaired": Unpaired,
    "SemiSupervised": SemiSupervised,
}
