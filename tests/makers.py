"""Functions that make plain networks, as a user's module has them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ganwright.layers.dropout import Dropout
from ganwright.networks import StyleNet


class Conditional(nn.Module):
    """A linear layer of what it is called with and of the one-hot label."""

    def __init__(self, fan_in: int, classes: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.linear = nn.Linear(fan_in + classes, math.prod(shape))
        self.classes, self.shape = classes, shape

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        label = nn.functional.one_hot(y, self.classes).to(x.dtype)
        out: Tensor = self.linear(torch.cat([x.flatten(1), label], 1))
        return out.tanh().reshape(-1, *self.shape)


def make_G(latent: int, shape: tuple[int, ...], classes: int, hidden: int = 8) -> nn.Module:
    if classes:
        return Conditional(latent, classes, shape)
    layers = [nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, math.prod(shape)), nn.Tanh()]
    return nn.Sequential(*layers, nn.Unflatten(1, shape))


def make_D(shape: tuple[int, ...], classes: int, width: int = 1) -> nn.Module:
    if classes:
        return Conditional(math.prod(shape), classes, (width,))
    return nn.Sequential(
        nn.Conv2d(shape[0], width, 3, 2, 1), nn.BatchNorm2d(width), nn.Dropout(0.1)
    )


def make_T(shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> nn.Module:
    return nn.Sequential(nn.Conv2d(shape_in[0], shape_out[0], 3, padding=1), nn.Tanh())


def make_patch(shape: tuple[int, ...]) -> nn.Module:
    return nn.Conv2d(shape[0], 1, 4, 2, 1)


def make_classifier(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Always the same one, with all that a frozen network must not change."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(shape[0], 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()]
        width = nn.Sequential(*layers)(torch.zeros(2, *shape)).shape[1]
        return nn.Sequential(*layers, Dropout(), nn.Linear(width, classes))


def make_prior(shape: tuple[int, ...]) -> nn.Module:
    """Always the same one."""
    net = StyleNet(base=64, most=8, styles=8, mapping_G=1)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return net.generator(8, shape, tanh=False)


def timm_D(shape: tuple[int, ...], classes: int) -> nn.Module:
    import timm

    net: nn.Module = timm.create_model("lcnet_035", in_chans=shape[0], num_classes=0)
    return net


def diffusers_G(latent: int, shape: tuple[int, ...], classes: int) -> nn.Module:
    from diffusers.models.autoencoders.vae import Decoder

    up = ("UpDecoderBlock2D",) * 2
    decoder = Decoder(1, shape[0], up, (4, 4), layers_per_block=1, norm_num_groups=2)
    return nn.Sequential(nn.Unflatten(1, (1, 4, 4)), decoder, nn.Tanh())


def diffusers_T(shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> nn.Module:
    from diffusers import UNet2DModel

    class UNet(UNet2DModel):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = super().forward(x, timestep=0).sample.tanh()
            return out

    return UNet(
        in_channels=shape_in[0],
        out_channels=shape_out[0],
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        block_out_channels=(4, 8),
        layers_per_block=1,
        norm_num_groups=2,
    )


def fails(*_: Any) -> nn.Module:
    raise KeyError("no such backbone")


def no_module(*_: Any) -> int:
    return 3


def one_row(*_: Any) -> nn.Module:
    return nn.Flatten(0)


def takes_nothing(*_: Any) -> nn.Module:
    return nn.Linear(1, 1)


ready = nn.Linear(1, 1)
TRIES = 3
