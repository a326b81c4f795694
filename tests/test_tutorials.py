"""The tutorials run with a few steps each, and their notebooks are those of the pages."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tutorials

# The others hold their pages' code, which test_a_tutorial_runs has run: a kernel more is slow.
IN_A_KERNEL = "custom-loss"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder on the module path, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    before = set(sys.modules)
    yield tmp_path
    for name in {p.stem for p in tmp_path.glob("*.py")} - before:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", tutorials.names())
def test_a_tutorial_runs(name: str, folder: Path) -> None:
    tutorials.run(name, short=True)
    runs = [p.parent for p in folder.rglob("metrics.jsonl")]
    assert runs, "a tutorial trains something"
    assert [run for run in runs if not list(run.glob("checkpoints/step-*"))] == []


@pytest.mark.parametrize("name", tutorials.names())
def test_a_tutorial_is_shortened_by_its_own_numbers(name: str) -> None:
    """Each training states its steps, or the smoke version would be as long as the real one."""
    trained = [
        block.code
        for block in tutorials.blocks(tutorials.text_of(name))
        if not block.reason and re.search(r"ganwright[. ]train\b", block.code)
    ]
    assert trained
    assert [code for code in trained if tutorials.smoke(code) == code] == []


def test_smoke_keeps_the_order_of_totals_and_all_else() -> None:
    code = "train(steps=1_000, lr=1e-3)\nganwright resume RUN --steps 3000 --batch-size 64\n"
    assert tutorials.smoke(code) == (
        "train(steps=3, lr=1e-3)\nganwright resume RUN --steps 10 --batch-size 8\n"
    )
    assert tutorials.smoke("supersteps = 9; batch_size=4") == "supersteps = 9; batch_size=4"


@pytest.mark.parametrize("name", tutorials.names())
def test_the_notebook_is_the_page_s(name: str) -> None:
    """Written by `python docs/tutorials.py notebooks`."""
    stored = (tutorials.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert stored == tutorials.written(name)
    runs = [block for block in tutorials.blocks(tutorials.text_of(name)) if not block.reason]
    cells = json.loads(stored)["cells"]
    assert sum(cell["cell_type"] == "code" for cell in cells) == len(runs)
    assert "".join(cells[0]["source"]).startswith("# ")


def test_every_notebook_is_valid() -> None:
    nbformat = pytest.importorskip("nbformat")
    for name in tutorials.names():
        nbformat.validate(nbformat.reads(tutorials.written(name), as_version=4))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "name",
    [
        name if name == IN_A_KERNEL else pytest.param(name, marks=pytest.mark.slow)
        for name in tutorials.names()
    ],
)
def test_a_notebook_runs(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a kernel of its own, with a few steps; `!ganwright` is the installed command."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    if shutil.which("ganwright", path=programs) is None:
        pytest.skip("the command ganwright is not installed")
    monkeypatch.setenv("PATH", programs)
    book = nbformat.reads(json.dumps(tutorials.notebook(name, short=True)), as_version=4)
    nbclient.NotebookClient(book, timeout=500, resources={"metadata": {"path": folder}}).execute()
    assert list(folder.rglob("report.html"))
