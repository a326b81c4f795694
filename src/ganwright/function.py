"""What a trained game is used by: one function from named tensors to one tensor."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

Between: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""The way from a [n] to b [n]: positions t [m] in [0, 1] to points [m, n]."""


def linear(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(1 - t) a + t b."""
    return torch.lerp(a, b, t[:, None])


def spherical(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """sin((1 - t) w) / sin w a + sin(t w) / sin w b, where w is the angle between a and b.

    Shoemake (1985); White (2016), arXiv:1609.04468: Gaussian vectors lie near a sphere, and points
    between two of them on the straight line do not. Where both point the same or opposite ways,
    the way is straight.
    """
    cosine = torch.cosine_similarity(a.double(), b.double(), 0)
    angle = cosine.clamp(-1, 1).arccos()
    if angle.sin() < 1e-6:
        return linear(a, b, t)
    t = t.double()[:, None]
    way = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()
    return way.to(a.dtype)


@dataclass(frozen=True)
class Argument:
    """One input of a function.

    Args:
        name: what it is called, such as z, labels or images.
        draw: gives n rows that the function takes, [n, ...].
        sized: height and width are its last two dimensions, and may vary if the networks allow it.
        between: how one gets from one of its rows to another, if it can be interpolated.
        choices: the classes that its rows may be of, where they are numbers of classes.
    """

    name: str
    draw: Callable[[int], Tensor]
    sized: bool = False
    between: Between | None = None
    choices: tuple[int, ...] = ()


@dataclass(frozen=True)
class Function:
    """Tensors with n rows each to one with n rows; it draws no random numbers of its own.

    Args:
        call: what computes it, by way of the game's networks.
        arguments: its inputs in order.
        alone: the networks normalise by what they are called with, so rows are computed one by one.
    """

    call: Callable[..., Tensor]
    arguments: tuple[Argument, ...]
    alone: bool = False

    def __call__(self, *inputs: Tensor) -> Tensor:
        if not self.alone:
            return self.call(*inputs)
        rows = zip(*(x.split(1) for x in inputs), strict=True)
        return torch.cat([self.call(*row) for row in rows])

    def draw(self, n: int) -> tuple[Tensor, ...]:
        """n rows of each input."""
        return tuple(argument.draw(n) for argument in self.arguments)


def takes_labels(game: Any) -> bool:
    """Whether a trained game samples, and samples of a class can be asked for."""
    draw = getattr(game, "sample", None)
    if draw is None or "labels" not in inspect.signature(draw).parameters:
        return False
    return bool(getattr(game, "classes", game.spec.classes))


def pictures(shape: tuple[int, ...], device: torch.device) -> Argument:
    """Images [n, *shape] in [-1, 1]; those drawn are noise."""

    def draw(n: int) -> Tensor:
        return 2 * torch.rand(n, *shape, device=device) - 1

    return Argument("images", draw, sized=True)
