"""Trains a tiny model for very long and says whether memory, open files and step time are flat.

The run does all that a long one does: lines of metrics, sample grids, measurements, checkpoints,
health, the report and a tracker. What is measured in each of 200 windows of steps is fitted by a
line, by least squares, from the second tenth on; the table gives its slope for 100,000 steps with a
95 % confidence interval. Processor time is used, since other processes may keep the machine busy.
Memory is read after a full collection: what is drawn leaves cycles, which Python collects only when
they have become many, so that a reading at any moment is one of a sawtooth.

    python benchmarks/soak.py --steps 200000 --out runs/soak
"""

from __future__ import annotations

import argparse
import csv
import gc
import importlib.util
import os
import tempfile
import threading
from pathlib import Path
from time import monotonic, process_time
from typing import NamedTuple

from scipy.stats import linregress, t

import ganwright
from ganwright.callbacks.callback import Callback, Run
from ganwright.metrics.modes import MixtureModes

WINDOWS = 200
LEFT_OUT = 10
"""Per cent of the steps in which caches fill and files are opened for the first time."""
SLOPE_OF = 100_000


class Window(NamedTuple):
    """What is found after a window of steps."""

    step: int
    memory_mb: float
    open_files: int
    threads: int
    step_us: float
    """Processor time of a step, with all that comes between steps."""


class Watch(Callback):
    """Looks at its own process after each window."""

    def __init__(self, length: int, file: Path) -> None:
        self.length, self.file = length, file
        self.seen: list[Window] = []
        self.clock = process_time()

    def started(self, run: Run) -> None:
        self.clock = process_time()
        self.file.write_text(",".join(Window._fields) + "\n", encoding="utf-8")

    def stepped(self, run: Run) -> None:
        if run.step % self.length:
            return
        now = process_time()
        microseconds = 1e6 * (now - self.clock) / self.length
        gc.collect()
        files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
        window = Window(run.step, memory(), files, threads, microseconds)
        self.seen.append(window)
        with self.file.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow(window)
        self.clock = process_time()


def memory() -> float:
    """Megabytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def trained(steps: int, out: Path) -> list[Window]:
    """Train, and what was seen meanwhile."""
    watch = Watch(max(1, steps // WINDOWS), out.with_name(f"{out.name}.csv"))
    ganwright.train(
        "gan",
        data="ring",
        out=out,
        batch_size=16,
        networks="MLP(hidden_G=(32,), hidden_D=(32,))",
        steps=steps,
        seed=1,
        device="cpu",
        precision="fp32",
        cpu_threads=1,
        log=("tensorboard",) if importlib.util.find_spec("tensorboard") else (),
        log_every=max(1, steps // 4000),
        sample_every=max(1, steps // 200),
        save_every=max(1, steps // 400),
        evaluate_every=max(1, steps // 200),
        evaluate_samples=500,
        metrics=(MixtureModes(),),
        callbacks=(watch,),
        quiet=True,
    )
    return watch.seen


def row(name: str, seen: list[Window]) -> str:
    """One quantity: its mean, and the slope of its line with the confidence interval."""
    kept = seen[len(seen) * LEFT_OUT // 100 :]
    values = [float(getattr(window, name)) for window in kept]
    line = linregress([window.step for window in kept], values)
    error = line.stderr if len(set(values)) > 1 else 0.0  # scipy has none for a constant
    half = float(t.ppf(0.975, len(kept) - 2)) * error * SLOPE_OF
    slope, mean = line.slope * SLOPE_OF, sum(values) / len(values)
    low, high = slope - half, slope + half
    share = 100 * slope / mean
    return f"| {name} | {mean:.1f} | {slope:+.3f} | {low:+.3f} to {high:+.3f} | {share:+.2f} % |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--out", type=Path, help="the run folder; a temporary one when not given")
    args = parser.parse_args()
    begun = monotonic()
    with tempfile.TemporaryDirectory() as folder:
        seen = trained(args.steps, args.out or Path(folder) / "run")
    print(f"{args.steps:,} steps in {monotonic() - begun:,.0f} s\n")
    print("| Quantity | Mean | Slope per 100,000 steps | 95 % | Of the mean |")
    print("| --- | --- | --- | --- | --- |")
    for name in Window._fields[1:]:
        print(row(name, seen))


if __name__ == "__main__":
    main()
