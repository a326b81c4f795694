"""Terms are summed up on the device and read by the host at log intervals only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class _Row:
    total: Tensor
    count: int
    first_bad: Tensor


@dataclass(frozen=True)
class Trouble:
    """Where something first was not finite."""

    player: str
    term: str
    step: int


class Meter:
    """Means of each player's terms, observations and gradient norm since the last reading."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._rows: dict[tuple[str, ...], _Row] = {}

    def add(
        self,
        player: str,
        names: Sequence[str],
        values: Tensor,
        norm: Tensor,
        finite: Tensor,
        step: int,
    ) -> None:
        """Take in one update, without waiting for the device; the last name is the gradient's."""
        key = (player, *names)
        values = torch.cat([values, norm.reshape(1)])
        row = self._rows.get(key)
        if row is None:
            never = torch.full((), -1, dtype=torch.long, device=values.device)
            row = self._rows[key] = _Row(torch.zeros_like(values), 0, never)
        row.total += values
        row.count += 1
        row.first_bad = torch.where(finite | (row.first_bad >= 0), row.first_bad, step)

    def read(self) -> tuple[dict[str, float], Trouble | None]:
        """Means by "player/term", the first trouble if there was one; then start over."""
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        trouble: Trouble | None = None
        for (player, *names), row in self._rows.items():
            for n, total in zip(names, row.total.tolist(), strict=True):
                # an objective may have further terms in some steps
                name = f"{player}/{n}"
                sums[name] = sums.get(name, 0.0) + total
                counts[name] = counts.get(name, 0) + row.count
            bad = int(row.first_bad)
            if bad >= 0 and (trouble is None or bad < trouble.step):
                wrong = [
                    n for n, ok in zip(names, row.total.isfinite().tolist(), strict=True) if not ok
                ]
                trouble = Trouble(player, ", ".join(wrong), bad)
        self._rows.clear()
        return {name: total / counts[name] for name, total in sums.items()}, trouble

    def troubled(self) -> bool:
        """Whether anything was not finite since the last reading."""
        return any(int(row.first_bad) >= 0 for row in self._rows.values())
