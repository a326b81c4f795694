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
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ganwright
from budget import same, spelled
from ganwright.config.schedule import Cosine
from ganwright.config.settings import FREE, Settings
from ganwright.errors import NonFiniteError
from ganwright.families.dcgan import DCGAN
from ganwright.families.priors import Uniform
from ganwright.inference.model import Model
from ganwright.layers.norm import NoNorm
from ganwright.losses import NonSaturating, Relativistic
from ganwright.metrics.judge import accuracy, opened, probabilities
from ganwright.networks import ConvNet
from ganwright.optim import Adam
from ganwright.penalties import R1, R2
from ganwright.run.assembly import resolved
from ganwright.run.run_folder import read_config
from page import DOCS, Page, mean_error, table

MODES = 1000
ALONE = 1000
"""Steps of D alone before samples are rejected."""

PLAIN = NoNorm()
SETTINGS: dict[str, dict[str, Any]] = {
    "relativistic, R1 and R2": {"loss": Relativistic(), "penalties": (R1(1.0), R2(1.0))},
    "relativistic, R1": {"loss": Relativistic(), "penalties": (R1(1.0),)},
    "GAN, R1 and R2": {"loss": NonSaturating(), "penalties": (R1(1.0), R2(1.0))},
    "GAN, R1": {"loss": NonSaturating(), "penalties": (R1(1.0),)},
    "DCGAN": {"networks": "BatchNorm in D"},
    "PacDCGAN2": {"networks": "BatchNorm in D", "pack": 2},
}
"""The four-way ablation, whose D has no normalisation, and PacGAN's two rows, whose D has."""
BEST = next(iter(SETTINGS))
"""The row that may have more seeds, and rejection."""

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


@dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Args:
        data: the grey digits that are stacked.
        width: of ConvNet.
        steps: of each run.
        samples: drawn to count modes.
        lr: where Adam's learning rate begins for a run too short for the protocol's: it falls to 0
            at the last step, beta1 is 0 and beta2 .9, and G has one move a step.
    """

    data: str
    width: int
    steps: int
    samples: int
    lr: float | None = None

    @property
    def adam(self) -> Adam:
        """Of both players."""
        if self.lr is None:
            return Adam(lr=2e-4, betas=(0.5, 0.999))
        return Adam(lr=self.lr, betas=(0.0, 0.9), schedule=Cosine(self.steps))


FULL = Scale("mnist", 64, 100_000, 26_000)
QUICK = Scale("digits", 8, 200, 2_600)


def settings_of(name: str, scale: Scale, seed: int, args: argparse.Namespace) -> Settings:
    """PacGAN's protocol with the settings of a row."""
    chosen = dict(SETTINGS[name])
    networks = ConvNet(width=scale.width)
    if not chosen.pop("networks", None):
        networks = replace(networks, norm_D=PLAIN)
    game = DCGAN.Config(
        latent=100,
        prior=Uniform(-1, 1),
        networks=networks,
        g_moves=2 if scale.lr is None else 1,
        optimizer_d=scale.adam,
        optimizer_g=scale.adam,
        **chosen,
    )
    return Settings(
        data=f"{scale.data}?stack=3",
        data_root=args.data_root,
        download=args.download,
        image_size=32,
        batch_size=64,
        steps=scale.steps,
        seed=seed,
        sample_every=max(1, scale.steps // 10),
        save_every=max(1, scale.steps // 50),
        game=game,
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


def trained(run: Path, settings: Settings) -> Model:
    """The run of these settings, at their last step.

    Raises:
        RunError: what is there has other data or networks, or more steps.
    """
    if not run.exists():
        return ganwright.train(DCGAN, settings, run)
    elsewhere = {*FREE, "precision"} - {"data"}
    asked = spelled(resolved(DCGAN, settings))
    same(run, {k: v for k, v in asked.items() if k not in elsewhere}, spelled(read_config(run)[1]))
    model = ganwright.load(run, device="cpu")
    if model.step < settings.steps:
        return ganwright.resume(run, steps=settings.steps)
    same(run, {"steps": settings.steps}, {"steps": model.step})
    return model


def seeds_of(name: str, args: argparse.Namespace) -> list[int]:
    """The seeds of a row; the first row may have more than others."""
    return [*args.seeds, *(args.more_seeds if name == BEST else [])]


def judged(run: Path, settings: Settings) -> Settings:
    """Of a run that goes on from another: D alone is trained, without penalties."""
    assert isinstance(settings.game, DCGAN.Config)
    game = replace(settings.game, g_moves=0, penalties=(), loss=NonSaturating())
    game = replace(game, optimizer_d=Adam(lr=1e-3, betas=(0.9, 0.999), schedule=Cosine(ALONE)))
    return replace(settings, game=game, init=str(run), steps=ALONE, sample_every=ALONE)


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
    "to 0 at the last step"
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
