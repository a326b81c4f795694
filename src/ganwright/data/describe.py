"""What data is taken for, in words: counts, splits, classes, sizes, kinds, sides and doubts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ganwright.data.fitted import Fitted
from ganwright.data.image import Head
from ganwright.data.messages import counted
from ganwright.data.plan import Settled, words
from ganwright.data.read.folders import Reader
from ganwright.data.read.pairs import Half
from ganwright.data.sides import Rows, Source, Stack
from ganwright.data.types import Images, Paired, Unpaired

FEW = 300
"""A GAN easily memorises fewer images than this."""
_MOST_CLASSES = 12

_KINDS = {
    "1": "black and white, 1 bit",
    "L": "grey, 8 bits",
    "LA": "grey and transparent, 8 bits",
    "P": "palette, 8 bits",
    "PA": "palette and transparent, 8 bits",
    "RGB": "colour, 8 bits",
    "RGBA": "colour and transparent, 8 bits",
    "CMYK": "inks, 8 bits",
    "YCbCr": "colour, 8 bits",
    "F": "grey, 32-bit floats",
}
"""Pillow's modes in words."""


@dataclass(frozen=True)
class Description:
    """What data is taken for.

    Args:
        rows: a word and what is said of it.
        head: the same in a line or two, for the beginning of a run.
        doubts: what could be read otherwise, with the switch that decides it.
        few: how many images there are, where they are so few that a GAN can memorise them; else 0.
        advice: what makes training hard, and what helps.
    """

    rows: tuple[tuple[str, str], ...]
    head: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    few: int = 0
    advice: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Doubts and advice."""
        return (*self.doubts, *self.advice)

    def __str__(self) -> str:
        rows = [*self.rows, *(("note", note) for note in self.notes)]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:{width}}  {text}" for name, text in rows)


def describe(source: Source, settled: Settled, held: Sequence[str], *, drawn: bool) -> Description:
    """What a source is taken for once its sizes are settled.

    Args:
        source: as it was found.
        settled: its sides in shape, less what is held out.
        held: sentences on what is held out.
        drawn: the library drew it.
    """
    sides = list(sides_of(settled))
    rows = [
        ("data", source.name),
        ("read as", _task(settled)),
        ("training", _count(settled.train, settled.spec.task)),
        ("test", _count(settled.test, settled.spec.task) if settled.test else "none"),
        *(("held out", sentence) for sentence in held),
        *(row for name, side in sides for row in _rows(name, side)),
        *(("skipped", phrase) for phrase in source.passed),
    ]
    few = 0 if drawn else _few(settled)
    head = [_line(settled, sides)]
    doubts = (*source.doubts, *settled.notes)
    if source.passed:
        head.append(f"skipped {', '.join(source.passed)}")
    return Description(tuple(rows), (*head, *held, *doubts), doubts, few)


def _task(settled: Settled) -> str:
    if settled.low is not None:
        return f"images and the same at 1/{settled.low} of their size"
    return "signals" if settled.spec.signal is not None else words(settled.spec.task)


def _count(sides: Sequence[Fitted] | None, task: type) -> str:
    numbers = [len(side) for side in sides or ()]
    if task is Unpaired:
        return f"{numbers[0]:,} of a and {numbers[1]:,} of b"
    return f"{numbers[0]:,}{' pairs' if task is Paired else ''}"


def sides_of(settled: Settled) -> Iterator[tuple[str, Fitted]]:
    """Each side with the letter by which options call it, and the folder it is."""
    for key, side in zip("ab", settled.train, strict=False):
        place = _place(side)
        yield ("" if len(settled.train) == 1 else f"{key}{f' ({place})' if place else ''}"), side


def _place(side: Fitted) -> str:
    """The folder, or the half, that is a side."""
    rows = side.side
    if not isinstance(rows, Rows):
        return ""
    if isinstance(rows.read, Half):
        return "left half" if rows.read.left else "right half"
    if not isinstance(rows.read, Reader):
        return ""
    return os.path.basename(os.path.commonpath([os.path.dirname(name) for name in rows.names]))


def _rows(name: str, fitted: Fitted) -> Iterator[tuple[str, str]]:
    """What is said of one side."""
    before = f"{name} " if name else ""
    side = fitted.side
    if isinstance(side, Stack) and side.table is not None:
        yield f"{before}columns", ", ".join(map(str, side.table.columns))
    elif isinstance(side, Stack) and side.signal is not None:
        channels, length = fitted.shape
        yield f"{before}shape", f"{counted(channels, 'channel')} of {length:,} values over time"
    elif not fitted.window:
        yield f"{before}points", f"of {fitted.shape[0]} coordinates"
    else:
        yield f"{before}size", _sizes(fitted)
        yield f"{before}kind", _kinds(fitted)
    maps = fitted.fit.label_map
    if maps is not None:
        ignored = "" if maps.ignore is None else f", and {maps.ignore} for no class"
        how = "a channel" if maps.onehot else "a colour"
        text = f"{counted(maps.classes, 'class', 'classes')}, {maps.named()}{ignored}; {how} each"
        text += ", and one for the edges of instances" if maps.instances else ""
        text += f"; {', '.join(maps.names)}" if maps.names else ""
        yield f"{before}label maps", text
    if fitted.side.classes:
        yield f"{before}classes", _classes(fitted)


def _classes(fitted: Fitted) -> str:
    names, labels = fitted.side.classes, fitted.side.labels
    assert labels is not None
    several = labels.ndim == 2  # labels a picture
    found = labels.sum(0).long() if several else labels.bincount(minlength=len(names))
    counts = found.tolist()
    shown = [f"{n} ({c:,})" for n, c in zip(names, counts, strict=True) if c][:_MOST_CLASSES]
    more = sum(c > 0 for c in counts) - len(shown)
    absent = counts.count(0)
    return (
        f"{len(names)}: {', '.join(shown)}{f' and {more:,} more' if more else ''}"
        f"{f'; {absent:,} of them have no image' if absent else ''}"
    )


def _sizes(fitted: Fitted) -> str:
    """Sizes before and after, width first."""
    height, width = fitted.window
    if isinstance(fitted.side, Stack) or not fitted.side.heads:
        found = [fitted.side.size()]
    else:
        found = [head[:2] for head in fitted.side.heads]
    low, high = min(found, key=_by_area), max(found, key=_by_area)
    before = f"{low[1]}x{low[0]}"
    if high != low:
        before += f" to {high[1]}x{high[0]}"
    if fitted.cut:
        return f"{before}, of which {width}x{height} are cut at random"
    if before == f"{width}x{height}":
        return before
    return f"{before}, scaled and cut to {width}x{height}"


def _by_area(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] * size[1], size[0]


def _kinds(fitted: Fitted) -> str:
    """Channels and bits, of files and of what networks see."""
    side, channels = fitted.side, fitted.shape[0]
    if isinstance(side, Stack):
        kind = str(side.pictures.dtype).removeprefix("torch.")
        found = f"{counted(side.channels, 'channel')} of {kind}"
    elif side.heads is None:
        found = "as the first items say"
    else:
        modes = Counter(_KINDS.get(head.mode) or _numbers(head) for head in side.heads)
        few = len(modes) == 1
        found = "; ".join(kind if few else f"{n:,} {kind}" for kind, n in modes.most_common())
    return f"{found}; networks see {counted(channels, 'channel')}"


def _numbers(head: Head) -> str:
    """What a file holds that no mode of Pillow's describes."""
    return f"{counted(head.channels, 'channel')} of {head.type}"


def _line(settled: Settled, sides: Sequence[tuple[str, Fitted]]) -> str:
    """The whole in a line."""
    spec, first = settled.spec, settled.train[0]
    count = _count(settled.train, spec.task)
    if not first.window:
        return f"data: {count} {'signals' if spec.signal is not None else 'points'}"
    if spec.task is Images:
        count = counted(len(first), "image") if len(first) == 1 else f"{count} images"
    classes = f" of {counted(len(spec.classes), 'class', 'classes')}" if spec.classes else ""
    shown = "; ".join(
        f"{name} {'label maps, ' if side.fit.label_map else ''}{_sizes(side)}".strip()
        for name, side in sides
    )
    return f"data: {count}{classes}: {shown}"


def _few(settled: Settled) -> int:
    count = min(len(side) for side in settled.train)
    paired = settled.spec.task is Paired
    return count if count < FEW and settled.window and not paired else 0
