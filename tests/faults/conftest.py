"""Runs that wrong inputs and faults are tried on, trained once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from processes import SMALL, ran
from world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The small training that nothing interrupts, for some steps and with some flags."""
    place, made = tmp_path_factory.mktemp("whole"), {}

    def trained(steps: int, *more: str) -> Path:
        if (steps, more) not in made:
            run = place / str(len(made))
            flags = (*SMALL, *more, "--steps", str(steps), "--out", run)
            ((status, said),) = ran(*flags, folder=place / f"{len(made)}-said")
            assert status == 0, said
            made[steps, more] = run
        return made[steps, more]

    return trained
