"""Counting the modes of Stacked MNIST: shares by hand, the floor of a perfect sampler."""

from __future__ import annotations

import math

import pytest
import torch

from stacked_mnist import MODES, counted, floor

EQUAL = torch.full((MODES,), 1 / MODES, dtype=torch.float64)


def test_modes_and_divergence_by_hand() -> None:
    """Shares 1/2, 1/4, 1/4 of a thousand: log 1000 less their entropy, 1.5 log 2."""
    found, divergence = counted(torch.tensor([7, 7, 500, 999]), EQUAL)
    assert found == 3
    assert divergence == pytest.approx(math.log(1000) - 1.5 * math.log(2))
    assert counted(torch.arange(MODES), EQUAL) == (1000, pytest.approx(0, abs=1e-12))


@pytest.mark.parametrize(("samples", "published"), [(26_000, 0.0193), (50_000, 0.0100)])
def test_a_perfect_sampler_is_at_the_published_floor(samples: int, published: float) -> None:
    assert floor(EQUAL, samples) == pytest.approx(published, abs=2.5e-4)
