"""Bytes and floats in [-1, 1]."""

from __future__ import annotations

import pytest
import torch

from ganwright.pixels import as_floats, from_bytes, rounded, to_bytes
from ganwright.precision import default_type

LEVELS = torch.arange(256, dtype=torch.uint8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_level_comes_back(dtype: torch.dtype) -> None:
    with default_type(dtype):
        floats = from_bytes(LEVELS)
    assert floats.dtype == dtype
    assert (floats[0], floats[255]) == (-1, 1)
    assert floats[51] == pytest.approx(-0.6, abs=1e-7)
    assert torch.equal(to_bytes(floats), LEVELS)
    assert torch.equal(rounded(floats), floats)


def test_floats_take_the_nearest_level_and_stay_within() -> None:
    floats = torch.tensor([-7.0, -1 + 0.4 / 127.5, -1 + 0.6 / 127.5, 0.999, 1.2, torch.inf])
    kept = floats.clone()
    assert to_bytes(floats).tolist() == [0, 0, 1, 255, 255, 255]
    assert rounded(floats).tolist() == pytest.approx([-1, -1, -1 + 1 / 127.5, 1, 1, 1])
    assert torch.equal(floats, kept), "what was passed is left alone"


def test_floats_pass_and_bytes_become_floats() -> None:
    floats = torch.rand(3)
    assert as_floats(floats) is floats
    assert torch.equal(as_floats(LEVELS), from_bytes(LEVELS))
