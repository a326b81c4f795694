"""What runs learn from data of other kinds than square 8-bit images, judged by what they write.

    python benchmarks/data_kinds.py --out runs/kinds
    python benchmarks/data_kinds.py masks --facades FACADES --out runs/kinds

Each kind writes its data as a user would have it, trains by the command line, lets `sample` or
`translate` write files, and reads those files:

- `floats`: `.npy` of four channels, a digit and three functions of it: how far samples are from
  those functions (mean distance; numbers go from -1 to 1), and how many show a digit;
- `sixteen`: 16-bit PNGs of digits: numbers that a sample uses, and how many show a digit;
- `oblong`: 64x32, a digit above another: how many show one in either half;
- `tables`: scikit-learn's iris, wine and breast cancer: accuracy of a random forest on held-out
  rows after real rows, and after as many generated ones;
- `attributes`: digits that may be even, above four, and with a loop, all at once: how many of the
  asked attributes a sample has; `attributes-acgan` by another family;
- `pairs`: own low resolution, means of 4x4 pixels with noise: PSNR of SRResNet beside bicubic's;
- `masks`: photographs of facades to label maps, one channel per class: mean IoU over the classes,
  and share of pixels; `masks-colours`: the same with one colour per class.

A digit counts if the package's judge of digits is sure of it. Prints a line of JSON a run, then
means over the seeds with their standard deviations. What was trained before is not trained again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from few_images import over_seeds
from PIL import Image
from sklearn import datasets
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from ganwright.cli import main as ganwright
from ganwright.data import DataOptions, Images, open_data
from ganwright.metrics.judge import judge

Found = dict[str, float]
SAMPLES = 500
NARROW = ("--game.networks", "ConvNet(width=32)", "--batch-size", 32)
TABLES: dict[str, Callable[..., Any]] = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "cancer": datasets.load_breast_cancer,
}
ATTRIBUTES = (
    lambda y: y % 2 == 0,
    lambda y: y > 4,
    lambda y: torch.isin(y, torch.tensor([0, 6, 8, 9])),
)
"""Even, above four, with a loop."""


def run(*words: object) -> None:
    """A command; it must succeed."""
    status = ganwright([str(word) for word in words])
    if status:
        raise SystemExit(status)


def train(family: str, data: object, out: Path, *more: object) -> None:
    """Train unless it is trained."""
    if not out.exists():
        usual = ("--device", "cpu", "--quiet", "--sample-every", 10**6, "--save-every", 10**6)
        run("train", family, "--data", data, "--out", out, *usual, *more)


def opened(name: str, split: str, size: int = 32) -> Images:
    """All items of embedded data, [n, C, H, W] in [-1, 1] with their labels."""
    data = open_data(name, task=Images, options=DataOptions(image_size=size))
    parts = list(data.each(split, 256))
    labels = torch.cat([p.labels for p in parts if p.labels is not None])
    return Images(torch.cat([p.images for p in parts]), labels)


def shown(x: Tensor) -> float:
    """The share of images [n, 1, H, W] in [-1, 1] that show a digit, in percent."""
    return 100 * judge(x).confident


def floats(folder: Path, seed: int, steps: int) -> Found:
    """A digit, its negative, half of it and its square."""
    x = opened("digits", "train").images
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "fields.npy", torch.cat([x, -x, x / 2, x.square()], 1).numpy())
    out, drawn = folder / f"run-{seed}", folder / f"drawn-{seed}"
    train("dcgan", folder / "fields.npy", out, *NARROW, "--steps", steps, "--seed", seed)
    run("sample", out, "-n", SAMPLES, "--out", drawn)
    fields = np.stack([np.load(path) for path in sorted(drawn.glob("*.npy"))])
    assert (str(fields.dtype), fields.shape) == ("float32", (SAMPLES, 4, 32, 32))
    a, b, c, d = torch.from_numpy(fields).unbind(1)
    gaps = {"-x": b + a, "x/2": c - a / 2, "x²": d - a.square()}
    found = {f"gap {name}": float(gap.abs().mean()) for name, gap in gaps.items()}
    return found | {"digits %": shown(a[:, None])}


def sixteen(folder: Path, seed: int, steps: int) -> Found:
    """Digits in 16 bits."""
    for index, x in enumerate(opened("digits", "train").images):
        _save_16(x[0], folder / "digits" / f"{index:04}.png")
    out, drawn = folder / f"run-{seed}", folder / f"drawn-{seed}"
    train("dcgan", folder / "digits", out, *NARROW, "--steps", steps, "--seed", seed)
    run("sample", out, "-n", SAMPLES, "--out", drawn)
    pixels = [_read_16(path) for path in sorted(drawn.glob("*.png"))]
    x = torch.from_numpy(np.stack(pixels).astype(np.float32)) / 32767.5 - 1
    used = float(np.mean([len(np.unique(p)) for p in pixels]))
    return {"numbers in a sample": used, "digits %": shown(x[:, None])}


def _save_16(x: Tensor, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(((x + 1) * 32767.5).round().numpy().astype(np.uint16)).save(path)


def _read_16(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as image:
        assert image.mode == "I;16", f"{path} is {image.mode}"
        return np.asarray(image)


def oblong(folder: Path, seed: int, steps: int) -> Found:
    """Two digits, one above the other."""
    x = opened("digits", "train").images
    other = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))]
    for index, image in enumerate(torch.cat([x, other], 2)):
        _save(image, folder / "digits" / f"{index:04}.png")
    out, drawn = folder / f"run-{seed}", folder / f"drawn-{seed}"
    more = (*NARROW, "--image-size", "64x32", "--steps", steps, "--seed", seed)
    train("dcgan", folder / "digits", out, *more)
    run("sample", out, "-n", SAMPLES, "--out", drawn)
    halves = [_read(path).mean(0, keepdim=True) for path in sorted(drawn.glob("*.png"))]
    above, below = torch.stack(halves).chunk(2, 2)
    return {"above %": shown(above), "below %": shown(below)}


def _save(x: Tensor, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = ((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path)


def _read(path: Path) -> Tensor:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), np.float32)
    return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)


def tables(folder: Path, seed: int, steps: int) -> Found:
    """A third of each table is held out; the forest sees the rest, or rows like it."""
    found: Found = {}
    folder.mkdir(parents=True, exist_ok=True)
    for name, load in TABLES.items():
        frame = load(as_frame=True).frame.astype({"target": str})
        rows, test = train_test_split(frame, test_size=1 / 3, random_state=0, stratify=frame.target)
        rows.to_csv(folder / f"{name}.csv", index=False)
        out, drawn = folder / f"{name}-{seed}", folder / f"{name}-{seed}.csv"
        more = ("--steps", steps, "--seed", seed)
        train("cgan", f"{folder / name}.csv?label=target", out, *more)
        run("sample", out, "-n", len(rows), "--out", drawn)
        for what, known in ("real", rows), ("generated", pd.read_csv(drawn, dtype={"target": str})):
            forest = RandomForestClassifier(random_state=seed)
            forest.fit(known.drop(columns="target"), known.target)
            right = forest.score(test.drop(columns="target"), test.target)
            found[f"{name}, {what} %"] = 100 * right
    return found


def attributes(folder: Path, seed: int, steps: int, family: str = "cgan") -> Found:
    """Digits with three attributes each, and samples of every combination that they have."""
    real = opened("digits", "train")
    assert real.labels is not None
    rows = torch.stack([has(real.labels) for has in ATTRIBUTES], 1).long()
    folder.mkdir(parents=True, exist_ok=True)
    pixels = ((real.images + 1) * 127.5).round().byte()
    np.savez(folder / "digits.npz", x=pixels.numpy(), labels=rows.numpy())
    out = folder / f"run-{seed}"
    train(family, folder / "digits.npz", out, *NARROW, "--steps", steps, "--seed", seed)
    asked, given = rows.unique(dim=0), []
    for row in asked:
        label = "+".join(str(k) for k in row.nonzero().flatten().tolist()) or "none"
        drawn = folder / f"drawn-{seed}" / label
        run("sample", out, "-n", 100, "--labels", label, "--out", drawn)
        x = torch.stack([_read(path) for path in sorted(drawn.glob("*.png"))])
        verdict = judge(x.mean(1, keepdim=True))
        given.append(torch.stack([has(verdict.labels) for has in ATTRIBUTES], 1) == row.bool())
    right = torch.cat(given).float().mean(0)
    names = ("even %", "above four %", "with a loop %")
    return {name: 100 * float(share) for name, share in zip(names, right, strict=True)}


def pairs(folder: Path, seed: int, steps: int) -> Found:
    """Letters of 64 pixels and what a camera of 16 made of them."""
    torch.manual_seed(0)
    for split, limit in (("train", 1500), ("test", 100)):
        for index, x in enumerate(opened("glyphs", split, 64).images[:limit]):
            low = avg_pool2d(x[None], 4)[0]
            _save(x, folder / split / "hr" / f"{index:04}.png")
            _save(low + 0.05 * torch.randn_like(low), folder / split / "lr" / f"{index:04}.png")
    out, drawn = folder / f"run-{seed}", folder / f"drawn-{seed}"
    more: tuple[object, ...] = (
        "--game.translator",
        "SRResNet(width=16, blocks=4)",
        "--steps",
        steps,
        "--seed",
        seed,
    )
    more += ("--game.mse-steps", steps, "--game.optimizer-mse", "Adam(lr=5e-4)")
    train("srgan", f"{folder / 'train'}?a=lr&b=hr&low=own", out, *more)
    run("translate", out, folder / "test" / "lr", drawn, "--overwrite")
    scores = []
    for path in sorted((folder / "test" / "hr").glob("*.png")):
        truth, low = _read(path), _read(folder / "test" / "lr" / path.name)
        plain = interpolate(low[None], scale_factor=4, mode="bicubic")[0].clamp(-1, 1)
        errors = [((x - truth) ** 2).mean() / 4 for x in (_read(drawn / path.name), plain)]
        scores.append([-10 * float(error.log10()) for error in errors])
    ours, bicubic = np.mean(scores, 0)
    return {"dB": ours, "bicubic dB": bicubic}


def masks(folder: Path, seed: int, steps: int, facades: Path, query: str = "&onehot=b") -> Found:
    """CMP's photographs to its twelve classes, at 64 pixels."""
    for name in ("train", "test"):
        for side, how in (("photo", Image.Resampling.BOX), ("label", Image.Resampling.NEAREST)):
            for path in sorted((facades / name / side).iterdir()):
                there = folder / name / side / f"{path.stem}.png"
                there.parent.mkdir(parents=True, exist_ok=True)
                with Image.open(path) as image:
                    image.resize((64, 64), how).save(there)
    out, drawn = folder / f"run-{seed}", folder / f"drawn-{seed}"
    more: tuple[object, ...] = ("--image-size", 64, "--game.translator", "UNet(width=32)")
    more += ("--seed", seed)
    train("pix2pix", f"{folder / 'train'}?a=photo&b=label{query}", out, *more, "--steps", steps)
    run("translate", out, folder / "test" / "photo", drawn, "--overwrite")
    names = sorted(path.name for path in (folder / "test" / "label").iterdir())
    truth = np.stack([np.asarray(Image.open(folder / "test" / "label" / n)) for n in names])
    made = np.stack([np.asarray(Image.open(drawn / n)) for n in names])
    values = np.unique(truth)
    shares = [
        ((made == v) & (truth == v)).sum() / ((made == v) | (truth == v)).sum() for v in values
    ]
    return {"mean IoU %": 100 * float(np.mean(shares)), "pixels %": 100 * (made == truth).mean()}


KINDS: dict[str, tuple[Callable[..., Found], int]] = {
    "floats": (floats, 2000),
    "sixteen": (sixteen, 2000),
    "oblong": (oblong, 2000),
    "tables": (tables, 3000),
    "attributes": (attributes, 2000),
    "attributes-acgan": (partial(attributes, family="acgan"), 2000),
    "pairs": (pairs, 2000),
    "masks": (masks, 4000),
    "masks-colours": (partial(masks, query=""), 4000),
}
"""What is done, and in how many steps."""


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="instead of the usual number")
    parser.add_argument("--facades", type=Path, help="the folder of CMP's facades, for masks")
    parser.add_argument("--out", type=Path, default=Path("runs/kinds"))
    args = parser.parse_args()
    if unknown := set(args.kinds) - KINDS.keys():
        parser.error(f"there is no kind {', '.join(unknown)}; choose of {', '.join(KINDS)}")
    torch.set_num_threads(1)
    for name in args.kinds or [n for n in KINDS if args.facades or "masks" not in n]:
        learn, steps = KINDS[name]
        if name.startswith("masks"):
            learn = partial(learn, facades=args.facades)
        rows = []
        for seed in args.seeds:
            rows.append(learn(args.out / name, seed, args.steps or steps))
            print(json.dumps({"kind": name, "seed": seed} | rows[-1]), flush=True)
        print(f"{name}: {over_seeds(rows)}", flush=True)


if __name__ == "__main__":
    main()
