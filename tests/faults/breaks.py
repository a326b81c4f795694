"""What breaks a process from within: called in it before the command begins."""

from __future__ import annotations

import builtins
import importlib
import os
import resource
import signal
import time
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import torch


def _replace(place: str, made: Callable[[Any], Any]) -> None:
    """Replace module:Class.name, or module:name, by what `made` makes of it."""
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    setattr(owner, name, made(getattr(owner, name)))


def at_call(place: str, number: int, what: Callable[[Any], Any]) -> None:
    """Give the `number`th result of a function to `what`, and return what that makes of it."""

    def made(function: Callable[..., Any]) -> Callable[..., Any]:
        calls = 0

        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number and what is _kill:
                _kill(None)
            found = function(*args, **kwargs)
            return what(found) if calls == number else found

        return counted

    _replace(place, made)


def _kill(_: Any) -> None:
    print("dies now", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def dies_at(place: str, number: int) -> None:
    """SIGKILL as a function is called for the `number`th time."""
    at_call(place, number, _kill)


def spoils(place: str, number: int, value: float) -> None:
    """Add a NaN, or infinity, to the `number`th result of a function."""
    at_call(place, number, partial(_spoiled, value=value))


def _spoiled(found: Any, value: float) -> Any:
    print("spoilt now", flush=True)
    if isinstance(found, torch.Tensor):
        return found + value
    if hasattr(found, "gradients"):
        for gradient in found.gradients:
            if gradient is not None:
                gradient.add_(value)
        return found
    return found._replace(images=found.images + value)


def limits_files(size: int) -> None:
    """No file may be longer than so many bytes: writing on fails, as it does on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def reads_on_demand() -> None:
    """Nothing is kept in memory: each image is read from its file when it is wanted."""
    importlib.import_module("ganwright.data.serve.load").RESIDENT_BYTES = 0  # type: ignore[attr-defined]


def clock_jumps() -> None:
    """The clock goes back by a day each time that it is read."""
    began, read = time.time(), 0

    def jumped() -> float:
        nonlocal read
        read += 1
        return began - 86_400 * read

    time.time = jumped
    print(f"it is {time.time() - began:.0f} seconds later", flush=True)


def waits_before(place: str, seconds: float) -> None:
    """Each call of a function comes so many seconds later."""

    def made(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def late(*args: Any, **kwargs: Any) -> Any:
            time.sleep(seconds)
            return function(*args, **kwargs)

        return late

    _replace(place, made)


def several(*breaks: Callable[[], None]) -> None:
    """One after the other."""
    for each in breaks:
        each()


def workers(pid: int) -> list[int]:
    """The processes that a process started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split()]


def written(path: Path, size: int | None = None) -> int:
    """Fill a file with `size` bytes, or with as many as the disk takes; how many those were."""
    length = 0
    with builtins.open(path, "wb", buffering=0) as file:
        try:
            while size is None or length < size:
                length += file.write(b"x" * 4096)
        except OSError:
            pass
    return length
