"""Fine-tuning against training from scratch: from one half of the digits to the other.

    python benchmarks/fine_tuning.py [--steps 1000] [--seeds 3] [--figure FILE]

A DCGAN learns the embedded digits 0 to 4, in one and a half times the steps. Others then learn 5 to
9: from scratch, from its averaged weights (`init`), and so with D's first layer frozen (`freeze`).
Every 50 steps a classifier, trained on all ten digits, judges 500 samples: quality is the share
that it is sure are digits from 5 to 9. Prints a line of JSON for each run, then one with the steps
that each way took to the quality with which scratch ends.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ganwright
from ganwright.data.read.embedded import digits
from ganwright.data.sides import Stack
from ganwright.metrics.judge import SURE, probabilities
from ganwright.networks import ConvNet
from ganwright.optim import Adam
from ganwright.seeds import seed_torch

SIZE, SAMPLES, EVERY = 16, 500, 50
WAYS: dict[str, dict[str, Any]] = {
    "scratch": {},
    "init": {},
    "init, D.stack.1 frozen": {"freeze": "D.stack.1"},
}


class Curve(ganwright.Callback):
    """Quality of the averaged networks' samples, at every 50th step."""

    def __init__(self, first: int) -> None:
        self.classes = range(first, first + 5)
        self.points: dict[int, float] = {}

    def started(self, run: ganwright.Run) -> None:
        self.stepped(run)

    def stepped(self, run: ganwright.Run) -> None:
        if run.step % EVERY:
            return
        with run.averaged() as game:
            seed_torch(0, "quality")
            images: Tensor = game.sample(SAMPLES)  # type: ignore[operator]
        best, seen = probabilities(images, "digits").max(1)
        right = (best > SURE) & torch.isin(seen, torch.tensor(list(self.classes)))
        self.points[run.step] = right.float().mean().item()


def half(first: int) -> tuple[Tensor, list[str]]:
    """The training digits from `first` on, five classes of them."""
    (side,) = digits(SIZE).train
    assert isinstance(side, Stack)
    assert side.labels is not None
    chosen = (side.labels >= first) & (side.labels < first + 5)
    return side.pictures[chosen], [str(y) for y in side.labels[chosen].tolist()]


def train(out: Path, first: int, steps: int, seed: int, **changes: Any) -> Curve:
    """Train on one half and return the curve of quality."""
    curve = Curve(first)
    ganwright.train(
        "dcgan",
        out=out,
        data=half(first),
        callbacks=[curve],
        quiet=True,
        steps=steps,
        seed=seed,
        batch_size=32,
        image_size=SIZE,
        latent=32,
        networks=ConvNet(width=16),
        noise=0.2,
        optimizer_d=Adam(lr=5e-4),
        optimizer_g=Adam(lr=1e-3),
        ema_half_life=5000,
        precision="fp32",
        device="cpu",
        sample_every=steps,
        save_every=steps,
        **changes,
    )
    return curve


def reached(points: dict[int, float], quality: float) -> int | None:
    """The first step at which a curve is at a quality or above."""
    return next((step for step, q in points.items() if q >= quality), None)


def draw(curves: dict[str, list[dict[int, float]]], path: Path) -> None:
    """The curves, a line for each way: the mean over the seeds, and their range around it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for way, runs in curves.items():
        steps = list(runs[0])
        values = [[run[step] for run in runs] for step in steps]
        axes.plot(steps, [statistics.mean(v) for v in values], label=way)
        axes.fill_between(steps, [min(v) for v in values], [max(v) for v in values], alpha=0.2)
    axes.set(xlabel="steps", ylabel="sure of 5 to 9", ylim=(0, 1))
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)


def compared(curves: dict[str, list[dict[int, float]]]) -> dict[str, Sequence[int | None]]:
    """For each way and seed, the steps to the quality that scratch ends with under that seed."""
    ends = [list(points.values())[-1] for points in curves["scratch"]]
    return {
        way: [reached(points, end) for points, end in zip(runs, ends, strict=True)]
        for way, runs in curves.items()
    }


def main() -> None:
    """Train all, print, and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--figure", type=Path, default=None)
    args = parser.parse_args()
    curves: dict[str, list[dict[int, float]]] = {way: [] for way in WAYS}
    for seed in range(args.seeds):
        with tempfile.TemporaryDirectory() as folder:
            first = Path(folder) / "first"
            before = train(first, 0, args.steps * 3 // 2, seed)
            print(json.dumps({"way": "0 to 4", "seed": seed, **rounded(before.points)}))
            for way, changes in WAYS.items():
                begin = {"init": str(first)} if way != "scratch" else {}
                clock = time.process_time()
                curve = train(Path(folder) / way, 5, args.steps, seed, **begin, **changes)
                seconds = round(time.process_time() - clock, 1)
                curves[way].append(curve.points)
                row = {"way": way, "seed": seed, "cpu_seconds": seconds}
                print(json.dumps(row | rounded(curve.points)), flush=True)
    print(json.dumps({"steps to the end of scratch": compared(curves)}))
    if args.figure is not None:
        draw(curves, args.figure)


def rounded(points: dict[int, float]) -> dict[str, float]:
    """A curve as a row has it."""
    return {str(step): round(quality, 3) for step, quality in points.items()}


if __name__ == "__main__":
    main()
