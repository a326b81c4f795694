"""Runs that wrong inputs and faults are tried on, trained once."""

from __future__ import annotations

import pytest
from world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))
