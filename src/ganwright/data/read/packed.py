"""Packs: decoded, scaled images in one file, which is mapped into memory and not read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from ganwright.config.sizes import Size
from ganwright.data.image import Head
from ganwright.data.levels import Reading
from ganwright.data.options import DataOptions
from ganwright.data.progress import watched
from ganwright.data.query import Query
from ganwright.data.read.files import open_files
from ganwright.data.sides import Rows, Source
from ganwright.data.types import BATCHES
from ganwright.errors import DataError, SettingsError

MAGIC = b"ganwright pack 1\n"
"""The first bytes; then 16 digits say where the images end and their description begins."""
FIRST = 64
"""Where the images begin."""


@dataclass(frozen=True)
class PackReader:
    """Reads the i-th image of a pack's side.

    Args:
        file: the pack.
        sizes: int64 [n, 2], (height, width) of each.
        starts: int64 [n], where in the file each begins.
        channels: 1 or 3.
        bad: why images could not be read when they were packed, by number.
    """

    file: str
    sizes: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    channels: int
    bad: dict[int, str]

    def __call__(self, index: int) -> Image.Image:
        """A copy of the image.

        Raises:
            OSError: it could not be read when it was packed, or the pack was cut short since.
        """
        if index in self.bad:
            raise OSError(self.bad[index])
        height, width = self.sizes[index].tolist()
        start = int(self.starts[index])
        end = start + self.channels * height * width
        self._check_length(end)
        pixels = self._bytes[start:end]
        if self.channels == 1:
            return Image.fromarray(pixels.reshape(height, width).copy())
        planes = pixels.reshape(self.channels, height, width)
        return Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0)))

    def _check_length(self, end: int) -> None:
        """What is mapped into memory and no longer there would end the process without a word."""
        try:
            length = os.stat(self.file).st_size
        except OSError:  # removed, and mapped all the same
            return
        if length < end:
            raise OSError(f"{self.file} is shorter than when it was opened")

    @cached_property
    def _bytes(self) -> npt.NDArray[np.uint8]:
        return np.memmap(self.file, np.uint8, "r")

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_bytes"}


def cache_file(key: str, kind: str = "pack") -> Path:
    """The file of a kind in the user's cache, named by all that it depends on."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    digest = hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=16).hexdigest()
    return Path(root) / "ganwright" / f"{digest}.{kind}"


def listing(path: Path) -> list[tuple[str, int, int]]:
    """What changes when images do: of each file its name, length and time of change.

    Raises:
        DataError: there are none.
    """
    tree = open_files(path, skip=True)
    inside = [str(path / tree.file(file)) for file in tree.paths]
    files = inside if path.is_dir() else [str(path)]
    found = [os.stat(file) for file in watched(files, "looking for changes")]
    return [(f, s.st_size, s.st_mtime_ns) for f, s in zip(files, found, strict=True)]


def is_pack(path: Path) -> bool:
    """Whether a file is a pack."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def open_pack(path: Path, options: DataOptions) -> Source:
    """The source that was packed, its images as they are to be stored.

    Raises:
        DataError: the file is damaged.
        SettingsError: images are asked for as they were not packed.
    """
    known = described(path)
    with _undamaged(path):
        return _opened(path, known, options)


def packed_size(path: Path) -> Size | None:
    """The image size that a pack was made with, if any.

    Raises:
        DataError: the file is damaged.
    """
    known = described(path)
    with _undamaged(path):
        size: Size | None = known["options"]["image_size"]
    return size


@contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """Tell a description that lacks what it must have from other faults."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, DataError | SettingsError):
            raise
        raise DataError(f"{path} is damaged ({error!r}); pack the data again") from error


def _opened(path: Path, known: dict[str, Any], options: DataOptions) -> Source:
    for name, given in (("image_size", options.image_size), ("channels", options.channels)):
        packed = known["options"][name]
        if given != packed and (name == "image_size" or given is not None):
            flag = f"--{name.replace('_', '-')}"
            better = f"leave {flag} out" if packed is None else f"give {flag} {packed}"
            raise SettingsError(
                f"{path} was packed with {name} {packed or 'not given'}, and {given} is asked for; "
                f"{better}, or pack the data again"
            )
    if options.range and list(options.range) != known["options"].get("range", []):
        raise SettingsError(
            f"{path} was packed without the range asked for, and holds images of 8 bits; leave "
            "--range out, or pack the data again"
        )
    sides = {
        split: None if found is None else tuple(_rows(path, side, split) for side in found)
        for split, found in known["sides"].items()
    }
    assert sides["train"] is not None
    task, query = BATCHES[known["task"]], Query(**known["query"])
    if query.low == "own" and "factor" not in known:
        raise DataError(
            f"{path} does not say how much larger its second images are, as packs of low=own did "
            "not before; pack the data again"
        )
    factor, marks = known.get("factor", 1), known["fingerprint"]
    return Source(str(path), task, sides["train"], sides["test"], query, factor=factor, marks=marks)


def described(path: Path) -> dict[str, Any]:
    """What a pack says of itself.

    Raises:
        DataError: the file is damaged.
    """
    try:
        with path.open("rb") as file:
            file.seek(len(MAGIC))
            file.seek(int(file.read(16)))
            known: dict[str, Any] = json.loads(file.read())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); pack the data again") from error
    return known


def _rows(path: Path, side: dict[str, Any], split: str) -> Rows:
    count, channels = side["count"], side["channels"]
    sizes = np.broadcast_to(np.array(side["sizes"], np.int64), (count, 2))
    lengths = sizes.prod(1) * channels
    bad = {int(index): why for index, why in side["bad"].items()}
    lengths[list(bad)] = 0
    reader = PackReader(str(path), sizes, side["start"] + lengths.cumsum() - lengths, channels, bad)
    mode = "L" if channels == 1 else "RGB"
    return Rows(
        reader,
        [f"{split} image {i} of {path}" for i in range(count)],
        [Head(height, width, channels, mode) for height, width in sizes.tolist()],
        None if side["labels"] is None else torch.tensor(side["labels"]),
        tuple(side["classes"]),
        ready=Reading.stored(side["reading"]) if "reading" in side else Reading(),
    )
