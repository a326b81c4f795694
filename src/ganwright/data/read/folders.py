"""Folders and zip files of images: which file is what, by where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import torch
from PIL import Image

from ganwright.data.picture import Head
from ganwright.data.query import Query
from ganwright.data.read.files import Opener, Tree
from ganwright.data.sides import Rows, Source
from ganwright.data.types import Images
from ganwright.errors import DataError


@dataclass(frozen=True)
class Reader:
    """Reads the i-th image of a tree."""

    opener: Opener
    files: tuple[str, ...]

    def __call__(self, index: int) -> Image.Image:
        """The decoded image."""
        with self.opener(self.files[index]) as file, Image.open(file) as image:
            image.load()
            return image


def rows_of(tree: Tree, heads: Mapping[PurePosixPath, Head]) -> Rows:
    """The images whose heads are given, without labels."""
    names = [tree.title(path) for path in heads]
    reader = Reader(tree.opener, tuple(tree.file(path) for path in heads))
    return Rows(reader, names, list(heads.values()))


def open_images(tree: Tree, query: Query) -> Source:
    """Single images.

    First-level subfolders are classes where every image lies in one and there are at least two;
    `train`, and `test` or `val`, are splits.

    Raises:
        DataError: the splits have different classes.
    """
    train, test = tree.splits()
    classes = _classes(train)
    sides = _labelled(train, classes)
    tests = None if test is None else (_labelled(test, classes),)
    return Source(tree.name, Images, (sides,), tests, query)


def _classes(tree: Tree) -> tuple[str, ...]:
    return tree.folders if len(tree.folders) > 1 and not tree.loose else ()


def _labelled(tree: Tree, classes: tuple[str, ...]) -> Rows:
    rows = rows_of(tree, heads := tree.scan())
    if not classes:
        return rows
    strange = next((folder for folder in tree.folders if folder not in classes), None)
    if strange is not None or tree.loose:
        raise DataError(
            f"{tree.name} must have the class folders of the training split, "
            f"{', '.join(classes)}; it has {strange or 'pictures outside of folders'}"
        )
    numbers = {name: number for number, name in enumerate(classes)}
    labels = torch.tensor([numbers[path.parts[0]] for path in heads])
    return Rows(rows.read, rows.names, rows.heads, labels, classes)


def side_of(tree: Tree) -> Rows:
    """A domain's images; its subfolders are classes, as in a folder of its own."""
    return _labelled(tree, _classes(tree))
