"""Files of tables: CSV, and Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganwright.data.query import Query
from ganwright.data.read.labels import is_missing, numbered
from ganwright.data.sides import Source, Stack
from ganwright.data.table import table_of
from ganwright.data.types import Images
from ganwright.errors import DataError

ENDINGS = (".csv", ".parquet")


def open_table(path: Path, query: Query) -> Source:
    """The rows of a table; `?label=species` names the column of their classes.

    Raises:
        DataError: it cannot be read, or a column is neither numbers nor categories.
    """
    cells = _csv(path) if path.suffix.lower() == ".csv" else _parquet(path)
    return source_of_cells(cells, query, str(path))


def is_frame(given: Any) -> bool:
    """Whether it is a data frame, as of pandas: columns by name, of one length."""
    return hasattr(given, "columns") and hasattr(given, "iloc")


def source_of_frame(frame: Any, labels: Any = None) -> Source:
    """The rows of a data frame, perhaps with labels for them.

    Raises:
        DataError: two columns have one name, a cell is missing, or a column is neither numbers nor
            categories.
    """
    names = [str(name) for name in frame.columns]
    _check_names(names, "the data frame")
    missing = frame.isna()
    cells = {
        name: [
            "" if lacks else str(cell)
            for cell, lacks in zip(frame.iloc[:, k], missing.iloc[:, k], strict=True)
        ]
        for k, name in enumerate(names)
    }
    source = source_of_cells(cells, Query(), "the data frame")
    if labels is None:
        return source
    stack = source.train[0]
    assert isinstance(stack, Stack)
    numbers, classes = numbered(labels, len(stack))
    assert stack.table is not None
    table = replace(stack.table, label="label", place=len(cells))
    side = Stack(stack.pictures, numbers, classes, table=table)
    return Source(source.name, Images, (side,))


def source_of_cells(cells: Mapping[str, Sequence[str]], query: Query, name: str) -> Source:
    """The source that cells of text by column are."""
    table = table_of(cells, query.label, name)
    rows = table.encoded(cells)
    if query.label is None:
        return Source(name, Images, (Stack(rows, table=table),), query=query)
    labels, classes = numbered(list(cells[query.label]), len(rows))
    return Source(name, Images, (Stack(rows, labels, classes, table=table),), query=query)


def _csv(path: Path) -> dict[str, list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells = csv.reader(file, skipinitialspace=True)
            lines = [[cell.strip() for cell in row] for row in cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table ({error})") from error
    head, *rows = lines or [[]]
    rows = [row for row in rows if row]
    _check_names(head, str(path))
    _check_commas(path, [head, *rows])
    for number, row in enumerate(rows, 1):
        if len(row) != len(head):
            raise DataError(
                f"row {number} of {path} has {len(row)} cells, and the first line names "
                f"{len(head)} columns"
            )
    return {name: [row[k] for row in rows] for k, name in enumerate(head)}


def _check_names(names: Sequence[str], name: str) -> None:
    """Cells are known by their column's name, so that one of two columns would be lost."""
    if len(set(names)) < len(names):
        raise DataError(f"{name} has two columns of one name among {', '.join(names)}; rename one")


def _check_commas(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Files of other separators have one column in their first line; numbers may have commas."""
    for mark, words in ((";", "semicolons"), ("\t", "tabs")):
        if len(rows[0]) == 1 and all(any(mark in cell for cell in row) for row in rows):
            raise DataError(
                f"{path} separates its cells by {words}; write it with commas between cells and "
                "points in numbers"
            )


def _parquet(path: Path) -> dict[str, list[str]]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            f"{path} takes the package pyarrow: pip install 'ganwright[science]', or save it as CSV"
        ) from None
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a table ({error})") from error
    _check_names(table.column_names, str(path))
    return {
        name: ["" if is_missing(cell) else str(cell) for cell in cells]
        for name, cells in table.to_pydict().items()
    }
