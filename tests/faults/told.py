"""The rows of docs/broken.yaml: what breaks, and the words that are then said."""

from __future__ import annotations

from pathlib import Path

import yaml

FILE = Path(__file__).parents[2] / "docs" / "broken.yaml"


def rows() -> dict[str, dict[str, str]]:
    """Every row by its name."""
    kinds = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {name: row for kind in kinds for name, row in kind["rows"].items()}


def check_told(name: str, said: str) -> None:
    """See that the words of a row were said, without a traceback."""
    assert "Traceback" not in said, said
    place = 0
    for part in rows()[name]["says"].split(" ... "):
        assert part in said[place:], f"{part!r} is not in {said}"
        place = said.index(part, place) + len(part)
