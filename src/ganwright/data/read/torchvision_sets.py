"""Data sets by name, read by torchvision from the data root."""

from __future__ import annotations

import importlib.util
import os
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import numpy as np
import torch
from torch import Tensor

from ganwright.data.options import DataOptions
from ganwright.data.read.items import Items
from ganwright.data.read.objects import as_tensor
from ganwright.data.sides import Rows, Side, Source, Stack
from ganwright.data.types import Images
from ganwright.errors import DataError, missing_extra


@dataclass(frozen=True)
class VisionSet:
    """How torchvision builds a set: its class, the arguments that select each split, and the
    package that reads its files, where that is not torchvision's own."""

    builder: str
    train: Mapping[str, Any] = field(default_factory=lambda: {"train": True})
    test: Mapping[str, Any] | None = field(default_factory=lambda: {"train": False})
    labels: bool = True
    needs: str | None = None


_SPLIT: dict[str, Any] = {"train": {"split": "train"}, "test": {"split": "test"}}

SETS: dict[str, VisionSet] = {
    "mnist": VisionSet("MNIST"),
    "fashion-mnist": VisionSet("FashionMNIST"),
    "kmnist": VisionSet("KMNIST"),
    "qmnist": VisionSet("QMNIST"),
    "emnist": VisionSet(
        "EMNIST", {"split": "balanced", "train": True}, {"split": "balanced", "train": False}
    ),
    "emnist-letters": VisionSet(
        "EMNIST", {"split": "letters", "train": True}, {"split": "letters", "train": False}
    ),
    "usps": VisionSet("USPS"),
    "cifar10": VisionSet("CIFAR10"),
    "cifar100": VisionSet("CIFAR100"),
    "svhn": VisionSet("SVHN", **_SPLIT, needs="scipy"),
    "stl10": VisionSet("STL10", **_SPLIT),
    "stl10-unlabelled": VisionSet("STL10", {"split": "unlabeled"}, {"split": "test"}, labels=False),
    "celeba": VisionSet("CelebA", **_SPLIT, labels=False),
    "lfw": VisionSet("LFWPeople", **_SPLIT, labels=False),
    "flowers102": VisionSet("Flowers102", **_SPLIT, needs="scipy"),
    "oxford-pets": VisionSet("OxfordIIITPet", {"split": "trainval"}, {"split": "test"}),
    "food101": VisionSet("Food101", **_SPLIT),
    "dtd": VisionSet("DTD", **_SPLIT),
    "gtsrb": VisionSet("GTSRB", **_SPLIT),
    "eurosat": VisionSet("EuroSAT", {}, None),
    "country211": VisionSet("Country211", **_SPLIT),
    "stanford-cars": VisionSet("StanfordCars", **_SPLIT, needs="scipy"),
    "fgvc-aircraft": VisionSet("FGVCAircraft", {"split": "trainval"}, {"split": "test"}),
    "pcam": VisionSet("PCAM", **_SPLIT, needs="h5py"),
}
"""What `--data` calls a set -> how torchvision builds it."""

_FOLDERS = {
    "MNIST": "mnist",
    "FashionMNIST": "fashion-mnist",
    "KMNIST": "kmnist",
    "QMNIST": "qmnist",
    "EMNIST": "emnist",
    "cifar-10-batches-py": "cifar10",
    "cifar-100-python": "cifar100",
}
"""Folders in the data root whose files are no images -> what `--data` calls the set."""
_TRANSPOSED = {"emnist", "emnist-letters"}
_BARE_DIGITS = {"mnist", "qmnist", "svhn"}


def open_set(name: str, options: DataOptions) -> Source:
    """The named set under `options.data_root`.

    Raises:
        DataError: it is not there and may not be downloaded, or the download failed.
        MissingExtraError: the package that reads its files is not installed.
    """
    entry = SETS[name]
    if entry.needs is not None and importlib.util.find_spec(entry.needs) is None:
        raise missing_extra(name, entry.needs)
    train = _side(name, entry, entry.train, options)
    test = None if entry.test is None else (_side(name, entry, entry.test, options),)
    return Source(name, Images, (train,), test)


def _side(name: str, entry: VisionSet, split: Mapping[str, Any], options: DataOptions) -> Side:
    built = _build(name, entry, split, options)
    labels = _labels(built) if entry.labels else None
    classes = _classes(name, built, labels)
    pixels = getattr(built, "data", None)
    if not isinstance(pixels, Tensor | np.ndarray):
        names = [f"{name} number {i}" for i in range(len(built))]
        return Rows(Items(built), names, labels=labels, classes=classes)
    pictures = as_tensor(pixels)
    if pictures.ndim == 3:
        pictures = pictures[:, None]
    elif pictures.shape[3] == 3:
        pictures = pictures.permute(0, 3, 1, 2)
    if name in _TRANSPOSED:
        pictures = pictures.transpose(2, 3)
    return Stack(pictures.contiguous(), labels, classes)


def _build(name: str, entry: VisionSet, split: Mapping[str, Any], options: DataOptions) -> Any:
    from torchvision import datasets

    root, builder = os.path.expanduser(options.data_root), getattr(datasets, entry.builder)
    try:
        # Downloading again would only check what is there, but some sets fetch it anew.
        return builder(root, download=False, **split)
    except (RuntimeError, FileNotFoundError) as error:
        if not options.download:
            raise DataError(
                f"{name} is not in the folder {root}; pass --download to fetch it there, or "
                "name the folder that has it with --data-root"
            ) from error
    try:
        with _refusals_closed():
            return builder(root, download=True, **split)
    except (RuntimeError, URLError, OSError, ImportError) as error:
        raise DataError(
            f"{name} could not be downloaded to {root} ({str(error).splitlines()[0]}); try again, "
            "or fetch it by hand and name its folder with --data-root"
        ) from error


@contextmanager
def _refusals_closed() -> Iterator[None]:
    """A refused download's connection is closed, which torchvision leaves open."""
    urlopen = urllib.request.urlopen

    def closing(*args: Any, **keywords: Any) -> Any:
        try:
            return urlopen(*args, **keywords)
        except HTTPError as error:
            error.close()
            raise

    urllib.request.urlopen = closing
    try:
        yield
    finally:
        urllib.request.urlopen = urlopen


def _labels(built: Any) -> Tensor | None:
    # torchvision has no common name for the list of labels.
    names = ("targets", "labels", "_labels")
    known = next((found for n in names if (found := getattr(built, n, None)) is not None), None)
    if known is None:
        known = [built[i][1] for i in range(len(built))]
    numbers = torch.as_tensor(np.asarray(known)).long()
    numbers = numbers[:, 0] if numbers.ndim == 2 else numbers
    return numbers - _first_class(built)


def _first_class(built: Any) -> int:
    """1 where torchvision keeps a place for a class 0 that does not exist (EMNIST letters)."""
    return int(list(getattr(built, "classes", ()) or ())[:1] == ["N/A"])


def _classes(name: str, built: Any, labels: Tensor | None) -> tuple[str, ...]:
    if labels is None:
        return ()
    given = getattr(built, "classes", None)
    if name in _BARE_DIGITS or not given:
        return tuple(str(k) for k in range(int(labels.max()) + 1))
    return tuple(str(each) for each in given)[_first_class(built) :]


def by_name(path: Path) -> str:
    """How to read a folder that is a set's own, or in it: the end of a sentence, else nothing."""
    for folder in (path, path.parent):
        if name := _FOLDERS.get(folder.name):
            root = folder.parent
            return f"; what torchvision keeps in {folder.name} is --data {name} --data-root {root}"
    return ""
