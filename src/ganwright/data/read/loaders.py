"""torch's DataLoader as data: its data set where that says all, else its batches as they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    default_collate,
)

from ganwright.errors import DataError


def data_set_of(loader: DataLoader[Any]) -> Any | None:
    """The data set of a loader that only puts its items in order; None where it does more.

    More is: a sampler of your own, a way of collating, or an iterable data set.
    """
    sampler = loader.sampler
    ordered = type(sampler) is SequentialSampler or (
        type(sampler) is RandomSampler
        and not sampler.replacement
        and sampler.num_samples == len(loader.dataset)  # type: ignore[arg-type]
    )
    plain = loader.collate_fn is default_collate and type(loader.batch_sampler) is BatchSampler
    return loader.dataset if plain and ordered else None


class Unbatched:
    """The items of a loader's batches, one after another: so none is short at a pass's end.

    Raises:
        DataError: the loader is one process's part of several.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        if isinstance(loader.sampler, DistributedSampler):
            raise DataError(
                "the DataLoader has a DistributedSampler, and each process takes its share of a "
                "batch already; pass one without it"
            )
        self.loader = loader
        self.classes = getattr(loader.dataset, "classes", None)

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            yield from _items(batch)


def _items(batch: Any) -> Iterator[Any]:
    if isinstance(batch, dict):
        raise DataError(
            f"the DataLoader's batches are dictionaries of {', '.join(map(str, batch))}; give it a "
            "collate_fn that makes (images, labels)"
        )
    pictures = batch[0] if isinstance(batch, tuple | list) else batch
    if not isinstance(pictures, Tensor | np.ndarray) or pictures.ndim != 4:
        yield batch  # a loader that does not batch
    elif pictures is batch:
        yield from pictures
    else:
        yield from zip(*batch, strict=True)


def batch_size_of(given: Any) -> int | None:
    """How many items a loader's batches hold, where the data is one and says it."""
    if not isinstance(given, DataLoader):
        return None
    size = given.batch_size or getattr(given.batch_sampler, "batch_size", None)
    return size if isinstance(size, int) else None


def is_iterable(given: Any) -> bool:
    """Whether items can only be taken as they come."""
    if isinstance(given, IterableDataset):
        return True
    listed = hasattr(given, "__getitem__") and hasattr(given, "__len__")
    return (
        hasattr(given, "__iter__") and not listed and not isinstance(given, set | frozenset | dict)
    )
