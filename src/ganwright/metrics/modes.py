"""Modes of 2-D Gaussians that samples reach: Lin et al. (2018), arXiv:1712.04086, section 4.1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ganwright.errors import SettingsError
from ganwright.metrics.image_set import ImageSet
from ganwright.metrics.metric import Metric


@dataclass(frozen=True)
class Mixture:
    """Gaussians of equal weight.

    Args:
        centres: their means, [m, 2].
        deviation: their standard deviation along either axis.
    """

    centres: Tensor
    deviation: float


def ring() -> Mixture:
    """Eight Gaussians of deviation .01 on a circle of radius 1: the data `ring`."""
    angles = torch.arange(8) * (math.tau / 8)
    return Mixture(torch.stack([angles.cos(), angles.sin()], 1), 0.01)


def grid() -> Mixture:
    """25 Gaussians of deviation .05 at {-4, -2, 0, 2, 4}²: the data `grid`."""
    ticks = torch.arange(-4.0, 5.0, 2.0)
    return Mixture(torch.cartesian_prod(ticks, ticks), 0.05)


@dataclass(frozen=True)
class Modes:
    """What samples show of a mixture, and what a perfect sampler's would, on average."""

    samples: int
    modes: int
    """How many Gaussians there are."""
    found: int
    """How many have a sample of high quality."""
    high_quality: float
    """Share of samples within three deviations of the nearest centre."""
    reverse_kl: float
    """KL divergence from equal shares of the shares of samples nearest to each centre, in nats."""

    @property
    def high_quality_ceiling(self) -> float:
        """A perfect sampler's share: 1 - exp(-9/2)."""
        return -math.expm1(-4.5)

    @property
    def reverse_kl_floor(self) -> float:
        """A perfect sampler's divergence, since its counts vary: (m - 1) / 2n to first order."""
        return (self.modes - 1) / (2 * self.samples)

    def __str__(self) -> str:
        return (
            f"modes {self.found} of {self.modes}, "
            f"high quality {self.high_quality:.1%} (at best {self.high_quality_ceiling:.1%}), "
            f"reverse KL {self.reverse_kl:.4f} (floor {self.reverse_kl_floor:.4f}), "
            f"{self.samples} samples"
        )


def modes(points: Tensor, mixture: Mixture) -> Modes:
    """Count what points [n, 2] reach of a mixture; the paper takes n = 2,500.

    Raises:
        SettingsError: they are not points in the plane, or there are none.
    """
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise SettingsError(
            f"modes are counted of points [n, 2], got shape {tuple(points.shape)}; "
            "train on ring or grid"
        )
    centres = mixture.centres.to(points.device)
    distance, nearest = torch.cdist(points.float(), centres).min(1)
    good = distance <= 3 * mixture.deviation
    share = torch.bincount(nearest, minlength=len(centres)) / len(points)
    return Modes(
        samples=len(points),
        modes=len(centres),
        found=int(nearest[good].unique().numel()),
        high_quality=float(good.float().mean()),
        reverse_kl=float(torch.special.xlogy(share, share * len(centres)).sum()),
    )


@dataclass(frozen=True)
class MixtureModes(Metric):
    """Modes of a mixture that samples cover, the share of high quality, and the reverse KL.

        high quality: P(|s - nearest centre| <= 3 deviations);  reverse KL: sum p_i log(m p_i)

    p_i is the share of samples nearest to the i-th of m centres.
    """

    mixture: Literal["ring", "grid"] = "ring"
    """Which mixture."""

    def rises(self, name: str) -> bool:
        return not name.endswith("reverse_kl")

    def judge(self, real: ImageSet | None, fake: ImageSet) -> Mapping[str, float]:
        data = self.mixture if real is None else real.name
        if data in MIXTURES and data != self.mixture:
            raise SettingsError(
                f"MixtureModes counts modes of {self.mixture}, and the data is {data}; take "
                f"\"MixtureModes(mixture='{data}')\""
            )
        values = self.measure(None, fake.tensor(fake.count))
        return {f"MixtureModes/{name}": value for name, value in values.items()}

    def about(self) -> dict[str, str]:
        return {"mixture": self.mixture}

    def measure(self, real: Tensor | None, fake: Tensor) -> Mapping[str, float]:
        found = modes(fake, MIXTURES[self.mixture]())
        return {
            "modes": found.found,
            "high_quality": found.high_quality,
            "reverse_kl": found.reverse_kl,
        }


MIXTURES = {"ring": ring, "grid": grid}
