"""What watches a run knows, after a resume, what it would have known without the interruption."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers import tiny
from torch import Tensor

import ganwright
from ganwright import Callback, Run
from ganwright.callbacks import Plateau, health
from ganwright.callbacks.health import Health, History
from ganwright.losses import NonSaturating, score

QUIET: dict[str, Any] = {"quiet": True}
OFTEN: dict[str, Any] = {"log_every": 1, "save_every": 2, "sample_every": 4, "keep": 99}


@dataclass(frozen=True)
class Deaf(NonSaturating):
    """G learns nothing."""

    def generator(self, D: Any, real: Any, fake: Any) -> Tensor:
        return 0 * score(D, fake).mean()


class Power(Callback):
    """Fails in the row of a step, before its checkpoint, as a process that is killed does."""

    def __init__(self, until: int) -> None:
        self.until = until

    def logged(self, run: Run, row: Any) -> None:
        if run.step >= self.until:
            raise ZeroDivisionError


class Look(Callback):
    """Keeps what the run's own watch has seen in the end."""

    def finished(self, run: Run) -> None:
        (own,) = (each for each in run.callbacks if isinstance(each, Health))
        players = [{k: v for k, v in r.items() if "/" in k} for r in own.seen.rows]
        self.seen = History(players, own.seen.diversity, own.seen.leaps)
        self.rest = (own._wrong, own._well)


def played(
    out: Path, *callbacks: Callback, cut: tuple[int, ...] = (), loss: Any = None, **changes: Any
) -> ganwright.Model:
    """A run that is cut off in the rows of some steps, and resumed after each."""
    cls, settings = tiny("gan", **(OFTEN | {"steps": 24} | changes))
    more = {} if loss is None else {"loss": loss}
    for number, until in enumerate((*cut, 10**9)):
        # another process has a plateau of its own, which knows nothing yet
        around = [copy(each) if isinstance(each, Plateau) else each for each in callbacks]
        hung: dict[str, Any] = {"callbacks": [*around, Power(until)], **QUIET}
        try:
            if number:
                return ganwright.resume(out, **hung)
            return ganwright.train(cls, settings, out, **more, **hung)
        except ZeroDivisionError:
            continue
    raise AssertionError


def said(run: Path) -> list[Any]:
    path = run / "health.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grids are looked at from the first step on."""
    monkeypatch.setattr(health, "EARLY", 1)


@pytest.mark.filterwarnings("ignore:.*at step")
@pytest.mark.parametrize("cut", [(8,), (3, 5, 7, 9), (10,)])
def test_a_sign_is_seen_at_the_step_at_which_it_would_have_been(
    tmp_path: Path, cut: tuple[int, ...]
) -> None:
    changes: dict[str, Any] = {"loss": Deaf(), "on_collapse": "stop"}
    whole = played(tmp_path / "whole", **changes)
    parts = played(tmp_path / "parts", cut=cut, **changes)
    assert parts.step == whole.step == 10
    assert said(tmp_path / "parts") == said(tmp_path / "whole") != []


@pytest.mark.usefixtures("at_once")
@pytest.mark.filterwarnings("ignore:.*at step")
def test_grids_are_known_too(tmp_path: Path) -> None:
    """A grid at a checkpoint's step is drawn again, to see how far the next one leaps."""
    whole, parts, between = Look(), Look(), Look()
    played(tmp_path / "whole", whole)
    played(tmp_path / "parts", parts, cut=(9, 18), save_every=4)
    assert (parts.seen, parts.rest) == (whole.seen, whole.rest)
    assert (len(whole.seen.diversity), len(whole.seen.leaps)) == (6, 5)
    played(tmp_path / "between", between, cut=(7,))
    assert between.seen.diversity == whole.seen.diversity
    assert between.seen.leaps == whole.seen.leaps[1:], "none over the resume at step 6"


@pytest.mark.usefixtures("at_once")
@pytest.mark.filterwarnings("ignore:.*at step")
def test_a_grid_that_only_a_resumed_run_draws_does_not_count(tmp_path: Path) -> None:
    whole, parts = Look(), Look()
    played(tmp_path / "whole", whole)

    class Loses(Callback):
        def closed(self, run: Run) -> None:
            (run.folder / "samples" / "data.png").unlink(missing_ok=True)

    played(tmp_path / "parts", parts, Loses(), cut=(9,))
    assert parts.seen == whole.seen


@pytest.mark.filterwarnings("ignore:collapsed")
def test_what_a_rollback_made_forget_stays_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From step 14 back to 4: at 17, rows 5 to 16 are known, and not those before."""
    looks = []
    for cut in ((), (17,)):
        look, signs = Look(), iter([{"collapsed": "all alike"}])

        def once(seen: History, signs: Any = signs) -> dict[str, str]:
            late = seen.rows[-1]["step"] == 14
            return next(signs, {}) if late else {}

        monkeypatch.setattr(health, "diagnose", once)
        played(tmp_path / f"{len(cut)}", look, cut=cut, steps=18, on_collapse="rollback")
        looks.append(look)
    whole, parts = looks
    assert (parts.seen, parts.rest) == (whole.seen, whole.rest)
    assert len(whole.seen.rows) == 14, "steps 5 to 18"
    rows = (tmp_path / "1" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    back = [(r["step"], r["rewound_to"]) for r in map(json.loads, rows) if "rewound_to" in r]
    assert back == [(5, 4)]


@pytest.mark.filterwarnings("ignore:dead")
def test_a_run_that_is_wrong_already_stops_where_that_is_wanted_later(tmp_path: Path) -> None:
    played(tmp_path / "run", steps=12, loss=Deaf())
    model = ganwright.resume(tmp_path / "run", steps=24, on_collapse="stop", **QUIET)
    assert model.step == 13
    assert len(said(tmp_path / "run")) == 1


class Says(Callback):
    """Logs a number of its own every two steps."""

    def __init__(self, value: Callable[[int], float], larger: bool = False) -> None:
        self.value, self.larger = value, larger

    def stepped(self, run: Run) -> None:
        if run.step % 2 == 0:
            run.larger["mine"] = self.larger
            run.log({"mine": self.value(run.step)})


@pytest.mark.parametrize("cut", [(13,), (5, 7, 9, 11, 13, 15), (16,)])
@pytest.mark.parametrize("larger", [False, True])
def test_a_plateau_stops_at_the_step_at_which_it_would_have(
    tmp_path: Path, cut: tuple[int, ...], larger: bool
) -> None:
    def value(step: int) -> float:
        best = float("nan") if step == 12 else max(9.0 - step, 1.0)
        return -best if larger else best

    def around() -> list[Callback]:
        return [Says(value, larger), Plateau("mine", patience=4)]

    assert played(tmp_path / "whole", *around()).step == 16, "the best is that of step 8"
    assert played(tmp_path / "parts", *around(), cut=cut, save_every=4).step == 16


@pytest.mark.filterwarnings("ignore:collapsed")
def test_a_plateau_does_not_count_what_a_rollback_undid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs = iter([{"collapsed": "all alike"}])
    monkeypatch.setattr(
        health, "diagnose", lambda seen: next(signs, {}) if seen.rows[-1]["step"] == 14 else {}
    )
    around = [Says(lambda step: max(5.0 - step, 1.0)), Plateau("mine", patience=6)]
    model = played(tmp_path / "run", *around, on_collapse="rollback")
    assert model.step == 16, "six rows after step 4, and none of those from before the rollback"


def test_a_plateau_of_a_resumed_run_knows_its_number(tmp_path: Path, recwarn: Any) -> None:
    """It is in the rows, though this part of the run has none with it."""
    around = [Says(float), Plateau("mine", patience=9)]
    played(tmp_path / "run", *around, steps=4)
    ganwright.resume(tmp_path / "run", steps=5, callbacks=around, **QUIET)
    assert [str(w.message) for w in recwarn if "Plateau" in str(w.message)] == []
