"""How the weights of convolutions lie in memory, which decides how fast they are."""

from __future__ import annotations

import torch
from torch import nn


def lay_out(network: nn.Module, channels_last: bool) -> None:
    """Bring a network's convolutions to one layout: channels last, or contiguous.

    Every weight of four axes is taken for a convolution's, whatever module holds it.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=layout)
