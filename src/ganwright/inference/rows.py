"""The first rows of a batch of samples, without the cost of the whole batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ganwright._torch import tree_map

GROUP = 8
"""Rows that networks compute at once. The last bits of a row depend on how many are computed with
it, so the number is always the same; of 64 rows in groups, a DCGAN takes no longer than at once."""


def first_rows(game: nn.Module, draw: Callable[[], Tensor], size: int, count: int) -> Tensor:
    """The first `count` rows of what `draw` gives; they do not depend on `count`, bit for bit.

    The noise of all `size` rows is drawn each time, and networks are handed one group of rows after
    the other until there are enough. Where random numbers are drawn after the first network was
    called, as where pixels are drawn from its output, all rows are computed.

    Args:
        game: whose children are the networks.
        draw: draws `size` rows, and seeds the generators itself.
        size: how many rows `draw` gives.
        count: how many are wanted; more than `size` are `size`.
    """
    groups: list[Tensor] = []
    for start in range(0, min(count, size), GROUP):
        group = _group(game, draw, size, start)
        if group is None:
            return draw()[:count]
        groups.append(group)
    return torch.cat(groups)[:count]


def _group(game: nn.Module, draw: Callable[[], Tensor], size: int, start: int) -> Tensor | None:
    """The rows of one group; None where they cannot be computed apart from the others."""
    rows = slice(start, start + GROUP)
    drawn: list[Tensor] = []

    def cut(_: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
        if not drawn:
            drawn.append(_randomness(game))
        return tree_map(wanted, args), tree_map(wanted, kwargs)

    def wanted(x: Any) -> Any:
        return x[rows] if isinstance(x, Tensor) and x.ndim and len(x) == size else x

    hooks = [net.register_forward_pre_hook(cut, with_kwargs=True) for net in game.children()]
    try:
        made = draw()
    except RuntimeError:  # rows of the group were mixed with all the rows
        return None
    finally:
        for hook in hooks:
            hook.remove()
    apart = drawn and torch.equal(drawn[0], _randomness(game)) and len(made) == GROUP
    return made if apart else None


def _randomness(game: nn.Module) -> Tensor:
    """The state of the generators that a game on its device draws from."""
    device = next(game.parameters()).device
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    elif device.type == "mps":
        states.append(torch.mps.get_rng_state())
    return torch.cat(states)
