"""BigGAN's orthogonal regularisation by hand: values and gradients, eager and compiled."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers import TINY, trainer_of
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from ganwright.errors import SettingsError
from ganwright.families import family
from ganwright.networks.base import Discriminator, spectral
from ganwright.observing import evaluate
from ganwright.regularisers import Orthogonality


class Rows(nn.Module):
    """One layer with the filters (1, 2) and (3, 4)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer: Any = layer
        rows = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        turned = isinstance(layer, nn.ConvTranspose2d)
        weight = self.layer.weight
        with torch.no_grad():
            weight.copy_((rows.T if turned else rows).reshape(weight.shape))


def slope_of(G: nn.Module, weight: Tensor, compiled: bool = False) -> tuple[float, Tensor]:
    regulariser = Orthogonality(weight=1.0)

    def cost() -> Tensor:
        return regulariser(G, Discriminator(), Tensor(), Tensor(), nn.Module())

    value = (torch.compile(cost, fullgraph=True) if compiled else cost)()
    (slope,) = torch.autograd.grad(value, weight)
    return value.item(), slope


BY_HAND = torch.tensor([[132.0, 176.0], [44.0, 88.0]])
"""4 (W Wᵀ ∘ (1 - I)) W, where the rows' product is 11."""


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(2, 2),
        nn.Conv2d(2, 2, 1),
        nn.Conv2d(1, 2, (1, 2)),
        nn.ConvTranspose2d(2, 2, 1),
    ],
)
def test_orthogonality_by_hand(layer: Any) -> None:
    """(1, 2) (3, 4) = 11, twice: 2 x 121; lengths cost nothing."""
    G = Rows(layer)
    value, slope = slope_of(G, G.layer.weight)
    turned = isinstance(layer, nn.ConvTranspose2d)
    assert value == pytest.approx(242)
    assert torch.allclose(slope.reshape(2, 2), BY_HAND.T if turned else BY_HAND)


def test_orthogonality_looks_at_weights_before_spectral_norm() -> None:
    G = Rows(nn.Linear(2, 2))
    spectral(G)
    value, slope = slope_of(G, G.layer.parametrizations.weight.original)
    assert value == pytest.approx(242)
    assert torch.allclose(slope, BY_HAND)


@pytest.mark.usefixtures("compiler")
def test_compiled_orthogonality_is_the_same() -> None:
    G = Rows(nn.Linear(2, 2))
    value, slope = slope_of(G, G.layer.weight, compiled=True)
    assert value == pytest.approx(242)
    assert torch.allclose(slope, BY_HAND)


def test_orthogonal_filters_cost_nothing_at_any_length() -> None:
    G = nn.Linear(3, 2)
    with torch.no_grad():
        G.weight.copy_(torch.tensor([[5.0, 0.0, 0.0], [0.0, 0.1, 0.2]]))
    value, slope = slope_of(G, G.weight)
    assert value == 0
    assert not slope.any()
    with pytest.raises(SettingsError, match="Orthogonality compares the filters of torch's own"):
        slope_of(nn.BatchNorm2d(2), torch.zeros(1))


def test_g_is_charged_for_all_its_layers_and_no_embedding() -> None:
    game: Any = trainer_of("biggan").game
    batch = trainer_of("biggan").batches.batch(0, 4)
    terms, _ = evaluate(game.generator, batch)
    raw = {k: w for k, w in game.G.named_parameters() if k.endswith("original")}
    by_hand = torch.zeros(())
    for w in raw.values():
        gram = w.flatten(1) @ w.flatten(1).T
        by_hand = by_hand + (gram.square().sum() - gram.diagonal().square().sum())
    assert terms["Orthogonality"].item() == pytest.approx(1e-4 * by_hand.item(), rel=1e-4)
    slopes = torch.autograd.grad(
        terms["Orthogonality"], [*raw.values(), game.G.embedding], allow_unused=True
    )
    assert slopes[-1] is None
    assert all(s is not None for s in slopes[:-1])
    assert sum(bool(s.abs().sum() > 1e-12) for s in slopes[:-1]) > len(raw) // 2


class Largest(TorchDispatchMode):
    """Remembers how many numbers the largest tensor has that is computed within."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.numbers = max(self.numbers, out.numel() if isinstance(out, Tensor) else 0)
        return out


def test_many_short_filters_are_compared_without_all_their_products() -> None:
    """Those of BigGAN's first layer are 16,384 at 64 pixels, whose products take a gigabyte."""
    G = nn.Linear(20, 1100, bias=False)
    with Largest() as largest:
        value, slope = slope_of(G, G.weight)
    assert largest.numbers <= 2 * G.weight.numel()
    W = G.weight.detach().double()
    products = (W @ W.T).fill_diagonal_(0.0)
    assert value == pytest.approx(products.square().sum().item(), rel=1e-5)
    assert_close(slope.double(), 4 * products @ W, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["stylegan2", "stylegan3"])
def test_weights_that_are_scaled_when_they_are_used_are_said_to_be_no_filters(name: str) -> None:
    own = TINY[name] | {"regularisers": (Orthogonality(),)}
    trainer = trainer_of(name, game=family(name).Config(**own))
    with pytest.raises(SettingsError, match=r"weights that are scaled .* leave it out"):
        list(trainer.play(1))
