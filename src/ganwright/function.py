"""What a trained game is used by: one function from named tensors to one tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Argument:
    """One input of a function.

    Args:
        name: what it is called, such as z, labels or images.
        draw: gives n rows that the function takes, [n, ...].
        sized: height and width are its last two dimensions, and may vary if the networks allow it.
    """

    name: str
    draw: Callable[[int], Tensor]
    sized: bool = False


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


def pictures(shape: tuple[int, ...], device: torch.device) -> Argument:
    """Images [n, *shape] in [-1, 1]; those drawn are noise."""

    def draw(n: int) -> Tensor:
        return 2 * torch.rand(n, *shape, device=device) - 1

    return Argument("images", draw, sized=True)
