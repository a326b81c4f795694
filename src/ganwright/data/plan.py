"""From a source to what batches look like: task, sizes, channels, and which labels are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ganwright.data.depth import Depth, depths, notes_of
from ganwright.data.fitted import Fitted
from ganwright.data.image import Fit
from ganwright.data.misfits import without_misfits
from ganwright.data.options import DataOptions
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
        notes: sentences that are said when a run begins.
    """

    spec: Spec
    train: tuple[Fitted, ...]
    test: tuple[Fitted, ...] | None
    window: tuple[int, ...]
    cut: bool = False
    low: int | None = None
    notes: tuple[str, ...] = ()


def settle(source: Source, task: type[Batch], options: DataOptions) -> Settled:
    """Decide what batches look like.

    Raises:
        DataError: the source cannot serve the task, or its sizes do not allow it.
        SettingsError: options contradict each other.
    """
    _check_task(source, task, options)
    query, size = source.query, options.size
    low = query.low if task is Paired and source.kind is Images else None
    if low == "own":
        raise DataError(f"{source.name} has one image each; low=own is for two folders")
    if _axes(source) < 4:
        if query.crop or query.jitter > 1:
            option = "crop" if query.crop else "jitter"
            raise DataError(f"data option {option} is for images, not {source.name}; leave it out")
        return _points(source, task, options)
    if source.factor > 1:
        return _enlarged(source, task, options)
    cropped = query.crop or low is not None
    window = source.train[0].size() if size is None else size
    if low is not None:
        _check_divides(window, low)
    found = depths(source, options, task)
    cut = cropped or query.jitter > 1
    # Pictures of one side that keep their own size are checked against it, never scaled to it.
    keep = cropped or (size is None and len(source.train) == 1)
    kept = None if keep else window
    larger = (round(window[0] * query.jitter), round(window[1] * query.jitter))
    stored = larger if query.jitter > 1 and not cropped else kept
    sides = zip(source.train, found, strict=True)
    train = tuple(_fitted(side, depth, stored, window, cut) for side, depth in sides)
    sides = zip(source.test or (), found, strict=False)
    test = tuple(_fitted(side, depth, kept, window, cropped) for side, depth in sides)
    skip, together = options.skip, task is Paired
    train = without_misfits(train, skip=skip, together=together)
    test = without_misfits(test, skip=skip, together=together)
    if not all(map(len, train)):
        raise DataError(
            f"no image of {source.name} is as large as {window[1]}x{window[0]}; give a smaller "
            "--image-size"
        )
    shown = test if test and all(map(len, test)) else None
    spec = _counted(_spec(task, train, low, found), train[0].side, options)
    return Settled(spec, train, shown, window, cut, low, notes_of(found))


def _axes(source: Source) -> int:
    """Axes of what the sides hold: 4 for images, 3 for signals, 2 for points and rows.

    Raises:
        DataError: they hold different things.
    """
    axes = [side.pictures.ndim if isinstance(side, Stack) else 4 for side in source.train]
    if len(set(axes)) > 1:
        a, b = ({2: "points or rows", 3: "signals"}.get(count, "images") for count in axes)
        raise DataError(f"the sides of {source.name} hold {a} and {b}; give two of the same kind")
    return axes[0]


def _check_divides(window: tuple[int, int], low: int) -> None:
    if window[0] % low or window[1] % low:
        raise SettingsError(
            f"images of {window[1]}x{window[0]} do not divide by low={low}; "
            f"choose an --image-size that is a multiple of {low}"
        )


def _enlarged(source: Source, task: type[Batch], options: DataOptions) -> Settled:
    """Pairs of low and high resolution that are files of their own, never scaled.

    The image size is that of windows that are cut at random, at the same place of both.
    """
    factor, cut = source.factor, options.size is not None
    window = options.size or source.train[1].size()
    _check_divides(window, factor)
    windows, grids = ((window[0] // factor, window[1] // factor), window), (1, factor)
    found = depths(source, options, task)

    def fitted(sides: tuple[Side, ...]) -> tuple[Fitted, ...]:
        rows = zip(sides, found, windows, grids, strict=True)
        whole = [replace(_fitted(s, d, None, w, cut), grid=grid) for s, d, w, grid in rows]
        return without_misfits(whole, skip=options.skip, together=True)

    train = fitted(source.train)
    test = fitted(source.test) if source.test else None
    if not len(train[0]):
        raise DataError(f"no pair of {source.name} is as large as {window[1]}x{window[0]}")
    notes = (f"low and high resolution differ by a factor of {factor}", *notes_of(found))
    return Settled(_spec(task, train, None, found), train, test, window, cut, notes=notes)


def _check_task(source: Source, task: type[Batch], options: DataOptions) -> None:
    kind, name = source.kind, source.name
    multiple = any(side.labels is not None and side.labels.ndim == 2 for side in source.train)
    if multiple and (task is not Images or options.balance):
        raise DataError(
            f"{name} has several labels per image, which cgan and acgan alone take, without balance"
        )
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
        Images: "name one of its sides, or a set such as glyphs or digits",
        SemiSupervised: "take one with labels, such as digits, glyphs or mnist",
        Paired: f"take a folder of pairs, glyphs-paired, or {name}?low=4 for super-resolution",
        Unpaired: f'take a folder with trainA and trainB, glyphs-unpaired, or "{name}->usps"',
    }
    own = "pass an object with `batch` and `spec` as data="
    raise DataError(
        f"{name} holds {words(kind)}, but {words(task)} are needed; {hints.get(task, own)}"
    )


def _fitted(
    side: Side, depth: Depth, stored: tuple[int, int] | None, window: tuple[int, int], cut: bool
) -> Fitted:
    if isinstance(side, Stack):
        fit = Fit(stored, depth.channels)
        pictures = fit.stack(side.pictures)
        # To scale is to overshoot. What is not scaled stays the caller's own memory.
        if pictures.is_floating_point() and pictures.shape[2:] != side.pictures.shape[2:]:
            pictures = pictures.clamp(-1, 1)
        return Fitted(replace(side, pictures=pictures), fit, window, cut)
    reading = depth.reading
    fit = Fit(stored, depth.channels, side.label_map, depth.levels, reading.alpha, reading.depth)
    return Fitted(side, fit, window, cut)


def _points(source: Source, task: type[Batch], options: DataOptions) -> Settled:
    """Points, rows of tables and signals, which have no size to be brought to."""

    def fitted(sides: tuple[Side, ...]) -> tuple[Fitted, ...]:
        return tuple(Fitted(side, Fit(None, 1), ()) for side in sides)

    train = fitted(source.train)
    test = fitted(source.test) if source.test else None
    spec = replace(_spec(task, train, None, (Depth(1),)), reading=None, target_reading=None)
    return Settled(_counted(spec, train[0].side, options), train, test, ())


def _spec(
    task: type[Batch], train: Sequence[Fitted], low: int | None, found: Sequence[Depth]
) -> Spec:
    shape, classes = train[0].shape, train[0].side.classes
    count = max(len(side) for side in train)
    a, b = found[0], found[-1]
    read: dict[str, Any] = {"levels": a.written, "reading": a.reading}
    both = {**read, "target_levels": b.written, "target_reading": b.reading}
    if low is not None:
        small = (shape[0], shape[1] // low, shape[2] // low)
        return Spec(task, small, shape, (), count, **both)
    if task in (Paired, Unpaired):
        known, (maps, drawn) = classes if task is Unpaired else (), (s.fit.label_map for s in train)
        return Spec(task, shape, train[1].shape, known, count, maps, target_map=drawn, **both)
    labels = train[0].side.labels
    several = labels is not None and labels.ndim == 2
    spec = Spec(task, shape, None, classes, count, several=several, **read)
    side = train[0].side
    return replace(spec, table=side.table, signal=side.signal) if isinstance(side, Stack) else spec


def _counted(spec: Spec, side: Side, options: DataOptions) -> Spec:
    """The same with the images of each class, unless batches hold classes in equal parts."""
    if not spec.classes or spec.several or options.balance or side.labels is None:
        return spec
    counts = torch.bincount(side.labels.cpu(), minlength=len(spec.classes))
    return replace(spec, counts=tuple(counts.tolist()))


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
