"""Metrics of features: what they share, whatever the features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from ganwright.errors import DataError
from ganwright.metrics import statistics
from ganwright.metrics.features import Features
from ganwright.metrics.image_set import ImageSet, of_tensor
from ganwright.metrics.metric import Metric
from ganwright.metrics.packaged import packaged_for
from ganwright.metrics.statistics import Statistics


@dataclass(frozen=True)
class FeatureMetric(Metric):
    """Base of metrics of features: a subclass has `compare`."""

    kept: ClassVar[bool] = False
    """Whether it compares what is kept of the first `KEPT` images, not moments of all."""
    alone: ClassVar[bool] = False
    """Whether it looks at samples only: `compare` is given them twice."""

    features: Features | None = None
    """What images are compared by, named in brackets behind the metric; by default those of the
    package: PhotoFeatures for images in colour, DigitFeatures for others."""

    def compare(self, real: Statistics, fake: Statistics) -> Mapping[str, float]:
        """Numbers by name, the features' left out."""
        raise NotImplementedError

    def fitted(self, fake: ImageSet) -> FeatureMetric:
        return self if self.features else replace(self, features=packaged_for(fake))

    @property
    def chosen(self) -> Features:
        """The features, of a metric that is `fitted` to samples."""
        assert self.features is not None
        return self.features

    def measure(self, real: Tensor | None, fake: Tensor) -> Mapping[str, float]:
        return self.judge(None if real is None else of_tensor(real), of_tensor(fake))

    def judge(self, real: ImageSet | None, fake: ImageSet) -> Mapping[str, float]:
        own = self.fitted(fake)
        if not self.alone:
            known = needed(real, type(self).__name__).statistics(own.chosen)
        made = fake.statistics(own.chosen)
        return own.named(own.compare(made if self.alone else known, made))

    def named(self, values: Mapping[str, float]) -> dict[str, float]:
        """The numbers with the features behind their names."""
        return {self.chosen.named(name): float(value) for name, value in values.items()}

    def used(self, count: int) -> int:
        return min(count, statistics.KEPT) if self.kept else count

    def about(self) -> dict[str, str]:
        return {"features": self.chosen.key, "resize": self.chosen.resize}


def needed(real: ImageSet | None, name: str) -> ImageSet:
    """The set to compare with.

    Raises:
        DataError: there is none.
    """
    if real is None:
        raise DataError(f"{name} compares with real images; name them with --against")
    return real
