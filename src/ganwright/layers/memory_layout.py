"""How the weights of convolutions lie in memory, which decides how fast they are."""

from __future__ import annotations

import torch
from torch import nn


def lay_out(network: nn.Module, channels_last: bool) -> None:
    """Bring a network's convolutions to one layout: channels last, or contiguous."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.to(memory_format=layout)
