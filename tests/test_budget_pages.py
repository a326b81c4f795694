"""The pages of quality and of augmentation: runs that had another budget are refused."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from helpers import tiny

import augmentation
import ganwright
import quality
from budget import keep
from ganwright.errors import RunError


def test_a_run_of_other_minutes_is_not_measured(tmp_path: Path) -> None:
    """A folder without a word of them is a run that was cut off."""
    args = argparse.Namespace(out=tmp_path, minutes=10.0)
    run = tmp_path / "dcgan-0"
    run.mkdir()
    with pytest.raises(RunError, match=r"minutes that are not known, and .* asks for 10\.0"):
        quality.play(("dcgan", 0, args))
    keep(run, {"minutes": 1.0})
    with pytest.raises(RunError, match=r"with minutes 1\.0, and this table asks for 10\.0"):
        quality.play(("dcgan", 0, args))


def test_samples_of_a_run_of_other_steps_are_not_used(tmp_path: Path) -> None:
    cls, settings = tiny("dcgan", steps=1)
    ganwright.train(cls, settings, tmp_path / "run", quiet=True)
    nothing = (torch.zeros(0, 1, 32, 32), torch.zeros(0))
    with pytest.raises(RunError, match="with steps 1, and this table asks for 3000"):
        augmentation.samples(nothing, tmp_path / "run", 0, argparse.Namespace(steps=3000))
