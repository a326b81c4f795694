"""Stacked MNIST, 1,000 modes: PacGAN's protocol, and relativistic pairing by R1 and R2.

    python benchmarks/tables/stacked_mnist.py --data-root data --download   # PacGAN's 50 epochs
    python benchmarks/tables/stacked_mnist.py --width 16 --steps 3000 --lr 1e-3    # a short one
    python benchmarks/tables/stacked_mnist.py --quick                       # a minute, no download

Every row is a run in OUT, which is resumed where it stopped; one of other settings, or of more
steps, is refused. Modes are told by the reader of
ganwright.metrics.judge, a digit a channel. The page states the samples, the reference
distribution, and what a perfect sampler's divergence would be.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganwright.errors import NonFiniteError
from ganwright.inference.model import Model
from ganwright.metrics.judge import accuracy, opened, probabilities
from page import DOCS, Page, mean_error, table
from stacked_runs import ALONE, BEST, FULL, QUICK, SETTINGS, Scale, judged, settings_of, trained

MODES = 1000
PUBLISHED = (
    ("DCGAN", "99", "3.40"),
    ("VEEGAN", "150", "2.95"),
    ("PacDCGAN2", "1000 ± 0", ".06 ± .003"),
    ("WGAN-GP", "959", ".73"),
    ("StyleGAN2", "940", ".42"),
    ("PresGAN", "1000", ".12"),
    ("DDGAN", "1000", ".071"),
    ("MEG", "1000", ".031"),
    ("R3GAN-E", "1000", ".029"),
    ("R3GAN's ablation: relativistic, R1 and R2", "1000", ".0781"),
    ("R3GAN's ablation: GAN, R1 and R2", "693", ".927"),
    ("R3GAN's ablation: R1 alone", "diverges", "diverges"),
)


def modes_of(images: Tensor, data: str, root: Path) -> Tensor:
    """The number that the digits of three channels spell: [n, 3, h, w] -> int64 [n]."""
    grey = images.flatten(0, 1)[:, None]
    digits = probabilities(grey, data, root, sceptical=False).argmax(1).reshape(-1, 3)
    return (digits * torch.tensor([100, 10, 1])).sum(1)


def counted(modes: Tensor, reference: Tensor) -> tuple[int, float]:
    """How many modes there are, and the divergence of their shares from the reference's.

    Args:
        modes: int64 [n].
        reference: shares, float64 [1000], none of them 0.
    """
    share = torch.bincount(modes, minlength=MODES).double() / len(modes)
    divergence = torch.special.xlogy(share, share / reference).sum()
    return int((share > 0).sum()), float(divergence)


def floor(reference: Tensor, samples: int) -> float:
    """A perfect sampler's divergence at so many samples: the mean of 50 draws."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(
        reference.expand(50, -1), samples, replacement=True, generator=generator
    )
    return sum(counted(modes, reference)[1] for modes in drawn) / len(drawn)


def reference_of(data: str, root: Path) -> Tensor:
    """Shares of the 1,000 triples of independent draws from the training digits."""
    digits = opened(data, 32, root)
    batch: Any = digits.batch(0, digits.spec.count)
    share = torch.bincount(batch.labels, minlength=10).double() / digits.spec.count
    return torch.einsum("i,j,k->ijk", share, share, share).flatten()


def seeds_of(name: str, args: argparse.Namespace) -> list[int]:
    """The seeds of a row; the first row may have more than others."""
    return [*args.seeds, *(args.more_seeds if name == BEST else [])]


def measured(name: str, scale: Scale, args: argparse.Namespace) -> list[list[str]]:
    """Rows of the table: of all samples, and of those that are kept if --keep is given."""
    kinds: dict[str, list[list[float]]] = {name: []}
    seeds = seeds_of(name, args)
    for seed in seeds:
        run = args.out / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
        settings = settings_of(name, scale, seed, args)
        try:
            model = trained(run, settings)
        except NonFiniteError as error:  # it has no modes, and no end to its divergence
            print(f"{run.name}: {error}", flush=True)
            kinds[name].append([0, inf, inf])
            continue
        kinds[name].append(numbers(run.name, model, scale, args))
        if args.keep is not None and name == BEST:
            run = run.with_name(f"{run.name}-judged")
            kept = trained(run, judged(model.run, settings)).rejecting(args.keep)
            rows = kinds.setdefault(f"{name}, {args.keep:.0%} kept", [])
            rows.append(numbers(run.name, kept, scale, args))
    return [row(kind, seeds, found) for kind, found in kinds.items()]


def row(kind: str, seeds: Sequence[int], found: Sequence[Sequence[float]]) -> list[str]:
    """A line of the table: modes, divergence from the data's shares, and from equal ones."""
    modes, data, equal = (list(x) for x in zip(*found, strict=True))
    means = (mean_error(modes, 1), mean_error(data, 3), mean_error(equal, 3))
    return [kind, ", ".join(map(str, seeds)), *means]


def numbers(name: str, model: Model, scale: Scale, args: argparse.Namespace) -> list[float]:
    """Modes of a model's samples, and their divergences, as in `row`."""
    equal = torch.full((MODES,), 1 / MODES, dtype=torch.float64)
    modes = modes_of(model.sample(scale.samples, seed=0), scale.data, args.data_root)
    found, divergence = counted(modes, reference_of(scale.data, args.data_root))
    print(f"{name}: {found} modes, KL {divergence:.4f}", flush=True)
    return [found, divergence, counted(modes, equal)[1]]


def page(rows: Sequence[Sequence[str]], scale: Scale, args: argparse.Namespace) -> Page:
    """What docs/results/stacked-mnist.md says."""
    result = Page("Stacked MNIST", command(scale, args))
    share = accuracy(scale.data, 32, args.data_root)
    least = floor(reference_of(scale.data, args.data_root), scale.samples)
    result.say(
        INTRODUCTION,
        f"Ours: `{scale.data}?stack=3`, {scale.samples:,} samples, {scale.steps:,} steps of 64 "
        f"({scale.steps / FULL.steps:.1%} of the protocol's), {scale.width} channels at 16 pixels "
        f"(the protocol's: {FULL.width}){SHORT if scale.lr else ''}. The reader names "
        f"{share:.2%} of held-out digits correctly. A perfect sampler's KL to the data's "
        f"shares is {least:.4f} at so many.",
        *([REJECTION] if args.keep else []),
        table(["ours", "seeds", "modes", "KL to the data's shares", "KL to equal shares"], rows),
        table(["published", "modes", "KL"], PUBLISHED),
    )
    return result


def command(scale: Scale, args: argparse.Namespace) -> str:
    """What makes the page, spelled in full."""
    said = "python benchmarks/tables/stacked_mnist.py"
    if args.quick:
        return f"{said} --quick"
    if scale.width != FULL.width:
        said += f" --width {scale.width}"
    if scale.steps != FULL.steps:
        said += f" --steps {scale.steps}"
    if scale.lr is not None:
        said += f" --lr {scale.lr}"
    if args.seeds != [0]:
        said += f" --seeds {' '.join(map(str, args.seeds))}"
    if args.keep is not None:
        said += f" --keep {args.keep}"
    if args.more_seeds:
        said += f" --more-seeds {' '.join(map(str, args.more_seeds))}"
    if args.rows != list(SETTINGS):
        said += " --rows " + " ".join(f'"{row}"' for row in args.rows)
    return said


SHORT = (
    ", one move of D and one of G, and Adam with beta1 0 and beta2 .9, whose learning rate falls "
    "to 0 at the last step; its start was chosen on seed 1000"
)

REJECTION = f"""In the rows with a share that is kept, D is trained alone for {ALONE:,} more steps,
without penalties, on `NonSaturating()`, and samples are then
[rejected by its scores](../latents.md#rejection)."""

INTRODUCTION = """Three random digits are stacked as red, green and blue: 1,000 modes. The protocol
is PacGAN's (Lin et al. 2018, [arXiv:1712.04086](https://arxiv.org/abs/1712.04086), section 4.2):
128,000 triples, batches of 64, Adam with learning rate 2e-4 and beta1 .5, z ~ U(-1, 1)^100, one
move of D and two of G, 50 epochs, 26,000 samples. Its networks have four layers at 28 pixels; ours,
the `ConvNet` of the library, three at 32 pixels. D has no norm in the ablation, as in that of R3GAN
(Huang et al. 2024, [arXiv:2501.05441](https://arxiv.org/abs/2501.05441))."""


def main() -> None:
    """Train what is not done, measure, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="embedded digits, small and short")
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--download", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--keep", type=float, help="a share of samples of the first row")
    parser.add_argument("--more-seeds", type=int, nargs="+", default=[], help="of the first row")
    parser.add_argument("--rows", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--steps", type=int, help="of each run, in place of the protocol's")
    parser.add_argument("--width", type=int, help="channels of the largest maps, likewise")
    parser.add_argument("--lr", type=float, help="of a short run; it falls to 0")
    parser.add_argument("--out", type=Path, default=Path("runs/stacked-mnist"))
    parser.add_argument("--page", type=Path, help="where the page goes; docs unless --quick")
    args = parser.parse_args()
    scale = QUICK if args.quick else FULL
    scale = replace(scale, steps=args.steps or scale.steps, width=args.width or scale.width)
    scale = replace(scale, lr=args.lr)
    rows = []
    for name in args.rows:
        rows += measured(name, scale, args)
    result = page(rows, scale, args)
    if args.page or not args.quick:
        result.write(args.page or DOCS / "results" / "stacked-mnist.md")
    else:
        print("\n\n".join(result.parts))


if __name__ == "__main__":
    main()
