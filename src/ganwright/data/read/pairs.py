"""Two-sided folders: pairs by equal names, images side by side, and unpaired domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import PurePosixPath
from typing import NamedTuple, TypeAlias

from PIL import Image

from ganwright.data.image import Head, Read, upright
from ganwright.data.messages import some
from ganwright.data.query import Query
from ganwright.data.read.class_names import class_names
from ganwright.data.read.files import Tree, scanned
from ganwright.data.read.folders import Reader, domains_of, rows_of
from ganwright.data.read.masks import Marked, mark
from ganwright.data.read.walk import shown
from ganwright.data.sides import Rows, Source
from ganwright.data.types import Batch, Paired, Unpaired
from ganwright.errors import DataError

_HELD = ("testa", "testb", "vala", "valb")

Two: TypeAlias = tuple[Tree, Tree]
Heads: TypeAlias = Mapping[PurePosixPath, Head]


def open_sides(tree: Tree, task: type[Batch], query: Query, channels: int | None = None) -> Source:
    """Pairs, or two domains.

    Layouts: `trainA`, `trainB` and perhaps `testA`, `testB`; two subfolders, alone, within splits
    or with splits in them; for pairs also images side by side. `?a=name&b=name` chooses the
    subfolders; else a is the first by alphabet. With `channels` 1 no label map is guessed.

    Raises:
        DataError: the layout is another, a partner is missing, or sizes within a pair differ.
    """
    top, _ = tree.splits()
    if task is Paired and not top.folders:
        return _side_by_side(tree, query)
    train, test = _domains(tree, query)
    if task is Unpaired:
        a, b, *tests = domains_of([*train, *(test or ())])
        sides = (tests[0], tests[1]) if tests else None
        return Source(tree.name, Unpaired, (a, b), sides, query, _doubts(tree, train, query))
    twos = [two for two in (train, test) if two is not None]
    heads = scanned([tree for two in twos for tree in two])
    matched = [
        _matched(two, found, query.low == "own")
        for two, found in zip(twos, (heads[:2], heads[2:]), strict=False)
    ]
    splits, factor = [pair for pair, _ in matched], matched[0][1]
    names = class_names(tree, top)
    marked = mark(splits, query, channels, names) if query.low is None else Marked(splits)
    if matched[-1][1] != factor:
        raise DataError(
            f"the pairs of {tree.name} differ in size by {factor} in training and by "
            f"{matched[-1][1]} in the test split; make both the same"
        )
    doubts = (*_doubts(tree, train, query), *marked.doubts)
    training, held = marked.splits[0], marked.splits[1] if test else None
    return Source(tree.name, Paired, training, held, query, doubts, factor=factor)


def _domains(tree: Tree, query: Query) -> tuple[Two, Two | None]:
    """Domains a and b of the training split and of the test split."""

    def marked(split: str) -> Two | None:
        a, b = tree.folder_named([f"{split}a"]), tree.folder_named([f"{split}b"])
        return None if a is None or b is None else (tree.below(a), tree.below(b))

    two = marked("train")
    if two is not None:
        test = marked("test") or marked("val")
        back = _swapped(tree, query)
        return (two[::-1], test and test[::-1]) if back else (two, test)
    train, test_tree = tree.splits()
    a, b = _two_folders(train, query)
    if test_tree is not None:
        return (a, b), _two_folders(test_tree, query)
    (a, a_test), (b, b_test) = a.splits(), b.splits()
    return (a, b), (a_test, b_test) if a_test and b_test else None


def _doubts(tree: Tree, sides: Two, query: Query) -> tuple[str, ...]:
    """What the names of folders leave open: next to each other, or else within the sides."""
    above = tree.doubts() or _without_train(tree, query)
    return tuple(dict.fromkeys(above or (*sides[0].doubts(), *sides[1].doubts())))


def _without_train(tree: Tree, query: Query) -> tuple[str, ...]:
    """That folders called testA or valB are for training, as trainA and trainB are not there."""
    held = [shown(name) for name in tree.folders if name.lower() in _HELD]
    both = tree.folder_named(["traina"]) and tree.folder_named(["trainb"])
    if not held or both or tree.divided is not None or (query.a and query.b):
        return ()
    return (
        f"{some(held)} {'is' if len(held) == 1 else 'are'} read for training, since there are no "
        "folders trainA and trainB; put the training images into those, or keep it so with "
        "?splits=no",
    )


def _swapped(tree: Tree, query: Query) -> bool:
    """Whether `?a=` and `?b=` ask for trainA and trainB the other way round.

    Raises:
        DataError: they name something else, or one folder twice.
    """
    a, b = tree.folder_named(["traina"]), tree.folder_named(["trainb"])
    places = {"a": 0, "traina": 0, "b": 1, "trainb": 1}
    asked = []
    for key, wanted in (("a", query.a), ("b", query.b)):
        if wanted is not None and wanted.lower() not in places:
            raise DataError(
                f"{tree.name} has the domains {a} and {b}, and data option {key}={wanted} names "
                "neither; name one of them, or leave it out"
            )
        asked.append(None if wanted is None else places[wanted.lower()])
    if asked[0] is not None and asked[0] == asked[1]:
        raise DataError(f"data options a and b are both {(a, b)[asked[0]]}; name two folders")
    return asked[0] == 1 or asked[1] == 0


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


def _matched(two: Two, heads: Sequence[Heads], own: bool) -> tuple[tuple[Rows, Rows], int]:
    """Both sides in the same order, by name without extension, and the factor between them.

    With `own` the second is the larger one, whichever it was.
    """
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
    stems = [s for s in names[0] if names[0][s] in heads[0] and names[1][s] in heads[1]]
    if not stems:
        raise DataError(f"no pair in {two[0].name} and {two[1].name} can be read")
    pairs = []
    for stem in stems:
        paths = names[0][stem], names[1][stem]
        parts = zip(two, paths, heads, strict=True)
        sides = [(tree.title(path), head[path][:2]) for tree, path, head in parts]
        pairs.append(_Pair(*sides[0], *sides[1]))
    ratio = _ratio(pairs, own)
    a, b = (
        rows_of(tree, {named[s]: head[named[s]] for s in stems})
        for tree, named, head in zip(two, names, heads, strict=True)
    )
    return ((a, b), int(ratio)) if ratio >= 1 else ((b, a), int(1 / ratio))


class _Pair(NamedTuple):
    a: str
    a_size: tuple[int, int]
    b: str
    b_size: tuple[int, int]


def _ratio(pairs: Sequence[_Pair], own: bool) -> Fraction:
    """How many times as large the second images are: 1, or with `own` what the first pair says.

    Raises:
        DataError: it is not whole either way, or a pair has another.
    """
    first = pairs[0]
    ratio = Fraction(first.b_size[0], first.a_size[0]) if own else Fraction(1)
    whole = not own or (ratio != 1 and 1 in (ratio.numerator, ratio.denominator))
    for a, a_size, b, b_size in pairs:
        sides = zip(a_size, b_size, strict=True)
        if whole and all(high == ratio * low for low, high in sides):
            continue
        both = f"the pair {a} ({a_size[1]}x{a_size[0]}) and {b} ({b_size[1]}x{b_size[0]})"
        if own:
            raise DataError(
                f"{both} is not of low and high resolution; one is a whole number of times as "
                "high and as wide as the other, the same number for all pairs"
            )
        raise DataError(
            f"{both} differs in size; make both the same, or add ?low=own where they are of low "
            "and high resolution"
        )
    return ratio


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

    def __call__(self, index: int) -> Read:
        """The decoded half."""
        image = self.read(index)
        if not isinstance(image, Image.Image):
            middle = image.shape[2] // 2
            return image[..., :middle] if self.left else image[..., middle:]
        image = upright(image)
        middle = image.width // 2
        box = (0, 0, middle, image.height) if self.left else (middle, 0, image.width, image.height)
        return image.crop(box)


def _side_by_side(tree: Tree, query: Query) -> Source:
    """Pairs of halves, which are of one kind, so that neither is guessed to be a label map."""
    top, test = tree.splits()
    halves = [_halves(part, query) for part in (top, test) if part is not None]
    marked = Marked(halves)
    if "mask" in (query.a_kind, query.b_kind) or query.onehot is not None:
        marked = mark(halves, query, 1, class_names(tree, top))
    held = marked.splits[1] if test else None
    doubts = (*tree.doubts(), *marked.doubts)
    return Source(tree.name, Paired, marked.splits[0], held, query, doubts)


def _halves(tree: Tree, query: Query) -> tuple[Rows, Rows]:
    """Images that are split in the middle; a is the left half unless `?a=right`."""
    rows = rows_of(tree, tree.scan())
    assert rows.heads is not None
    assert isinstance(rows.read, Reader)
    asked = not {query.a, query.b} <= {None}
    for name, head in zip(rows.names, rows.heads, strict=True):
        if head.width % 2 or (head.width != 2 * head.height and not asked):
            raise DataError(
                f"pairs are two subfolders with files of equal names, or images side by side, "
                f"twice as wide as high, which {name} ({head.width}x{head.height}) is not; add "
                "?a=left for halves of any other shape, or ?low=4 for pairs of low and high "
                "resolution"
            )
    for given in (query.a, query.b):
        if given not in (None, "left", "right"):
            raise DataError(f"sides of images are called left and right, not {given}")
    heads = [head._replace(width=head.width // 2) for head in rows.heads]
    left = replace(rows, read=Half(rows.read, True), heads=heads)
    right = replace(rows, read=Half(rows.read, False), heads=heads)
    back = query.a == "right" or query.b == "left"
    return (right, left) if back else (left, right)
