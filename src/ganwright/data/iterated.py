"""Data of which nothing is known but what comes next: iterable data sets, read as they come."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ganwright.data.depth import of_items
from ganwright.data.endless import Endless
from ganwright.data.fingerprint import digest_of, fingerprint_of_object
from ganwright.data.image import UNREADABLE, Fit
from ganwright.data.messages import reason, unreadable
from ganwright.data.options import DataOptions
from ganwright.data.read.items import LOOK, channels_among, image_of, picture_in, raised
from ganwright.data.read.labels import names_a_class
from ganwright.data.serve.order import Draw
from ganwright.data.types import Images, Spec
from ganwright.errors import DataError
from ganwright.pixels import as_floats
from ganwright.seeds import generators_kept, seed_everything, seed_of

PREVIEW = 64
"""At most so many items are kept for sample grids."""
_MOST_BAD = 1000
"""So many items in a row that cannot be used end a run that passes them over."""


class _Row(NamedTuple):
    picture: Tensor
    """uint8 [C, H, W], or floats in [-1, 1]."""
    label: int


class Iterated(Endless):
    """The images of an iterable, in the order in which they come, and then over again.

    The n-th batch holds the items that come n-th, so that a resumed run first reads past what it
    has drawn. Before each item the global generators are seeded from the run's seed and the item's
    number: `batch` is a pure function for iterables that draw their randomness from those, or from
    generators that they make again when their iteration begins.

    Args:
        given: the iterable; items are an image, alone or with a label. Where it has `classes`,
            the names of its labels, these are read; else they are left out.
        options: how it is read.
        device: where batches arrive.

    Raises:
        DataError: it is empty, or its first items are not allowed.
    """

    def __init__(self, given: Any, options: DataOptions, device: torch.device) -> None:
        self.given, self.options, self.device = given, options, device
        known = getattr(given, "classes", None)
        self._classes = tuple(map(str, known)) if isinstance(known, list | tuple) else ()
        self._passed_over = self._said = 0
        self._kept: list[_Row] = []
        self._rewind()
        with generators_kept():
            looked = self._look()
        first = [item for _, item in looked]
        pictures = [picture_in(item) for item in first]
        own = channels_among(pictures, options.reading)
        self._allowed = None if options.channels else own
        self._labelled = self._has_labels(first[0])
        depth = of_items(pictures, options)
        alpha, kept = depth.reading.alpha, options.depth
        self._fit = Fit(options.size, depth.channels, levels=depth.levels, alpha=alpha, depth=kept)
        self._shape: tuple[int, ...] | None = None
        rows = self._rows(0, len(first))
        self._shape = tuple(rows[0].picture.shape)
        classes = self._classes if self._labelled else ()
        self.spec = Spec(
            Images, self._shape, None, classes, levels=depth.written, reading=depth.reading
        )
        first_bytes = digest_of(torch.stack([row.picture for row in rows]))
        self.fingerprint = fingerprint_of_object(given, self.spec, first=first_bytes)
        self.few = 0
        self.notes: tuple[str, ...] = (
            "the data is an iterable: a resumed run first reads past the items it has drawn",
            *depth.notes,
        )

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Images:
        """The items [draw * size, (draw + 1) * size) that come; a rank's share of them.

        Raises:
            DataError: an item cannot be used, or the iterable cannot be started over.
            SettingsError: `size` is no multiple of `world`.
        """
        share = Draw(draw, size, rank, world).share
        rows = self._rows(draw * size, (draw + 1) * size)[share]
        images, labels = self._batched(rows)
        if self.options.flip:
            generator = torch.Generator().manual_seed(
                seed_of(self.options.seed, draw, "iterated", "flip")
            )
            mirror = torch.rand(size, generator=generator)[share] < 0.5
            mirror = mirror[:, None, None, None].to(self.device)
            images = torch.where(mirror, images.flip(-1), images)
        return Images(images, labels)

    def held_out(self, count: int) -> None:
        """None: all that comes is trained on."""

    def preview(self, count: int) -> Images:
        """The first items that came."""
        return Images(*self._batched(self._rows(0, min(count, PREVIEW))))

    def close(self) -> None:
        """Let go of the iterator; the next batch begins another."""
        self._rewind()
        if (n := self._passed_over) > self._said:
            self._said = n
            warnings.warn(f"skipped {n:,} items in all", stacklevel=3)

    def _rows(self, start: int, stop: int) -> list[_Row]:
        """The usable items [start, stop); those of a first draw are kept for grids and for it."""
        rows = self._kept[start:stop]
        at = start + len(rows)
        with generators_kept():
            if at < stop and at < self._position:
                self._rewind()
            while self._position < at:
                self._next()
            while len(rows) < stop - start:
                rows.append(self._next())
                if self._position == len(self._kept) + 1 and start == 0:
                    self._kept.append(rows[-1])
        return rows

    def _batched(self, rows: list[_Row]) -> tuple[Tensor, Tensor | None]:
        pictures = torch.stack([row.picture for row in rows]).to(self.device)
        if not self._labelled:
            return as_floats(pictures), None
        return as_floats(pictures), torch.tensor([row.label for row in rows], device=self.device)

    def _rewind(self) -> None:
        self._items: Iterator[Any] | None = None
        self._pending: deque[tuple[int, Any]] = deque()
        self._position = self._number = self._in_pass = 0

    def _look(self) -> list[tuple[int, Any]]:
        """The first items, which stay to be drawn."""
        while len(self._pending) < LOOK:
            number, item = self._number, self._come(again=not self._pending)
            if item is _END:
                break
            self._pending.append((number, item))
        return list(self._pending)

    def _come(self, *, again: bool = True) -> Any:
        """The next item as the iterable gives it; at its end, `_END`, or the first one `again`."""
        seed_everything(self.options.seed, "iterated", self._number)
        try:
            if self._items is None:
                self._items, self._in_pass = iter(self.given), 0
            item = next(self._items)
        except StopIteration:
            return self._begin_again() if again else _END
        except DataError:
            raise
        except Exception as error:
            raise DataError(f"item {self._number} of the iterable {raised(error)}") from error
        self._number, self._in_pass = self._number + 1, self._in_pass + 1
        return item

    def _begin_again(self) -> Any:
        if not self._in_pass:
            gave = f"gave {self._number} items and none" if self._number else "gives no items"
            raise DataError(
                f"the iterable {gave}{' the second time' * bool(self._number)}; pass one that "
                "can be iterated again, such as an IterableDataset or a list"
            )
        self._items = None
        return self._come()

    def _next(self) -> _Row:
        """The next item that can be used."""
        for _ in range(_MOST_BAD):
            number, item = (
                self._pending.popleft() if self._pending else (self._number, self._come())
            )
            try:
                row = self._row(item)
            except UNREADABLE as error:
                self._pass_over(f"item {number} of the iterable ({reason(error)})")
                continue
            self._position += 1
            return row
        raise DataError(
            f"{_MOST_BAD:,} items of the iterable in a row cannot be used; see the warnings above"
        )

    def _pass_over(self, why: str) -> None:
        if not self.options.skip:
            raise unreadable([why])
        self._passed_over = n = self._passed_over + 1
        if n == 10 ** (len(str(n)) - 1):
            self._said = n
            warnings.warn(f"skipped {n} items so far, the last {why}", stacklevel=6)

    def _row(self, item: Any) -> _Row:
        """An item checked and in shape.

        Raises:
            ValueError: it is not like the first ones.
        """
        picture = self._fit.picture(image_of(picture_in(item), self._allowed, self.options.reading))
        if self._shape and tuple(picture.shape) != self._shape:
            height, width = picture.shape[1:]
            raise ValueError(f"is {width}x{height}, not {self._shape[2]}x{self._shape[1]}")
        return _Row(picture, self._label(item) if self._labelled else 0)

    def _has_labels(self, item: Any) -> bool:
        """Whether items have labels that can be read, which is said if not."""
        if not isinstance(item, tuple | list) or len(item) < 2 or not names_a_class(item[1]):
            return False
        if not self._classes:
            warnings.warn(
                "labels of an iterable are left out unless it has `classes`, the list of their "
                "names: all classes must be known before the first item",
                stacklevel=5,
            )
        return bool(self._classes)

    def _label(self, item: Any) -> int:
        if not isinstance(item, tuple | list) or len(item) < 2 or not names_a_class(item[1]):
            raise ValueError("has no label, which the first item has")
        if isinstance(item[1], str):
            if item[1] not in self._classes:
                raise ValueError(f"has the label {item[1]}, none of {', '.join(self._classes)}")
            return self._classes.index(item[1])
        if not 0 <= (label := int(item[1])) < len(self._classes):
            raise ValueError(f"has the label {label}, and there are {len(self._classes)} classes")
        return label


_END = object()
