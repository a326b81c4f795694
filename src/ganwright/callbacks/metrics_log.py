"""metrics.jsonl: a line of numbers each log interval, whole lines only."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganwright import atomic
from ganwright.errors import RunError


def line(row: Mapping[str, Any]) -> str:
    """A row as JSON, which has no NaN and no infinity: they are null."""
    odd = [n for n, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
    return json.dumps({**row, **dict.fromkeys(odd)})


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Add a line: all of it or nothing, where a full disk would take a part.

    Raises:
        OSError: it cannot be written.
    """
    data = f"{line(row)}\n".encode()
    with path.open("ab", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        try:
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            file.truncate(end)
            raise


def trim(path: Path, step: int, *, warn: Callable[[str], None]) -> None:
    """Drop lines of steps after `step`, and a last line cut short by a kill.

    Other lines that cannot be read are kept in metrics.jsonl.broken, and reported.

    Raises:
        RunError: the file cannot be read or written.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        found = [_step_of(line) for line in lines]
        broken = [x for x, at in zip(lines, found, strict=True) if at is None and x.endswith(b"\n")]
        if broken:
            aside = path.with_name(f"{path.name}.broken")
            with aside.open("ab") as file:
                file.writelines(broken)
            warn(f"{len(broken)} lines of {path} cannot be read; they are kept in {aside}")
        kept = [x for x, at in zip(lines, found, strict=True) if at is not None and at <= step]
        if kept != lines:
            atomic.write(path, b"".join(kept))
    except OSError as error:
        raise RunError(f"{path} cannot be rewritten: {atomic.reason(error)}") from error


def last(path: Path) -> float:
    """The last step that was logged; 0 where there is none."""
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    return max((step for line in lines if (step := _step_of(line)) is not None), default=0)


def _step_of(line: bytes) -> float | None:
    """The step of a line; None if it is cut short or broken."""
    try:
        step = json.loads(line)["step"] if line.endswith(b"\n") else None
    except (ValueError, KeyError, TypeError):
        return None
    return step if isinstance(step, int | float) else None
