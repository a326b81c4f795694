"""Metrics of features: what they share, whatever the features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ganwright.errors import DataError
from ganwright.metrics import statistics
from ganwright.metrics.digit_features import DigitFeatures
from ganwright.metrics.features import Features
from ganwright.metrics.image_set import ImageSet, of_tensor
from ganwright.metrics.metric import Metric
from ganwright.metrics.statistics import Statistics


@dataclass(frozen=True)
class FeatureMetric(Metric):
    """Base of metrics of features: a subclass has `compare`."""

    kept: ClassVar[bool] = False
    """Whether it compares what is kept of the first `KEPT` images, not moments of all."""

    features: Features = DigitFeatures()
    """What images are compared by; it stands in the metric's name."""

    def compare(self, real: Statistics, fake: Statistics) -> Mapping[str, float]:
        """Numbers by name, the features' left out."""
        raise NotImplementedError

    def measure(self, real: Tensor | None, fake: Tensor) -> Mapping[str, float]:
        return self.judge(None if real is None else of_tensor(real), of_tensor(fake))

    def judge(self, real: ImageSet | None, fake: ImageSet) -> Mapping[str, float]:
        known = needed(real, type(self).__name__).statistics(self.features)
        return self.named(self.compare(known, fake.statistics(self.features)))

    def named(self, values: Mapping[str, float]) -> dict[str, float]:
        """The numbers with the features behind their names."""
        return {self.features.named(name): float(value) for name, value in values.items()}

    def used(self, count: int) -> int:
        return min(count, statistics.KEPT) if self.kept else count

    def about(self) -> dict[str, str]:
        return {"features": self.features.key, "resize": self.features.resize}


def needed(real: ImageSet | None, name: str) -> ImageSet:
    """The set to compare with.

    Raises:
        DataError: there is none.
    """
    if real is None:
        raise DataError(f"{name} compares with real images; name them with --against")
    return real
