"""What a metric is: numbers that say how samples compare with real images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ganwright.config.checked import Checked
from ganwright.named_numbers import named_numbers

if TYPE_CHECKING:
    from torch import Tensor

    from ganwright.metrics.image_set import ImageSet


@dataclass(frozen=True)
class Metric(Checked):
    """Base of metrics: a subclass has `measure`, or `judge` where images do not fit in memory."""

    larger: ClassVar[bool] = False
    """Whether a larger number is better."""
    split: ClassVar[str | None] = None
    """The split that it compares with, whatever the user's choice."""
    pairs: ClassVar[bool] = False
    """Whether it compares each image with its own truth: both sides are given as many."""

    def measure(self, real: Tensor | None, fake: Tensor) -> Mapping[str, float]:
        """Numbers by name.

        Args:
            real: real samples, held-out ones where the data has a test split, [n, C, H, W] in
                [-1, 1] or points [n, 2], on the CPU; None where there is nothing to compare with.
            fake: as many samples of the game, on the CPU.
        """
        raise NotImplementedError

    def judge(self, real: ImageSet | None, fake: ImageSet) -> Mapping[str, float]:
        """Numbers by full name, of sets that are walked a part at a time.

        Args:
            real: what samples are compared with; None where there is nothing.
            fake: samples, or translations.

        Raises:
            DataError: there is nothing to compare with.
            SettingsError: there are too few images, or of another kind; or `measure` gives no dict
                of numbers.
        """
        made = fake.tensor(fake.count if real is None else min(real.count, fake.count))
        known = None if real is None else real.tensor(len(made))
        made = made if known is None else made[: len(known)]
        own = type(self).__name__
        values = named_numbers(f"{own}'s measure gives", self.measure(known, made))
        return {f"{own}/{name}": value for name, value in values.items()}

    def fitted(self, fake: ImageSet) -> Metric:
        """The metric for these samples: what its settings leave to them is chosen."""
        return self

    @property
    def even(self) -> bool:
        """Whether both sides are given as many: the first ones of the larger side."""
        return self.pairs or type(self).judge is Metric.judge

    def rises(self, name: str) -> bool:
        """Whether a larger number of this name is better: where a metric's numbers differ in it."""
        return self.larger

    def used(self, count: int) -> int:
        """How many it looks at of so many samples, or of so many real images."""
        return count

    def about(self) -> dict[str, str]:
        """What the protocol says of the metric besides its sets."""
        return {}


def matching(name: str, names: Iterable[str]) -> str | None:
    """The one that is meant: the name itself, or with its features behind it, as `FID (digits)`."""
    return next((x for x in names if x == name), None) or next(
        (x for x in names if x.startswith(f"{name} (")), None
    )
