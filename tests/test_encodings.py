"""What processes print is read as UTF-8, whatever the locale says."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
BY_LOCALE = re.compile(r"\b(text|universal_newlines)(=|\": )True\b")


def test_no_process_is_read_by_the_locale() -> None:
    rooms = ("src", "tests", "benchmarks", "docs")
    files = [p for room in rooms for p in ROOT.glob(f"{room}/**/*.py")]
    assert len(files) > 300
    found = [p for p in files if BY_LOCALE.search(p.read_text(encoding="utf-8"))]
    assert found == [], "name encoding='utf-8' instead"
