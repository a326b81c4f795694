"""Packs of data with a name, and those in the user's cache."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from ganwright.data.fingerprint import fingerprint
from ganwright.data.named import absolute, is_packed, kind_of, names_of, resolve
from ganwright.data.options import DataOptions
from ganwright.data.pack import write_pack
from ganwright.data.read.packed import cache_file, is_pack, listing, open_pack
from ganwright.data.sides import Source
from ganwright.data.types import Batch, Images
from ganwright.errors import DataError, SettingsError

_FORM = 3
"""What packs say of themselves; those of before in the user's cache are not opened."""


def pack(
    text: str,
    file: Path,
    *,
    task: type[Batch] = Images,
    options: DataOptions | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Decode and scale data with a name into one file, which is a data string of its own.

    Args:
        text: a folder or zip file, or two with an arrow between them, as `--data` has it.
        file: the pack; one that exists is replaced.
        task: the batch type of the family that will be trained on it.
        options: size and channels, which the pack then has for good.
        say: told how large the pack becomes, before it is written.

    Raises:
        DataError: the data is missing, broken, or in memory already.
    """
    options = options or DataOptions()
    if kind_of(text) == "embedded" or any(map(is_packed, names_of(text))):
        raise DataError(f"{text} is in memory or packed already; pack a folder or a zip file")
    found = resolve(text, task, options)
    marks = fingerprint(found, kind_of(text))
    write_pack(found, marks, file, task=task, options=options, say=say)


def cached(text: str, task: type[Batch], options: DataOptions) -> Source:
    """A folder or zip file out of its pack in the user's cache, which is made where there is none.

    Raises:
        SettingsError: the data is of another kind.
    """
    if any(map(is_packed, names_of(text))):
        return resolve(text, task, options)
    if kind_of(text) != "files":
        raise SettingsError(
            "cache keeps decoded folders and zip files, and the items of a Dataset given in "
            f"Python; {text} needs none, so leave cache out"
        )
    wanted = (options.image_size, options.channels, options.skip, options.reading)
    asked = (_FORM, task.__name__, *wanted)
    listed = [listing(Path(os.path.expanduser(name))) for name in names_of(text)]
    file = cache_file(repr((absolute(text), asked, listed)))
    if not is_pack(file):
        pack(text, file, task=task, options=options, say=_told)
    return open_pack(file, options)


def _told(text: str) -> None:
    print(text, file=sys.stderr)
