"""What every schedule is; the library's others stand in `optim.py`."""

from __future__ import annotations

from dataclasses import dataclass

from ganwright.config.checked import Checked


@dataclass(frozen=True)
class Schedule(Checked):
    """The factor on the learning rate, or on another number, at each step.

    Its horizon is not the run's length.
    """

    def factor(self, step: int) -> float:
        """The factor at `step`, counted from 0."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Schedule):
    """A constant learning rate, or other number."""

    def factor(self, step: int) -> float:
        return 1.0


CONSTANT = Constant()
