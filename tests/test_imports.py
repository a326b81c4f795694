"""Who may import whom, and that what a command does not need is not loaded."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import ganwright

MODULES = [m.name for m in pkgutil.walk_packages(ganwright.__path__, "ganwright.")]
HEAVY = {"torch", "torchvision", "sklearn", "matplotlib", "scipy", "accelerate", "gradio"}


@pytest.mark.parametrize("module", [m for m in MODULES if not m.endswith("__main__")])
def test_every_module_imports(module: str) -> None:
    import_module(module)


def test_every_public_name_is_there() -> None:
    assert [name for name in ganwright.__all__ if not hasattr(ganwright, name)] == []


@pytest.mark.parametrize(
    ("module", "may"),
    [
        ("ganwright", set()),
        ("ganwright.cli", set()),
        ("ganwright.families", set()),
        ("ganwright.data", {"torch"}),
        ("ganwright.report", {"torch"}),
    ],
)
def test_heavy_packages_load_when_they_are_needed(module: str, may: set[str]) -> None:
    code = f"import sys, {module}; print(*sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert set(done.stdout.split()) - may == set()


@pytest.mark.parametrize("folder", ["src", "tests", "docs", "benchmarks"])
def test_text_files_say_their_encoding(folder: str) -> None:
    """Without one it is the locale's, and ASCII where that is C; ruff sees some of them only."""
    root = Path(__file__).parents[1] / folder
    bare = re.compile(r"\.read_text\(\)")
    found = [p.name for p in root.rglob("*.py") if bare.search(p.read_text(encoding="utf-8"))]
    assert found == []
