"""Who may import whom, and that what a command does not need is not loaded."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module

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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - may == set()
