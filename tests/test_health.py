"""Runs that fail are named, with what helps; healthy ones are not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny
from torch import Tensor

import ganwright
from ganwright import Callback, Run
from ganwright.callbacks import health
from ganwright.callbacks.health import EARLY, HELP, Health, History, diagnose
from ganwright.metrics.diversity import spread
from ganwright.training import checkpoint

QUIET: dict[str, Any] = {"quiet": True}


def rows(count: int = 20, **changes: Any) -> list[Mapping[str, float]]:
    """Rows as a healthy run has them; what changes is a number, or a function of the row's."""
    healthy: dict[str, Any] = {
        "D/adv": 1.2,
        "D/real": 0.4,
        "D/fake": -0.4,
        "D/gradient": 0.3,
        "G/adv": 0.9,
        "G/gradient": 0.2,
    }
    given = healthy | {name.replace("_", "/"): value for name, value in changes.items()}
    return [
        {"step": 50 * (i + 1), **{k: v(i) if callable(v) else v for k, v in given.items()}}
        for i in range(count)
    ]


def test_a_healthy_run_is_not_named() -> None:
    assert diagnose(History()) == {}
    assert diagnose(History(rows(), [0.7, 0.9, 0.95], [0.4, 0.1, 0.05])) == {}


def test_collapsed_samples_are_named_after_three_grids() -> None:
    assert diagnose(History(rows(), [0.9, 0.2, 0.1])) == {}
    assert diagnose(History(rows(), [0.9, 0.2, 0.2, 0.1])) == {
        "collapsed": "samples are 10% as diverse as the data's images"
    }
    assert diagnose(History(rows(), [0.1, 0.1, 0.1, 0.3])) == {}, "it began so, and recovered"
    assert diagnose(History(rows(), [0.2, 0.21, 0.22])) == {}, "it begins so, and grows"
    assert diagnose(History(rows(), [0.2, 0.2, 0.204])).keys() == {"collapsed"}


def test_a_discriminator_that_wins_is_named() -> None:
    found = diagnose(History(rows(D_adv=lambda i: 1.0 if i < 15 else 0.01)))
    assert found == {"saturated": "D tells all samples from data (adv 0.01)"}
    assert diagnose(History(rows(D_adv=lambda i: 1.0 if i < 16 else 0.01))) == {}, "four rows"
    assert diagnose(History(rows(G_adv=0.001))) == {}, "G's loss says nothing of the kind"


def test_a_critics_loss_has_no_least_value() -> None:
    falling = rows(D_adv=lambda i: 0.5 if i < 3 else -0.1 if i < 6 else 0.01)
    assert diagnose(History(falling)) == {}


def test_a_player_without_gradients_is_named() -> None:
    found = diagnose(History(rows(G_gradient=lambda i: 0.2 if i < 15 else 1e-8)))
    assert found == {"dead": "G gets no gradient"}


def test_numbers_that_grow_are_named() -> None:
    found = diagnose(History(rows(D_real=lambda i: 0.5 if i < 15 else 150.0 + i)))
    # from 1.2, its largest at first, to 165 at the fifth row from the end
    assert found == {"diverging": "the numbers of D have grown 138 times as large"}
    assert diagnose(History(rows(D_real=lambda i: 150.0 + i))) == {}, "they were so at first"


def test_samples_that_leap_together_are_named() -> None:
    seen = History(rows(), [0.8] * 7, [0.1, 0.6, 0.7, 0.6, 0.8, 0.6])
    assert diagnose(seen) == {"oscillating": "all samples change together from grid to grid"}
    assert diagnose(History(rows(), [0.8] * 6, [0.6, 0.7, 0.6, 0.8, 0.4])) == {}


def test_there_is_help_for_all_that_is_named() -> None:
    assert set(HELP) == {"collapsed", "saturated", "dead", "oscillating", "diverging"}


def test_diversity_is_measured_beside_the_data(tmp_path: Path) -> None:
    """Samples half as far apart as images of the data; then all alike, a distance away."""
    measured: list[float] = []
    leaps: list[float] = []
    watcher = Health()

    class Look(Callback):
        def started(self, run: Run) -> None:
            data = run.data.preview(64).images
            run.trainer.step = EARLY
            for grid in (data / 2, torch.full_like(data, 0.25), torch.full_like(data, -0.25)):
                watcher.sampled(run, {"samples": grid})
            run.trainer.step = 0
            shape = data[0].numel() ** 0.5 / 2
            apart = spread(data.flatten(1))
            measured.extend(watcher.seen.diversity)
            leaps.extend((watcher.seen.leaps[-1], shape / apart))
            watcher.seen = History()  # the run itself is too short for a word

    cls, settings = tiny("gan", steps=1)
    ganwright.train(cls, settings, tmp_path / "run", callbacks=[watcher, Look()], **QUIET)
    assert measured == pytest.approx([0.5, 0, 0], abs=1e-6)
    assert leaps[0] == pytest.approx(leaps[1], rel=1e-6)


class Fails(Callback):
    """Makes `diagnose` find something at some steps, however often they are played."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: set[int], times: int = 99) -> None:
        self.at, self.times, self.step = at, times, 0
        monkeypatch.setattr(health, "diagnose", self.diagnose)

    def stepped(self, run: Run) -> None:
        self.step = run.step

    def diagnose(self, seen: History) -> dict[str, str]:
        if self.step not in self.at or self.times == 0:
            return {}
        self.times -= 1
        return {"collapsed": "all alike"}


def trained(
    run: Path, fails: Fails, on_collapse: str, **changes: Any
) -> tuple[ganwright.Model, list[dict[str, Any]]]:
    every = {"log_every": 1, "save_every": 2, "sample_every": 4}
    cls, settings = tiny("gan", on_collapse=on_collapse, **({"steps": 8} | every | changes))
    model = ganwright.train(cls, settings, run, callbacks=[fails], **QUIET)
    lines = (run / "health.jsonl").read_text("utf-8").splitlines()
    return model, [json.loads(line) for line in lines]


def test_it_is_said_once_and_when_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = Fails(monkeypatch, {3, 4, 5})
    with pytest.warns(UserWarning, match="^collapsed at step 3: all alike; lower") as warned:
        model, lines = trained(tmp_path / "run", fails, "warn")
    assert len(warned) == 1
    assert model.step == 8
    sentence = f"collapsed: all alike; {HELP['collapsed']}"
    assert lines == [
        {"step": 3, "sentence": sentence},
        {"step": 6, "sentence": "no longer collapsed"},
    ]


def test_it_may_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(UserWarning, match="collapsed"):
        model, _ = trained(tmp_path / "run", Fails(monkeypatch, {3}), "stop")
    assert model.step == 3
    assert [p.name for p in checkpoint.steps(tmp_path / "run" / "checkpoints")][-1] == "step-000003"


def test_it_may_go_back_to_before_the_first_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At step 6 only step 0 is known to be well, so all is made again, with other numbers."""
    with pytest.warns(UserWarning, match="all alike") as warned:
        model, lines = trained(tmp_path / "run", Fails(monkeypatch, {6}, times=1), "rollback")
    assert model.step == 8
    assert lines == [], "that did not happen"
    assert str(warned[-1].message).startswith("collapsed: all alike; back to step 0, continuing")
    plain, _ = tmp_path / "plain", monkeypatch.undo()
    cls, settings = tiny("gan", steps=8)
    ganwright.train(cls, settings, plain, **QUIET)
    assert not torch.equal(weights(tmp_path / "run"), weights(plain))


def test_what_stopped_a_row_that_is_undone_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Stops` wants to stop at step 6, which the rollback undoes, and when it comes again."""

    class Stops(Fails):
        seen: tuple[int, ...] = ()

        def logged(self, run: Run, row: Mapping[str, Any]) -> None:
            self.seen += (run.step,)
            if run.step == 6:
                run.stop("enough")

    stops = Stops(monkeypatch, {6}, times=1)
    with pytest.warns(UserWarning, match="all alike"):
        model, _ = trained(tmp_path / "run", stops, "rollback")
    assert stops.seen == (1, 2, 3, 4, 5, 6) * 2
    assert model.step == 6
    ended = json.loads((tmp_path / "run" / "ended.json").read_text("utf-8"))
    assert ended == {"step": 6, "reason": "enough"}


def weights(run: Path) -> Tensor:
    with torch.no_grad():
        game = ganwright.load(run).game
        return torch.cat([w.flatten() for w in game.parameters()])


def test_a_run_that_always_fails_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganwright.run.recovery.ROLLBACKS", 2)
    with pytest.warns(UserWarning, match="all alike") as warned:
        model, _ = trained(tmp_path / "run", Fails(monkeypatch, {6}), "rollback")
    assert model.step == 6
    assert sum("back to step 0" in str(w.message) for w in warned) == 2


def test_the_last_checkpoints_are_not_removed_for_a_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten rows before step 14 is step 4, and steps 10, 12 and 14 are kept: the run stops."""
    fails = Fails(monkeypatch, {14})
    with pytest.warns(UserWarning, match="all alike"):
        model, _ = trained(tmp_path / "run", fails, "rollback", steps=20, keep=3)
    kept = [checkpoint.step_of(p) for p in checkpoint.steps(tmp_path / "run" / "checkpoints")]
    assert (model.step, kept) == (14, [10, 12, 14])
    assert len((tmp_path / "run" / "metrics.jsonl").read_bytes().splitlines()) == 14


def test_a_resumed_run_goes_back_to_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights where it resumed are not those of step 0, which the seed gives again."""
    cls, settings = tiny("gan", steps=8, save_every=4, log_every=1, sample_every=4)
    wanted = dataclasses.replace(settings, on_collapse="rollback")
    short = dataclasses.replace(wanted, steps=4)
    ganwright.train(cls, short, tmp_path / "parts", **QUIET)
    for name, go in (
        ("whole", partial(ganwright.train, cls, wanted, tmp_path / "whole")),
        ("parts", partial(ganwright.resume, tmp_path / "parts", steps=8)),
    ):
        fails = Fails(monkeypatch, {6}, times=1)
        with pytest.warns(UserWarning, match="all alike") as warned:
            assert go(callbacks=[fails], **QUIET).step == 8, name
        assert "back to step 0" in str(warned[-1].message)
    assert torch.equal(weights(tmp_path / "parts"), weights(tmp_path / "whole"))


def test_a_resumed_run_does_not_go_back_to_where_it_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights that it began with stood in a checkpoint that is gone."""
    cls, settings = tiny("gan", steps=4, save_every=4, log_every=1, sample_every=4)
    ganwright.train(cls, settings, tmp_path / "first", **QUIET)
    settings = dataclasses.replace(settings, init=str(tmp_path / "first"), keep=1)
    ganwright.train(cls, settings, tmp_path / "run", **QUIET)
    before = weights(tmp_path / "run")
    fails = Fails(monkeypatch, {6})
    with pytest.warns(UserWarning, match="all alike"):
        model = ganwright.resume(
            tmp_path / "run", steps=8, on_collapse="rollback", callbacks=[fails], **QUIET
        )
    assert model.step == 6
    kept = checkpoint.steps(tmp_path / "run" / "checkpoints")
    assert [checkpoint.step_of(path) for path in kept] == [6]
    assert not torch.equal(weights(tmp_path / "run"), before)


def test_what_a_resumed_run_makes_again_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.warns(UserWarning, match="collapsed"):
        trained(tmp_path / "run", Fails(monkeypatch, {8}), "warn")
    late = {"step": 9, "sentence": "of a step that was lost"}
    with (tmp_path / "run" / "health.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(late)}\n")
    Fails(monkeypatch, set())
    ganwright.resume(tmp_path / "run", steps=9, **QUIET)
    lines = (tmp_path / "run" / "health.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [8]
