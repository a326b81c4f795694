"""Signals: numbers over time in one or more channels, standardised for networks, and back."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Signal:
    """What the numbers of each channel were in the training signals.

    Args:
        mean: over all signals and times.
        std: their standard deviation, 1 where all are the same.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def standardised(self, numbers: Tensor) -> Tensor:
        """Signals as networks see them, float32 [n, C, L]."""
        mean, std = self._columns(numbers)
        return ((numbers.double() - mean) / std).float()

    def numbers(self, signals: Tensor) -> Tensor:
        """Signals [n, C, L] as the data had them, float32."""
        mean, std = self._columns(signals)
        return (signals.double() * std + mean).float()

    def csv(self, signals: Tensor) -> str:
        """Signals as the text of a CSV file: a row for each, with a column for each number.

        A column is called by its time, and before it by its channel where there are several.
        """
        count, length = signals.shape[1:]
        names = [
            f"{channel}.{time}" if count > 1 else str(time)
            for channel in range(count)
            for time in range(length)
        ]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        for row in self.numbers(signals).flatten(1).tolist():
            writer.writerow([f"{number:.6g}" for number in row])
        return text.getvalue()

    def _columns(self, like: Tensor) -> tuple[Tensor, Tensor]:
        made = (
            torch.tensor(x, dtype=torch.float64, device=like.device) for x in (self.mean, self.std)
        )
        mean, std = (x[:, None] for x in made)
        return mean, std


def signal_of(numbers: Tensor) -> Signal:
    """The mean and the deviation of each channel of signals [n, C, L]."""
    rows = numbers.double().transpose(0, 1).flatten(1)
    std = [float(x) or 1.0 for x in rows.std(1, correction=0)]
    return Signal(tuple(rows.mean(1).tolist()), tuple(std))
