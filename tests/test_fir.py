"""Filters (1, 3, 3, 1) as products of matrices, which a CPU takes, and as convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganwright.layers.equalised import CLAMP, GAIN, EqualConv2d, activated
from ganwright.layers.fir import LONGEST, Doubled, Halved, Strided

FORMATS = (torch.contiguous_format, torch.channels_last)


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("side", [1, 2, 5, 8])
@pytest.mark.parametrize("net", [Doubled(), Halved()], ids=["doubled", "halved"])
def test_matrices_are_the_convolution(
    net: Strided, side: int, memory_format: torch.memory_format
) -> None:
    """Values, gradients, second derivatives and the order in memory."""
    x = torch.randn(2, 3, side + 1, side + 2).to(memory_format=memory_format)

    def known(f: nn.Module) -> tuple[Tensor, ...]:
        u = x.clone().requires_grad_()
        y = f(u)
        (first,) = torch.autograd.grad(y.pow(3).sum(), u, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), u)
        return y, first, second

    found, wanted = known(net), known(_Convolved(net))
    assert found[0].stride() == wanted[0].stride()
    for a, b in zip(found, wanted, strict=True):
        assert torch.allclose(a, b, atol=1e-5, rtol=1e-4)


class _Convolved(nn.Module):
    def __init__(self, net: Strided) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net.convolved(x)


def test_images_are_filtered_under_vmap() -> None:
    x = torch.randn(3, 2, 4, 8, 8)
    found = torch.func.vmap(Halved())(x)
    assert torch.allclose(found, torch.stack([Halved()(u) for u in x]), atol=1e-6)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_long_sides_are_convolved(kind: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose matrices would be mostly zeros."""
    seen = []
    monkeypatch.setattr(Halved, "convolved", lambda self, x: seen.append(x.dtype))
    long = LONGEST[kind]
    Halved()(torch.zeros(1, 1, 4, long, dtype=kind))
    assert not seen
    Halved()(torch.zeros(1, 1, 4, long + 2, dtype=kind))
    assert seen == [kind]


def test_autocast_names_the_precision() -> None:
    """Single precision that autocast narrows is filtered as half precision is."""
    x = torch.randn(1, 2, 4, LONGEST[torch.float32] + 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = Halved()(x)
    assert y.dtype is torch.bfloat16
    assert torch.allclose(y.float(), Halved()(x), atol=0.02)


@pytest.mark.parametrize("gain", [1.0, 0.5])
@pytest.mark.parametrize("active", [True, False])
def test_the_gain_is_on_what_comes_out(gain: float, active: bool) -> None:
    net = EqualConv2d(4, 3, 3, active=active, gain=gain)
    assert net.bias is not None
    nn.init.normal_(net.bias)
    x = torch.randn(2, 4, 5, 5)
    plain = nn.functional.conv2d(x, net.weight / 6, net.bias, padding=1)
    wanted = GAIN * nn.functional.leaky_relu(plain, 0.2) if active else plain
    assert torch.allclose(net(x), gain * wanted, atol=1e-5)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32])
def test_fp16_alone_is_clamped(kind: torch.dtype) -> None:
    x = torch.tensor([2 * CLAMP, -20 * CLAMP], dtype=kind)
    half = [0.5 * CLAMP, -0.5 * CLAMP]
    assert activated(x, 0.5).tolist() == (half if kind is torch.float16 else [512.0, -1024.0])
