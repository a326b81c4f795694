"""One writer for a run folder: a lock that the system itself releases when its holder dies."""

from __future__ import annotations

import functools
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ganwright.atomic import reason
from ganwright.errors import RunError

NAME = ".lock"
_FAR = 1 << 30
"""The byte that is locked where whole files cannot be: beyond what the file says."""
_held: set[int] = set()


@contextmanager
def writing(run: Path) -> Iterator[None]:
    """Be the one writer of a run folder.

    Raises:
        RunError: another process, which the sentence names, is at it; or the folder cannot be
            written.
    """
    _let_go_in_children()
    path = run / NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise RunError(f"{run} cannot be written: {reason(error)}") from error
    try:
        if not _locked(descriptor):
            raise RunError(
                f"{run} is being trained by {_holder(path)}; wait until it is done, or stop it"
            )
        _held.add(descriptor)
        _sign(descriptor)
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def writer(run: Path) -> str | None:
    """Who is writing to a run folder, in words; None if nobody is."""
    path = run / NAME
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        return None if _locked(descriptor) else _holder(path)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Whether this process has the lock now. File systems that know no locks grant each."""
    try:
        _lock(descriptor)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        import msvcrt

        windows: Any = msvcrt
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        windows.locking(descriptor, windows.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sign(descriptor: int) -> None:
    text = json.dumps({"process": os.getpid(), "host": socket.gethostname()}).encode()
    with suppress(OSError):  # a full disk: the lock holds, and names nobody
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, text)


def _holder(path: Path) -> str:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        process, host = int(said["process"]), str(said["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
    return f"process {process}" + ("" if host == socket.gethostname() else f" on {host}")


@functools.cache
def _let_go_in_children() -> None:
    """Workers forked from the writer would hold its lock for a while after it was killed."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_let_go)


def _let_go() -> None:
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()
