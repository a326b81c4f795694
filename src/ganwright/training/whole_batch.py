"""Noise of several processes: drawn for the whole batch, of which each keeps its own rows.

So several processes compute what one computes with the whole batch, up to rounding, wherever an
objective is a mean over its batch and no layer looks across rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

SIZED = frozenset({torch.rand, torch.randn, torch.randint, torch.normal})
"""Draw a tensor of a size."""
FILLED = frozenset(
    getattr(Tensor, f"{name}_")
    for name in ("bernoulli", "cauchy", "exponential", "geometric", "log_normal", "normal")
) | {Tensor.uniform_, Tensor.random_}
"""Fill a tensor."""
LIKE = frozenset(
    {
        *(torch.rand_like, torch.randn_like, torch.randint_like, torch.normal, torch.poisson),
        *(torch.bernoulli, Tensor.bernoulli, torch.multinomial, Tensor.multinomial),
        *(torch.dropout, F.dropout, F.dropout1d, F.dropout2d, F.dropout3d),
        *(F.alpha_dropout, F.feature_alpha_dropout, F.rrelu, F.gumbel_softmax),
    }
)
"""Make a tensor of another one, row by row."""


class WholeBatch(TorchFunctionMode):
    """Within, random tensors of this process's rows are the rows of what one process would draw.

    A tensor has a row, or several, for each image if its first dimension is a multiple of `rows`:
    [k rows, ...] stands for k whole batches. So it does for what an objective calls `count_rows`
    with, where it is no multiple of `rows`. All other tensors are the same in all processes.

    Args:
        counts: this process's share of the batch, `rows`; then further numbers of rows that stand
            for it, which may come while the mode is on.
        rank, world: whose share, and of how many.
    """

    def __init__(self, counts: Sequence[int], rank: int, world: int) -> None:
        super().__init__()
        self.counts, self.rank, self.world = counts, rank, world

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func in LIKE and any(isinstance(x, Tensor) for x in (*args, *named.values())):
            return self._like(func, args, named)
        if func in SIZED:
            return self._sized(func, args, named)
        if func in FILLED and self._rows(args[0].shape):
            return args[0].copy_(self._like(func, args, named))
        return func(*args, **named)

    def _like(self, func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        given = [x for x in (*args, *named.values()) if isinstance(x, Tensor)]
        rows = next(filter(None, (self._rows(x.shape) for x in given)), 0)
        drawn = func(*map(self._whole, args), **{k: self._whole(v) for k, v in named.items()})
        return self._own(drawn, rows) if rows else drawn

    def _sized(self, func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        limits, size = args, named.get("size")
        if size is None:
            given = bool(args) and isinstance(args[-1], Sequence)
            limits, size = (args[:-1], args[-1]) if given else ((), args)
        rows = self._rows(size)
        if not rows:
            return func(*args, **named)
        named = {k: v for k, v in named.items() if k != "size"}
        return self._own(func(*limits, (size[0] * self.world, *size[1:]), **named), rows)

    def _rows(self, size: Sequence[int]) -> int:
        """The rows of this process's share in a tensor of this size; 0 where it has none."""
        if not size or not size[0]:
            return 0
        return next((rows for rows in self.counts if size[0] % rows == 0), 0)

    def _whole(self, x: Any) -> Any:
        """[k rows, ...] -> [k world rows, ...]; the others' rows are copies, and not looked at."""
        if not isinstance(x, Tensor) or not (rows := self._rows(x.shape)):
            return x
        parts = x.unflatten(0, (-1, 1, rows))
        whole = parts.repeat(1, self.world, *[1] * (parts.ndim - 2)).flatten(0, 2)
        # numbers are drawn in the order in which they lie in memory
        if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
            whole = whole.contiguous(memory_format=torch.channels_last)
        return whole

    def _own(self, whole: Tensor, rows: int) -> Tensor:
        """[k world rows, ...] -> [k rows, ...]."""
        parts: Tensor = whole.unflatten(0, (-1, self.world, rows))
        return parts.select(1, self.rank).flatten(0, 1)
