"""What every schedule is; the library's others stand in `optim.py`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count, NonNegative, Share, Whole
from ganwright.errors import SettingsError


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


@dataclass(frozen=True)
class LinearDecay(Schedule):
    """Constant up to step `hold`, then a straight line to 0 at step `horizon` (CycleGAN)."""

    hold: Whole
    horizon: Count

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hold >= self.horizon:
            raise SettingsError(
                f"LinearDecay needs hold < horizon, got {self.hold} and {self.horizon}"
            )

    def factor(self, step: int) -> float:
        return min(1.0, max(0.0, (self.horizon - step) / (self.horizon - self.hold)))


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 to `floor` at step `horizon`, then constant."""

    horizon: Count
    floor: Share = 0.0

    def factor(self, step: int) -> float:
        done = min(1.0, step / self.horizon)
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class CosineRise(Schedule):
    """Half a cosine from 0 to 1 at step `horizon`, then constant (R3GAN's burn-in)."""

    horizon: Count

    def factor(self, step: int) -> float:
        return 0.5 * (1 - math.cos(math.pi * min(1.0, step / self.horizon)))


@dataclass(frozen=True)
class Decay(Schedule):
    """Multiplied by `rate` every `every` steps (PixelDA: .95 every 20,000; SRGAN: .1 once)."""

    rate: Share
    every: Count

    def factor(self, step: int) -> float:
        return float(self.rate ** (step // self.every))


@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from 1 to `to` at step `horizon`, then constant."""

    to: NonNegative
    horizon: Count

    def factor(self, step: int) -> float:
        return 1 + (self.to - 1) * min(1.0, step / self.horizon)


@dataclass(frozen=True)
class Delayed(Schedule):
    """0 before step `start`, then 1 (BigGAN's average: 1000)."""

    start: Whole

    def factor(self, step: int) -> float:
        return float(step >= self.start)


@dataclass(frozen=True)
class WarmUp(Schedule):
    """A straight line from 0 over `steps`, times the schedule `then`."""

    steps: Count
    then: Schedule = Constant()

    def factor(self, step: int) -> float:
        return min(1.0, (step + 1) / self.steps) * self.then.factor(step)


SCHEDULES: dict[str, type[Schedule]] = {
    "Constant": Constant,
    "LinearDecay": LinearDecay,
    "Cosine": Cosine,
    "CosineRise": CosineRise,
    "Decay": Decay,
    "Delayed": Delayed,
    "Linear": Linear,
    "WarmUp": WarmUp,
}
