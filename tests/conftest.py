"""What every test starts from, and what some need of the machine."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
import torch

from ganwright.compiler import why_not_compiled
from ganwright.seeds import seed_of


@pytest.fixture(autouse=True)
def _seeded(request: pytest.FixtureRequest) -> None:
    """Each test draws its own random numbers, whatever ran before it.

    GANWRIGHT_TEST_SEED chooses others: a test must hold for any.
    """
    seed = seed_of(request.node.nodeid, int(os.environ.get("GANWRIGHT_TEST_SEED", "0")))
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


@pytest.fixture(scope="session")
def compiler() -> None:
    """What compiles is skipped where torch's compiler does not work."""
    if why := why_not_compiled(torch.device("cpu")):
        pytest.skip(f"torch.compile does not work here: {why}")
