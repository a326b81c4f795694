"""Data sets whose items are pairs of images, as two data sets."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ganwright.seeds import generators_kept, seed_everything


class Part:
    """One image of each item of a data set of pairs.

    Either side reads the whole item, with the same seed, so that random changes are the same.

    Args:
        items: the data set.
        place: 0 for a, 1 for b.
    """

    def __init__(self, items: Any, place: int) -> None:
        self.items, self.place = items, place

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        item = self.items[index]
        if not isinstance(item, tuple | list) or len(item) < 2:
            raise TypeError("the item is no pair (a, b), as the first one is")
        return item[self.place]


def parts_of(given: Any) -> tuple[Any, Any] | None:
    """Both sides of a map-style data set whose first item is two images; None for all else.

    What holds still, a list or a tuple, becomes two lists.
    """
    known = hasattr(given, "__getitem__") and hasattr(given, "__len__")
    if not known or isinstance(given, Tensor | np.ndarray | dict) or not len(given):
        return None
    with generators_kept():
        seed_everything("look", 0)
        try:
            first = given[0]
        except Exception:  # said when its items are looked at
            return None
    if not isinstance(first, tuple | list) or len(first) < 2 or not all(map(_drawn, first[:2])):
        return None
    a, b = Part(given, 0), Part(given, 1)
    if type(given) in (list, tuple):
        return [a[i] for i in range(len(a))], [b[i] for i in range(len(b))]
    return a, b


def _drawn(value: Any) -> bool:
    """Whether it can be an image."""
    return isinstance(value, Image.Image) or (
        isinstance(value, Tensor | np.ndarray) and value.ndim > 1
    )
