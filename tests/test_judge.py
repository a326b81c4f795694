"""The judge that other tests trust: right on held-out pictures, sure of them, unsure of mush."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganwright.metrics.judge import accuracy, judge, opened


def test_it_names_held_out_digits() -> None:
    assert accuracy("digits", 28) >= 0.98


@pytest.mark.slow
@pytest.mark.parametrize(("data", "size"), [("digits", 32), ("glyphs", 32), ("glyphs", 64)])
def test_it_names_held_out_items_of_other_data(data: str, size: int) -> None:
    assert accuracy(data, size) >= 0.98


def test_it_is_sure_of_digits_and_not_of_mush() -> None:
    test = opened("digits", 28, Path("data")).held_out(1000)
    assert test is not None
    digits = test[0]
    verdict = judge(digits, "digits")
    assert verdict.confident > 0.9
    assert verdict.seen == tuple(range(10))
    blends = (digits + digits.roll(3, 0)) / 2
    assert judge(blends, "digits").confident < 0.3
    assert judge(torch.randn(100, 1, 28, 28).clamp(-1, 1), "digits").confident < 0.3
    assert judge(torch.zeros(8, 3, 28, 28), "digits").confident == 0, "grey is nothing"
    checks = (torch.arange(28)[:, None] + torch.arange(28)) % 2 * 2.0 - 1
    speckled = torch.where(torch.rand(100, 1, 28, 28) < 0.2, -checks, checks)
    assert judge(speckled, "digits").confident < 0.1


def test_it_repeats_itself_and_leaves_the_seed_alone() -> None:
    x = torch.rand(4, 1, 28, 28)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = judge(x, "digits")
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first.labels, judge(x, "digits").labels)
