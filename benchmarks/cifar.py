"""Generators of today beside those of yesterday at 32 pixels, each given the same time of one core.

    python benchmarks/cifar.py CIFAR-FOLDER --seeds 0 1 2 --rows docs/results/cifar10.jsonl
    python benchmarks/cifar.py CIFAR-FOLDER --families dcgan r3gan --seeds 0 --seconds 60

CIFAR-FOLDER holds CIFAR-10 as images, in `train/CLASS` and `test/CLASS`. Trains each family without
labels, on all training images, mirrored, until its process has computed for so many seconds, and
measures its averaged weights at each quarter of them: 5,000 samples against 5,000 test images, by
the features of the package's small net, so that the distance (KID's kernel, times 1,000) is no KID
of Inception; precision and recall are of the same features. The row "train" has what as many
training images score. Prints a line of JSON for each measurement, then means over the seeds with
their standard deviations. `--rows` keeps the lines in a file, and continues from it.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from few_images import features, floats, pictures, squared_mmd
from modern import told
from torch import Tensor

import ganwright
from ganwright.augment import DiffAugment
from ganwright.game import Game
from ganwright.metrics.neighbours import covered, radii
from ganwright.networks import ConvNet, Networks, R3Net, ResNet, StyleNet
from ganwright.optim import Adam, Cosine
from ganwright.penalties import R1, R2
from ganwright.report.grid import save_grid

SIZE = 32
QUARTERS = (0.25, 0.5, 0.75, 1.0)
COLUMNS = {"steps": ",.0f", "distance": ".2f", "precision": ".2f", "recall": ".2f"}
"""What is printed of a row, and how."""


@dataclass(frozen=True)
class Arm:
    """Networks and other settings of a family."""

    networks: Networks
    batch: int
    settings: Mapping[str, Any] = field(default_factory=dict)


def _r3gan(steps: int) -> Arm:
    falls = Cosine(steps, floor=0.1)
    adam = Adam(lr=5e-4, schedule=Cosine(steps, floor=0.25), betas=(0.0, 0.9), beta2_schedule=falls)
    penalties = (R1(0.5, schedule=falls), R2(0.5, schedule=falls))
    given = {"penalties": penalties, "optimizer_d": adam, "optimizer_g": adam, "augment_d": None}
    return Arm(R3Net(width=96, blocks=1), 32, given)


ARMS = {
    # without mixing and path lengths, as in the configuration `cifar` of the authors
    "stylegan2": Arm(
        StyleNet(base=2048, most=128, styles=128, mapping_G=2),
        32,
        {"latent": 128, "penalties": (R1(1.0, every=16),), "mixing": 0.0, "path_weight": 0.0},
    ),
    "r3gan": _r3gan(300),
    "dcgan": Arm(ConvNet(width=32), 64, {"augment_d": DiffAugment()}),
    "sagan": Arm(
        ResNet(width_G=16, width_D=16, spectral_G=True, spectral_D=True, attention=(16,)),
        32,
        {"conditional": False, "augment_d": DiffAugment()},
    ),
}
"""In 100 seconds with seed 9, dcgan with 64 channels did worse."""


class Quarters(ganwright.Callback):
    """Stops a run after so many seconds of its process, and keeps a copy at each quarter."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.start = time.process_time()
        self.kept: list[tuple[int, Game]] = []

    def stepped(self, run: ganwright.Run) -> None:
        """A copy takes none of the run's time."""
        now = time.process_time()
        if now - self.start < QUARTERS[len(self.kept)] * self.seconds:
            return
        with run.averaged() as game:
            self.kept.append((run.step, copy.deepcopy(game)))
        self.start += time.process_time() - now
        if len(self.kept) == len(QUARTERS):
            run.stop("its time is over")


def play(name: str, seed: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Train one and measure it."""
    torch.set_num_threads(1)
    train = pictures(args.folder / "train", SIZE, args.count)
    unseen = floats(pictures(args.folder / "test", SIZE, args.n))
    arm, watch, out = ARMS[name], Quarters(args.seconds), args.out / f"{name}-{seed}"
    model = ganwright.train(
        name,
        data=train,
        out=out,
        callbacks=(watch,),
        networks=arm.networks,
        image_size=SIZE,
        batch_size=arm.batch,
        steps=10**6,
        sample_every=10**6,
        save_every=10**6,
        flip=True,
        seed=seed,
        device="cpu",
        quiet=True,
        **arm.settings,
    )
    rows = []
    for quarter, (step, game) in zip(QUARTERS, watch.kept, strict=True):
        then = ganwright.Model(name, game, model.spec, step, out)
        samples = then.sample(args.n, seed=1)
        save_grid(samples[:64], out / f"samples-{step}.png")
        known = {"family": name, "seed": seed, "seconds": quarter * args.seconds, "steps": step}
        rows.append(known | compared(samples, unseen))
    return rows


def compared(samples: Tensor, unseen: Tensor) -> dict[str, float]:
    """What features say of samples beside images of the test split."""
    x, y = features(unseen), features(samples)
    return {
        "distance": 1000 * squared_mmd(y, x),
        "precision": covered(y, x, radii(x, 3)),
        "recall": covered(x, y, radii(y, 3)),
    }


def main() -> None:
    """Train those that have no rows yet, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--families", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=1800.0, help="of one core, each (1800)")
    parser.add_argument("--count", type=int, default=50_000, help="images to train on (50000)")
    parser.add_argument("-n", type=int, default=5000, help="samples and test images (5000)")
    parser.add_argument("--rows", type=Path, help="a file that keeps the rows, to continue from")
    parser.add_argument("--out", type=Path, default=Path("runs/cifar10"))
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if args.rows and args.rows.exists():
        rows = [json.loads(line) for line in args.rows.read_text(encoding="utf-8").splitlines()]
    for seed in args.seeds:
        for name in args.families:
            known = ("family", name), ("seed", seed), ("seconds", args.seconds)
            if any(all(row.get(k) == v for k, v in known) for row in rows):
                continue
            # a process each: what one leaves in memory is nothing to the next
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                found = pool.submit(play, name, seed, args).result()
            rows += found
            for row in found:
                print(json.dumps(row), flush=True)
            if args.rows:
                with args.rows.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(row) + "\n" for row in found)
    print(f"| {' | '.join(['', 'seconds', *COLUMNS])} |\n|{' --- |' * (2 + len(COLUMNS))}")
    real, unseen = (floats(pictures(args.folder / k, SIZE, args.n)) for k in ("train", "test"))
    print(told("train | 0", [compared(real, unseen)], COLUMNS))
    for name in args.families:
        for quarter in QUARTERS:
            key = (name, quarter * args.seconds)
            of = [r for r in rows if (r["family"], r["seconds"]) == key and r["seed"] in args.seeds]
            print(told(f"{name} | {quarter * args.seconds:g}", of, COLUMNS))


if __name__ == "__main__":
    main()
