"""How many files a training crosses: python benchmarks/crossings.py

Trains a small DCGAN for three steps and follows every call between files of the package, apart for
the set-up (up to the first step) and for one step. A climb is a call from a file to one whose layer
in pyproject.toml is higher: a callback, or a function in the wrong room. Below it stand modules,
imports between them, and circles.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from functools import cache
from inspect import CO_NEWLOCALS
from pathlib import Path
from types import FrameType
from typing import Any

import grimp

import ganwright

ROOT = Path(ganwright.__file__).parent
TRAINER = "training.trainer"
COMMAND = (
    *("train", "dcgan", "--image-size", "16", "--steps", "3", "--batch-size", "8"),
    *("--game.networks", "ConvNet(width=4)", "--device", "cpu"),
)


class Walk:
    """Files entered and calls between them, apart for what comes between two calls of a step."""

    def __init__(self) -> None:
        self.files: list[set[str]] = [set()]
        self.calls: list[set[tuple[str, str]]] = [set()]

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        """Python's own profiling hook."""
        callee = _module(frame)
        # what runs as a module is imported, and its class bodies, have no locals of their own
        if event != "call" or callee is None or not frame.f_code.co_flags & CO_NEWLOCALS:
            return
        if callee == TRAINER and frame.f_code.co_name == "play_step":
            self.files.append(set())
            self.calls.append(set())
        self.files[-1].add(callee)
        caller = frame.f_back
        while caller is not None and _module(caller) is None:
            caller = caller.f_back
        if caller is not None and (name := _module(caller)) not in (None, callee):
            self.calls[-1].add((str(name), callee))

    def parts(self) -> dict[str, tuple[set[str], set[tuple[str, str]]]]:
        """The set-up, a trial step included, and the last step but one of the three."""
        before = len(self.files) - 3
        return {
            "set-up": (set().union(*self.files[:before]), set().union(*self.calls[:before])),
            "step": (self.files[-2], self.calls[-2]),
        }


def _module(frame: FrameType) -> str | None:
    return _of_file(frame.f_code.co_filename)


@cache
def _of_file(file: str) -> str | None:
    path = Path(file)
    return ".".join(path.relative_to(ROOT).with_suffix("").parts) if ROOT in path.parents else None


def heights() -> dict[str, int]:
    """Each room's layer, counted from the bottom."""
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    layers = tomllib.loads(text)["tool"]["importlinter"]["contracts"][0]["layers"]
    return {
        room.strip(" ()"): len(layers) - i
        for i, row in enumerate(layers)
        for room in row.split("|")
    }


def walked() -> Walk:
    """One training, followed."""
    from ganwright.cli import main

    walk = Walk()
    with tempfile.TemporaryDirectory() as folder:
        sys.setprofile(walk.profile)
        try:
            status = main([*COMMAND, "--out", f"{folder}/run"])
        finally:
            sys.setprofile(None)
    assert status == 0
    return walk


def main() -> None:
    walk, height = walked(), heights()
    for part, (files, calls) in walk.parts().items():
        climbs = sorted(
            (a, b)
            for a, b in calls
            if height.get(b.split(".")[0], 0) > height.get(a.split(".")[0], 0)
        )
        print(f"{part}: {len(files)} files, {len(climbs)} climbs")
        for a, b in climbs:
            print(f"  {a} -> {b}")
    graph = grimp.build_graph("ganwright")
    imports = sum(len(graph.find_modules_directly_imported_by(m)) for m in graph.modules)
    circles = [
        (a, b)
        for a in graph.modules
        for b in graph.find_modules_directly_imported_by(a)
        if a < b and graph.chain_exists(importer=b, imported=a)
    ]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in ROOT.rglob("*.py"))
    print(f"{len(graph.modules)} modules, {imports} imports, {lines:,} lines, circles: {circles}")


if __name__ == "__main__":
    main()
