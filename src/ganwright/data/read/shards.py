"""Images that pass by: data sets of Hugging Face's hub as they stream, and tar shards."""

from __future__ import annotations

import glob
import os
from typing import Any

from ganwright.data.read.hub import HuggingFace, PassingRows, parsed, passing
from ganwright.errors import DataError, missing_extra

BUFFER = 1000
"""Rows come in an order that is shuffled within so many."""
_STREAM = "?stream"


def streams(text: str) -> bool:
    """Whether a data string names images that are read as they come."""
    return text.startswith("tar:") or (text.startswith("hf:") and text.endswith(_STREAM))


def open_stream(text: str, seed: int) -> PassingRows:
    """The rows of `hf:owner/name[:config][/split]?stream` or `tar:shards/*.tar`, shuffled.

    Shards are as WebDataset has them: members that differ in their ending alone are one row. They
    may be addresses beginning with http. Both are read through Hugging Face's `datasets`.

    Args:
        text: the data string.
        seed: determines the order, which is the same each time that the rows are begun.

    Raises:
        DataError: there is no such data, or it has no column of images.
        MissingExtraError: the library is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise missing_extra("reading data that streams", "datasets") from None
    kind, _, name = text.removesuffix(_STREAM).partition(":")
    how: dict[str, Any] = {"streaming": True, "split": "train"}
    if kind == "tar":
        path, how["data_files"] = "webdataset", _shards(name)
    else:
        path, how["name"], split = parsed(name)
        how["split"] = split or "train"
    try:
        rows = datasets.load_dataset(path, **how).shuffle(seed=seed % 2**32, buffer_size=BUFFER)
    except Exception as error:
        # The library raises many kinds of its own, its network layer's and the file system's.
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(f"{text} cannot be streamed ({said[0]}); check its name") from error
    found = passing(HuggingFace(rows))
    assert found is not None
    return found


def _shards(name: str) -> str | list[str]:
    if "://" in name:
        return name
    found = sorted(glob.glob(os.path.expanduser(name)))
    if not found:
        raise DataError(f"no file is called {name}; give tar files, as in tar:shards/*.tar")
    return [os.path.abspath(file) for file in found]
