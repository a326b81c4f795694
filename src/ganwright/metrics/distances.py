"""Distances between the features of two sets: FID, KID, and the Inception Score of one.

The formulas agree with torch-fidelity's on the same features; what it holds in memory comes here in
parts, in float64, with features of any kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ganwright.config.ranges import Count, Several, Whole
from ganwright.errors import SettingsError
from ganwright.metrics.feature_metric import FeatureMetric
from ganwright.metrics.statistics import MORE, Statistics, more


@dataclass(frozen=True)
class FID(FeatureMetric):
    """Fréchet distance of two Gaussians fitted to features: Heusel et al. (2017), eq. 6.

        |m₁ - m₂|² + tr(C₁ + C₂ - 2 (C₁ C₂)^½)

    m and C are the mean and the covariance of one side's features.
    """

    def compare(self, real: Statistics, fake: Statistics) -> Mapping[str, float]:
        least, d = min(real.count, fake.count), len(real.mean)
        if least <= d:
            raise SettingsError(
                f"FID of {d} features needs more than {d} images on either side, got "
                f"{real.count} real and {fake.count} others; "
                f"{more(real.count, fake.count)}, or KID"
            )
        return {"FID": frechet(real, fake)}


@dataclass(frozen=True)
class KID(FeatureMetric):
    """Squared maximum mean discrepancy with a cubic kernel: Bińkowski et al. (2018), eq. 4.

        E[k(x, x')] + E[k(y, y')] - 2 E[k(x, y)],  k(x, y) = (x·y / d + 1)³

    x and y are features of either side, of length d; the estimate is unbiased.
    """

    kept: ClassVar[bool] = True

    subsets: Count = 100
    """How many random subsets of either side are compared; their deviation is the spread."""
    size: Several = 1000
    """Images in a subset."""
    seed: Whole = 2020
    """Chooses the subsets."""

    def compare(self, real: Statistics, fake: Statistics) -> Mapping[str, float]:
        counts = len(real.vectors), len(fake.vectors)
        least = min(counts)
        if least < self.size:
            raise SettingsError(
                f"KID's subsets have {self.size} images, and one side has {least}; "
                f"{more(*counts)}, "
                f'or "KID(size={max(2, least // 2)})"'
            )
        values = kernel_distances(real.vectors, fake.vectors, self.subsets, self.size, self.seed)
        return {"KID": float(values.mean()), "KID spread": float(values.std(correction=0))}

    def about(self) -> dict[str, str]:
        return super().about() | {"subsets": f"{self.subsets} of {self.size}, seed {self.seed}"}


@dataclass(frozen=True)
class InceptionScore(FeatureMetric):
    """exp of the mean divergence of p(y|x) from p(y): Salimans et al. (2016), section 4.

        exp E_x[KL(p(y|x) from p(y))],  p(y) = E_x[p(y|x)]

    p(y|x) are the class probabilities that come with the features.
    """

    larger: ClassVar[bool] = True
    kept: ClassVar[bool] = True
    alone: ClassVar[bool] = True

    splits: Count = 10
    """Parts of the samples, each with its own p(y); the mean and the spread over them are given."""
    seed: Whole = 2020
    """Shuffles the samples."""

    def compare(self, real: Statistics, fake: Statistics) -> Mapping[str, float]:
        if fake.logits is None:
            name = type(self.chosen).__name__
            raise SettingsError(
                f"the Inception Score needs class probabilities, which {name} does not give; take "
                "InceptionFeatures, PhotoFeatures or DigitFeatures"
            )
        if len(fake.logits) < 2 * self.splits:
            raise SettingsError(
                f"the Inception Score in {self.splits} parts needs {2 * self.splits} samples or "
                f"more, got {len(fake.logits)}; {MORE}"
            )
        scores = inception_scores(fake.logits, self.splits, self.seed)
        return {"IS": float(scores.mean()), "IS spread": float(scores.std(correction=0))}


def frechet(a: Statistics, b: Statistics) -> float:
    """|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½), float64.

    The trace of the root is that of (A' C2 A)^½ with C1 = A A', which is symmetric, so that its
    eigenvalues are real and stable.
    """
    values, axes = torch.linalg.eigh(a.covariance)
    root = axes * values.clamp(min=0).sqrt()
    inner = torch.linalg.eigvalsh(root.T @ b.covariance @ root).clamp(min=0).sqrt().sum()
    gap = (a.mean - b.mean).square().sum()
    return float(gap + a.covariance.trace() + b.covariance.trace() - 2 * inner)


def kernel_distances(a: Tensor, b: Tensor, subsets: int, size: int, seed: int) -> Tensor:
    """Unbiased squared MMD of pairs of subsets, float64 [subsets]; k(x, y) = (x·y / d + 1)³.

    Subsets are NumPy's, as in torch-fidelity, so that numbers are the same with the same seed.
    """
    chance = _chance(seed)
    found = []
    for _ in range(subsets):
        x, y = (
            side[torch.from_numpy(chance.choice(len(side), size, replace=False))].double()
            for side in (b, a)
        )
        within = sum(k.sum() - k.diagonal().sum() for k in (_cubic(x, x), _cubic(y, y)))
        found.append(within / (size * (size - 1)) - 2 * _cubic(x, y).mean())
    return torch.stack(found)


def inception_scores(logits: Tensor, splits: int, seed: int) -> Tensor:
    """The score of each part, float64 [splits]."""
    order = torch.from_numpy(_chance(seed).permutation(len(logits)))
    log_p = logits[order].double().log_softmax(1)
    bounds = [i * len(logits) // splits for i in range(splits + 1)]
    scores = []
    for start, stop in pairwise(bounds):
        part = log_p[start:stop]
        p = part.exp()
        scores.append((p * (part - p.mean(0).log())).sum(1).mean().exp())
    return torch.stack(scores)


def _chance(seed: int) -> np.random.RandomState:
    """NumPy's numbers of a seed, of which it takes 32 bits."""
    return np.random.RandomState(seed % 2**32)


def _cubic(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1).pow(3)
