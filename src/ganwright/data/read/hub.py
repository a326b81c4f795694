"""Data sets of the Hugging Face hub, through its `datasets` library."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganwright.data.sides import Rows, Source
from ganwright.data.types import Images
from ganwright.errors import DataError, missing_extra

_TESTS = ("test", "validation", "valid", "val")


def open_hub(text: str) -> Source:
    """The source called `owner/name[:config][/split]`.

    Without a split, `train` is for training, and `test` or `validation` is held out.

    Raises:
        DataError: it cannot be loaded, or has no column of pictures.
        MissingExtraError: the library is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise missing_extra("reading hf: data sets", "datasets") from None

    name, config, split = _parse(text)
    try:
        found = datasets.load_dataset(name, config, split=split)
    except Exception as error:
        # The library raises many kinds of its own, its network layer's and the file system's.
        raise DataError(
            f"hf:{text} cannot be loaded ({str(error).strip().splitlines()[0]}); check the name, "
            "the network and your access"
        ) from error
    if split is not None:
        return Source(f"hf:{text}", Images, (_rows(found, text),))
    if "train" not in found:
        raise DataError(f"hf:{text} has no train split; name one of {', '.join(found)} after a /")
    test = next((key for key in _TESTS if key in found), None)
    tests = None if test is None else (_rows(found[test], text),)
    return Source(f"hf:{text}", Images, (_rows(found["train"], text),), tests)


def _parse(text: str) -> tuple[str, str | None, str | None]:
    owner, _, rest = text.partition("/")
    rest, _, split = rest.partition("/")
    name, _, config = rest.partition(":")
    if not owner or not name:
        raise DataError(f'"hf:{text}" must read hf:owner/name, hf:owner/name:config or .../split')
    return f"{owner}/{name}", config or None, split or None


class Column:
    """Reads the picture of the i-th row."""

    def __init__(self, rows: Any, column: str) -> None:
        self.rows, self.column = rows, column

    def __call__(self, index: int) -> Image.Image:
        """The decoded picture."""
        image: Image.Image = self.rows[index][self.column]
        return image


def _rows(rows: Any, text: str) -> Rows:
    kinds = {name: type(feature).__name__ for name, feature in rows.features.items()}
    picture = next((name for name, kind in kinds.items() if kind == "Image"), None)
    if picture is None:
        raise DataError(f"hf:{text} has no column of pictures; it has {', '.join(kinds)}")
    label = next((name for name, kind in kinds.items() if kind == "ClassLabel"), None)
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    if label is not None:
        numbers = torch.tensor(rows[label])
        # Test splits without answers hold -1.
        if len(numbers) and int(numbers.min()) >= 0:
            labels, classes = numbers, tuple(rows.features[label].names)
    names = [f"row {i} of hf:{text}" for i in range(len(rows))]
    return Rows(Column(rows, picture), names, labels=labels, classes=classes)
