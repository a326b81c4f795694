"""How the weights of convolutions lie in memory, which decides how fast they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def lay_out(network: nn.Module, channels_last: bool) -> None:
    """Bring a network's convolutions to one layout: channels last, or contiguous.

    Every weight of four axes is taken for a convolution's, whatever module holds it.
    """
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.data = _channels_last(weight.data) if channels_last else weight.data.contiguous()


def _channels_last(weight: Tensor) -> Tensor:
    """With the strides of that layout also where one channel or one pixel leaves them open.

    A convolution of grey images or of 1x1 pixels would take such a weight for contiguous, and give
    contiguous maps to layers that are not.
    """
    _, c, h, w = weight.shape
    last = weight.contiguous(memory_format=torch.channels_last)
    return last.as_strided(weight.shape, (c * h * w, 1, c * w, c))
