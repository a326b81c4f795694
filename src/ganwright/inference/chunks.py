"""Samples in chunks of one size, so that the first k of n do not depend on n."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from ganwright.errors import SettingsError, described
from ganwright.function import Argument, Function
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
        SettingsError: at once: there is no such function, or rows are of another shape, or hold
            what it cannot take.
    """
    if labels is not None:
        raise SettingsError("latents by name have the labels that they need; leave labels out")
    known = functions(game)
    fit = [f for f in known if {a.name for a in f.arguments} == set(latents)]
    if not fit:
        wanted = " or ".join(", ".join(a.name for a in f.arguments) for f in known)
        raise SettingsError(f"latents hold {', '.join(latents)}; this model takes {wanted}")
    given = [_checked(a, latents[a.name], rows.stop) for a in fit[0].arguments]
    return _groups(fit[0], given, rows)


def _checked(argument: Argument, rows: object, n: int) -> Tensor:
    """n rows as a function takes them for an argument.

    Raises:
        SettingsError: they are no numbers, of another shape, not finite, or not of its classes.
    """
    example, name = argument.draw(1), f"{argument.name} in latents"
    if not isinstance(rows, Tensor) or rows.is_complex() or rows.dtype == torch.bool:
        kind = f"of {rows.dtype}" if isinstance(rows, Tensor) else described(rows)
        raise SettingsError(f"{name} is {kind}; give a tensor of real numbers")
    shape = [n, *example.shape[1:]]
    if list(rows.shape) != shape:
        raise SettingsError(f"{name} is {list(rows.shape)}; this model takes {shape}")
    if not rows.isfinite().all():
        raise SettingsError(f"{name} holds NaN or infinity; give finite numbers")
    if argument.choices:
        _check_classes(name, rows.cpu(), example, argument.choices)
    return rows.to(example)


def _check_classes(name: str, rows: Tensor, example: Tensor, choices: Sequence[int]) -> None:
    """Labels are numbers of classes, or a share of each, [n, classes], where there are several.

    Raises:
        SettingsError: they are something else.
    """
    if example.is_floating_point():
        wrong, known = rows[(rows < 0) | (rows > 1)], "numbers from 0 to 1"
    else:
        wrong = rows[~torch.isin(rows, torch.tensor(choices).to(rows))]
        whole = list(choices) == list(range(len(choices)))
        known = f"classes 0 to {len(choices) - 1}" if whole else f"of the classes {list(choices)}"
    if len(wrong):
        raise SettingsError(f"{name} holds {wrong[0].item():g}; this model takes {known}")


@torch.no_grad()
def _groups(function: Function, given: Sequence[Tensor], rows: range) -> Iterator[Tensor]:
    for first in range(rows.start // GROUP * GROUP, rows.stop, GROUP):
        numbers = torch.arange(first, first + GROUP) % rows.stop
        made = function(*(x[numbers.to(x.device)] for x in given))
        made = made.clamp(-1, 1) if made.ndim == 4 else made
        yield made[max(0, rows.start - first) : rows.stop - first].float().cpu()
