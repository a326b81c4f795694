"""Self-attention over the pixels of a feature map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d


class SelfAttention(nn.Module):
    """x -> x + gamma o(x), with gamma 0 at the start: [n, C, H, W] -> [n, C, H, W].

    Zhang et al. (2019), arXiv:1805.08318, eq. 1 to 3. Queries and keys have C/8 channels.

    Args:
        channels: C.
        pooled: as in the authors' code, values have C/2 channels and keys and values are max-pooled
            2x2; else values have C/8 channels at full size, as in the paper.
    """

    def __init__(self, channels: int, pooled: bool = False) -> None:
        super().__init__()
        self.pooled = pooled
        inner = max(1, channels // 8)
        values = max(1, channels // 2) if pooled else inner
        self.query = nn.Conv2d(channels, inner, 1, bias=False)
        self.key = nn.Conv2d(channels, inner, 1, bias=False)
        self.value = nn.Conv2d(channels, values, 1, bias=False)
        self.out = nn.Conv2d(values, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)
        if self.pooled:
            k, v = max_pool2d(k, 2), max_pool2d(v, 2)
        q, k, v = (t.flatten(2) for t in (q, k, v))
        # Spelled out, since fused attention has no second derivative for gradient penalties.
        o = v @ torch.softmax(q.mT @ k, -1).to(v.dtype).mT
        attended: Tensor = self.out(o.unflatten(2, x.shape[2:]))
        return x + self.gamma * attended
