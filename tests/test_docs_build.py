"""The documentation builds strictly: no broken link, no page outside the navigation."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("mkdocs", "material", "mkdocs_awesome_nav", "mkdocstrings")


def test_the_site_builds(tmp_path: Path) -> None:
    """In a process of its own, since its plugins warn of what Python will drop."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: pip install .[docs]")
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reference = (site / "api/index.html").read_text(encoding="utf-8")
    for name in ("ganwright.train", "ganwright.Player", "ganwright.losses.Hinge"):
        assert f'id="{name}"' in reference, name
    assert (site / "tutorials/first-gan.ipynb").is_file()
