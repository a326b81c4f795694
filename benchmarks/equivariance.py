"""How well images of a StyleGAN3 move and turn with its input, before and after training.

    python benchmarks/equivariance.py FACES --size 32 --seconds 600 --seeds 0 1 2

Trains the configurations T and R at a narrow width on the images of a folder, until the process has
computed for so many seconds, and measures the averaged generator in fp32 at the first step and at
the last, in dB, as the paper does (appendix E.1, EQ-T and EQ-R; there with 50,000 images):

    EQ-T  of G's image of a moved input and the moved image of the input, by up to an eighth of the
          side and whole pixels, where both show something
    EQ-R  the same for a quarter turn of the input, which turns all pixels of an image; the paper
          has all angles, and so interpolates images

Prints a line of JSON a run, and means over the seeds with their standard deviations; a grid of
samples is in each run folder.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from few_images import over_seeds, pictures
from modern import ENDLESS
from torch import Tensor

import ganwright
from ganwright.inference.model import Model
from ganwright.networks import AliasFreeNet
from ganwright.penalties import R1
from ganwright.report.grid import save_grid

BATCH, PART = 16, 16
QUARTER = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


class Watch(ganwright.Callback):
    """Stops a run after so many seconds of its process, and measures it before the first step."""

    def __init__(self, seconds: float, images: int) -> None:
        self.seconds, self.images = seconds, images
        self.start = 0.0
        self.before: dict[str, float] = {}

    def started(self, run: ganwright.Run) -> None:
        """Networks are as initialised."""
        with run.averaged() as game:
            self.before = equivariance(game.G, self.images)
        self.start = time.process_time()

    def stepped(self, run: ganwright.Run) -> None:
        """Saving is not counted."""
        if time.process_time() - self.start > self.seconds:
            run.stop("its time is over")


@torch.no_grad()
def equivariance(G: Any, images: int) -> dict[str, float]:
    """EQ-T and EQ-R of a generator, in dB, over as many images."""
    random = torch.Generator().manual_seed(0)
    moved, turned, parts = 0.0, 0.0, images // PART
    for _ in range(parts):
        w = G.styles(torch.randn(PART, G.latent, generator=random))
        still = made(G, w, torch.eye(3))
        side = still.shape[-1]
        x, y = torch.randint(-(side // 8), side // 8 + 1, (2,), generator=random).tolist()
        shift = torch.tensor([[1, 0, -x / side], [0, 1, -y / side], [0, 0, 1.0]])
        there, here = within(made(G, w, shift), x, y), within(still, -x, -y)
        moved += float((there - here).double().square().mean())
        turns = made(G, w, QUARTER) - still.rot90(1, (2, 3))
        turned += float(turns.double().square().mean())
    return {"EQ-T": 10 * math.log10(4 * parts / moved), "EQ-R": 10 * math.log10(4 * parts / turned)}


def made(G: Any, w: Tensor, transform: Tensor) -> Tensor:
    """The images of styles with a transform of the input, which is taken back."""
    held = G.synthesis.input.transform
    held.copy_(transform)
    found: Tensor = G.synthesis(w)
    held.copy_(torch.eye(3))
    return found


def within(x: Tensor, right: int, down: int) -> Tensor:
    """Images without what came in when they moved right and down by as many pixels."""
    h, w = x.shape[-2:]
    return x[..., max(down, 0) : h + min(down, 0), max(right, 0) : w + min(right, 0)]


def play(rotation: bool, seed: int, data: Tensor, args: argparse.Namespace) -> dict[str, float]:
    """Train one, and measure it before and after."""
    watch = Watch(args.seconds, args.images)
    out = args.out / f"{'R' if rotation else 'T'}-{seed}"
    model: Model = ganwright.train(
        "stylegan3",
        data=data,
        out=out,
        callbacks=(watch,),
        networks=AliasFreeNet(base=1024, most=64, styles=64, layers=8, rotation=rotation),
        latent=64,
        penalties=(R1(args.gamma, every=16),),
        image_size=args.size,
        batch_size=BATCH,
        **ENDLESS,
        seed=seed,
        device="cpu",
    )
    save_grid(model.sample(64, seed=1), out / "samples.png")
    game: Any = model.game
    before = {f"{k} before": v for k, v in watch.before.items()}
    return {"steps": model.step} | before | equivariance(game.G, args.images)


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--count", type=int, default=10_000, help="images to train on (10000)")
    parser.add_argument("--images", type=int, default=512, help="to measure on (512)")
    parser.add_argument("--gamma", type=float, default=1.0, help="weight of R1 (1)")
    parser.add_argument("--seconds", type=float, default=600.0, help="of one core, each (600)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--configurations", nargs="+", choices=["T", "R"], default=["T", "R"])
    parser.add_argument("--out", type=Path, default=Path("runs/equivariance"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = pictures(args.folder, args.size, args.count)
    rows: dict[str, list[dict[str, float]]] = defaultdict(list)
    for seed in args.seeds:
        for name in args.configurations:
            rows[name].append(play(name == "R", seed, data, args))
            print(json.dumps({"configuration": name, "seed": seed} | rows[name][-1]), flush=True)
    for name, found in rows.items():
        print(f"{name}: {over_seeds(found)}")


if __name__ == "__main__":
    main()
