"""Generators of today beside those of yesterday, each given the same time of one core.

    python benchmarks/same_time.py CIFAR-FOLDER --seeds 0 1 2 --rows docs/results/cifar10.jsonl
    python benchmarks/same_time.py CIFAR-FOLDER --families dcgan r3gan --seeds 0 --seconds 60
    python benchmarks/same_time.py FACES --size 64 -n 1000 --families stylegan2 sagan --seeds 0

CIFAR-FOLDER holds CIFAR-10 as images, in `train/CLASS` and `test/CLASS`; of a folder without these
two, a tenth of the images is held out. Trains each family without labels, on all training images,
mirrored, until its process has computed for so many seconds, and measures its averaged weights
after each `--every` of them: as many samples as `-n` against as many test images, by the features
of the package's small net, so that the distance (KID's kernel, times 1,000) is no KID of Inception;
precision and recall are of the same features. The row "train" has what as many training images
score. Prints a line of JSON for each measurement, then means over the seeds with their standard
deviations. `--rows` keeps the lines in a file, and continues from it: a run that is in OUT is
resumed where its rows end.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from few_images import features, floats, pictures, squared_mmd
from modern import ENDLESS, told
from torch import Tensor

import ganwright
from ganwright.augment import DiffAugment
from ganwright.data import DataOptions, Images, open_data
from ganwright.game import Game
from ganwright.metrics.neighbours import covered, radii
from ganwright.networks import ConvNet, Networks, R3Net, ResNet, StyleNet
from ganwright.optim import Adam, Cosine
from ganwright.penalties import R1, R2
from ganwright.pixels import to_bytes
from ganwright.report.grid import save_grid
from ganwright.run.running import stopped_at

HELD_OUT = 0.1
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
    adam = Adam(lr=2e-3, schedule=Cosine(steps, floor=0.25), betas=(0.0, 0.9), beta2_schedule=falls)
    penalties = (R1(0.5, schedule=falls), R2(0.5, schedule=falls))
    given = {"penalties": penalties, "optimizer_d": adam, "optimizer_g": adam, "augment_d": None}
    return Arm(R3Net(width=128, full=1, blocks=1), 32, given)


ARMS = {
    # without mixing and path lengths, as in the configuration `cifar` of the authors
    "stylegan2": Arm(
        StyleNet(base=2048, most=128, styles=128, mapping_G=2),
        32,
        {"latent": 128, "penalties": (R1(1.0, every=16),), "mixing": 0.0, "path_weight": 0.0},
    ),
    "r3gan": _r3gan(2000),
    "dcgan": Arm(ConvNet(width=32), 64, {"augment_d": DiffAugment()}),
    "sagan": Arm(
        ResNet(width_G=16, width_D=16, spectral_G=True, spectral_D=True, attention=(16,)),
        32,
        {"conditional": False, "augment_d": DiffAugment()},
    ),
}
"""In 100 seconds with seed 9, others did worse: dcgan with 64 channels, r3gan with a learning rate
of 1e-3 or 4e-3, with 192 channels, or with 128 at more sizes than one."""


class Watch(ganwright.Callback):
    """Keeps a copy after so many seconds of a run's process, for each of several, then stops it."""

    def __init__(self, seconds: Sequence[float]) -> None:
        self.seconds = seconds
        self.start = time.process_time()
        self.kept: list[tuple[int, Game]] = []

    def stepped(self, run: ganwright.Run) -> None:
        """A copy takes none of the run's time."""
        now = time.process_time()
        if now - self.start < self.seconds[len(self.kept)]:
            return
        with run.averaged() as game:
            self.kept.append((run.step, copy.deepcopy(game)))
        self.start += time.process_time() - now
        if len(self.kept) == len(self.seconds):
            run.stop("its time is over")


def play(
    name: str, seed: int, before: float, marks: Sequence[float], args: argparse.Namespace
) -> list[dict[str, Any]]:
    """Train one from `before` on, of its seconds, and measure it at the marks."""
    torch.set_num_threads(1)
    train, unseen = images("train", args.count, args), floats(images("test", args.n, args))
    out = args.out / f"{name}-{seed}"
    watch = Watch([mark - before for mark in marks])
    model = trained(name, seed, train, watch, out)
    rows = []
    for mark, (step, game) in zip(marks, watch.kept, strict=True):
        then = ganwright.Model(name, game, model.spec, step, out)
        samples = then.sample(args.n, seed=1)
        save_grid(samples[:64], out / f"samples-{step}.png")
        known = {"family": name, "seed": seed, "seconds": mark, "steps": step}
        rows.append(known | compared(samples, unseen))
    return rows


def images(split: str, count: int, args: argparse.Namespace) -> Tensor:
    """At most as many images of a split, uint8 [n, 3, size, size], always the same."""
    if (args.folder / split).is_dir():
        return pictures(args.folder / split, args.size, count)
    options = DataOptions(image_size=args.size, held_out=HELD_OUT)
    opened = open_data(str(args.folder), task=Images, options=options)
    return torch.cat([to_bytes(batch.images) for batch in opened.each(split, 500, count)])


def trained(name: str, seed: int, data: Tensor, watch: Watch, out: Path) -> ganwright.Model:
    """The run in `out`, new or resumed, until the watch stops it."""
    if out.exists():
        return ganwright.resume(out, data=data, callbacks=(watch,), quiet=True)
    arm = ARMS[name]
    return ganwright.train(
        name,
        data=data,
        out=out,
        callbacks=(watch,),
        networks=arm.networks,
        image_size=data.shape[-1],
        batch_size=arm.batch,
        **ENDLESS,
        seed=seed,
        device="cpu",
        **arm.settings,
    )


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
    parser.add_argument("--size", type=int, default=32, help="pixels of a side (32)")
    parser.add_argument("--families", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=1800.0, help="of one core, each (1800)")
    parser.add_argument("--every", type=float, default=225.0, help="seconds between rows (225)")
    parser.add_argument("--count", type=int, default=50_000, help="images to train on (50000)")
    parser.add_argument("-n", type=int, default=5000, help="samples and test images (5000)")
    parser.add_argument("--rows", type=Path, help="a file that keeps the rows, to continue from")
    parser.add_argument("--out", type=Path, default=Path("runs/same-time"))
    args = parser.parse_args()
    marks = [args.every * (i + 1) for i in range(int(args.seconds / args.every))]
    rows: list[dict[str, Any]] = []
    if args.rows and args.rows.exists():
        rows = [json.loads(line) for line in args.rows.read_text(encoding="utf-8").splitlines()]
    for seed, name in itertools.product(args.seeds, args.families):
        known = {r["seconds"]: r["steps"] for r in rows if (r["family"], r["seed"]) == (name, seed)}
        left = [mark for mark in marks if mark not in known]
        if not left:
            continue
        run, before = args.out / f"{name}-{seed}", 0.0
        if run.exists():
            before = max(known, default=0.0)
            if stopped_at(run) != known.get(before):
                raise SystemExit(f"{run} did not end where its rows do; remove it to train it anew")
        # a process each: what one leaves in memory is nothing to the next
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            found = pool.submit(play, name, seed, before, left, args).result()
        rows += found
        for row in found:
            print(json.dumps(row), flush=True)
        if args.rows:
            with args.rows.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in found)
    print_means(rows, marks, args)


def print_means(
    rows: Sequence[Mapping[str, Any]], marks: Sequence[float], args: argparse.Namespace
) -> None:
    """The table of the families at these marks, below what training images score."""
    print(f"| {' | '.join(['', 'seconds', *COLUMNS])} |\n|{' --- |' * (2 + len(COLUMNS))}")
    real, unseen = (floats(images(split, args.n, args)) for split in ("train", "test"))
    print(told("train | 0", [compared(real, unseen)], COLUMNS))
    for name, mark in itertools.product(args.families, marks):
        of = [
            row
            for row in rows
            if (row["family"], row["seconds"]) == (name, mark) and row["seed"] in args.seeds
        ]
        if of:
            print(told(f"{name} | {mark:g}", of, COLUMNS))


if __name__ == "__main__":
    main()
