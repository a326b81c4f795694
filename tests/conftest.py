"""What every test starts from, and what some need of the machine.

GANWRIGHT_TEST_SEED, a whole number, gives every test other random numbers, those of seeds written
in tests and in the library included: a test must hold for any.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from helpers import LUCK

from ganwright import seeds
from ganwright.report import page
from ganwright.report.drawing import Axis, Drawn, drawn
from ganwright.report.plots import Plot
from ganwright.training.compiler import why_not_compiled


def _change_every_seed() -> None:
    torch_s, numpy_s = torch.manual_seed, np.random.default_rng

    def mixed(seed: Any) -> int:
        return seeds.seed_of("test", seed)

    # what `seed_of` hashes is what `repr` writes
    seeds.repr = lambda parts: repr((LUCK, parts))  # type: ignore[attr-defined]
    torch.manual_seed = lambda seed: torch_s(mixed(seed))
    np.random.default_rng = lambda seed: numpy_s(mixed(seed))


_DRAWN: list[Drawn] = []

if LUCK:
    _change_every_seed()


@pytest.fixture(scope="session", autouse=True)
def memory_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What `config/trust.py` remembers of the tests' own modules is not the user's."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture(autouse=True)
def seeded_by_name(request: pytest.FixtureRequest) -> None:
    """Each test draws its own random numbers, whatever ran before it."""
    seed = seeds.seed_of(request.node.nodeid)
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


@pytest.fixture(autouse=True)
def plots_drawn_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves take a tenth of a second each: only tests marked `plots` draw them all, and in the
    others each is a copy of the first that their process drew."""
    if not request.node.get_closest_marker("plots"):
        monkeypatch.setattr(page, "drawn", _first_drawn)


def _first_drawn(plot: Plot, axis: Axis) -> Drawn:
    if not _DRAWN:
        _DRAWN.append(drawn(plot, axis))
    return _DRAWN[0]


@pytest.fixture(scope="session")
def compiler() -> None:
    """What compiles is skipped where torch's compiler does not work."""
    if why := why_not_compiled(torch.device("cpu")):
        pytest.skip(f"torch.compile does not work here: {why}")


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile traces and differentiates as ever, and builds nothing: it takes a tenth of the
    time and works on every machine. Whether what it builds computes the same, a few tests see."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


@pytest.fixture
def heard() -> Iterator[None]:
    """Signals do what they do in a terminal: nohup and a shell's background ignore some."""
    wanted = {signal.SIGINT: signal.default_int_handler}
    wanted |= dict.fromkeys((signal.SIGTERM, signal.SIGHUP), signal.SIG_DFL)
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
