"""Samples in chunks of one size, so that the first k of n do not depend on n."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ganwright.errors import SettingsError, described
from ganwright.function import Function

CHUNK = 64
"""Noise is drawn for this many samples at a time."""


def rows_from(rows: Sequence[Tensor], first: int) -> Tensor:
    """A chunk of rows from the one numbered `first`; they repeat without end."""
    return torch.stack([rows[(first + i) % len(rows)] for i in range(CHUNK)])


def fitting(function: Function, latents: Tensor, n: int) -> Callable[[int, Tensor | None], Tensor]:
    """What makes a chunk of samples of given latents: (first row, labels or None) to samples.

    Args:
        function: the game's, of z and perhaps labels.
        latents: [n, length of z].
        n: how many there must be.

    Raises:
        SettingsError: they are no such rows, or not finite.
    """
    z, *others = function.arguments
    example = z.draw(1)
    if not isinstance(latents, Tensor) or latents.ndim != 2 or not latents.is_floating_point():
        raise SettingsError(
            f"latents are {described(latents)}; give floats [n, {example.shape[1]}]"
        )
    if latents.shape != (n, example.shape[1]):
        raise SettingsError(
            f"latents are {list(latents.shape)}; this model takes [{n}, {example.shape[1]}]"
        )
    if not latents.isfinite().all():
        raise SettingsError("latents hold NaN or infinity; give finite numbers")
    rows = list(latents.to(example))

    def made(first: int, labels: Tensor | None) -> Tensor:
        more = [argument.draw(CHUNK) for argument in others]
        return function(rows_from(rows, first), *(more if labels is None else [labels]))

    return made
