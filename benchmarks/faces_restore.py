"""How well faces are restored: with a prior, by the same U-Net alone, and by bicubic enlargement.

    python benchmarks/faces_restore.py --data-root FACES --steps 4000 --seeds 0 1 2 --out runs/faces

FACES is a folder of images, a tenth of which nobody trains on. They are blurred, reduced by each of
`--ratios`, made noisy, compressed, and enlarged again by bicubic interpolation, which is the first
arm and what the others are given. `alone` and `prior` train by the recipe `faces64-restore`, the
second with a run of stylegan2 as prior: `--prior RUN`, or one trained here for `--prior-steps` by
`faces64-stylegan2`. `--project N` also searches for the latents of N of the enlarged images.

Prints a line of JSON per arm, seed and ratio: PSNR and SSIM on Y, and the distance of the features
of `SmallLayers`, which is also what training minimises; `--vgg FILE` measures by VGG19's instead.
What was trained before is measured again and not trained again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from whole_runs import ended

import ganwright
from ganwright.data import DataOptions, Images, open_data
from ganwright.degrade import Degrade
from ganwright.families.restore import FACES
from ganwright.families.srgan import bicubic
from ganwright.inference.model import Model
from ganwright.inference.projection import project
from ganwright.metrics.restoration import restored
from ganwright.networks.features import SmallLayers, VGGLayers
from ganwright.recipes import find
from ganwright.run.config_file import from_yaml

HELD_OUT = 0.1


def trained(recipe: str, run: Path, args: argparse.Namespace, steps: int, **changes: Any) -> Model:
    """A run of a recipe, trained for so many steps, or as it lies there."""
    name, settings = from_yaml(find(Path(recipe)).read_text(encoding="utf-8"))
    rare: dict[str, Any] = {"sample_every": 10**6, "save_every": 10**6, "steps": steps}
    settings = replace(settings, data=str(args.data_root), held_out=HELD_OUT, **rare)
    ended(
        run,
        partial(ganwright.train, name, settings, run, quiet=True, device=args.device, **changes),
    )
    return ganwright.load(run, device=args.device)


def degraded(x: Tensor, ratio: int) -> Tensor:
    """Images [n, C, H, W], degraded at a ratio and enlarged again; the same for every arm."""
    order = replace(FACES.first, kernel=(7, 7), sigma=(0.0, 1.25))
    order = replace(order, up=0.0, down=0.0, scale=(1.0, 1.0))
    degrade = Degrade(first=order, second=None, sinc=0.0, late=0.0)
    size = (x.shape[2] // ratio, x.shape[3] // ratio)
    return bicubic(degrade(x, size, torch.Generator().manual_seed(ratio)), x)


def measured(made: Tensor, x: Tensor, distance: nn.Module) -> dict[str, float]:
    """Means over the images."""
    found = restored(made, x)
    far = [float(distance(a, b)) for a, b in zip(made.split(16), x.split(16), strict=True)]
    return {
        "psnr": float(found.psnr.mean()),
        "ssim": float(found.ssim.mean()),
        "distance": sum(far) / len(far),
    }


def arms(args: argparse.Namespace, seed: int) -> dict[str, Model]:
    """The two runs of a seed."""
    prior = args.prior
    if prior is None:
        prior = args.out / f"stylegan2-{seed}"
        trained("faces64-stylegan2", prior, args, args.prior_steps, seed=seed)
    return {
        name: trained(
            "faces64-restore", args.out / f"{name}-{seed}", args, args.steps, seed=seed, prior=given
        )
        for name, given in (("alone", None), ("prior", prior))
    }


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/faces-restore"))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--prior", type=Path)
    parser.add_argument("--prior-steps", type=int, default=4000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--ratios", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--project", type=int, default=0)
    parser.add_argument("--vgg", type=Path)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    options = DataOptions(image_size=64, held_out=HELD_OUT)
    batch = open_data(str(args.data_root), task=Images, options=options).held_out(args.images)
    assert batch is not None
    x: Tensor = batch.images
    content = VGGLayers(weights=args.vgg) if args.vgg else SmallLayers()
    distance = content.build(tuple(x.shape[1:]))
    for ratio in args.ratios:
        say("bicubic", 0, ratio, measured(degraded(x, ratio), x, distance))
    for seed in args.seeds:
        for name, model in arms(args, seed).items():
            for ratio in args.ratios:
                made = torch.cat([model.translate(p) for p in degraded(x, ratio).split(64)])
                say(name, seed, ratio, measured(made, x, distance))
        if args.project:
            prior = ganwright.load(args.prior or args.out / f"stylegan2-{seed}", device=args.device)
            for ratio in args.ratios:
                low = degraded(x, ratio)[: args.project]
                found = project(prior, low).images
                say("projection", seed, ratio, measured(found, x[: args.project], distance))


def say(arm: str, seed: int, ratio: int, numbers: dict[str, float]) -> None:
    """A line of JSON."""
    print(json.dumps({"arm": arm, "seed": seed, "ratio": ratio} | numbers), flush=True)


if __name__ == "__main__":
    main()
