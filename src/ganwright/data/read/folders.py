"""Folders and zip files of images: which file is what, by where it lies."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import torch
from PIL import Image

from ganwright.data.image import Head, Read
from ganwright.data.levels import Reading
from ganwright.data.limit import allow
from ganwright.data.messages import counted, some
from ganwright.data.query import Query
from ganwright.data.read.deep import read_in
from ganwright.data.read.files import Opener, Tree, scanned
from ganwright.data.read.walk import shown
from ganwright.data.sides import Rows, Source
from ganwright.data.types import Images
from ganwright.errors import DataError

_JPEG = (".jpg", ".jpeg", ".jfif")


@dataclass(frozen=True)
class Reader:
    """Reads the i-th image of a tree, in any process; see `limit.allow` for `megapixels`."""

    opener: Opener
    files: tuple[str, ...]
    reading: Reading = Reading()
    megapixels: float | None = None

    def __call__(self, index: int) -> Read:
        """The image; a JPEG is opened, and decoded by whoever needs its pixels."""
        allow(self.megapixels)
        name = self.files[index]
        with self.opener(name) as file:
            content = io.BytesIO(file.read())
        if name.lower().endswith(_JPEG):
            image = Image.open(content)
            if image.format in ("JPEG", "MPO"):
                return image
            content.seek(0)
        return read_in(content, name, self.reading)


def rows_of(tree: Tree, heads: Mapping[PurePosixPath, Head]) -> Rows:
    """The images whose heads are given, without labels."""
    names = [tree.title(path) for path in heads]
    files = tuple(tree.file(path) for path in heads)
    reader = Reader(tree.opener, files, tree.reading, tree.megapixels)
    return Rows(reader, names, list(heads.values()), fresh=True)


def open_images(tree: Tree, query: Query) -> Source:
    """Single images.

    First-level subfolders are classes where every image lies in one and there are at least two;
    `train`, and `test` or `val`, are splits.

    Raises:
        DataError: the splits have different classes.
    """
    train, test = tree.splits()
    trees = [train] if test is None else [train, test]
    classes = _classes(train)
    for part in trees:
        _check_classes(part, classes)
    rows = [
        _labelled(part, classes, heads) for part, heads in zip(trees, scanned(trees), strict=True)
    ]
    tests = None if test is None else (rows[1],)
    doubts = (*tree.doubts(), *_without_labels(train))
    return Source(tree.name, Images, (rows[0],), tests, query, doubts)


def domains_of(trees: Sequence[Tree]) -> list[Rows]:
    """Images of domains; the subfolders of each are classes, as in a folder of its own.

    Raises:
        DataError: some cannot be read.
    """
    heads = scanned(trees)
    return [_labelled(tree, _classes(tree), own) for tree, own in zip(trees, heads, strict=True)]


def _classes(tree: Tree) -> tuple[str, ...]:
    return tree.folders if len(tree.folders) > 1 and not tree.loose else ()


def _without_labels(tree: Tree) -> tuple[str, ...]:
    """That loose images keep folders from being classes."""
    loose = [path for path in tree.paths if len(path.parts) == 1]
    if len(tree.folders) < 2 or not loose:
        return ()
    return (
        f"no image has a label, since {counted(len(loose), 'image')} "
        f"{'lies' if len(loose) == 1 else 'lie'} outside of the folders {some(tree.folders)}, such "
        f"as {shown(str(loose[0]))}; move them into one for labels",
    )


def _check_classes(tree: Tree, classes: tuple[str, ...]) -> None:
    strange = next((folder for folder in tree.folders if folder not in classes), None)
    if classes and (strange is not None or tree.loose):
        raise DataError(
            f"{tree.name} must have the class folders of the training split, "
            f"{', '.join(map(shown, classes))}; it has "
            f"{shown(strange) if strange else 'pictures outside of folders'}"
        )


def _labelled(tree: Tree, classes: tuple[str, ...], heads: Mapping[PurePosixPath, Head]) -> Rows:
    rows = rows_of(tree, heads)
    if not classes:
        return rows
    numbers = {name: number for number, name in enumerate(classes)}
    labels = torch.tensor([numbers[path.parts[0]] for path in heads])
    return replace(rows, labels=labels, classes=tuple(map(shown, classes)))
