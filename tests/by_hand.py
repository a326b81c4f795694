"""Networks of one number, so that objectives over pictures can be worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganwright.networks import Patch, Translator


@dataclass(frozen=True, kw_only=True)
class Times(Translator):
    """Every pixel times a number."""

    factor: float = 2.0

    def translator(self, shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> nn.Module:
        net = nn.Conv2d(shape_in[0], shape_out[0], 1, bias=False)
        nn.init.constant_(net.weight, self.factor)
        return net


class Sum(nn.Module):
    """The weighted sum of the channels, pixel by pixel; features are the input and its double."""

    def __init__(self, weights: tuple[float, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights))

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        return x, 2 * x

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight[:, None, None]).sum(1, keepdim=True)


@dataclass(frozen=True, kw_only=True)
class Weighted(Patch):
    """A logit for each pixel: the channels' weighted sum."""

    weights: tuple[float, ...] = (1.0,)

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        return Sum(self.weights)


def flat(*levels: float) -> Tensor:
    """Grey pictures of 2x2 pixels of these levels: [n, 1, 2, 2]."""
    return torch.tensor(levels)[:, None, None, None].expand(-1, 1, 2, 2).contiguous()
