"""What lies below a folder or inside an archive: each image once, and what is skipped."""

from __future__ import annotations

import errno
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ganwright.data.messages import counted
from ganwright.errors import DataError

_HIDDEN = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found")
"""Folders that systems make for themselves, besides those whose name begins with a dot."""
NAMES = "label_names.txt"
"""A text file that is read with images, see `class_names.py`."""
DEFLATED = 1100
"""Zip files shrink nothing to less than 1/1032; members that unpack to more share their bytes."""
_UTF8 = 0x800
"""The flag of a member of a zip file whose name is UTF-8."""


@dataclass
class Found:
    """Images by path, each with the name by which it is opened, and what is skipped.

    `texts` are a zip file's lists of names, in the same way.
    """

    files: dict[PurePosixPath, str] = field(default_factory=dict)
    texts: dict[PurePosixPath, str] = field(default_factory=dict)
    hidden: int = 0
    loops: int = 0
    broken: int = 0
    special: int = 0
    closed: int = 0
    others: Counter[str] = field(default_factory=Counter)

    def passed(self) -> tuple[str, ...]:
        """What is skipped, a phrase each."""
        kinds = ", ".join(sorted(self.others)[:4]) + (" ..." if len(self.others) > 4 else "")
        phrases = (
            (self.hidden, "hidden file or folder", "hidden files or folders", ""),
            (self.loops, "link to a folder that holds it", "links to folders that hold them", ""),
            (self.broken, "broken link", "broken links", ""),
            (self.special, "pipe, socket or device", "pipes, sockets or devices", ""),
            (self.closed, "folder that may not be read", "folders that may not be read", ""),
            (self.others.total(), "file of another kind", "files of other kinds", f" ({kinds})"),
        )
        return tuple(counted(n, one, many) + more for n, one, many, more in phrases if n)


def shown(text: str) -> str:
    """A name as it can be printed and stored, also one that is not UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def hidden(name: str) -> bool:
    """Whether a file or a folder is the system's: also macOS's resource forks, `._x.png`."""
    return name.startswith(".") or name in _HIDDEN


def walk_folder(root: str | os.PathLike[str], wanted: Callable[[str], bool]) -> Found:
    """The images below a folder, through links, but never through one into itself.

    Args:
        root: the folder.
        wanted: whether a file's name is that of an image.
    """
    found = Found()
    for entry, inside in _entries(os.fspath(root), found, os.path.realpath(root), ()):
        if wanted(entry.name):
            found.files[PurePosixPath(inside)] = inside
        elif entry.name != NAMES:
            found.others[_ending(entry.name)] += 1
    return found


def walk_zip(file: Path, wanted: Callable[[str], bool]) -> Found:
    """The images inside a zip file, whichever system wrote it: backslashes part folders too.

    Raises:
        DataError: its members overlap, or it is damaged.
    """
    found = Found()
    with _opened(file) as archive:
        total, size = sum(info.file_size for info in archive.infolist()), os.path.getsize(file)
        if total > DEFLATED * size:
            raise DataError(
                f"{file} has {size:,} bytes and says that it unpacks to {total:,}, which no zip "
                "file does; it is a zip bomb, or damaged"
            )
        for info in archive.infolist():
            parts = _parts(info)
            if not parts or info.filename[-1] in "/\\":
                continue
            if any(map(hidden, parts)):
                found.hidden += 1
            elif wanted(parts[-1]):
                found.files[PurePosixPath(*parts)] = info.filename
            elif parts[-1] == NAMES:
                found.texts[PurePosixPath(*parts)] = info.filename
            else:
                found.others[_ending(parts[-1])] += 1
    return found


def _opened(file: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(f"{file} is a damaged zip file ({error}); make it again") from error


def _entries(
    folder: str, found: Found, real: str, above: tuple[str, ...], inside: str = ""
) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Regular files below a folder. `real` is where it lies, `above` where links led out of."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:  # it may not be read, or it has gone
        found.closed += 1
        return
    for entry in listed:
        if hidden(entry.name):
            found.hidden += 1
        elif _closed(entry):
            found.closed += 1
        elif entry.is_dir():
            place, gone = os.path.join(real, entry.name), above
            if entry.is_symlink():
                place, gone = os.path.realpath(entry.path), (*above, real)
                if any(_holds(place, other) for other in gone):
                    found.loops += 1
                    continue
            yield from _entries(entry.path, found, place, gone, f"{inside}{entry.name}/")
        elif entry.is_file():
            yield entry, inside + entry.name
        elif entry.is_symlink() and not os.path.exists(entry.path):
            found.broken += 1
        else:
            found.special += 1


def _closed(entry: os.DirEntry[str]) -> bool:
    """Whether it cannot even be seen what it is, as of links that the system keeps to itself."""
    try:
        entry.is_dir()
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EPERM)
    return False


def _holds(folder: str, other: str) -> bool:
    """Whether a folder is another or holds it."""
    return other == folder or other.startswith(folder.rstrip("/\\") + os.sep)


def _parts(info: zipfile.ZipInfo) -> list[str]:
    """A member's path; names that say not how they are written are UTF-8 where they can be."""
    name = info.filename
    if not info.flag_bits & _UTF8:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    parts = [part for part in re.split(r"[\\/]+", name) if part not in ("", ".", "..")]
    return parts[1:] if parts and re.fullmatch(r"[A-Za-z]:", parts[0]) else parts


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower() or name
