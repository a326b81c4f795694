"""What augmentation of D's input gains where there are few pictures.

    python benchmarks/few_images.py MNIST-FOLDER --steps 20000 --out runs/few-digits
    python benchmarks/few_images.py FACES-FOLDER --steps 20000 --out runs/few-faces
    python benchmarks/few_images.py FACES-FOLDER --family stylegan2 --count 500 --width 16 \
        --batch 16 --steps 4000 --every 1000 --arms none ADA --out runs/few-styles

Trains a family on the same 1,000 pictures of a folder with each augmentation and each seed, and
compares samples with pictures that it never saw: the squared MMD under KID's cubic kernel on pooled
features of the package's small net (times 1,000; 0 for equal distributions), and how much higher D
scores the pictures that it learns from. Prints a line of JSON for each checkpoint, --every steps,
then means over the seeds with their standard deviations. A folder holds pictures of any kind, or
MNIST's own files. What was trained before is measured anew and not trained again.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.datasets import MNIST
from torchvision.transforms.v2.functional import pil_to_tensor, resize
from whole_runs import trained

import ganwright
from ganwright.inference.model import Model
from ganwright.networks import ConvNet, StyleNet
from ganwright.networks.features import FeatureDistance, SmallFeatures
from ganwright.penalties import R1
from ganwright.seeds import seed_of
from ganwright.training import checkpoint

ARMS = {"none": None, "DiffAugment": "DiffAugment()", "ADA": "ADA(speed={speed})"}
HELD_OUT = 2000


def settings_of(family: str, width: int, size: int) -> dict[str, Any]:
    """Networks whose largest maps have so many channels, and what else short runs need."""
    if family != "stylegan2":
        return {"networks": ConvNet(width=width)}
    most = 8 * width
    nets = StyleNet(base=width * size, most=most, styles=most, mapping_G=2)
    short = {"penalties": (R1(1.0, every=16),), "mixing": 0.0, "path_weight": 0.0}
    return {"networks": nets, "latent": most, **short}


def pictures(folder: Path, size: int, count: int) -> Tensor:
    """As many pictures of a folder in a fixed random order, uint8 [count, C, size, size]."""
    if (folder / "raw").is_dir():
        digits = MNIST(str(folder.parent), train=True).data[:, None]
        scaled: Tensor = resize(digits[_order(len(digits))[:count]], [size, size], antialias=True)
        return scaled
    return torch.stack([_read(path, size) for path in paths_of(folder, count)])


def paths_of(folder: Path, count: int) -> list[Path]:
    """The files of as many pictures of a folder, in that order."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if len(paths) < count:
        raise SystemExit(f"{folder} holds {len(paths)} pictures, and {count} are needed")
    return [paths[row] for row in _order(len(paths))[:count].tolist()]


def _order(count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed_of("few images")))


def _read(path: Path, size: int) -> Tensor:
    with Image.open(path) as image:
        small = image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)
    pixels: Tensor = pil_to_tensor(small)
    return pixels


def floats(x: Tensor) -> Tensor:
    """Bytes as networks see them."""
    return x.float() / 127.5 - 1


@torch.no_grad()
def features(x: Tensor) -> Tensor:
    """Mean and deviation over the picture of each of the small net's features: [n, 2 c]."""
    net = SmallFeatures().build(tuple(x.shape[1:]))
    return torch.cat([pooled(net, part) for part in x.split(250)])


def pooled(net: nn.Module, x: Tensor) -> Tensor:
    """The same of a net that is built."""
    assert isinstance(net, FeatureDistance)
    maps = net.features(x).flatten(2)
    return torch.cat([maps.mean(2), maps.std(2)], 1)


def squared_mmd(x: Tensor, y: Tensor) -> float:
    """Bińkowski et al. (2018), arXiv:1801.01401: the unbiased estimate for (x.y / d + 1)³."""
    x, y = x.double(), y.double()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def among(a: Tensor) -> Tensor:
        k = kernel(a, a)
        return (k.sum() - k.diagonal().sum()) / (len(a) * (len(a) - 1))

    return float(among(x) + among(y) - 2 * kernel(x, y).mean())


@torch.no_grad()
def measured(model: Model, train: Tensor, unseen: Tensor) -> dict[str, float]:
    """The distance of samples from pictures never seen, and D's preference for those seen."""
    D: Any = model.game.D
    samples = model.sample(len(unseen), seed=1).cpu()
    gap = D(floats(train)).mean() - D(floats(unseen)).mean()
    distance = squared_mmd(features(samples), features(floats(unseen)))
    row = {"mmd": 1000 * distance, "gap": float(gap)}
    p = getattr(model.game.augment, "p", None)
    return row if p is None else row | {"p": float(p)}


def along(run: Path, train: Tensor, unseen: Tensor) -> dict[int, dict[str, float]]:
    """Those numbers at each checkpoint of a run, by its step."""
    steps = map(checkpoint.step_of, checkpoint.steps(run / "checkpoints"))
    return {
        step: measured(ganwright.load(run, step=step, device="cpu"), train, unseen)
        for step in steps
    }


def over_seeds(rows: list[dict[str, float]]) -> str:
    """Each number's mean over the seeds, with its standard deviation."""
    table = torch.tensor([list(row.values()) for row in rows])
    spread = table.std(0) if len(rows) > 1 else torch.zeros(table.shape[1])
    said = zip(rows[0], table.mean(0).tolist(), spread.tolist(), strict=True)
    return ", ".join(f"{k} {m:.3g} ± {s:.2g}" for k, m, s in said)


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/few"))
    parser.add_argument("--family", default="dcgan")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--every", type=int, default=5000, help="steps between measurements")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--width", type=int, default=64, help="channels of the largest map (64)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    args = parser.parse_args()
    chosen = pictures(args.folder, args.size, args.count + HELD_OUT)
    train, unseen = chosen[: args.count], chosen[args.count :]
    speed = 0.05 * args.steps * args.batch  # p may cross its range twenty times
    for name in args.arms:
        arm = ARMS[name]
        rows: dict[int, list[dict[str, float]]] = defaultdict(list)
        for seed in args.seeds:
            run = args.out / f"{name}-{seed}"
            trained(
                args.family,
                run,
                data=train,
                **settings_of(args.family, args.width, args.size),
                augment_d=arm and arm.format(speed=speed),
                image_size=args.size,
                batch_size=args.batch,
                steps=args.steps,
                seed=seed,
                save_every=args.every,
                keep=-(-args.steps // args.every) + 9,  # and of interruptions
                device="cpu",
            )
            found = along(run, train, unseen)
            for step in sorted({*range(args.every, args.steps, args.every), args.steps}):
                row = found[step]
                rows[step].append(row)
                print(json.dumps({"arm": name, "seed": seed, "step": step} | row), flush=True)
        for step, seeds in rows.items():
            print(f"{name} after {step:,} steps: {over_seeds(seeds)}")


if __name__ == "__main__":
    main()
