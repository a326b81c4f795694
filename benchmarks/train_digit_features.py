"""Trains the classifier behind `DigitFeatures` and writes its weights into the package.

    python benchmarks/train_digit_features.py [--mnist FOLDER] [--steps 4000] [--out FILE]

It learns from the embedded digits and letters, from digits in the same fonts and, where a folder of
MNIST's four files is given, from MNIST: turned, scaled, shifted, thicker or thinner, noisy, of any
two shades. Only the weights are kept.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, cross_entropy, grid_sample, interpolate
from torch.nn.functional import max_pool2d as thicker

from ganwright.data.read.embedded import digit_masks, tenth
from ganwright.data.read.glyphs import FONTS, LETTERS, letter_masks
from ganwright.metrics.digit_net import CLASSES, SHIPPED, SIDE, DigitNet
from ganwright.seeds import seed_torch

Inks = tuple[Tensor, Tensor]
"""Ink in [0, 1], uint8 [n, 1, 32, 32], and labels."""


def in_bytes(ink: Tensor) -> Tensor:
    """Ink in [0, 1] at the net's size, as bytes."""
    if ink.shape[-1] != SIDE:
        ink = interpolate(ink, (SIDE, SIDE), mode="bilinear", antialias=True)
    return (ink.clamp(0, 1) * 255).round().to(torch.uint8)


def font_digits() -> Inks:
    """The ten digits in every font of the embedded letters."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    found = []
    for name in FONTS:
        font = ImageFont.truetype(str(folder / f"{name}.ttf"), 96)
        for digit in "0123456789":
            square = Image.new("L", (128, 128))
            ImageDraw.Draw(square).text((64, 64), digit, fill=255, font=font, anchor="mm")
            found.append(torch.from_numpy(np.array(square))[None].float() / 255)
    return in_bytes(torch.stack(found)), torch.arange(len(found)) % 10


def mnist(folder: Path, split: str) -> Inks:
    """MNIST's `train` or `t10k` split from its four unpacked files."""
    pixels = np.fromfile(folder / f"{split}-images-idx3-ubyte", np.uint8)[16:]
    labels = np.fromfile(folder / f"{split}-labels-idx1-ubyte", np.uint8)[8:]
    ink = torch.from_numpy(pixels).reshape(-1, 1, 28, 28)
    parts = [in_bytes(part.float() / 255) for part in ink.split(5000)]
    return torch.cat(parts), torch.from_numpy(labels).long()


def embedded(test: bool) -> dict[str, Inks]:
    """The training or test split of the embedded sets."""
    ink, labels = digit_masks(SIDE)
    letters, names = letter_masks(SIDE)
    rows, others = tenth(labels, "digits")[test], tenth(names, "glyphs")[test]
    assert CLASSES[10:] == LETTERS
    return {
        "digits": (in_bytes(ink[rows]), labels[rows]),
        "glyphs": (in_bytes(letters[others]), names[others] + 10),
    }


def roughened(ink: Tensor) -> Tensor:
    """Ink [n, 1, 32, 32] in [0, 1] as images in [-1, 1], each changed in its own way."""
    n = len(ink)
    angle = (torch.rand(n) * 2 - 1) * math.radians(12)
    zoom, slant = 0.85 + 0.4 * torch.rand(n), 0.2 * (torch.rand(n) * 2 - 1)
    right, down = 0.2 * (torch.rand(2, n) * 2 - 1)
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    maps = torch.stack([cosine, slant - sine, right, sine, cosine, down], 1).view(-1, 2, 3)
    ink = grid_sample(ink, affine_grid(maps, list(ink.shape), False), align_corners=False)
    way = torch.rand(n, 1, 1, 1)
    ink = torch.where(way < 0.15, thicker(ink, 3, 1, 1), ink)
    thin = (ink + 1 - thicker(1 - ink, 3, 1, 1)) / 2
    ink = torch.where(way > 0.85, thin, ink)
    ink = torch.where(torch.rand(n, 1, 1, 1) < 0.2, avg_pool2d(ink, 3, 1, 1), ink)
    plain = torch.rand(n, 1, 1, 1) < 0.6
    paper, shade = 2 * torch.rand(2, n, 1, 1, 1) - 1
    near = (paper - shade).abs() < 0.5
    shade = torch.where(near, -paper.sign(), shade)
    images = torch.where(plain, 2 * ink - 1, paper + ink * (shade - paper))
    images = torch.where(torch.rand(n, 1, 1, 1) < 0.15, -images, images)
    noise = 0.25 * torch.rand(n, 1, 1, 1) * (torch.rand(n, 1, 1, 1) < 0.5)
    return (images + noise * torch.randn_like(images)).clamp(-1, 1)


@torch.no_grad()
def accuracy(net: DigitNet, inks: Inks, among: slice) -> float:
    """The share that is recognised, among some of the classes."""
    images, labels = inks
    scores = [net(part.float() / 127.5 - 1)[1][:, among] for part in images.split(500)]
    named = torch.cat(scores).argmax(1) + among.start
    return float((named == labels).float().mean())


def fitted(draw: Callable[[], Inks], steps: int) -> DigitNet:
    """Train, the learning rate falling to zero at the last step."""
    seed_torch(0, "digit features")
    net = DigitNet().train()
    adam = torch.optim.AdamW(net.parameters(), 4e-3, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, 4e-3, steps, pct_start=0.1)
    for step in range(steps):
        ink, labels = draw()
        loss = cross_entropy(net(roughened(ink.float() / 255))[1], labels, label_smoothing=0.05)
        adam.zero_grad()
        loss.backward()
        adam.step()
        rate.step()
        if step % 100 == 0:
            print(f"step {step}, loss {float(loss.detach()):.3f}", flush=True)
    return net.eval()


def main() -> None:
    """Train, print how many of each held-out set it recognises, and write the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    args = parser.parse_args()
    sets = {**embedded(False), "fonts": font_digits()}
    shares = {"digits": 40, "glyphs": 76, "fonts": 12}
    if args.mnist:
        sets["mnist"] = mnist(args.mnist, "train")
        shares = {"digits": 16, "glyphs": 40, "fonts": 8, "mnist": 64}

    def draw() -> Inks:
        rows = {name: torch.randint(len(sets[name][1]), (k,)) for name, k in shares.items()}
        drawn = [(sets[name][0][r], sets[name][1][r]) for name, r in rows.items()]
        return torch.cat([ink for ink, _ in drawn]), torch.cat([y for _, y in drawn])

    net = fitted(draw, args.steps)
    state = net.state_dict()
    weights = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, args.out)
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
    tests = embedded(True) | ({"mnist": mnist(args.mnist, "t10k")} if args.mnist else {})
    for name, inks in tests.items():
        own = slice(10, 36) if name == "glyphs" else slice(0, 10)
        print(
            f"{name}: {accuracy(net, inks, own):.2%} among its classes, "
            f"{accuracy(net, inks, slice(0, 36)):.2%} among all {len(CLASSES)}"
        )
    print(f"{args.out}: {args.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
