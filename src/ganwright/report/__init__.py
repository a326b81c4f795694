"""Images of a run: sample grids and the page that shows how it went."""

from __future__ import annotations

from ganwright.report.grid import save_grid, tile
from ganwright.report.page import write_report

__all__ = ["save_grid", "tile", "write_report"]
