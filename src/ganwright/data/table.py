"""Tables: columns of numbers and of categories as one row of floats each, and back."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganwright.errors import DataError

MOST_VALUES = 100
"""A column of text with more values than this is no column of categories."""
MISSING = {"", "nan", "na", "n/a", "none", "null", "<na>", "nat"}
"""How programs write, in any capitals, that a number is missing."""
_DIGITS = 9
"""As many digits of a column's largest number are written, as float32 tells apart."""


@dataclass(frozen=True)
class Column:
    """One column, as it was in the training rows.

    Args:
        name: its name.
        values: of a column of categories, in order; empty for numbers.
        mean: of a column of numbers.
        std: their standard deviation, 1 where all are the same.
        decimals: with how many digits after the point they are written.
    """

    name: str
    values: tuple[str, ...] = ()
    mean: float = 0.0
    std: float = 1.0
    decimals: int = 0

    def __str__(self) -> str:
        return f"{self.name} ({len(self.values)} values)" if self.values else self.name

    @property
    def width(self) -> int:
        """Floats in a row: one for a number, one for each value of a category."""
        return len(self.values) or 1

    def encoded(self, cells: Sequence[str]) -> Tensor:
        """float32 [n, width]: standardised numbers, or 0 and 1 for each value."""
        if self.values:
            place = {value: k for k, value in enumerate(self.values)}
            return one_hot(torch.tensor([place[c] for c in cells]), len(self.values)).float()
        numbers = torch.tensor([float(cell) for cell in cells], dtype=torch.float64)
        return ((numbers - self.mean) / self.std).float()[:, None]

    def numbers(self, floats: Tensor) -> Tensor:
        """What cells hold, float32 [n, width]: numbers with their decimals, or 0 and 1."""
        if self.values:
            return self.encoded(self.cells(floats))
        return torch.tensor([[float(cell)] for cell in self.cells(floats)])

    def cells(self, floats: Tensor) -> list[str]:
        """The text of floats [n, width]: the largest value, or the number rounded."""
        if self.values:
            return [self.values[k] for k in floats.argmax(1).tolist()]
        numbers = (floats[:, 0].double() * self.std + self.mean).tolist()
        return [f"{number:.{self.decimals}f}" for number in numbers]


@dataclass(frozen=True)
class Table:
    """The columns of a table, and the one among them that is the class.

    Args:
        columns: in order, without the class.
        label: the name of the column of classes; None without one.
        place: where it stands among the columns.
    """

    columns: tuple[Column, ...]
    label: str | None = None
    place: int = 0

    def encoded(self, cells: Mapping[str, Sequence[str]]) -> Tensor:
        """Rows as networks see them: float32 [n, width of all columns]."""
        return torch.cat([column.encoded(cells[column.name]) for column in self.columns], 1)

    def numbers(self, rows: Tensor) -> Tensor:
        """Rows [n, width] as a file holds them: numbers not standardised, one category each."""
        parts = rows.float().cpu().split([column.width for column in self.columns], 1)
        return torch.cat([c.numbers(part) for c, part in zip(self.columns, parts, strict=True)], 1)

    def csv(self, rows: Tensor, labels: Sequence[str] = ()) -> str:
        """Rows [n, width] as the text of a CSV file with the columns that the data had."""
        parts = rows.float().cpu().split([column.width for column in self.columns], 1)
        found = [c.cells(part) for c, part in zip(self.columns, parts, strict=True)]
        names = [column.name for column in self.columns]
        if self.label is not None:
            names.insert(self.place, self.label)
            found.insert(self.place, list(labels))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(zip(*found, strict=True))
        return text.getvalue()


def table_of(cells: Mapping[str, Sequence[str]], label: str | None, name: str) -> Table:
    """What a table's columns are: numbers where all cells are, else categories.

    Raises:
        DataError: it has no rows or no such column, a cell is empty, one cell is no finite number
            and the others of its column are, or a column is neither.
    """
    if label is not None and label not in cells:
        raise DataError(f"{name} has no column {label}; it has {', '.join(cells)}")
    if len(cells) - (label is not None) < 1 or not next(iter(cells.values())):
        raise DataError(f"{name} has no rows or no columns to learn from")
    numbers = {key: _numbers(key, values, name) for key, values in cells.items()}
    columns = tuple(
        _column(key, values, numbers[key], name) for key, values in cells.items() if key != label
    )
    place = list(cells).index(label) if label is not None else 0
    return Table(columns, label, place)


def _column(key: str, cells: Sequence[str], numbers: Sequence[float], name: str) -> Column:
    if numbers:
        spread = torch.tensor(numbers, dtype=torch.float64)
        std = float(spread.std(correction=0)) or 1.0
        return Column(key, (), float(spread.mean()), std, _decimals(cells, numbers))
    values = tuple(sorted(set(cells)))
    if len(values) > MOST_VALUES:
        raise DataError(
            f"column {key} of {name} has {len(values):,} different values, such as {values[0]!r}, "
            f"and categories have at most {MOST_VALUES}; leave the column out"
        )
    return Column(key, values)


def _numbers(key: str, cells: Sequence[str], name: str) -> list[float]:
    """The numbers that a column's cells are; none where they are categories.

    Raises:
        DataError: a cell is empty, or it is no finite number and others are.
    """
    empty = next((i for i, cell in enumerate(cells) if not cell.strip()), None)
    if empty is not None:
        raise DataError(
            f"{name} has an empty cell in column {key}, row {empty + 1}; fill it or leave the row "
            "out"
        )
    found = [number for cell in cells if (number := _number(cell)) is not None]
    if len(found) < len(cells) or not any(map(math.isfinite, found)):
        return []
    odd = next((i for i, number in enumerate(found) if not math.isfinite(number)), None)
    if odd is not None:
        what = "an infinite number" if math.isinf(found[odd]) else "no number"
        raise DataError(
            f"{name} has {what} in column {key}, row {odd + 1} ({cells[odd]}), and numbers in the "
            "other rows; give a number or leave the row out"
        )
    return found


def _number(cell: str) -> float | None:
    """The number that a cell is, NaN where it says that one is missing; None for other text."""
    if cell.strip().lower() in MISSING:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return None


def _decimals(cells: Sequence[str], numbers: Sequence[float]) -> int:
    """Digits behind the point that the cells have, and at most 9 or those that small ones need."""
    written = [Decimal(cell.strip()).normalize().as_tuple().exponent for cell in cells]
    largest = max(map(abs, numbers))
    most = max(_DIGITS, _DIGITS - 1 - math.floor(math.log10(largest))) if largest else 0
    return min(most, max(-int(exponent) for exponent in (*written, 0)))
