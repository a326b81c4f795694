"""How a StyleGAN2 of faces learns blue hair from ten of them, by several ways.

    ganwright train stylegan2 --config faces64-stylegan2 --data FACES --held-out .1 --out runs/faces
    python benchmarks/few_shot_faces.py FACES --prior runs/faces --out runs/blue-hair

FACES is a folder of anime faces. Hair is blue where the median colour of the upper middle of a face
at 64 pixels has a hue of 195 to 245 degrees, a saturation of at least .35 and a value of at least
.3. Goes on from the run with ten such faces, a different ten for each seed, by the ways of
`few_shot.py`, and compares samples with the other faces of blue hair:

    distance  the squared MMD under KID's kernel, times 1,000, by the features of the package's
              small net: 0 for equal distributions, and no KID of Inception
    blue      the share of samples that pass the rule of hair
    apart     the mean distance of two samples that have the same nearest example, over that of two
              real faces with the same nearest example: 0 where samples are copies of the examples

Prints a line of JSON a run, then means over the seeds with their standard deviations; the grid of
each run is next to its folder. What was trained before is measured anew and not trained again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from few_images import features, floats, over_seeds, pictures, squared_mmd
from few_shot import adapted, apart
from torch import Tensor

import ganwright
from ganwright.inference.model import Model
from ganwright.optim import Adam
from ganwright.penalties import R1
from ganwright.regularisers import EWC
from ganwright.report.grid import save_grid

SIZE, SAMPLES = 64, 1000
HAIR = (slice(4, 20), slice(12, 52))
"""Rows and columns of a face that show hair."""
SLOWER = Adam(lr=2e-3, betas=(0.0, 0.99))
ARMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "FreezeD": {"freeze": ("D.read", "D.blocks.0", "D.blocks.1")},
    "EWC-1e4": {"regularisers": (EWC(weight=1e4),)},
    "CDC": {},
    "CDC-100": {"distance_weight": 100.0},
}


def blue(images: Tensor) -> Tensor:
    """Whether the hair of faces, uint8 [n, 3, 64, 64], is blue: [n]."""
    rows, columns = HAIR
    hair = images[:, :, rows, columns].flatten(2).float().median(2).values / 255
    r, g, b = hair.unbind(1)
    most, least = hair.amax(1), hair.amin(1)
    hue = 240 + 60 * (r - g) / (most - least).clamp_min(1e-6)  # where most of the colour is blue
    saturation = (most - least) / most.clamp_min(1e-6)
    strong = (saturation >= 0.35) & (most >= 0.3)
    return (b == most) & (hue >= 195) & (hue <= 245) & strong


def settings_of(first: Model) -> dict[str, Any]:
    """Those of `few_shot.py` for a generator with these networks."""
    cfg: Any = first.game.cfg
    return {
        "networks": cfg.networks,
        "latent": cfg.latent,
        "penalties": (R1(weight=5.0, every=4),),
        "path_weight": 0.0,
        "mixing": 0.0,
        "ema_half_life": 4000,
        "batch_size": 4,
        "image_size": SIZE,
        "optimizer_d": SLOWER,
        "optimizer_g": SLOWER,
    }


def measured(model: Model, few: Tensor, others: Tensor, grid: Path) -> dict[str, float]:
    """The three numbers of a generator."""
    made = model.sample(SAMPLES, seed=1).cpu()
    save_grid(made[:32], grid)
    samples, examples, real = (features(x) for x in (made, floats(few), floats(others)))
    return {
        "distance": 1000 * squared_mmd(samples, real),
        "blue": float(blue(((made + 1) * 127.5).round().to(torch.uint8)).float().mean()),
        "apart": apart(samples, examples) / apart(real, examples),
    }


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prior", type=Path, required=True, help="a run of stylegan2")
    parser.add_argument("--out", type=Path, default=Path("runs/blue-hair"))
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--images", type=int, default=15_000, help="of the folder, in random order")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    first, rows = ganwright.load(args.prior, device="cpu"), dict[str, list[dict[str, float]]]()
    images = pictures(args.folder, SIZE, args.images)
    images = images[blue(images)]
    print(f"{len(images)} of {args.images} faces have blue hair")
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in args.seeds:
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
        few, others = images[order[:10]], images[order[10:]]
        save_grid(floats(few), args.out / f"examples-{seed}.png")
        for name in ["first", *args.arms]:
            run, model = args.out / f"{name}-{args.steps}-{seed}", first
            if name != "first":
                more: dict[str, Any] = {"seed": seed, "steps": args.steps, "device": "cpu"}
                model = adapted(run, first, few, settings_of(first), **more, **ARMS[name])
            found = measured(model, few, others, run.with_suffix(".png"))
            rows.setdefault(name, []).append(found)
            print(json.dumps({"arm": name, "seed": seed} | found), flush=True)
    for name, several in rows.items():
        print(f"{name}: {over_seeds(several)}")


if __name__ == "__main__":
    main()
