"""The examples of the documentation run, each page's from top to bottom in an empty folder.

- A `python` block runs in the page's namespace. One that begins with `# mine.py` is a part of that
  module, whose parts are written before anything runs.
- Of an `sh` block the lines that call `ganwright` run, within this process; those of other programs
  are passed over, and so is what ran on the page before. RUN stands for the page's newest run.
- The text stays as it is, and what it starts is cut: `train` makes one step, `resume` one more,
  `Trainer.play` its first and its last, each with batches of at most 8 or of a DataLoader's size.
  Steps are measured for no longer than a few take.
- `<!-- not run: needs MNIST -->` above a block says why it cannot run here.

Blocks of other languages are no examples. Pages that take seconds are marked slow.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import examples
import ganwright
from examples import Block, commands
from ganwright.cli import main
from ganwright.config.settings import Settings
from ganwright.data.read.loaders import batch_size_of
from ganwright.run import fork as forks
from ganwright.run import profile as profiles
from ganwright.run import train as runs

ROOT = Path(__file__).parent.parent
PAGES = {
    str(p.relative_to(ROOT)): p.read_text(encoding="utf-8")
    for p in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
SLOW = {
    f"docs/families/{name}.md"
    for name in (
        "aae",
        "aae-clusters",
        "biggan",
        "ccgan",
        "cyclegan",
        "discogan",
        "dualgan",
        "infogan",
        "pix2pix",
        "pixelda",
        "r3gan",
        "sagan",
        "srgan",
        "stylegan3",
        "wgan",
        "wgan-gp",
    )
}
TUTORIALS = "docs/tutorials/"  # tests/test_tutorials.py runs them
LARGEST_BATCH = 8


def blocks(page: str) -> list[Block]:
    """A page's examples in order."""
    return examples.blocks(PAGES[page])


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and loops of one's own are as short as they can be."""
    resolved, keywords, play = runs.resolved, runs.keywords, ganwright.Trainer.play
    stretch = profiles._stretch

    def begun(*args: Any, **options: Any) -> Settings:
        settings = resolved(*args, **options)
        assert settings.batch_size is not None
        loader = batch_size_of(options.get("data", args[2] if len(args) > 2 else None))
        batch_size = loader or min(settings.batch_size, LARGEST_BATCH)
        return dataclasses.replace(settings, steps=1, batch_size=batch_size)

    def changed(old: Settings, values: Any) -> Settings:
        return dataclasses.replace(keywords(old, values), steps=old.steps + 1)

    def short(trainer: ganwright.Trainer, steps: int) -> Iterator[int]:
        trainer.batch_size = min(trainer.batch_size, LARGEST_BATCH)
        yield from play(trainer, min(steps, trainer.step + 1))
        trainer.step = max(trainer.step, steps - 1)
        yield from play(trainer, steps)

    def glanced(trainer: Any, name: str, start: int, length: int, seconds: float) -> Any:
        trainer.batch_size = min(trainer.batch_size, LARGEST_BATCH)
        return stretch(trainer, name, start, length, seconds=0.01)

    monkeypatch.setattr(profiles, "_stretch", glanced)
    monkeypatch.setattr(runs, "resolved", begun)
    for module in (runs, forks):
        monkeypatch.setattr(module, "keywords", changed)
    monkeypatch.setattr(ganwright.Trainer, "play", short)


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Writes a page's modules into the working folder, and forgets them afterwards."""
    names: set[str] = set()

    def write(page: str) -> None:
        for block in blocks(page):
            if not block.reason and block.module:
                names.add(block.module)
                with Path(f"{block.module}.py").open("a", encoding="utf-8") as file:
                    file.write(block.code + "\n")

    yield write
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] * (page in SLOW))
        for page in PAGES
        if not page.startswith(TUTORIALS) and any(not block.reason for block in blocks(page))
    ],
)
def test_a_page_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: None, modules: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    modules(page)
    script = ModuleType("__main__")  # what a script or a notebook defines stands there
    monkeypatch.setitem(sys.modules, "__main__", script)
    done: list[list[str]] = []
    for block in blocks(page):
        if block.reason or block.module:
            continue
        if block.language == "python":
            exec(compile(block.code, page, "exec"), vars(script))
            continue
        for arguments in commands(block):
            if arguments not in done:
                newest = max(Path("runs").glob("*"), key=os.path.getmtime, default=None)
                assert main([str(newest) if a == "RUN" else a for a in arguments]) == 0, arguments
                done.append(arguments)


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_are_not_run_are_understood(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each `ganwright train` of a marked block or a slow page names settings that exist.

    Those that begin with a run's config.yaml, or with a run as prior, cannot be read without it.
    """
    monkeypatch.setattr(runs, "train", lambda *_, **__: None)
    left = [b for b in blocks(page) if b.language == "sh" and (b.reason or page in SLOW)]
    trained = [a for block in left for a in commands(block) if a[0] == "train"]
    asks = ("config.yaml", "--game.prior")
    whole = [a for a in trained if not any(word.endswith(asks) for word in a)]
    if find_spec("ray") is None:
        whole = [a for a in whole if "--ray" not in a]
    assert [a for a in whole if main(a) != 0] == []


@pytest.mark.parametrize("page", PAGES)
def test_what_is_imported_and_not_run_exists(page: str) -> None:
    """Each `from ganwright... import` of a python block that is marked, or of a slow page."""
    left = [b for b in blocks(page) if b.language == "python" and (b.reason or page in SLOW)]
    imported = re.compile(r"^from ganwright\b.*? import (?:\([^)]*\)|[^(\n]+)$", re.MULTILINE)
    for line in [line for block in left for line in imported.findall(block.code)]:
        exec(compile(line, page, "exec"), {})


@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_run_says_why(page: str) -> None:
    """A mark stands above an example and has a reason; each other sh block calls `ganwright`."""
    found = blocks(page)
    reasons = [block.reason for block in found if block.reason]
    assert len(reasons) == PAGES[page].count(examples.MARK)
    assert [reason for reason in reasons if len(reason.split()) < 2] == []
    assert [b.code for b in found if b.language == "sh" and not b.reason and not commands(b)] == []


def test_own_networks_and_loops_are_short() -> None:
    """Fifteen lines for what a person types, and twenty for a loop, imports and blanks apart."""
    for page in ("docs/extending.md", "docs/networks.md"):
        python = [block.code for block in blocks(page) if block.language == "python"]
        assert len(python) >= 6
        for code in python:
            typed = [
                x for x in code.splitlines() if x and not x.startswith(("from ", "import ", "# "))
            ]
            assert len(typed) <= (20 if "Trainer(" in code else 15), code


def test_the_loop_of_one_s_own_resumes_bitwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modules: Any
) -> None:
    """It plays four steps at once, then two and two, and keeps the same state."""
    page = "docs/extending.md"
    loop = next(block.code for block in blocks(page) if "load_state_dict" in block.code)
    loop = loop.replace("step % 500", "step % 2")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    modules(page)
    kept = []
    for name, lengths in {"whole": [4], "parts": [2, 4]}.items():
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        for steps in lengths:
            exec(loop.replace("play(2000)", f"play({steps})"), {"__name__": "example"})
        kept.append(torch.load("own.pt", weights_only=True))
    whole, parts = ({**state["game"], **flat_moments(state)} for state in kept)
    assert kept[0]["training"]["step"] == kept[1]["training"]["step"] == 4
    assert whole.keys() == parts.keys()
    assert [k for k in whole if not torch.equal(whole[k], parts[k])] == []


def flat_moments(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The optimizers' tensors by player, weight and name."""
    return {
        f"{player}.{weight}.{name}": tensor
        for player, optimizer in state["training"]["optimizers"].items()
        for weight, moments in optimizer["state"].items()
        for name, tensor in moments.items()
    }
