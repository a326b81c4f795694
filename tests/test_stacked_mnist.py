"""Counting the modes of Stacked MNIST: shares by hand, the floor of a perfect sampler."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganwright.errors import RunError
from stacked_mnist import MODES, counted, floor
from stacked_runs import QUICK, settings_of, trained

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


def test_a_run_goes_on_and_one_of_another_budget_is_refused(tmp_path: Path) -> None:
    """As many steps serve, fewer are continued, more are refused, and so is another scale."""
    where = argparse.Namespace(data_root=tmp_path, download=False)
    run, scale = tmp_path / "run", replace(QUICK, width=4, steps=1)

    def model(**changes: int) -> int:
        return trained(run, settings_of("DCGAN", replace(scale, **changes), 0, where)).step

    assert (model(), model(), model(steps=2)) == (1, 1, 2)
    with pytest.raises(RunError, match="was trained with steps 2, and this table asks for 1"):
        model()
    with pytest.raises(RunError, match=r"game\.networks ConvNet\(width=4.* asks for .*width=8"):
        model(steps=2, width=8)
