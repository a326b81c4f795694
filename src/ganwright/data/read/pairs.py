"""Two-sided folders: pairs by equal names, images side by side, and unpaired domains."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TypeAlias

import numpy as np
from PIL import Image

from ganwright.data.cores import cores
from ganwright.data.label_map import MODES, MOST_CLASSES, LabelMap
from ganwright.data.picture import UNREADABLE, Head, upright
from ganwright.data.query import Query
from ganwright.data.read.files import Tree
from ganwright.data.read.folders import Reader, rows_of, side_of
from ganwright.data.sides import Rows, Source
from ganwright.data.types import Batch, Paired, Unpaired
from ganwright.errors import DataError

Two: TypeAlias = tuple[Tree, Tree]


def open_sides(tree: Tree, task: type[Batch], query: Query) -> Source:
    """Pairs, or two domains.

    Layouts: `trainA`, `trainB` and perhaps `testA`, `testB`; two subfolders, alone, within splits
    or with splits in them; for pairs also images side by side. `?a=name&b=name` chooses the
    subfolders; else a is the first by alphabet.

    Raises:
        DataError: the layout is another, a partner is missing, or sizes within a pair differ.
    """
    top, top_test = tree.splits()
    if task is Paired and not top.folders:
        halves = [_halves(part, query) for part in (top, top_test) if part is not None]
        return Source(tree.name, Paired, halves[0], halves[1] if top_test else None, query)
    train, test = _domains(tree, query)
    if task is Unpaired:
        tests = test and (side_of(test[0]), side_of(test[1]))
        return Source(tree.name, Unpaired, (side_of(train[0]), side_of(train[1])), tests, query)
    splits = [_matched(two) for two in (train, test) if two is not None]
    splits = _with_label_maps(splits, query)
    return Source(tree.name, Paired, splits[0], splits[1] if test else None, query)


def _domains(tree: Tree, query: Query) -> tuple[Two, Two | None]:
    """Domains a and b of the training split and of the test split."""

    def marked(split: str) -> Two | None:
        a, b = tree.folder_named([f"{split}a"]), tree.folder_named([f"{split}b"])
        return None if a is None or b is None else (tree.below(a), tree.below(b))

    two = marked("train")
    if two is not None:
        test = marked("test") or marked("val")
        back = query.a in ("B", "trainB") or query.b in ("A", "trainA")
        return (two[::-1], test and test[::-1]) if back else (two, test)
    train, test_tree = tree.splits()
    a, b = _two_folders(train, query)
    if test_tree is not None:
        return (a, b), _two_folders(test_tree, query)
    (a, a_test), (b, b_test) = a.splits(), b.splits()
    return (a, b), (a_test, b_test) if a_test and b_test else None


def _two_folders(tree: Tree, query: Query) -> Two:
    names = list(tree.folders)
    for wanted in (query.a, query.b):
        if wanted is not None and wanted not in names:
            raise DataError(
                f"{tree.name} has no subfolder {wanted}; it has {', '.join(names) or 'none'}"
            )
    chosen = [name for name in names if name not in (query.a, query.b)]
    a = query.a or (chosen.pop(0) if chosen else None)
    b = query.b or (chosen.pop(0) if chosen else None)
    if a is None or b is None or (chosen and not (query.a and query.b)):
        raise DataError(
            f"{tree.name} must hold two domains, as trainA and trainB or as two subfolders; it "
            f"has {', '.join(names) or 'no subfolders'}; name two with ?a=...&b=..., or add ?low=4 "
            "for pairs of low and high resolution"
        )
    return tree.below(a), tree.below(b)


def _matched(two: Two) -> tuple[Rows, Rows]:
    """Both sides in the same order, by name without extension."""
    names = [_by_stem(tree) for tree in two]
    for here, there, tree, other in (
        (names[0], names[1], two[0], two[1]),
        (names[1], names[0], two[1], two[0]),
    ):
        alone = [path for stem, path in here.items() if stem not in there]
        if alone:
            plural = "images have" if len(alone) > 1 else "image has"
            raise DataError(
                f"{len(alone)} {plural} no partner of the same name, such as "
                f"{tree.title(alone[0])}, which {other.name} lacks; add or remove them"
            )
    heads = [tree.scan() for tree in two]
    stems = [s for s in names[0] if names[0][s] in heads[0] and names[1][s] in heads[1]]
    if not stems:
        raise DataError(f"no pair in {two[0].name} and {two[1].name} can be read")
    for stem in stems:
        paths = names[0][stem], names[1][stem]
        (h, w), (hb, wb) = heads[0][paths[0]][:2], heads[1][paths[1]][:2]
        if (h, w) != (hb, wb):
            raise DataError(
                f"the pair {two[0].title(paths[0])} ({w}x{h}) and {two[1].title(paths[1])} "
                f"({wb}x{hb}) differs in size; make both the same"
            )
    a, b = (
        rows_of(tree, {named[s]: head[named[s]] for s in stems})
        for tree, named, head in zip(two, names, heads, strict=True)
    )
    return a, b


def _by_stem(tree: Tree) -> dict[PurePosixPath, PurePosixPath]:
    stems: dict[PurePosixPath, PurePosixPath] = {}
    for path in tree.paths:
        other = stems.setdefault(path.with_suffix(""), path)
        if other is not path:
            raise DataError(
                f"{tree.title(other)} and {tree.title(path)} have one name, so neither can be "
                "paired; rename or remove one"
            )
    return stems


@dataclass(frozen=True)
class Half:
    """Reads the left or the right half of the i-th image."""

    read: Reader
    left: bool

    def __call__(self, index: int) -> Image.Image:
        """The decoded half."""
        image = upright(self.read(index))
        middle = image.width // 2
        box = (0, 0, middle, image.height) if self.left else (middle, 0, image.width, image.height)
        return image.crop(box)


def _halves(tree: Tree, query: Query) -> tuple[Rows, Rows]:
    """Images that are split in the middle; a is the left half unless `?a=right`."""
    rows = rows_of(tree, tree.scan())
    assert rows.heads is not None
    assert isinstance(rows.read, Reader)
    for name, head in zip(rows.names, rows.heads, strict=True):
        if head.width != 2 * head.height:
            raise DataError(
                f"pairs are two subfolders with files of equal names, or images side by side, "
                f"twice as wide as high, which {name} ({head.width}x{head.height}) is not; for "
                "pairs of low and high resolution add ?low=4"
            )
    for given in (query.a, query.b):
        if given not in (None, "left", "right"):
            raise DataError(f"sides of images are called left and right, not {given}")
    heads = [head._replace(width=head.width // 2) for head in rows.heads]
    left = replace(rows, read=Half(rows.read, True), heads=heads)
    right = replace(rows, read=Half(rows.read, False), heads=heads)
    back = query.a == "right" or query.b == "left"
    return (right, left) if back else (left, right)


def _with_label_maps(splits: Sequence[tuple[Rows, Rows]], query: Query) -> list[tuple[Rows, Rows]]:
    """Sides whose pixels are class numbers are marked, in all splits."""
    sides = list(zip(*splits, strict=True))
    marked = []
    for key, rows in zip("ab", sides, strict=True):
        found = _label_map(rows, onehot=query.onehot == key)
        if found is None and query.onehot == key:
            raise DataError(
                f"side {key} cannot be one-hot: {_first_other(rows)} is no label map (a grey or "
                f"palette image whose numbers stay below {MOST_CLASSES})"
            )
        marked.append([replace(split, label_map=found) for split in rows])
    return list(zip(*marked, strict=True))


def _label_map(splits: Sequence[Rows], *, onehot: bool) -> LabelMap | None:
    """The range of class numbers, if these are label maps: grey or palette, numbers below 64."""
    heads: list[Head] = [head for rows in splits for head in rows.heads or ()]
    if not all(head.mode in MODES for head in heads):
        return None
    # A look at a few spares photographs the full search.
    few = [_extremes(splits[0], i) for i in range(min(8, len(splits[0])))]
    if max(high for _, high in few) >= MOST_CLASSES:
        return None
    with ThreadPoolExecutor(min(8, cores())) as pool:
        ranges = [
            each
            for rows in splits
            for each in pool.map(_extremes, [rows] * len(rows), range(len(rows)))
        ]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    return LabelMap(low, high, onehot) if high < MOST_CLASSES else None


def _first_other(splits: Sequence[Rows]) -> str:
    """The name of the first image that is no label map."""
    return next(
        rows.names[i]
        for rows in splits
        for i, head in enumerate(rows.heads or ())
        if head.mode not in MODES or _extremes(rows, i)[1] >= MOST_CLASSES
    )


def _extremes(rows: Rows, index: int) -> tuple[int, int]:
    """The least and the greatest pixel; of a file that cannot be read, nothing."""
    try:
        numbers = np.asarray(rows.read(index))
    except UNREADABLE:
        return MOST_CLASSES - 1, 0
    return int(numbers.min()), int(numbers.max())
