"""Tables: columns of numbers and of categories as one row of floats each, and back."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganwright.errors import DataError

MOST_VALUES = 100
"""A column of text with more values than this is no column of categories."""


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
        DataError: it has no rows or no such column, a cell is empty, or a column is neither.
    """
    if label is not None and label not in cells:
        raise DataError(f"{name} has no column {label}; it has {', '.join(cells)}")
    if len(cells) - (label is not None) < 1 or not next(iter(cells.values())):
        raise DataError(f"{name} has no rows or no columns to learn from")
    columns = tuple(_column(key, values, name) for key, values in cells.items() if key != label)
    place = list(cells).index(label) if label is not None else 0
    return Table(columns, label, place)


def _column(key: str, cells: Sequence[str], name: str) -> Column:
    empty = next((i for i, cell in enumerate(cells) if not cell.strip()), None)
    if empty is not None:
        raise DataError(
            f"{name} has an empty cell in column {key}, row {empty + 1}; fill it or leave the row "
            "out"
        )
    numbers = [_number(cell) for cell in cells]
    known = [number for number in numbers if number is not None]
    if len(known) == len(cells):
        spread = torch.tensor(known, dtype=torch.float64)
        std = float(spread.std(correction=0)) or 1.0
        return Column(key, (), float(spread.mean()), std, max(map(_decimals, cells)))
    values = tuple(sorted(set(cells)))
    if len(values) > MOST_VALUES:
        raise DataError(
            f"column {key} of {name} has {len(values):,} different values, such as {values[0]!r}, "
            f"and categories have at most {MOST_VALUES}; leave the column out"
        )
    return Column(key, values)


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _decimals(cell: str) -> int:
    """Digits behind the point, at most 9; of 1e-5 as many as it has written out."""
    plain: Any = f"{float(cell):.9f}" if "e" in cell.lower() else cell.strip()
    return min(9, len(plain.partition(".")[2].rstrip("0")))
