"""Packing: a source's images decoded and scaled into one file, as batches want them."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ganwright import atomic
from ganwright.data.fitted import Fitted
from ganwright.data.levels import Reading
from ganwright.data.messages import counted, some, unreadable
from ganwright.data.options import DataOptions
from ganwright.data.plan import Settled, settle
from ganwright.data.progress import watched
from ganwright.data.read.packed import FIRST, MAGIC
from ganwright.data.sides import Rows, Source
from ganwright.data.types import Batch
from ganwright.errors import DataError

_CHUNK = 256


def write_pack(
    source: Source,
    marks: dict[str, Any],
    path: Path,
    *,
    task: type[Batch],
    options: DataOptions,
    say: Callable[[str], None],
) -> None:
    """Write a pack, whole or not at all; how large it becomes is said first.

    Args:
        source: before anything is held out.
        marks: its fingerprint, which the pack keeps.
        path: the file.
        task: what the family takes that will be trained on it.
        options: its size and channels.
        say: told how large the pack becomes.

    Raises:
        DataError: there is nothing to pack, images cannot be read, or there is no room.
    """
    settled = settle(source, task, options)
    splits = {"train": settled.train, "test": settled.test}
    sides = [side for split in splits.values() for side in split or ()]
    for side in sides:
        _check(source, side)
    size = sum(prod(size) * side.fit.channels for side in sides for size in _sizes(side))
    many = counted(sum(map(len, sides)), "image")
    say(f"{many} of {source.name} become {_said(size)}, in {path}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if size > (free := shutil.disk_usage(path.parent).free):
            raise DataError(f"{path} needs {_said(size)}, and {_said(free)} are free there")
        with atomic.opened(path) as file:
            _fill(file, source, marks, settled, options)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {atomic.reason(error)}") from error


def _check(source: Source, side: Fitted) -> None:
    if not isinstance(side.side, Rows):
        raise DataError(f"{source.name} is in memory already; pack a folder or a zip file")
    deep = side.fit.bytes_a_number > 1
    if side.anew or side.fit.label_map is not None or side.fit.channels not in (1, 3) or deep:
        helps = "; to bring them to 8 bits, train with --depth 8 --cache" if deep else ""
        raise DataError(
            f"{source.name} cannot be packed: a pack holds images of 8 bits in 1 or 3 channels, "
            f"which are the same each time, and no label maps{helps}"
        )


def _sizes(side: Fitted) -> Sequence[Sequence[int]]:
    """(height, width) of each image as it is stored."""
    if side.fit.size is not None:
        return [side.fit.size] * len(side)
    assert isinstance(side.side, Rows)
    if side.side.heads is None:
        return [side.side.size()] * len(side)
    return [head[:2] for head in side.side.heads]


def _fill(
    file: BinaryIO, source: Source, marks: dict[str, Any], settled: Settled, options: DataOptions
) -> None:
    file.write(MAGIC.ljust(FIRST, b" "))
    splits = {"train": settled.train, "test": settled.test}
    sides = {
        split: None if found is None else [_side(file, side, options) for side in found]
        for split, found in splits.items()
    }
    about = {
        "task": source.kind.__name__,
        "query": asdict(source.query),
        "factor": source.factor,
        "options": {
            "image_size": options.image_size,
            "channels": options.channels,
            "range": list(options.range),
        },
        "fingerprint": marks,
        "sides": sides,
    }
    end = file.tell()
    file.write(json.dumps(about).encode())
    file.seek(len(MAGIC))
    file.write(f"{end:016}".encode())


def _side(file: BinaryIO, side: Fitted, options: DataOptions) -> dict[str, Any]:
    """Append a side's images, planes of each channel; returns what is said of them."""
    fit, start, bad = side.fit, file.tell(), {}
    for first in watched(range(0, len(side), _CHUNK), "packing", weight=_CHUNK):
        rows = side.read(range(first, min(first + _CHUNK, len(side))))
        for index, row in enumerate(rows, first):
            if isinstance(row, Tensor):
                assert row.dtype == torch.uint8
                file.write(row.contiguous().numpy().tobytes())
            else:
                bad[index] = str(row)
    if bad and not options.skip:
        raise unreadable(list(bad.values()))
    if bad:
        names = list(bad.values())
        warnings.warn(f"skipped {counted(len(bad), 'image')}: {some(names)}", stacklevel=6)
    labels = side.side.labels
    return {
        "start": start,
        "count": len(side),
        "channels": fit.channels,
        "sizes": [list(s) for s in (_sizes(side) if fit.size is None else [fit.size])],
        "labels": None if labels is None else labels.tolist(),
        "classes": list(side.side.classes),
        "reading": asdict(Reading(options.range, fit.depth, fit.alpha, fit.levels)),
        "bad": bad,
    }


def _said(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 1 << 30 else f"{size / 2**20:.1f} MiB"
