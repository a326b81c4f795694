"""Which weight of R1 suits StyleGAN2 where a run sees far fewer images than published ones.

    python benchmarks/r1_weight.py FACES-FOLDER --steps 1500 --weights 0.0064 0.1 1 5

Trains the networks that `ganwright suggest` names for a CPU, on the images of a folder, for as many
steps with each weight and each seed, and compares samples with images that were held out: the
squared MMD of `few_images.py` (times 1,000; 0 for equal distributions), and how far samples are
apart, as a share of the images' own distance (below .25 they have collapsed). Prints a line of JSON
a run, then means over the seeds with their standard deviations. What was trained before is measured
anew and not trained again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from few_images import HELD_OUT, features, floats, over_seeds, pictures, squared_mmd
from torch import Tensor
from whole_runs import trained

import ganwright
from ganwright.augment import ADA
from ganwright.metrics.diversity import spread
from ganwright.networks import StyleNet
from ganwright.penalties import R1

BATCH = 32


def measured(model: ganwright.Model, unseen: Tensor) -> dict[str, float]:
    """The distance of samples from images never seen, and their diversity over these images'."""
    samples, real = model.sample(len(unseen), seed=1).cpu(), floats(unseen)
    distance = squared_mmd(features(samples), features(real))
    apart = spread(samples.double().flatten(1)) / spread(real.double().flatten(1))
    return {"mmd": 1000 * distance, "diversity": apart, "images": model.step * BATCH}


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/r1-weight"))
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0064, 0.1, 1, 5])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--count", type=int, default=10_000, help="images to train on (10000)")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--every", type=int, default=16, help="steps between penalties (16)")
    parser.add_argument("--steps", type=int, default=1500)
    args = parser.parse_args()
    chosen = pictures(args.folder, args.size, args.count + HELD_OUT)
    train, unseen = chosen[: args.count], chosen[args.count :]
    net = StyleNet(base=64 * args.size, most=128, styles=128, mapping_G=2)
    for weight in args.weights:
        rows = []
        for seed in args.seeds:
            run = args.out / f"{weight:g}-{args.every}-{seed}"
            model = trained(
                "stylegan2",
                run,
                data=train,
                networks=net,
                latent=net.styles,
                penalties=(R1(weight=weight, every=args.every),),
                augment_d=ADA(speed=round(args.steps * BATCH / 20)),
                flip=True,
                image_size=args.size,
                batch_size=BATCH,
                steps=args.steps,
                seed=seed,
                device="cpu",
            )
            rows.append(measured(model, unseen))
            print(json.dumps({"weight": weight, "seed": seed} | rows[-1]), flush=True)
        print(f"{weight:g}: {over_seeds(rows)}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
