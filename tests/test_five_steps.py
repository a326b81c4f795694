"""Each family's first five steps on a fixed seed: a refactor must not change them unnoticed.

`python tests/test_five_steps.py NAME ...` stores them anew after a wanted change. Stored values
carry a tolerance, since processors and torch versions round differently.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from helpers import trainer_of

from ganwright.families import FAMILIES

STORE = Path(__file__).parent / "five_steps"


def five_steps(name: str) -> list[dict[str, float]]:
    """The means of every term, observation and gradient norm of each of five steps."""
    trainer = trainer_of(name, seed=7)
    rows = []
    for _ in trainer.play(5):
        means, trouble = trainer.meter.read()
        assert trouble is None
        rows.append(means)
    return rows


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_five_steps_are_as_stored(name: str) -> None:
    path = STORE / f"{name}.json"
    assert path.exists(), f"store it: python tests/test_five_steps.py {name}"
    for step, (row, stored) in enumerate(
        zip(five_steps(name), json.loads(path.read_text()), strict=True)
    ):
        assert row == pytest.approx(stored, rel=5e-3, abs=2e-4), f"step {step}"


def test_a_run_repeats_itself_bit_for_bit() -> None:
    assert five_steps("dcgan") == five_steps("dcgan")


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        values = json.dumps(five_steps(wanted), indent=1)
        (STORE / f"{wanted}.json").write_text(values + "\n")
