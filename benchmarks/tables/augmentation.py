"""What generated digits add to a classifier that has few real ones.

    python benchmarks/tables/augmentation.py --data-root data --download
    python benchmarks/tables/augmentation.py --per-class 10 --seeds 0 --steps 300

For each number of real MNIST digits a class and each seed, `acgan` learns these digits alone, with
DiffAugment; `augment_data` writes samples of each class, of which a classifier of the same digits
must agree. Then the same small network learns the real digits, with and without samples in half of
each batch, with and without classical augmentation (shifts by up to two pixels), and is measured on
the 10,000 test digits. The digits of a seed, its weights and its batches are the same in each
column.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

import ganwright
from budget import same
from ganwright.augment import DiffAugment
from ganwright.data import DataOptions, Images, open_data
from ganwright.metrics.judge import classifier, shifted
from ganwright.networks import ConvNet
from ganwright.optim import Adam
from ganwright.pixels import to_bytes
from ganwright.seeds import seed_torch
from page import DOCS, Page, mean_error, table

STEPS = 2000
COLUMNS = ("real", "real, shifted", "and samples", "and samples, shifted", "samples alone")

Known = tuple[Tensor, Tensor]


def digits(args: argparse.Namespace) -> tuple[Known, Known]:
    """Training and test digits: float [n, 1, 32, 32] in [-1, 1], and their labels."""
    options = DataOptions(image_size=32, data_root=args.data_root, download=args.download)
    data = open_data("mnist", task=Images, options=options)

    def whole(split: str) -> Known:
        parts = list(data.each(split, 1000, None))
        return torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts])

    return whole("train"), whole("test")


def few(known: Known, count: int, seed: int) -> Known:
    """So many of each class, at random."""
    order = torch.Generator().manual_seed(seed)
    shuffle = torch.randperm(len(known[1]), generator=order)
    rows = torch.cat([shuffle[known[1][shuffle] == k][:count] for k in range(10)])
    return known[0][rows], known[1][rows]


def samples(real: Known, run: Path, seed: int, args: argparse.Namespace) -> Known:
    """What is written of a run on these digits, which is trained if it is not there."""
    if run.exists():
        had = ganwright.load(run, device="cpu").step
        same(run, {"steps": args.steps}, {"steps": had})
    else:
        ganwright.train(
            "acgan",
            data=(to_bytes(real[0]), real[1]),
            image_size=32,
            batch_size=64,
            steps=args.steps,
            seed=seed,
            held_out=0.0,
            latent=64,
            networks=ConvNet(width=24, dropout=0.3),
            augment_d=DiffAugment(colour=False, cutout=0.0),
            optimizer_d=Adam(lr=3e-4),
            optimizer_g=Adam(lr=6e-4),
            out=run,
            device="cpu",
            quiet=True,
        )
    out = run / "augmentation"
    ganwright.augment_data(
        run, out, args.samples, seed=seed, agree=False, copies=True, device="cpu"
    )
    data = open_data(str(out), task=Images, options=DataOptions(image_size=32, held_out=0.0))
    batch = next(iter(data.each("train", 10 * args.samples, None)))
    return agreed((batch.images, batch.labels), real, seed)


def agreed(made: Known, real: Known, seed: int) -> Known:
    """Those that a classifier of the real digits takes for their class."""
    net = learned([real], seed, shift=True)
    right = torch.cat([net(part).argmax(1) for part in made[0].split(500)]) == made[1]
    return made[0][right], made[1][right]


def learned(sets: Sequence[Known], seed: int, *, shift: bool) -> torch.nn.Module:
    """The network after 2,000 batches of 64, drawn from each set in equal parts."""
    seed_torch(seed, "augmentation")
    net = classifier(1, (32, 32), 10)
    adam = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, 4e-3, STEPS + 1)
    for _ in range(STEPS):
        rows = [torch.randint(len(y), (64 // len(sets),)) for _, y in sets]
        x = torch.cat([s[0][r] for s, r in zip(sets, rows, strict=True)])
        y = torch.cat([s[1][r] for s, r in zip(sets, rows, strict=True)])
        loss = cross_entropy(net(shifted(x) if shift else x), y)
        adam.zero_grad()
        loss.backward()
        adam.step()
        rate.step()
    return net.eval()


@torch.no_grad()
def accuracy(net: torch.nn.Module, known: Known) -> float:
    """The share of digits that it names."""
    found = torch.cat([net(part).argmax(1) for part in known[0].split(500)])
    return float((found == known[1]).float().mean())


def row(real: Known, made: Known, test: Known, seed: int) -> dict[str, float]:
    """Accuracies in all columns."""
    plans = zip(
        COLUMNS,
        ([real], [real], [real, made], [real, made], [made]),
        (False, True, False, True, False),
        strict=True,
    )
    return {name: accuracy(learned(sets, seed, shift=shift), test) for name, sets, shift in plans}


def main() -> None:
    """Train, measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--per-class", type=int, nargs="+", default=[10, 20, 50, 100])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=3000, help="of acgan")
    parser.add_argument("--samples", type=int, default=200, help="of each class")
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--download", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/augmentation"))
    parser.add_argument("--page", type=Path, default=DOCS / "results" / "augmentation.md")
    args = parser.parse_args()
    train, test = digits(args)
    lines = []
    for count in args.per_class:
        rows = []
        for seed in args.seeds:
            real = few(train, count, seed)
            made = samples(real, args.out / f"{count}-{seed}", seed, args)
            rows.append(row(real, made, test, seed))
            about = {"per class": count, "seed": seed, "samples": len(made[1])}
            print(json.dumps(about | rows[-1]), flush=True)
        lines.append([str(count), *(mean_error([100 * r[c] for r in rows]) for c in COLUMNS)])
    page = Page("Data augmentation", "python benchmarks/tables/augmentation.py --data-root data")
    page.say(
        "Accuracy on MNIST's 10,000 test digits, in %, of a small classifier that has few real "
        f"digits of each class: means ± standard errors over {len(args.seeds)} seeds. `acgan` "
        f"learned the same digits for {args.steps:,} steps; of {args.samples} samples a class "
        "those are used that a classifier of the real digits takes for their class, in half of "
        "each batch. Shifts are by up to two pixels.",
        table(("real digits a class", *COLUMNS), lines),
    )
    page.write(args.page)


if __name__ == "__main__":
    main()
