"""Classifier two-sample tests: Lopez-Paz and Oquab (2017), arXiv:1610.06545, sections 3 and 3.1.

Real samples and generated ones are shuffled and halved. A classifier is trained on one half to tell
them apart; its accuracy t on the n rows of the other half is the statistic. If both sets come from
one distribution, t is 1/2 on average, with variance 1 / 4n, and nearly normal. So

    p = P(N(1/2, 1 / 4n) >= t)

is the chance of such an accuracy, or of a larger one, when nothing distinguishes the sets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ganwright.config.ranges import Count, Whole
from ganwright.errors import SettingsError
from ganwright.metrics.feature_metric import needed
from ganwright.metrics.image_set import ImageSet
from ganwright.metrics.metric import Metric
from ganwright.metrics.statistics import more
from ganwright.seeds import generators_kept, seed_torch

LEAST = 50
"""Of fewer samples a side, the normal approximation of the accuracy is poor."""
_BATCH = 64


@dataclass(frozen=True)
class TwoSample(Metric):
    """How well a classifier tells samples from real ones, 0.5 if not at all: C2ST-NN (2017).

        t = accuracy on held-out halves;  p = P(N(1/2, 1/(4n)) >= t)

    n is the number of held-out items, real and generated.
    """

    hidden: Count = 20
    """Units of the classifier's hidden layer."""
    epochs: Count = 100
    """Passes of Adam over the half that it learns from."""
    seed: Whole = 0
    """Determines the halves and the classifier."""

    @property
    def even(self) -> bool:
        return True

    def rises(self, name: str) -> bool:
        return name.endswith("p_value")

    def measure(self, real: Tensor | None, fake: Tensor) -> Mapping[str, float]:
        assert real is not None
        accuracy, count = self.accuracy(real, fake)
        deviation = 0.5 / math.sqrt(count)
        p = 0.5 * math.erfc((accuracy - 0.5) / deviation / math.sqrt(2))
        return {"accuracy": accuracy, "accuracy spread": deviation, "p_value": p}

    def judge(self, real: ImageSet | None, fake: ImageSet) -> Mapping[str, float]:
        known = needed(real, "TwoSample")
        count = min(known.count, fake.count)
        _check(known.count, fake.count)
        values = self.measure(_numbers(known, count), _numbers(fake, count))
        return {f"TwoSample/{name}": value for name, value in values.items()}

    def about(self) -> dict[str, str]:
        return {
            "classifier": f"one hidden layer of {self.hidden}, {self.epochs} epochs",
            "equal_sets": "accuracy 0.5 ± its spread",
        }

    def accuracy(self, real: Tensor, fake: Tensor) -> tuple[float, int]:
        """The share of held-out rows that the classifier names, and how many these are.

        Args:
            real: of any shape [n, ...], flattened.
            fake: as many rows are taken of both.

        Raises:
            SettingsError: there are too few, they differ in shape, or some are not finite.
        """
        n = min(len(real), len(fake))
        if real.shape[1:] != fake.shape[1:]:
            raise SettingsError(
                f"samples have the shape {tuple(fake.shape[1:])} and what they are compared with "
                f"{tuple(real.shape[1:])}; compare with data of the same shape"
            )
        _check(len(real), len(fake))
        x = torch.cat([real[:n], fake[:n]]).flatten(1).float()
        if not x.isfinite().all():  # no score is above NaN: the accuracy would be that of equals
            raise SettingsError(
                "TwoSample needs finite numbers, and some of the samples or of the data are NaN or "
                "infinite; evaluate an earlier checkpoint with --step, or check the data"
            )
        y = torch.arange(2 * n).ge(n).float()
        with generators_kept(), torch.enable_grad():
            seed_torch(self.seed, "two-sample")
            train, test = torch.randperm(2 * n).split(n)
            spread = x[train].std(0)
            x = (x - x[train].mean(0)) / torch.where(spread > 0, spread, 1.0)
            scores = self._learn(x[train], y[train])(x[test])[:, 0]
        return float(((scores > 0) == (y[test] > 0)).double().mean()), n

    def _learn(self, x: Tensor, y: Tensor) -> nn.Module:
        width, hidden = x.shape[1], self.hidden
        net = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        optimizer = torch.optim.Adam(net.parameters())
        for _ in range(self.epochs):
            for rows in torch.randperm(len(x)).split(_BATCH):
                optimizer.zero_grad()
                binary_cross_entropy_with_logits(net(x[rows])[:, 0], y[rows]).backward()
                optimizer.step()
        return net


def _check(real: int, fake: int) -> None:
    """See that there are enough rows of either set.

    Raises:
        SettingsError: there are not; the sentence asks for more of the set that has fewer.
    """
    if (n := min(real, fake)) < LEAST:
        raise SettingsError(
            f"TwoSample needs {LEAST} samples of either set, got {n}; {more(real, fake)}"
        )


def _numbers(samples: ImageSet, count: int) -> Tensor:
    """The first samples, rows of tables and signals in the numbers of their data.

    A category that is not quite 0 or 1 would tell a generated row from a real one.
    """
    x, spec = samples.tensor(count), samples.spec
    if spec is not None and spec.table is not None:
        return spec.table.numbers(x)
    if spec is not None and spec.signal is not None:
        return spec.signal.numbers(x)
    return x
