"""From a source to what batches look like: task, sizes, channels, and which labels are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ganwright.data.fitted import Fitted
from ganwright.data.misfits import without_misfits
from ganwright.data.options import DataOptions
from ganwright.data.picture import Fit
from ganwright.data.sides import Side, Source, Stack
from ganwright.data.types import Batch, Images, Paired, SemiSupervised, Spec, Unpaired
from ganwright.errors import DataError, SettingsError
from ganwright.seeds import seed_of


def words(task: type[Any]) -> str:
    """What a task's batches hold, as messages call it."""
    return _WORDS.get(task, f"batches of {task.__name__}")


_WORDS: dict[type[Batch], str] = {
    Images: "images",
    Paired: "pairs of images",
    Unpaired: "two domains of images",
    SemiSupervised: "images with labels",
}


@dataclass(frozen=True)
class Settled:
    """A source whose sizes, channels and task are known.

    Args:
        spec: what the family knows of the data.
        train: the sides.
        test: the sides of the test split, or None.
        window: (height, width) of the images in a batch; empty for points.
        cut: windows are cut at random from larger images.
        low: the factor of low-resolution pairs, which are made from one side.
    """

    spec: Spec
    train: tuple[Fitted, ...]
    test: tuple[Fitted, ...] | None
    window: tuple[int, ...]
    cut: bool = False
    low: int | None = None


def settle(source: Source, task: type[Batch], options: DataOptions) -> Settled:
    """Decide what batches look like.

    Raises:
        DataError: the source cannot serve the task, or its sizes do not allow it.
        SettingsError: options contradict each other.
    """
    _check_task(source, task, options)
    query, size = source.query, options.image_size
    low = query.low if task is Paired and source.kind is Images else None
    if isinstance(source.train[0], Stack) and source.train[0].pictures.ndim == 2:
        return _points(source, task)
    cropped = query.crop or low is not None
    window = source.train[0].size() if size is None else (size, size)
    if low is not None and (window[0] % low or window[1] % low):
        raise SettingsError(
            f"images of {window[1]}x{window[0]} do not divide by low={low}; "
            f"choose an --image-size that is a multiple of {low}"
        )
    channels = _channels(source, options, task)
    cut = cropped or query.jitter > 1
    # Pictures of one side that keep their own size are checked against it, never scaled to it.
    keep = cropped or (size is None and len(source.train) == 1)
    kept = None if keep else window
    larger = (round(window[0] * query.jitter), round(window[1] * query.jitter))
    stored = larger if query.jitter > 1 and not cropped else kept
    sides = zip(source.train, channels, strict=True)
    train = tuple(_fitted(side, n, stored, window, cut) for side, n in sides)
    sides = zip(source.test or (), channels, strict=False)
    test = tuple(_fitted(side, n, kept, window, cropped) for side, n in sides)
    skip, together = options.skip, task is Paired
    train = without_misfits(train, skip=skip, together=together)
    test = without_misfits(test, skip=skip, together=together)
    if not all(map(len, train)):
        raise DataError(
            f"no image of {source.name} is as large as {window[1]}x{window[0]}; give a smaller "
            "--image-size"
        )
    shown = test if test and all(map(len, test)) else None
    return Settled(_spec(task, train, low), train, shown, window, cut, low)


def _check_task(source: Source, task: type[Batch], options: DataOptions) -> None:
    kind, name = source.kind, source.name
    if options.labels_per_class is not None and task is not SemiSupervised:
        raise SettingsError(
            "labels_per_class is for families that learn from few labels and many unlabelled "
            f"images; this one takes {words(task)}, so leave it out"
        )
    if task is SemiSupervised and kind is Images:
        if source.train[0].labels is None:
            raise DataError(
                f"{name} has no labels, which this family needs; take one that has, such as "
                "digits, glyphs, mnist, or a folder with one subfolder a class"
            )
        return
    served = kind is task or (kind is Paired and task is Unpaired)
    if served or (task is Paired and kind is Images and source.query.low is not None):
        return
    hints: dict[type[Batch], str] = {
        Images: f"name one of its sides, or a set such as {name.split('-')[0]} or digits",
        SemiSupervised: "take one with labels, such as digits, glyphs or mnist",
        Paired: f"take a folder of pairs, glyphs-paired, or {name}?low=4 for super-resolution",
        Unpaired: f'take a folder with trainA and trainB, glyphs-unpaired, or "{name}->usps"',
    }
    own = "pass an object with `batch` and `spec` as data="
    raise DataError(
        f"{name} holds {words(kind)}, but {words(task)} are needed; {hints.get(task, own)}"
    )


def _channels(source: Source, options: DataOptions, task: type[Batch]) -> list[int]:
    """Channels of each side; both domains of unpaired data get the same."""
    if options.channels is not None:
        return [3 if side.label_map else options.channels for side in source.train]
    own = [3 if side.label_map else side.channels for side in source.train]
    return [max(own)] * len(own) if task is Unpaired else own


def _fitted(
    side: Side, channels: int, stored: tuple[int, int] | None, window: tuple[int, int], cut: bool
) -> Fitted:
    if isinstance(side, Stack):
        fit = Fit(stored, channels)
        pictures = fit.stack(side.pictures)
        return Fitted(replace(side, pictures=pictures), fit, window, cut)
    return Fitted(side, Fit(stored, channels, side.label_map), window, cut)


def _points(source: Source, task: type[Batch]) -> Settled:
    def fitted(sides: tuple[Side, ...]) -> tuple[Fitted, ...]:
        return tuple(Fitted(side, Fit(None, 1), ()) for side in sides)

    train = fitted(source.train)
    test = fitted(source.test) if source.test else None
    return Settled(_spec(task, train, None), train, test, ())


def _spec(task: type[Batch], train: Sequence[Fitted], low: int | None) -> Spec:
    shape, classes = train[0].shape, train[0].side.classes
    count = max(len(side) for side in train)
    if low is not None:
        small = (shape[0], shape[1] // low, shape[2] // low)
        return Spec(task, small, shape, (), count)
    if task in (Paired, Unpaired):
        known, maps = classes if task is Unpaired else (), train[0].fit.label_map
        return Spec(task, shape, train[1].shape, known, count, maps)
    return Spec(task, shape, None, classes, count)


def labelled(side: Side, options: DataOptions) -> Tensor | None:
    """The images whose labels are kept, as many of each class, chosen by the seed; None for all.

    Raises:
        DataError: a class has fewer than asked for.
    """
    assert side.labels is not None
    if options.labels_per_class is None:
        return None
    kept: list[Tensor] = []
    for number, name in enumerate(side.classes):
        members = (side.labels == number).nonzero()[:, 0]
        if not len(members):  # a class that has a number alone
            continue
        if len(members) < options.labels_per_class:
            raise DataError(
                f"class {name} has {len(members)} images, fewer than the "
                f"{options.labels_per_class} of --labels-per-class; ask for fewer"
            )
        generator = torch.Generator().manual_seed(seed_of(options.seed, "labelled", number))
        order = torch.randperm(len(members), generator=generator)
        kept.append(members[order[: options.labels_per_class]])
    return torch.cat(kept)
