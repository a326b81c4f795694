"""The images of a tree that no side of a source holds."""

from __future__ import annotations

from collections import Counter

from ganwright.data.messages import counted
from ganwright.data.read.files import Tree
from ganwright.data.read.folders import Reader
from ganwright.data.read.pairs import Half
from ganwright.data.read.walk import shown
from ganwright.data.sides import Rows, Source


def left_over(tree: Tree, source: Source) -> tuple[str, ...]:
    """How many images of each folder are not read, a phrase each; bad ones are named already."""
    used = set(tree.unread)
    for side in (*source.train, *(source.test or ())):
        if isinstance(side, Rows):
            reader = side.read.read if isinstance(side.read, Half) else side.read
            used.update(reader.files if isinstance(reader, Reader) else ())
    folders = Counter(
        "/".join(path.parts[:-1][:1]) for path in tree.paths if tree.file(path) not in used
    )
    return tuple(
        f"{counted(count, 'image')} {f'in {shown(folder)}' if folder else 'in no folder'}"
        for folder, count in sorted(folders.items())
    )
