"""Folders of many JPEGs: how long opening and reading take, and how much memory, as they grow.

    python benchmarks/large_folder.py [--count 10000 200000] [--batches 200]

The pictures are 256 different ones of 96x96, hard-linked under as many names as asked for, so that
200,000 take some megabytes of disk. Each size is measured in a process of its own, streamed at 64
pixels by two workers: seconds until the folder is open, milliseconds an image by the clock and as
all processes computed it, and the greatest memory of the main process after opening and at the
end. With `--pack`, the folder is packed too, and opening the pack is timed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from ganwright.data import DataOptions, Images, open_data
from ganwright.data.cached import pack
from ganwright.data.serve import load

DIFFERENT, SIDE, SIZE, BATCH = 256, 96, 64, 64


def make(folder: Path, count: int) -> None:
    """A folder of so many files, 1,000 in each subfolder."""
    originals = folder / ".originals"
    originals.mkdir(parents=True)
    for i in range(DIFFERENT):
        coarse = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(i))
        smooth = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic")
        pixels = smooth[0].clamp(0, 1).mul(255).to(torch.uint8).permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(originals / f"{i}.jpg", quality=90)
    for i in range(count):
        below = folder / f"{i // 1000:04}"
        below.mkdir(exist_ok=True)
        os.link(originals / f"{i % DIFFERENT}.jpg", below / f"{i:07}.jpg")


def measured(folder: Path, batches: int, packed: Path | None) -> dict[str, Any]:
    """What this process sees of the folder."""
    load.RESIDENT_BYTES = 1
    options = DataOptions(image_size=SIZE, workers=2)
    began = time.perf_counter()
    data = open_data(folder, task=Images, options=options)
    opened = time.perf_counter() - began
    after_opening = _peak()
    data.batch(0, BATCH)
    began, computed = time.perf_counter(), _computed()
    for draw in range(1, batches):
        data.batch(draw, BATCH)
    clock = time.perf_counter() - began
    data.close()
    images = batches * BATCH
    row = {
        "images": data.spec.count,
        "opening_s": opened,
        "clock_ms": 1000 * clock / images,
        "computed_ms": 1000 * (_computed() - computed) / images,
        "opened_mb": after_opening,
        "end_mb": _peak(),
    }
    if packed is not None:
        began = time.perf_counter()
        pack(str(folder), packed, options=options, say=lambda text: None)
        row["packing_s"] = time.perf_counter() - began
        began = time.perf_counter()
        open_data(packed, task=Images, options=options).batch(0, BATCH)
        row["pack_opening_s"] = time.perf_counter() - began
    return row


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _computed() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def main() -> None:
    """Make each folder, and measure it in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, nargs="+", default=[10_000, 200_000])
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--pack", action="store_true", help="pack each folder, too")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        packed = Path(f"{asked.measure}.pack") if asked.pack else None
        print(json.dumps(measured(Path(asked.measure), asked.batches, packed)))
        return
    with tempfile.TemporaryDirectory() as made:
        for count in asked.count:
            folder = Path(made) / str(count)
            make(folder, count)
            again = [sys.executable, __file__, "--measure", str(folder)]
            again += ["--batches", str(asked.batches)] + ["--pack"] * asked.pack
            done = subprocess.run(again, check=True, capture_output=True, encoding="utf-8")
            row = json.loads(done.stdout)
            print("  ".join(f"{name} {value:,.3g}" for name, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
