"""What a metric is: numbers that say how samples compare with held-out data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganwright.config.checked import Checked

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Metric(Checked):
    """Base of metrics, which `train` measures at every sample interval."""

    def measure(self, real: Tensor | None, fake: Tensor) -> Mapping[str, float]:
        """Numbers by name.

        Args:
            real: held-out samples, [n, C, H, W] in [-1, 1] or points [n, 2], on the CPU; None where
                the data has no test split.
            fake: as many samples of the game, 1,000 where nothing is held out, on the CPU.
        """
        raise NotImplementedError
