"""The names of the class numbers that masks hold, from a text file next to their folders."""

from __future__ import annotations

from pathlib import PurePosixPath

from ganwright.data.read.files import Tree
from ganwright.data.read.walk import NAMES
from ganwright.errors import DataError

FILE = PurePosixPath(NAMES)


def class_names(*trees: Tree) -> dict[int, str]:
    """What the first `label_names.txt` calls each class number; nothing where there is none.

    Each line is a class number and a name: `3 window`. A number behind the name, as CMP's facades
    have it, is skipped.

    Args:
        *trees: where the file may lie, next to their folders.

    Raises:
        DataError: a line is something else.
    """
    return next(filter(None, map(_names_in, trees)), {})


def _names_in(tree: Tree) -> dict[int, str]:
    try:
        with tree.opener(tree.file(FILE)) as file:
            text = file.read().decode("utf-8-sig", "replace")
    except (OSError, KeyError):
        return {}
    names: dict[int, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        number, *words = line.split()
        words = words[:-1] if len(words) > 1 and words[-1].isdecimal() else words
        if not number.isdecimal() or not words:
            raise DataError(
                f"{tree.title(FILE)} has the line {line[:40]!r}; a line is a class number and its "
                "name, such as 3 window"
            )
        names[int(number)] = " ".join(words)
    return names
