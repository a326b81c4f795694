"""Samples in chunks of one size, so that the first k of n do not depend on n."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from ganwright.errors import SettingsError, described
from ganwright.function import Function
from ganwright.game import Game
from ganwright.inference.rows import GROUP

Latents: TypeAlias = Tensor | Mapping[str, Tensor]
"""z [n, length of z]; or all that the function is called with, by name, n rows each."""

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


def count(latents: Latents) -> int:
    """The number of rows."""
    return len(next(iter(latents.values()))) if isinstance(latents, Mapping) else len(latents)


def functions(game: Game) -> list[Function]:
    """What makes images of latents: z, and styles in the families that have them."""
    by_style: Callable[[], Function] | None = getattr(game, "by_style", None)
    return [game.function(), *([by_style()] if by_style else [])]


def replayed(
    game: Game, latents: Mapping[str, Tensor], labels: object, rows: range
) -> Iterator[Tensor]:
    """Samples of all that a function is called with, a group at a time, on the CPU.

    Args:
        game: in evaluation mode.
        latents: by the names of a function's arguments, one of `functions`.
        labels: must be None: latents have their own.
        rows: of the latents; its last must be theirs.

    Raises:
        SettingsError: at once: there is no such function, or rows are of another shape.
    """
    if labels is not None:
        raise SettingsError("latents by name have the labels that they need; leave labels out")
    known = functions(game)
    fit = [f for f in known if {a.name for a in f.arguments} == set(latents)]
    if not fit:
        wanted = " or ".join(", ".join(a.name for a in f.arguments) for f in known)
        raise SettingsError(f"latents hold {', '.join(latents)}; this model takes {wanted}")
    examples = {a.name: a.draw(1) for a in fit[0].arguments}
    for name, example in examples.items():
        shape = [rows.stop, *example.shape[1:]]
        if list(latents[name].shape) != shape:
            raise SettingsError(
                f"{name} in latents is {list(latents[name].shape)}; this model takes {shape}"
            )
        if not latents[name].isfinite().all():
            raise SettingsError(f"{name} in latents holds NaN or infinity; give finite numbers")
    return _groups(fit[0], [latents[k].to(x) for k, x in examples.items()], rows)


@torch.no_grad()
def _groups(function: Function, given: Sequence[Tensor], rows: range) -> Iterator[Tensor]:
    for first in range(rows.start // GROUP * GROUP, rows.stop, GROUP):
        numbers = torch.arange(first, first + GROUP) % rows.stop
        made = function(*(x[numbers.to(x.device)] for x in given))
        made = made.clamp(-1, 1) if made.ndim == 4 else made
        yield made[max(0, rows.start - first) : rows.stop - first].float().cpu()
