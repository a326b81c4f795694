"""Each family's first five steps on a fixed seed: a refactor must not change them unnoticed.

`python tests/test_five_steps.py NAME ...` stores them anew after a wanted change. They are computed
in float64 from end to end, where processors agree: what they round differently stays far below
the tolerance.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from helpers import LUCK, trainer_of
from torch import Tensor

from ganwright.families import FAMILIES
from ganwright.precision import default_type

STORE = Path(__file__).parent / "five_steps"


@contextmanager
def on_any_processor() -> Iterator[None]:
    """Numbers in float64, and no random ones that depend on the processor's maker."""
    # torch draws dropout's zeros with MKL on Intel's processors, by itself on all others
    with (
        default_type(torch.float64),
        patch("torch.nn.functional.dropout", at_rest),
    ):
        yield


def at_rest(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Torch's own dropout, which has to be in evaluation mode."""
    assert not training
    return x


def five_steps(name: str) -> list[dict[str, float]]:
    """The means of every term, observation and gradient norm of each of five steps."""
    with on_any_processor():
        trainer = trainer_of(name, seed=7)
        assert all(w.dtype is torch.float64 for w in trainer.game.parameters())
        rows = []
        for _ in trainer.play(5):
            means, trouble = trainer.meter.read()
            assert trouble is None
            rows.append(means)
    return rows


@pytest.mark.skipif(bool(LUCK), reason="GANWRIGHT_TEST_SEED changes every number")
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_five_steps_are_as_stored(name: str) -> None:
    path = STORE / f"{name}.json"
    assert path.exists(), f"store it: python tests/test_five_steps.py {name}"
    for step, (row, stored) in enumerate(
        zip(five_steps(name), json.loads(path.read_text(encoding="utf-8")), strict=True)
    ):
        assert row == pytest.approx(stored, rel=1e-6, abs=1e-12), f"step {step}"


def test_a_run_repeats_itself_bit_for_bit() -> None:
    assert five_steps("dcgan") == five_steps("dcgan")


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        values = json.dumps(five_steps(wanted), indent=1)
        (STORE / f"{wanted}.json").write_text(values + "\n", encoding="utf-8")
