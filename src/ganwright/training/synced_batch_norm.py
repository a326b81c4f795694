"""BatchNorm over the rows of all processes, so that they compute what one computes.

torch's SyncBatchNorm is not used: it refuses the CPU, has no second derivative, which gradient
penalties need, and replaces layers, so that a class-conditional one loses its gains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ganwright.precision import wide
from ganwright.training.processes import connected


class SyncedBatchNorm(TorchFunctionMode):
    """Within, every layer that normalises by its batch does so by the batch of all processes.

    Ioffe and Szegedy (2015), arXiv:1502.03167, algorithm 1, over m = all rows and pixels. Each
    process must have as many rows.

    Args:
        rank, world: this process, and how many there are.
    """

    def __init__(self, rank: int, world: int) -> None:
        super().__init__()
        self.rank, self.world = rank, world

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        call = self._batch_norm if func is F.batch_norm else func
        return call(*args, **(kwargs or {}))

    def _batch_norm(
        self,
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return F.batch_norm(x, running_mean, running_var, weight, bias, eps=eps)
        mean, var = self._moments(x)
        if running_mean is not None and running_var is not None:
            m = self.world * x.numel() // x.shape[1]
            running_mean.lerp_(mean.detach().to(running_mean.dtype), momentum)
            running_var.lerp_((var.detach() * m / (m - 1)).to(running_var.dtype), momentum)
        scale = (var + eps).rsqrt()
        scale = scale if weight is None else scale * weight
        each = (-1, *[1] * (x.ndim - 2))
        out: Tensor = (wide(x) - mean.view(each)) * scale.view(each)
        out = out if bias is None else out + bias.view(each)
        return out.to(x.dtype)

    def _moments(self, x: Tensor) -> Tensor:
        """Mean and biased variance of each channel over all processes, [2, C]."""
        var, mean = torch.var_mean(wide(x), [0, *range(2, x.ndim)], correction=0)
        mine = torch.arange(self.world, device=x.device) == self.rank
        # One message: in its own row each process puts what it has.
        means, variances = _Sum.apply(mine[:, None] * torch.stack([mean, var])[:, None]).unbind()
        return torch.stack([means.mean(0), variances.mean(0) + means.var(0, correction=0)])


class _Sum(torch.autograd.Function):
    """The sum over all processes. So is its gradient: what one has is in the losses of all."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        with connected():
            dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total: Tensor = _Sum.apply(*gradients)
        return total
