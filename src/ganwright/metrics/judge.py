"""A judge of samples: how many it is confident about, and which classes they show.

Two small convolutional classifiers, trained on embedded data when first asked and kept in memory.
A quarter of what the sceptic learns from are images of no class, halves and blends of two of
them and scrambled ones, for which it must say that it cannot tell: so it rejects mush. The
reader has seen real images alone, and names whatever it is shown, be it pale or blurred.

    verdict = judge(model.sample(200), "digits")
    assert verdict.confident > 0.8 and len(verdict.seen) == 10
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from ganwright.data import DataOptions, Images, RunData, open_data

SURE = 0.8
"""The probability from which the judge is sure."""


class Verdict(NamedTuple):
    """What the judge thinks of n images."""

    confident: float
    """Share of the images that the sceptic is confident about."""
    seen: tuple[int, ...]
    """Classes of which it is sure at least once."""
    labels: Tensor
    """The class that the reader takes each for: int64 [n]."""
    sure: Tensor
    """Whether the sceptic is confident about each: bool [n]."""


def judge(images: Tensor, data: str = "digits", data_root: Path = Path("data")) -> Verdict:
    """Judge images [n, C, H, W] in [-1, 1], which should look like the labelled data set."""
    best, seen = probabilities(images, data, data_root).max(1)
    sure = best > SURE
    labels = probabilities(images, data, data_root, sceptical=False).argmax(1)
    return Verdict(sure.float().mean().item(), tuple(seen[sure].unique().tolist()), labels, sure)


@torch.no_grad()
def probabilities(
    images: Tensor, data: str = "digits", data_root: Path = Path("data"), *, sceptical: bool = True
) -> Tensor:
    """Class probabilities [n, classes] of images [n, C, H, W] in [-1, 1]."""
    classifier, channels = trained(data, tuple(images.shape[2:]), data_root, sceptical)
    if images.shape[1] != channels:
        images = images.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    return torch.cat([classifier(part).softmax(1) for part in images.float().cpu().split(500)])


def accuracy(data: str, size: int, data_root: Path = Path("data")) -> float:
    """The reader's accuracy on held-out images of its data set, at size x size pixels."""
    test = opened(data, size, data_root).held_out(10_000)
    assert isinstance(test, Images)
    assert test.labels is not None
    p = probabilities(test.images, data, data_root, sceptical=False)
    return float((p.argmax(1) == test.labels).float().mean())


def opened(data: str, size: int, data_root: Path) -> RunData:
    """The judge's data set."""
    return open_data(data, task=Images, options=DataOptions(data_root=data_root, image_size=size))


@lru_cache(maxsize=8)
@torch.enable_grad()
def trained(
    data: str, size: tuple[int, int], data_root: Path, sceptical: bool
) -> tuple[nn.Module, int]:
    """The sceptic or the reader of images of one size, and how many channels they have."""
    source = opened(data, size[0], data_root)
    classes, (channels, *_) = len(source.spec.classes), source.spec.shape
    steps, batch = 400 + source.spec.count // 20, 64
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = classifier(channels, size, classes)
        adam = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.05)
        rate = torch.optim.lr_scheduler.OneCycleLR(adam, 4e-3, steps)
        for step in range(steps):
            real = source.batch(step, batch)
            assert isinstance(real, Images)
            assert real.labels is not None
            x, target = shifted(real.images), one_hot(real.labels, classes).float()
            if sceptical:
                x, target = with_nonsense(x, target)
            loss = cross_entropy(net(roughened(x)), target)
            adam.zero_grad()
            loss.backward()
            adam.step()
            rate.step()
    return net.eval().requires_grad_(False), channels


def classifier(channels: int, size: tuple[int, int], classes: int) -> nn.Module:
    """Three downsamplings and a linear layer."""
    stages: list[nn.Module] = []
    for fan_in, width in ((channels, 24), (24, 48), (48, 96)):
        stages += [nn.Conv2d(fan_in, width, 4, 2, 1), nn.BatchNorm2d(width), nn.ReLU()]
    cells = (size[0] // 8) * (size[1] // 8)
    return nn.Sequential(
        *stages, nn.Flatten(), nn.Dropout(0.3), nn.Linear(96 * cells, classes)
    ).train()


def shifted(x: Tensor) -> Tensor:
    """The batch, all of it moved by up to a sixteenth of its height and width; edges repeat."""
    reach = max(1, x.shape[-1] // 16)
    padded = nn.functional.pad(x, (reach,) * 4, mode="replicate")
    down, right = torch.randint(2 * reach + 1, (2,)).tolist()
    return padded[..., down : down + x.shape[2], right : right + x.shape[3]]


def roughened(x: Tensor) -> Tensor:
    """Images with noise of up to .4, paler by up to a third: what G does and no one minds."""
    noise, gain = 0.4 * torch.rand(len(x), 1, 1, 1), 1 - torch.rand(len(x), 1, 1, 1) / 3
    return (gain * x + noise * torch.randn_like(x)).clamp(-1, 1)


def with_nonsense(x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The batch, and a third as many images of no class, with all classes equally likely."""
    other = x.roll(1, 0)
    different = (target * target.roll(1, 0)).sum(1) == 0
    halves = torch.where(torch.arange(x.shape[-1]) < x.shape[-1] // 2, x, other)[different]
    blends = ((x + other) / 2)[different]
    scrambled = x[:, :, torch.randperm(x.shape[2])][..., torch.randperm(x.shape[3])]
    nonsense = torch.cat([halves[::8], blends[1::8], scrambled[2::12]])
    alike = torch.full((len(nonsense), target.shape[1]), 1 / target.shape[1])
    return torch.cat([x, nonsense]), torch.cat([target, alike])
