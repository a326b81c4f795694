"""What notebooks show of a run or a model: facts in a table, and a sample grid."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path


def card(title: str, facts: Mapping[str, object], grid: bytes | None = None) -> str:
    """HTML that fits the width of a notebook's cell.

    Args:
        title: its heading.
        facts: rows of a table.
        grid: a PNG to show below it.
    """
    rows = "".join(
        f'<tr><th style="text-align: left">{escape(name)}</th>'
        f'<td style="text-align: left">{escape(str(fact))}</td></tr>'
        for name, fact in facts.items()
    )
    below = "" if grid is None else inline(grid)
    return f"<div><strong>{escape(title)}</strong><table>{rows}</table>{below}</div>"


def inline(grid: bytes) -> str:
    """A PNG as part of the page, never wider than it."""
    data = base64.b64encode(grid).decode()
    return f'<img alt="samples" style="max-width: 100%" src="data:image/png;base64,{data}">'


def newest_grid(run: Path) -> bytes | None:
    """The newest sample grid in a run folder."""
    found = grid_files(run)
    return found[-1].read_bytes() if found else None


def grid_files(run: Path) -> list[Path]:
    """The sample grids in a run folder in the order of their steps, the newest last."""
    found = (run / "samples").glob("step-*.png")
    return sorted(found, key=lambda path: (len(path.name), path.name))  # 1000000 after 999500
