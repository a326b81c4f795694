"""Dropout from random bits: its shares, its scale, its gradient, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganwright.layers.dropout import STEPS, Dropout, NoiseDropout, dropout


@pytest.mark.parametrize(("p", "kept"), [(0.5, 32_768), (0.25, 49_152), (0.3, 45_875)])
def test_of_all_random_numbers_the_share_p_is_dropped(
    p: float, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the 65,536 numbers once: .7 of them are 45,875.2."""
    each = torch.arange(-STEPS // 2, STEPS // 2, dtype=torch.int16)
    monkeypatch.setattr(Tensor, "random_", lambda self, *_: self.copy_(each.view(self.dtype)))
    y = dropout(torch.ones(1, STEPS, dtype=torch.float64), p)
    assert int(y.count_nonzero()) == kept
    assert y.max().item() == STEPS / kept
    assert y.mean().item() == pytest.approx(1, rel=1e-12)  # so nothing is biased


def test_values_are_dropped_independently() -> None:
    """Also the four that share a number: no correlation above four standard deviations."""
    torch.manual_seed(0)
    n = 20_000
    z = dropout(torch.ones(n, 8), 0.5) - 1
    correlations = (z.T @ z / n).fill_diagonal_(0)
    assert correlations.abs().max().item() < 4 / n**0.5
    assert z.mean(0).abs().max().item() < 4 / n**0.5


@pytest.mark.parametrize("shape", [(3,), (2, 5), (0, 5), (4, 3, 2, 2), (1, 8, 3, 3)])
def test_the_gradient_is_what_each_value_was_multiplied_by(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    x = torch.randn(shape).requires_grad_()
    y = dropout(x, 0.5)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert set(gradient.flatten().tolist()) <= {0.0, 2.0}
    torch.testing.assert_close(y, x * gradient)


def test_maps_keep_their_layout_and_their_type() -> None:
    x = torch.ones(2, 8, 6, 6, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    y = dropout(x, 0.3)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert y.dtype is torch.bfloat16
    scale = torch.tensor(STEPS / 45_875).bfloat16().item()
    assert set(y.flatten().tolist()) == {0.0, scale}


def test_a_seed_drops_the_same_values_in_every_layout() -> None:
    """Training and sampling may have other layouts, and show the same samples for a seed."""
    x = torch.ones(2, 8, 6, 5)
    torch.manual_seed(3)
    contiguous = dropout(x, 0.5)
    torch.manual_seed(3)
    assert torch.equal(dropout(x.to(memory_format=torch.channels_last), 0.5), contiguous)
    assert contiguous.is_contiguous()


def test_layers_drop_when_they_should() -> None:
    torch.manual_seed(2)
    x, layer = torch.ones(4, 50), Dropout(0.5)
    assert not torch.equal(layer(x), x)
    assert layer.eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert not torch.equal(NoiseDropout(0.5).eval()(x), x)
    assert isinstance(layer, nn.Dropout)


def test_a_seed_gives_the_same_numbers_with_any_number_of_threads() -> None:
    def drawn(threads: int) -> Tensor:
        torch.set_num_threads(threads)
        torch.manual_seed(3)
        return dropout(torch.ones(64, 4096), 0.5)

    before = torch.get_num_threads()
    try:
        assert torch.equal(drawn(1), drawn(2))
    finally:
        torch.set_num_threads(before)


def test_compiled_code_has_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[float] = []

    def own(x: Tensor, p: float) -> Tensor:
        called.append(p)
        return x

    monkeypatch.setattr("torch.nn.functional.dropout", own)
    dropout(torch.ones(2, 3), 0.5)
    assert not called
    monkeypatch.setattr("torch.compiler.is_compiling", lambda: True)
    dropout(torch.ones(2, 3), 0.5)
    assert called == [0.5]
