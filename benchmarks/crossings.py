"""How many files a training crosses: python benchmarks/crossings.py

Trains a small DCGAN for three steps and follows every call between files of the package, apart for
the set-up (up to the first step), for the trial steps that it makes, for one step with its data and
callbacks, and for what of it lies between the batch and the update. A climb is a call from a file
to one whose layer in pyproject.toml is higher: a callback, or a function in the wrong room. Below
stand modules, imports between them, and circles.
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
AROUND = ("run", "callbacks", "data", "pixels")
"""Rooms of a step that make its batch and follow its update."""
COMMAND = (
    *("train", "dcgan", "--image-size", "16", "--steps", "3", "--batch-size", "8"),
    *("--game.networks", "ConvNet(width=4)", "--device", "cpu"),
)


class Walk:
    """Files entered and calls between them, apart inside of steps and between them."""

    def __init__(self) -> None:
        self.files: list[set[str]] = [set()]
        self.calls: list[set[tuple[str, str]]] = [set()]

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        """Python's own profiling hook."""
        callee = _module(frame)
        # what runs as a module is imported, and its class bodies, have no locals of their own
        if callee is None or not frame.f_code.co_flags & CO_NEWLOCALS:
            return
        step = callee == TRAINER and frame.f_code.co_name == "play_step"
        if step and event in ("call", "return"):
            self.files.append(set())
            self.calls.append(set())
        if event != "call":
            return
        self.files[-1].add(callee)
        caller = frame.f_back
        while caller is not None and _module(caller) is None:
            caller = caller.f_back
        if caller is not None and (name := _module(caller)) not in (None, callee):
            self.calls[-1].add((str(name), callee))

    def parts(self) -> dict[str, tuple[set[str], set[tuple[str, str]]]]:
        """The set-up, the trial steps in it, and the last step but one of the three.

        Between two steps lie parts of even number; the last is what follows the last step.
        """
        places = {
            "set-up": range(0, len(self.files) - 6, 2),
            "trial steps": range(1, len(self.files) - 6, 2),
            "step": range(len(self.files) - 4, len(self.files) - 2),
        }
        return {
            name: (
                set().union(*(self.files[i] for i in place)),
                set().union(*(self.calls[i] for i in place)),
            )
            for name, place in places.items()
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
    parts = walk.parts()
    files, calls = parts["step"]
    inside = {f for f in files if f.split(".")[0] not in AROUND}
    parts["batch to update"] = inside, {(a, b) for a, b in calls if {a, b} <= inside}
    for part, (files, calls) in parts.items():
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
