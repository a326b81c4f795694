"""Data sets of Hugging Face's `datasets`: from the hub by name, or passed in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganwright.data.image import Read
from ganwright.data.levels import Levels, Reading
from ganwright.data.read.items import EIGHT, Items, image_of
from ganwright.data.read.labels import numbered
from ganwright.data.sides import Rows, Source
from ganwright.data.types import Images
from ganwright.errors import DataError, missing_extra

_TESTS = ("test", "validation", "valid", "val")


def open_hub(text: str, reading: Reading = EIGHT) -> Source:
    """The source called `owner/name[:config][/split]`.

    Without a split, `train` is for training, and `test` or `validation` is held out.

    Args:
        text: the name.
        reading: what is said of the numbers in the images.

    Raises:
        DataError: it cannot be loaded, or has no column of images.
        MissingExtraError: the library is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise missing_extra("reading hf: data sets", "datasets") from None

    name, config, split = parsed(text)
    try:
        found = datasets.load_dataset(name, config, split=split)
    except Exception as error:
        # The library raises many kinds of its own, its network layer's and the file system's.
        raise DataError(
            f"hf:{text} cannot be loaded ({str(error).strip().splitlines()[0]}); check the name, "
            "the network and your access"
        ) from error
    if split is not None:
        rows = rows_of(HuggingFace(found), f"hf:{text}", reading)
        return Source(f"hf:{text}", Images, (rows,))
    if "train" not in found:
        raise DataError(f"hf:{text} has no train split; name one of {', '.join(found)} after a /")
    return _splits(HuggingFace(found), f"hf:{text}", reading)


@dataclass(frozen=True)
class HuggingFace:
    """A data set of Hugging Face's `datasets` with its columns named.

    Args:
        rows: a `Dataset`, a `DatasetDict` with a split `train`, or an `IterableDataset`.
        image: the column of images; the first of the type `Image` when not given.
        label: the column of classes, numbers or names; the first of the type `ClassLabel` when not
            given.
    """

    rows: Any
    image: str | None = None
    label: str | None = None


def is_hugging_face(given: Any) -> bool:
    """Whether it is one of the library's objects, which need not be imported to tell."""
    return any(kind.__module__.partition(".")[0] == "datasets" for kind in type(given).__mro__)


def named(given: Any) -> HuggingFace | None:
    """What was passed, with its columns; None where it is something else."""
    if isinstance(given, HuggingFace):
        return given
    return HuggingFace(given) if is_hugging_face(given) else None


def source_of_rows(given: HuggingFace, reading: Reading = EIGHT) -> Source:
    """The source that such an object makes, with its test split where it has one.

    Raises:
        DataError: it has no split `train`, or not the columns.
    """
    if not isinstance(given.rows, Mapping):
        return Source("the data", Images, (rows_of(given, "the data set", reading),))
    if "train" not in given.rows:
        raise DataError(
            f"the data set has no split train; pass one of {', '.join(given.rows)}, as in "
            f'data["{next(iter(given.rows), "train")}"]'
        )
    return _splits(given, "the data set", reading)


def passing(given: HuggingFace) -> PassingRows | None:
    """The rows of a data set that only passes by, as it streams; None where rows can be asked for.

    Raises:
        DataError: it does not know its columns, or has others.
    """
    rows = given.rows.get("train", given.rows) if isinstance(given.rows, Mapping) else given.rows
    if hasattr(rows, "__len__"):
        return None
    return PassingRows(HuggingFace(rows, given.image, given.label))


def _splits(given: HuggingFace, name: str, reading: Reading) -> Source:
    def side(split: str) -> Rows:
        part = HuggingFace(given.rows[split], given.image, given.label)
        return rows_of(part, name, reading)

    test = next((key for key in _TESTS if key in given.rows), None)
    return Source(name, Images, (side("train"),), None if test is None else (side(test),))


def parsed(text: str) -> tuple[str, str | None, str | None]:
    """The name, configuration and split of `owner/name[:config][/split]`.

    Raises:
        DataError: it reads otherwise.
    """
    owner, _, rest = text.partition("/")
    rest, _, split = rest.partition("/")
    name, _, config = rest.partition(":")
    if not owner or not name:
        raise DataError(f'"hf:{text}" must read hf:owner/name, hf:owner/name:config or .../split')
    return f"{owner}/{name}", config or None, split or None


class Column:
    """Reads the image of the i-th row."""

    def __init__(self, rows: Any, column: str, reading: Reading) -> None:
        self.rows, self.column, self.reading = rows, column, reading

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        """What the row holds."""
        return self.rows[index][self.column]

    def __call__(self, index: int) -> Read:
        """The decoded image, as numbers where it has more than 8 bits.

        Raises:
            ValueError: the row has none.
        """
        image = self[index]
        if not isinstance(image, Image.Image):
            raise ValueError("holds no image")
        return image_of(image, None, self.reading)


class PassingRows:
    """The rows of an iterable data set as (image, label)."""

    def __init__(self, given: HuggingFace) -> None:
        self.rows = given.rows
        features = given.rows.features or {}
        if not features and given.image is None:
            raise DataError(
                "the data set does not know its columns before it is read; name them, as in "
                'HuggingFace(data, image="image", label="label")'
            )
        self.image = given.image or _column(features, "Image") or ""
        self.label = given.label or _column(features, "ClassLabel")
        self.classes = tuple(getattr(features.get(self.label), "names", ()))
        for column in (self.image, self.label):
            if features and column is not None:
                _known(features, column, "the data set")

    def __iter__(self) -> Iterator[Any]:
        for row in self.rows:
            yield row[self.image] if self.label is None else (row[self.image], row[self.label])


def _column(features: Mapping[str, Any], kind: str) -> str | None:
    """The first column of a type."""
    return next((name for name, f in features.items() if type(f).__name__ == kind), None)


def _known(features: Mapping[str, Any], column: str, name: str) -> None:
    if column not in features:
        what = f"column {column}" if column else "column of images"
        raise DataError(f"{name} has no {what}; it has {', '.join(features)}")


def rows_of(given: HuggingFace, name: str, reading: Reading) -> Rows:
    """The images of a table's rows, and their labels.

    Rows that a transform of your own makes are read again each time. The first images say how many
    bits the others have.

    Raises:
        DataError: it has not the columns, or its labels are not allowed.
    """
    rows, features = given.rows, given.rows.features
    picture = given.image or _column(features, "Image") or ""
    _known(features, picture, name)
    if not len(rows):
        raise DataError(f"{name} is empty; give at least one image")
    labels, classes = _labels(given, name)
    names = [f"row {i} of {name}" for i in range(len(rows))]
    column, form = Column(rows, picture, reading), getattr(rows, "format", {"type": None})["type"]
    files = form is None and type(features[picture]).__name__ == "Image"
    read = column if files else Items(column, reading=reading)
    found = Rows(read, names, labels=labels, classes=classes, anew=form == "custom")
    kinds = frozenset(head.type for head in found.known())
    # Floats of a format or a transform are as Python's are; those of files may have any range.
    plain = Levels(-1, 1, "float32") if "float32" in kinds and not files else None
    return replace(found, kinds=kinds, levels=plain)


def _labels(given: HuggingFace, name: str) -> tuple[Tensor | None, tuple[str, ...]]:
    features = given.rows.features
    label = given.label or _column(features, "ClassLabel")
    if label is None:
        return None, ()
    _known(features, label, name)
    plain = given.rows.with_format(None) if hasattr(given.rows, "with_format") else given.rows
    values = list(plain[label])
    if type(features[label]).__name__ != "ClassLabel":
        return numbered(values, len(values))
    # Test splits without answers hold -1.
    return (None, ()) if min(values) < 0 else (torch.tensor(values), tuple(features[label].names))
