"""FastGAN's layers by hand: excitation, noise, and the block of D."""

from __future__ import annotations

import torch
from torch import nn

from ganwright.layers.excitation import Excitation, Halving, Noise


def test_excitation_by_hand() -> None:
    """A coarse map of 2s: pooled 2, 16 of them by .25 are 8, swish, by .5, sigmoid."""
    layer = Excitation(1, 1)
    nn.init.constant_(layer.factors[1].weight, 0.25)  # type: ignore[arg-type]
    nn.init.constant_(layer.factors[3].weight, 0.5)  # type: ignore[arg-type]
    high = torch.randn(1, 1, 16, 16)
    swish = torch.tensor(8.0) * torch.sigmoid(torch.tensor(8.0))
    found = layer(torch.full((1, 1, 8, 8), 2.0), high)
    assert torch.allclose(found, high * torch.sigmoid(swish / 2))


def test_noise_is_drawn_in_training_and_fixed_afterwards() -> None:
    layer, x = Noise((4, 4)), torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        assert torch.equal(layer(x), x)
        layer.strength.fill_(0.5)
        one, other = layer(x) - x, layer(x) - x
        assert not torch.allclose(one, other)
        assert torch.allclose(one[:, :1].expand_as(one), one, atol=1e-6)
        layer.eval()
        assert torch.allclose(layer(x) - x, (0.5 * layer.noise).expand_as(x), atol=1e-6)


def test_a_block_is_the_mean_of_its_two_ways() -> None:
    block, x = Halving(3, 5).eval(), torch.randn(2, 3, 8, 8)
    assert torch.allclose(block(x), (block.main(x) + block.direct(x)) / 2)
    assert block(x).shape == (2, 5, 4, 4)
