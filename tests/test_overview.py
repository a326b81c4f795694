"""`ganwright --help` alone takes a person from a folder of images to measured samples."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import torch
from torchvision.utils import save_image

from ganwright import cli
from ganwright.cli import main, overview
from ganwright.commands import COMMANDS

SHORTER = {
    "train": ["--steps", "2", "--batch-size", "4", "--image-size", "16"],
    "resume": ["--steps", "3"],
    "evaluate": ["-n", "100"],
}
"""What keeps the first commands short here."""


def first_commands() -> list[list[str]]:
    """The commands of the help's first part, as a shell splits them."""
    part = overview().partition("Commands:")[0]
    lines = [line.strip() for line in part.splitlines() if line.startswith("  ganwright ")]
    return [shlex.split(line.partition("  ")[0])[1:] for line in lines]


def test_the_first_commands_run_on_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for number, image in enumerate(torch.rand(1400, 3, 16, 16)):
        save_image(image, f"photos/{number:04}.png")
    calls = [call for call in first_commands() if call[0] != "app"]
    names = [name for name, *_ in calls]
    assert names == ["data", "train", "resume", "sample", "evaluate", "report"]
    for call in calls:
        assert main([*call, *SHORTER.get(call[0], [])]) == 0, call
    assert Path("samples.png").is_file()
    assert Path("runs/photos/report.html").is_file()
    assert "FID" in Path("runs/photos/evaluation.jsonl").read_text(encoding="utf-8")


def test_the_help_names_the_demo_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    without = {name: c for name, c in COMMANDS.items() if name != "app"}
    monkeypatch.setattr(cli, "COMMANDS", without)
    assert "ganwright app" not in overview()
    monkeypatch.setattr(cli, "COMMANDS", {**without, "app": COMMANDS["report"]})
    assert "ganwright app runs/photos" in overview()


def test_columns_are_aligned() -> None:
    lines = overview().splitlines()
    starts = [line.index(c.help) for c in COMMANDS.values() for line in lines if c.help in line]
    assert len(set(starts)) == 1
