"""Which numbers a setting may take: stated once, in the type of its field.

The check, the help and the documentation's tables are made from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, TypeAlias


@dataclass(frozen=True)
class Range:
    """The finite numbers between two ends, which count themselves unless they are open.

    Args:
        low: the lower end; none when infinite.
        high: the upper end; none when infinite.
        low_open: whether `low` itself is outside.
        high_open: whether `high` itself is outside.
    """

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: float) -> bool:
        above = self.low < value if self.low_open else self.low <= value
        below = value < self.high if self.high_open else value <= self.high
        return above and below and (isinstance(value, int) or math.isfinite(value))

    def __str__(self) -> str:
        """In words that follow "it must be": `at least 1`, `from 0 to below 1`."""
        low, high = f"{self.low:g}", f"{self.high:g}"
        if math.isfinite(self.low) and math.isfinite(self.high) and not self.low_open:
            return f"from {low} to {'below ' * self.high_open}{high}"
        ends = []
        if math.isfinite(self.low):
            ends.append(f"{'above' if self.low_open else 'at least'} {low}")
        if math.isfinite(self.high):
            ends.append(f"{'below' if self.high_open else 'at most'} {high}")
        return ", ".join(ends) or "finite"

    def wanted(self, value: float) -> str:
        """The range in words for a value that is outside: an endless one misses infinity, too."""
        ends = sum(map(math.isfinite, (self.low, self.high)))
        odd = not isinstance(value, int) and not math.isfinite(value)
        return f"{self}, and finite" if odd and ends == 1 else str(self)


Whole: TypeAlias = Annotated[int, Range(0)]
"""0, 1, 2 ..."""
Count: TypeAlias = Annotated[int, Range(1)]
"""1, 2, 3 ..."""
Several: TypeAlias = Annotated[int, Range(2)]
"""2, 3, 4 ..."""
Real: TypeAlias = Annotated[float, Range()]
"""Any finite number."""
NonNegative: TypeAlias = Annotated[float, Range(0)]
"""A weight, a rate, a spread that may be turned off by 0."""
Positive: TypeAlias = Annotated[float, Range(0, low_open=True)]
"""Above 0."""
Share: TypeAlias = Annotated[float, Range(0, 1)]
"""From none to all."""
Part: TypeAlias = Annotated[float, Range(0, 1, low_open=True)]
"""Some, or all."""
Portion: TypeAlias = Annotated[float, Range(0, 1, low_open=True, high_open=True)]
"""Some, but not all."""
BelowOne: TypeAlias = Annotated[float, Range(0, 1, high_open=True)]
"""A momentum, or a probability of dropping, which must leave something."""
