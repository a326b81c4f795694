"""What nearest neighbours among features say: fidelity, coverage, and whether images are copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganwright.config.ranges import Count
from ganwright.errors import DataError, SettingsError
from ganwright.metrics.feature_metric import FeatureMetric
from ganwright.metrics.statistics import Statistics, more

ROWS = 1000
"""Rows of a table of distances that are in memory at a time."""


@dataclass(frozen=True)
class PrecisionRecall(FeatureMetric):
    """Shares inside each other's manifold: Kynkäänniemi et al. (2019), eq. 1 and 2.

        precision: P(s in some ball of a real x);  recall: P(x in some ball of a sample s)

    The ball of a point reaches to its k-th neighbour on its own side.
    """

    larger: ClassVar[bool] = True
    kept: ClassVar[bool] = True

    k: Count = 3
    """A ball around an image reaches to its k-th neighbour."""

    def compare(self, real: Statistics, fake: Statistics) -> Mapping[str, float]:
        enough(self, real, fake)
        x, y = real.vectors, fake.vectors
        return {
            "precision": covered(y, x, radii(x, self.k)),
            "recall": covered(x, y, radii(y, self.k)),
        }

    def about(self) -> dict[str, str]:
        return super().about() | {"k": str(self.k)}


@dataclass(frozen=True)
class DensityCoverage(FeatureMetric):
    """Density and coverage of samples in balls of real images: Naeem et al. (2020), eq. 5, 6.

        density: E_s[number of real balls that hold s] / k
        coverage: P(the ball of a real x holds a sample)

    The ball of a real image reaches to its k-th neighbour among real images.
    """

    larger: ClassVar[bool] = True
    kept: ClassVar[bool] = True

    k: Count = 5
    """A ball around an image reaches to its k-th neighbour."""

    def compare(self, real: Statistics, fake: Statistics) -> Mapping[str, float]:
        enough(self, real, fake)
        x, y = real.vectors, fake.vectors
        reach = radii(x, self.k)
        inside = sum(int((part < reach).sum()) for part in distances(y, x))
        nearest = torch.cat([part.min(1).values for part in distances(x, y)])
        return {
            "density": inside / (self.k * len(y)),
            "coverage": float((nearest < reach).double().mean()),
        }

    def about(self) -> dict[str, str]:
        return super().about() | {"k": str(self.k)}


@dataclass(frozen=True)
class Memorisation(FeatureMetric):
    """Detects samples that copy training images: Alaa et al. (2022), section 3.3.

        authenticity: P(|s - x*| > |x* - its nearest other x|),  x* the training image nearest to s

    `authenticity` is the share of samples that lie farther from their nearest training image than
    this image from its nearest other one; `nearest ratio` the median of the first distance over
    that of the second. A copying game has an authenticity near 0 and a ratio near 0.
    """

    larger: ClassVar[bool] = True
    kept: ClassVar[bool] = True
    split: ClassVar[str | None] = "train"

    def compare(self, real: Statistics, fake: Statistics) -> Mapping[str, float]:
        x, y = real.vectors, fake.vectors
        if len(x) < 2:
            raise SettingsError(f"Memorisation needs 2 training images or more, got {len(x)}")
        own = radii(x, 1)
        if real.equal(float(own.median())):
            raise DataError(
                "Memorisation compares with how far training images are apart, and half of these "
                "have the features of another one; remove copies, or take other --features"
            )
        found = [part.min(1) for part in distances(y, x)]
        nearest = torch.cat([each.values for each in found])
        whose = torch.cat([each.indices for each in found])
        return {
            "authenticity": float((nearest > own[whose]).double().mean()),
            "nearest ratio": float(nearest.median() / own.median()),
        }


def enough(metric: PrecisionRecall | DensityCoverage, real: Statistics, fake: Statistics) -> None:
    """See that each image has k neighbours.

    Raises:
        SettingsError: there are too few.
    """
    counts = len(real.vectors), len(fake.vectors)
    least, name = min(counts), type(metric).__name__
    if least <= metric.k:
        raise SettingsError(
            f"{name} with k={metric.k} needs more than {metric.k} images on either side, got "
            f"{least}; {more(*counts)}"
        )


def distances(x: Tensor, y: Tensor) -> Iterator[Tensor]:
    """Rows of the table of distances |x_i - y_j|, float64, as many at a time as fit in memory."""
    y = y.double()
    for part in x.split(ROWS):
        yield torch.cdist(part.double(), y)


def radii(x: Tensor, k: int) -> Tensor:
    """How far the k-th neighbour of each row is, itself left out."""
    return torch.cat([part.kthvalue(k + 1, 1).values for part in distances(x, x)])


def covered(x: Tensor, y: Tensor, reach: Tensor) -> float:
    """The share of rows of x that lie in the ball of any row of y."""
    return float(torch.cat([(part <= reach).any(1) for part in distances(x, y)]).double().mean())
