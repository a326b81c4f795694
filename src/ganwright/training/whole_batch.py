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
    [k rows, ...] stands for k whole batches. All other tensors are the same in all processes.

    Args:
        rows: this process's share of the batch.
        rank, world: whose share, and of how many.
    """

    def __init__(self, rows: int, rank: int, world: int) -> None:
        super().__init__()
        self.rows, self.rank, self.world = rows, rank, world

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
        if func in FILLED and self._shared(args[0].shape):
            return args[0].copy_(self._like(func, args, named))
        return func(*args, **named)

    def _like(self, func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        drawn = func(*map(self._whole, args), **{k: self._whole(v) for k, v in named.items()})
        grown = [x for x in (*args, *named.values()) if self._whole(x) is not x]
        return self._own(drawn) if grown else drawn

    def _sized(self, func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        limits, size = args, named.get("size")
        if size is None:
            given = bool(args) and isinstance(args[-1], Sequence)
            limits, size = (args[:-1], args[-1]) if given else ((), args)
        if not self._shared(size):
            return func(*args, **named)
        named = {k: v for k, v in named.items() if k != "size"}
        return self._own(func(*limits, (size[0] * self.world, *size[1:]), **named))

    def _shared(self, size: Sequence[int]) -> bool:
        return len(size) > 0 and size[0] > 0 and size[0] % self.rows == 0

    def _whole(self, x: Any) -> Any:
        """[k rows, ...] -> [k world rows, ...]; the others' rows are copies, and not looked at."""
        if not isinstance(x, Tensor) or not self._shared(x.shape):
            return x
        parts = x.unflatten(0, (-1, 1, self.rows))
        whole = parts.repeat(1, self.world, *[1] * (parts.ndim - 2)).flatten(0, 2)
        # numbers are drawn in the order in which they lie in memory
        if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
            whole = whole.contiguous(memory_format=torch.channels_last)
        return whole

    def _own(self, whole: Tensor) -> Tensor:
        """[k world rows, ...] -> [k rows, ...]."""
        parts: Tensor = whole.unflatten(0, (-1, self.world, self.rows))
        return parts.select(1, self.rank).flatten(0, 1)
