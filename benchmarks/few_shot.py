"""How a StyleGAN2 of the digits 0 to 8 learns the 9 from ten images, by several ways.

    python benchmarks/few_shot.py MNIST-FOLDER --out runs/few-shot

Trains one generator a seed on the nine digits of MNIST's training images, then goes on from it with
ten nines: by all weights (`plain`), with D's first half frozen (`FreezeD`), with G's weights held
by their importance (`EWC`), and by cross-domain correspondence (`CDC`); the last two with the
paper's weight, and with less, chosen on seed 0. Samples are compared with the nines of MNIST's test
images, by the package's features of digits:

    kid     the squared MMD under KID's kernel: 0 for equal distributions
    nine    the share of samples that the package's classifier of digits reads as a 9
    apart   the mean distance of two samples that have the same nearest example, over that of two
            real nines with the same nearest example: 0 where samples are copies of the examples

Prints a line of JSON a run, then means over the seeds with their standard deviations. What was
trained before is measured anew and not trained again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from few_images import floats, over_seeds, squared_mmd
from torch import Tensor
from torchvision.datasets import MNIST
from torchvision.transforms.v2.functional import resize
from whole_runs import ended, trained

from ganwright.inference.model import Model
from ganwright.metrics.digit_features import DigitFeatures
from ganwright.networks import StyleNet
from ganwright.optim import Adam
from ganwright.penalties import R1
from ganwright.regularisers import EWC
from ganwright.run.restyle import adapt

SIZE, SAMPLES = 16, 1000
NETWORKS = StyleNet(base=1024, most=64, styles=64, mapping_G=2)
FIRST: dict[str, Any] = {
    "networks": NETWORKS,
    "latent": 64,
    "penalties": (R1(weight=5.0, every=4),),
    "path_weight": 0.0,
    "mixing": 0.0,
    "ema_half_life": 4000,
    "batch_size": 32,
    "image_size": SIZE,
    "device": "cpu",
}
SLOWER = Adam(lr=2e-3, betas=(0.0, 0.99))
FEW = FIRST | {"batch_size": 4, "optimizer_d": SLOWER, "optimizer_g": SLOWER}
ARMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "FreezeD": {"freeze": ("D.read", "D.blocks.0")},
    "EWC": {"regularisers": (EWC(),)},
    "EWC-5e4": {"regularisers": (EWC(weight=5e4),)},
    "EWC-1e4": {"regularisers": (EWC(weight=1e4),)},
    "CDC": {},
    "CDC-100": {"distance_weight": 100.0},
}


def digits(folder: Path, *, train: bool) -> tuple[Tensor, Tensor]:
    """MNIST at 16 pixels, uint8 [n, 1, 16, 16], with its labels."""
    data = MNIST(str(folder.parent), train=train)
    images: Tensor = resize(data.data[:, None], [SIZE, SIZE], antialias=True)
    return images, data.targets


def begun(args: argparse.Namespace, seed: int) -> Model:
    """A generator of the digits 0 to 8."""
    images, labels = digits(args.folder, train=True)
    some = images[labels != 9]
    run = args.out / f"first-{seed}"
    return trained("stylegan2", run, data=some, seed=seed, steps=args.first_steps, **FIRST)


def adapted(
    run: Path, first: Model, few: Tensor, settings: Mapping[str, Any], **changes: Any
) -> Model:
    """What one way makes of it: with changes of these settings, or of those of `adapt` for CDC."""
    if run.name.startswith("CDC"):
        begin = partial(adapt, first, few, run, anchors=len(few), quiet=True, **changes)
        return ended(run, begin, data=few)
    init = {"init": str(first.run), "data": few}
    return trained("stylegan2", run, **{**settings, **init, **changes})


def apart(features: Tensor, examples: Tensor) -> float:
    """The mean distance of two vectors with the same nearest example."""
    nearest = torch.cdist(features, examples).argmin(1)
    same = (nearest[:, None] == nearest) & ~torch.eye(len(features), dtype=torch.bool)
    distances = torch.cdist(features, features)[same]
    return float(distances.mean()) if len(distances) else 0.0


@torch.no_grad()
def measured(model: Model, few: Tensor, unseen: Tensor) -> dict[str, float]:
    """The three numbers of a generator."""
    extract = DigitFeatures().build(torch.device("cpu"))
    found = [extract(floats(x))[0] for x in (few, unseen)]
    samples, logits = extract(model.sample(SAMPLES, seed=1).cpu())
    assert logits is not None
    examples, real = found
    read = logits.argmax(1) == DigitFeatures.classes.index("9")
    return {
        "kid": squared_mmd(samples, real),
        "nine": float(read.float().mean()),
        "apart": apart(samples, examples) / apart(real, examples),
    }


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/few-shot"))
    parser.add_argument("--first-steps", type=int, default=4000)
    parser.add_argument("--steps", type=int, nargs="+", default=[1000, 3000])
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = digits(args.folder, train=True)
    few = images[labels == 9][: args.count]
    images, labels = digits(args.folder, train=False)
    unseen, rows = images[labels == 9], dict[tuple[str, int], list[dict[str, float]]]()
    for seed in args.seeds:
        first = begun(args, seed)
        for name, steps in [("first", 0), *product(args.arms, args.steps)]:
            run, model = args.out / f"{name}-{steps}-{seed}", first
            if steps:
                more: dict[str, Any] = {"seed": seed, "steps": steps, "device": "cpu"}
                model = adapted(run, first, few, FEW, **more, **ARMS[name])
            found = measured(model, few, unseen)
            rows.setdefault((name, steps), []).append(found)
            print(json.dumps({"arm": name, "steps": steps, "seed": seed} | found), flush=True)
    for (name, steps), several in rows.items():
        print(f"{name}, {steps} steps: {over_seeds(several)}")


if __name__ == "__main__":
    main()
