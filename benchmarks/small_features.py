"""Trains the small net behind `SmallFeatures` and writes its weights into the package.

    python benchmarks/small_features.py [--steps 1500] [--out FILE]

Its body learns from embedded letters, of any colour and font, to name the letter
and to tell how the picture was spoilt: not at all, by halving or quartering its resolution, or by
noise. So its features see strokes and edges, and how sharp they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from ganwright.data.read.glyphs import glyphs
from ganwright.data.sides import Stack
from ganwright.networks.features import SHIPPED, FeatureDistance, small_net
from ganwright.pixels import from_bytes
from ganwright.seeds import seed_torch

WAYS = 4
"""How a picture may be spoilt: not, half resolution, a quarter of it, noise."""


def spoilt(x: Tensor, way: Tensor) -> Tensor:
    """Pictures [n, C, H, W], the i-th spoilt in `way[i]`."""
    size = x.shape[-2:]

    def through(factor: int) -> Tensor:
        small = [side // factor for side in size]
        low = interpolate(x, small, mode="bicubic", antialias=True)
        return interpolate(low, size, mode="bicubic", antialias=True).clamp(-1, 1)

    noisy = (x + 0.1 * torch.randn_like(x)).clamp(-1, 1)
    ways = torch.stack([x, through(2), through(4), noisy])
    return ways[way, torch.arange(len(x))]


class Student(nn.Module):
    """The body, pooled, with a head for letters and one for ways of being spoilt."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = small_net()
        self.letter = nn.Sequential(
            nn.Conv2d(64, 64, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(classes)
        )
        self.way = nn.Linear(64, WAYS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x)
        return self.letter(h), self.way(h.mean((2, 3)))


def main() -> None:
    """Train, print how well it does on held-out letters, and write the body's weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    args = parser.parse_args()
    seed_torch(0, "small features")
    source = glyphs(32)
    (train,), (test,) = source.train, source.test or ()
    assert isinstance(train, Stack)
    assert isinstance(test, Stack)
    norm = FeatureDistance(nn.Identity(), scale=1.0)
    student = Student(len(train.classes))
    images, labels = _floats(train.pictures), train.labels
    assert labels is not None
    student(norm.features(images[:2]))
    optimizer = torch.optim.AdamW(student.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, args.steps)
    for _ in range(args.steps):
        rows = torch.randint(len(images), (128,))
        loss, _, _ = _judge(student, norm, images[rows], labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    _, letters, ways = _judge(student, norm, _floats(test.pictures), test.labels)
    print(f"held out: {letters:.1%} of letters named, {ways:.1%} of ways told")
    save_file(student.body.state_dict(), args.out)
    args.out.chmod(0o644)
    print(f"wrote {args.out} ({args.out.stat().st_size} bytes)")


def _judge(
    student: Student, norm: FeatureDistance, x: Tensor, y: Tensor | None
) -> tuple[Tensor, float, float]:
    """The loss, and the shares of letters and of ways that are right."""
    assert y is not None
    way = torch.randint(WAYS, (len(x),))
    letter, told = student(norm.features(spoilt(x, way)))
    loss = cross_entropy(letter, y) + cross_entropy(told, way)
    return loss, _share(letter, y), _share(told, way)


def _share(logits: Tensor, y: Tensor) -> float:
    return (logits.argmax(1) == y).float().mean().item()


def _floats(pictures: Tensor) -> Tensor:
    return from_bytes(pictures)


if __name__ == "__main__":
    main()
