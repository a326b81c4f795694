"""Networks that lie channels last make maps that do, whatever images they are given."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganwright.layers.blocks import DownBlock, UpBlock
from ganwright.layers.memory_layout import lay_out
from ganwright.layers.norm import BatchNorm, NoNorm
from ganwright.networks import BigNet, ConvNet, ResNet
from ganwright.networks.base import Networks


def last(x: Tensor) -> bool:
    """Whether the channels of a pixel are next to each other, also where there is one channel."""
    return x.stride(1) == 1 and x.is_contiguous(memory_format=torch.channels_last)


def maps_of(net: nn.Module, *given: Tensor | None) -> dict[str, bool]:
    """Of each convolution from the first on, whether its output lies channels last."""
    found: dict[str, bool] = {}

    def looked(name: str) -> Any:
        return lambda _, __, out: found.update({name: last(out)})

    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(looked(name))
    net(*given)
    return found


@pytest.mark.parametrize("channels", [1, 3])
def test_convolutions_of_grey_images_lie_channels_last(channels: int) -> None:
    D = ConvNet(width=8).discriminator((channels, 16, 16))
    lay_out(D, channels_last=True)
    found = maps_of(D, torch.randn(2, channels, 16, 16))
    assert found
    assert all(found.values())


@pytest.mark.parametrize(
    ("channels", "kernel"), [(1, (3, 3)), (1, (1, 5)), (4, (1, 1)), (4, (3, 3)), (4, (5, 1))]
)
def test_all_weights_have_the_strides_of_their_layout(
    channels: int, kernel: tuple[int, int]
) -> None:
    conv = nn.Conv2d(channels, 6, kernel)
    before = conv.weight.detach().clone()
    lay_out(conv, channels_last=True)
    assert last(conv.weight)
    assert torch.equal(conv.weight, before)
    assert last(conv(torch.randn(2, channels, 8, 8)))
    lay_out(conv, channels_last=False)
    assert conv.weight.is_contiguous()
    assert torch.equal(conv.weight, before)


@pytest.mark.parametrize("block", [UpBlock(4, 6, BatchNorm(), 0), DownBlock(4, 6, NoNorm())])
def test_a_residual_block_of_contiguous_maps_ends_in_maps_that_are_not(block: nn.Module) -> None:
    """Its skip has a 1x1 convolution, which may leave maps as they lie."""
    lay_out(block, channels_last=True)
    assert last(block(torch.randn(2, 4, 8, 8)))


def test_a_skip_may_be_convolved_before_it_doubles() -> None:
    block = UpBlock(4, 6, NoNorm(), 0).double()
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    double, change = block.skip
    assert torch.allclose(block(x) - block.inner(x), change(double(x)), atol=1e-12)


@pytest.mark.parametrize(
    "nets", [ResNet(width_G=4, width_D=4), BigNet(width_G=4, width_D=4, attention=())]
)
def test_a_residual_generator_lies_channels_last_from_its_second_block_on(nets: Networks) -> None:
    G = nets.generator(20, (3, 16, 16), 2)
    lay_out(G, channels_last=True)
    found = maps_of(G, torch.randn(2, 20), torch.tensor([0, 1]))
    late = {k: v for k, v in found.items() if not k.startswith(("blocks.0.skip", "stack.3.skip"))}
    assert late
    assert all(late.values())
