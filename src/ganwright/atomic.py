"""Files and folders that are whole or not there: written to a temporary name, synced, renamed."""

from __future__ import annotations

import errno
import glob
import os
import pickle
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def write(path: Path, data: bytes | str) -> None:
    """Write a file so that no reader, and no crash, ever sees half of it; its folder is made.

    Args:
        data: bytes, or a text that is stored as UTF-8.

    Raises:
        OSError: if it cannot be written; what was there before is untouched.
    """
    with opened(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def write_all(contents: Mapping[Path, bytes | str]) -> None:
    """Write files that belong together: all of them, or none where one finds no room.

    Args:
        contents: bytes, or texts that are stored as UTF-8, by where they go.

    Raises:
        OSError: if one cannot be written; what was there before is untouched.
    """
    with ExitStack() as filled:
        for path, data in contents.items():
            file = filled.enter_context(opened(path))
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file to fill, which becomes `path` on leaving, or is removed on an error.

    Raises:
        OSError: if it cannot be written; what was there before is untouched.
    """
    beside = beside_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync(path.parent)


@contextmanager
def folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """A folder to fill, which becomes `path` on leaving, or is removed on an error.

    Args:
        replace: a folder that stands at `path` is removed once the new one is whole; otherwise only
            an empty one gives way.

    Raises:
        OSError: if it cannot be written; what was there before is untouched.
    """
    beside = beside_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    try:
        beside.mkdir()
        yield beside
        for part in [*beside.rglob("*"), beside]:
            sync(part)
        _take_place(beside, path, replace)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    sync(path.parent)


def remove(path: Path) -> None:
    """Remove a folder so that no reader, and no crash, ever sees half of it.

    Raises:
        OSError: if it stays where it is, whole.
    """
    gone = beside_of(path)
    path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def beside_of(path: Path) -> Path:
    """Where this process writes what will become `path`: a hidden name in the same folder."""
    return path.with_name(f".{path.name}.{os.getpid()}")


def _clear(path: Path) -> None:
    """Remove what was left of earlier attempts at `path` by processes that were killed."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        number = left.name.rpartition(".")[2]
        if number.isdigit() and not _lives(int(number)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    if os.name != "posix":  # elsewhere to ask a process would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def sync(path: Path) -> None:
    """Bring a file or a folder to the disk; systems without synced folders pass those over."""
    if not path.is_dir():
        # Windows syncs only what may be written.
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        return
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def reason(error: Exception) -> str:
    """Why something could not be read or written, in words: "no space left on the disk".

    torch reports a full disk as a failed check in its archive writer, without the system's word,
    and advises to unpickle what holds more than tensors.
    """
    if isinstance(error, pickle.UnpicklingError):
        return "it holds more than tensors, and reading that could run code"
    text = str(error)
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT) or "No space left" in text:
        return "no space left on the disk"
    if isinstance(error, FileExistsError | NotADirectoryError) and error.filename:
        path = Path(str(error.filename))
        for file in (each for each in (path, *path.parents) if each.is_file()):
            return f"{file} is a file, where a folder is needed; name another place"
    if any(part in text for part in ("inline_container", "PytorchStreamWriter")):
        return "the disk is full, or only a part was written"
    if strerror := getattr(error, "strerror", None):
        return str(strerror)
    return text.splitlines()[0] if text else type(error).__name__


def _take_place(beside: Path, path: Path, replace: bool) -> None:
    if path.exists() and not replace:
        path.rmdir()
    if not path.exists():
        beside.rename(path)
        return
    old = beside_of(path.with_name(f"{path.name}.old"))
    path.rename(old)
    try:
        beside.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)
