"""The host's memory: how much is free, and what is asked for beyond it, refused in a sentence."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganwright.errors import SettingsError

_UNKNOWN = 8 << 30
_AMOUNT = r"([\d.]+ [KMGTPE]?i?B)"
_SIGNS = ("can't allocate memory", "out of memory", "_ALLOC_FAILED")
_HELPS = (
    "lower --batch-size, --image-size or the number asked for, choose smaller networks, or use "
    "another --device"
)

WORKER_KILLED = (
    "a process that reads the data was killed, often because memory ran out; try fewer --workers, "
    "or 0"
)
"""Said wherever it is noticed: by torch's signal in any place, or where its data is missed."""


def free() -> int:
    """Bytes of the host's memory that are free, for this container if it has a limit."""
    found = _number("/proc/meminfo", r"MemAvailable:\s*(\d+)")
    if found is not None:
        limit, used = (
            _number(f"/sys/fs/cgroup/memory.{name}", r"(\d+)") for name in ("max", "current")
        )
        own = sys.maxsize if limit is None or used is None else max(0, limit - used)
        return min(1024 * found, own)
    if "SC_AVPHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _UNKNOWN


def check(needed: float, what: str) -> None:
    """Refuse what takes more than is free, before any of it is made.

    Args:
        needed: bytes.
        what: what takes them, with what to do; "a batch of 3 images; lower --batch-size".

    Raises:
        SettingsError: it does not fit.
    """
    if needed > (there := free()):
        name, _, advice = what.partition("; ")
        raise SettingsError(
            f"{name} takes {_size(needed)} of memory, and {_size(there)} are free; {advice}"
        )


def out_of_memory(error: BaseException) -> bool:
    """Whether the device or the host has no memory left."""
    named = isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)
    return named or isinstance(error, MemoryError)


def said(error: BaseException, helps: str = _HELPS) -> str:
    """What was asked for, what there is, and what helps."""
    text = str(error)
    asked = re.search(r"allocate (\d+) bytes", text) or re.search(rf"allocate {_AMOUNT}", text)
    if asked is None:
        return f"out of memory; {helps}"
    amount = _size(int(asked[1])) if asked[1].isdigit() else asked[1]
    there = re.search(rf"{_AMOUNT} is free", text)  # on a GPU, whose error says so
    left = f", and {there[1]} are free on the device" if there else ""
    if isinstance(error, MemoryError) or "CPUAllocator" in text:
        left = f", and {_size(free())} are free"
    return f"out of memory; {helps} ({amount} are asked for at once{left})"


@contextmanager
def shortage_named() -> Iterator[None]:
    """Within, an allocation that fails is a sentence.

    Raises:
        SettingsError: there is not enough memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise SettingsError(said(error)) from error


def _number(file: str, pattern: str) -> int | None:
    try:
        found = re.search(pattern, Path(file).read_text(encoding="utf-8"))
    except OSError:
        return None
    return int(found[1]) if found else None


def _size(count: float) -> str:
    for unit in ("MiB", "GiB", "TiB"):
        count /= 1024 if unit != "MiB" else 2**20
        if count < 1024:
            break
    return f"{count:,.1f} {unit}"
