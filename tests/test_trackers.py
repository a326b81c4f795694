"""What trackers receive, and that none of them can end a run."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import tensors, tiny, trainer_of
from torch import Tensor

from ganwright import trackers
from ganwright.cli import main
from ganwright.errors import MissingExtraError, SettingsError
from ganwright.metrics.distances import FID
from ganwright.observing import evaluate_watched, scope, spread
from ganwright.run.evaluation import Choice, evaluate
from ganwright.run.train import resume, train
from ganwright.trackers import TRACKERS, Entry, Histogram, Tracker, check
from ganwright.trackers.several import Several, flat
from ganwright.trackers.tracker import identity
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer


class Recorder(Tracker):
    """Keeps what it receives; fails at the method that `fails` names."""

    opened: list[Recorder]
    fails = ""

    def __init__(self, run: Path, config: Mapping[str, Any]) -> None:
        self.run, self.config = run, config
        self.calls: list[tuple[str, Any, Any]] = []
        self._add("open")
        self.opened.append(self)

    def log(self, values: Mapping[str, float], step: int) -> None:
        print("a tracker speaks")
        self._add("log", dict(values), step)

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        self._add("images", {name: x.shape for name, x in images.items()}, step)

    def log_histograms(self, histograms: Mapping[str, Histogram], step: int) -> None:
        self._add("histograms", dict(histograms), step)

    def rewound(self, step: int) -> None:
        self._add("rewound", None, step)

    def finish(self) -> None:
        self._add("finish")

    def told(self, what: str) -> dict[int, Any]:
        """What it received of one kind, by step."""
        return {step: details for kind, details, step in self.calls if kind == what}

    def _add(self, what: str, details: Any = None, step: Any = None) -> None:
        self.calls.append((what, details, step))
        if what == self.fails:
            raise OSError("no route\nto host")


class Other(Recorder):
    """A second one, which may fail by itself."""


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    """The trackers `first` and `second`, and all that are opened of them."""
    monkeypatch.setattr(Recorder, "opened", [], raising=False)
    for name, kind in {"first": Recorder, "second": Other}.items():
        monkeypatch.setattr(trackers.tracker, kind.__name__, kind, raising=False)
        monkeypatch.setitem(TRACKERS, name, Entry(f"tracker:{kind.__name__}", "torch", ""))
    return Recorder.opened


def trained(out: Path, **changes: Any) -> None:
    every = {"log_every": 2, "sample_every": 2, "save_every": 2}
    cls, settings = tiny(
        "dcgan", data="digits", **{"steps": 4, "log": ("first",)} | every | changes
    )
    train(cls, settings, out, quiet=True)


def rows_of(run: Path) -> dict[int, dict[str, Any]]:
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    return {row["step"]: row for row in map(json.loads, lines)}


def test_unknown_trackers_are_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="unknown tracker tensorbord; did you mean tensorboard"):
        check(["tensorbord"])


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_named_with_its_cure(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real, missing = importlib.util.find_spec, TRACKERS[name].package
    monkeypatch.setattr(trackers, "find_spec", lambda p: None if p == missing else real(p))
    with pytest.raises(MissingExtraError) as caught:
        trained(tmp_path / "run", log=(name,))
    assert str(caught.value) == (
        f"--log {name} needs a package that is not installed: pip install {missing}"
    )
    assert not (tmp_path / "run").exists()


def test_settings_are_flattened_to_plain_values() -> None:
    nested = {"steps": 5, "flip": True, "data": None, "game": {"loss": "Hinge()", "log": [1]}}
    assert flat(nested) == {
        "steps": 5,
        "flip": True,
        "data": "None",
        "game.loss": "Hinge()",
        "game.log": "[1]",
    }


def test_a_histogram_counts_finite_values() -> None:
    counts, edges = Histogram.of(torch.tensor([[0.0, 1.0, 1.0], [4.0, math.inf, math.nan]]), bins=4)
    assert counts.tolist() == [1, 2, 0, 1]
    assert edges.tolist() == [0, 1, 2, 3, 4]
    counts, edges = Histogram.of(torch.full((3,), 2.0), bins=2)
    assert (counts.sum(), edges.tolist()) == (3, [1.5, 2.0, 2.5])
    assert Histogram.of(torch.tensor([math.nan])).counts.sum() == 0


def test_a_run_is_called_the_same_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first = identity(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "a").mkdir()
    assert identity(tmp_path / "b") == first
    assert len(first) == 32
    assert identity(tmp_path / "a") != first


def test_a_tracker_receives_what_the_run_logs(tmp_path: Path, recorders: list[Recorder]) -> None:
    trained(tmp_path / "run")
    (told,) = recorders
    assert (told.config["steps"], told.config["family"]) == (4, "dcgan")
    rows = rows_of(tmp_path / "run")
    assert list(told.told("log")) == [2, 4]
    for step, values in told.told("log").items():
        assert values == {k: v for k, v in rows[step].items() if v is not None and k != "step"}
    assert told.told("images") == {step: {"samples": (64, 1, 8, 8)} for step in (0, 2, 4)}
    assert [kind for kind, _, _ in told.calls if kind in ("histograms", "rewound")] == []
    assert told.calls[-1][0] == "finish"


def test_a_resumed_run_says_where_it_continues(tmp_path: Path, recorders: list[Recorder]) -> None:
    trained(tmp_path / "run")
    resume(tmp_path / "run", steps=6, quiet=True)
    assert recorders[1].calls[1] == ("rewound", None, 4)
    assert list(recorders[1].told("log")) == [6]


def test_a_run_killed_before_its_first_checkpoint_begins_its_curves_anew(
    tmp_path: Path, recorders: list[Recorder]
) -> None:
    trained(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.warns(UserWarning, match="training starts over at step 0"):
        resume(tmp_path / "run", steps=4, quiet=True)
    assert recorders[1].calls[1] == ("rewound", None, 0)
    assert list(recorders[1].told("log")) == [2, 4]


@pytest.mark.parametrize("fails", ["open", "log", "images", "histograms", "finish"])
def test_one_that_fails_is_reported_once(
    fails: str, tmp_path: Path, recorders: list[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Other, "fails", fails)
    sentence = r"--log second failed and receives nothing more \(OSError: no route to host\)"
    with pytest.warns(UserWarning, match=sentence) as caught:
        trained(tmp_path / "run", log=("second", "first"), histogram_every=2)
    assert len(caught) == 1
    assert (tmp_path / "run" / "checkpoints" / "step-000004").is_dir()
    whole = next(told for told in recorders if type(told) is Recorder)
    for what, steps in {"log": [2, 4], "images": [0, 2, 4], "histograms": [2, 4]}.items():
        assert list(whole.told(what)) == steps
    broken = [told for told in recorders if type(told) is Other]
    for told in broken:
        kinds = [kind for kind, _, _ in told.calls]
        assert kinds.count(fails) == 1
        assert kinds[-1] == "finish"


def test_a_run_that_fails_closes_its_trackers(
    tmp_path: Path, recorders: list[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    play_step = Trainer.play_step

    def fail(trainer: Trainer, most: int | None = None) -> None:
        """The trial step passes, the run's first one does not."""
        if most is None:
            raise ZeroDivisionError
        play_step(trainer, most)

    monkeypatch.setattr(Trainer, "play_step", fail)
    with pytest.raises(ZeroDivisionError):
        trained(tmp_path / "run", log=("first", "second"))
    assert [told.calls[-1][0] for told in recorders] == ["finish", "finish"]


def test_what_a_tracker_prints_stays_out_of_standard_output(
    tmp_path: Path, recorders: list[Recorder], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--game.networks", "ConvNet(width=4)", "--batch-size", "4", "--image-size", "8")
    every = ("--steps", "2", "--log-every", "2", "--device", "cpu")
    assert main(["train", "dcgan", *flags, *every, "--log", "first", "--out", f"{tmp_path}/r"]) == 0
    said = capsys.readouterr()
    assert [json.loads(line).get("step") for line in said.out.splitlines()] == [0, 2, 2]
    assert "a tracker speaks" in said.err
    assert list(recorders[0].told("log")) == [2]


def test_ctrl_c_stays_the_runs(
    tmp_path: Path, recorders: list[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").write_text("{}", encoding="utf-8")
    before = signal.getsignal(signal.SIGINT)

    def catch(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    monkeypatch.setattr(Recorder, "__init__", catch)
    Several(["first"], tmp_path, pytest.fail)
    assert signal.getsignal(signal.SIGINT) is before


def test_what_evaluate_found_reaches_the_trackers(
    tmp_path: Path, recorders: list[Recorder]
) -> None:
    trained(tmp_path / "run")
    (found,) = evaluate(tmp_path / "run", [FID()], choice=Choice(n=100, device="cpu"))
    assert recorders[1].told("log") == {4: {f"evaluate/{found.name}": found.value}}
    assert recorders[1].calls[-1][0] == "finish"


def test_a_package_that_is_gone_does_not_stop_evaluate(
    tmp_path: Path, recorders: list[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(tmp_path / "run", log=("first", "second"))
    gone = TRACKERS["second"]._replace(package="no_such_package")
    monkeypatch.setitem(TRACKERS, "second", gone)
    said: list[str] = []
    several = Several(["first", "second"], tmp_path / "run", said.append)
    several.log({"evaluate/FID": 1.0}, 4)
    assert recorders[-1].told("log") == {4: {"evaluate/FID": 1.0}}
    (sentence,) = said
    assert sentence.startswith("--log second failed and receives nothing more (MissingExtraError: ")
    assert "pip install no_such_package" in sentence


@pytest.mark.parametrize("compile", [False, True])
def test_a_watched_step_shows_gradients_and_scores(
    compile: bool, request: pytest.FixtureRequest
) -> None:
    """Their norm and means are those that the trainer logs anyway."""
    if compile:
        request.getfixturevalue("traced")
    trainer = trainer_of("dcgan", data="digits")
    if compile:
        engine = Engine(torch.device("cpu"), compile=True)
        trainer = Trainer(trainer.game, trainer.batches, engine, batch_size=4)
    trainer.play_step()
    trainer.meter.read()
    trainer.watched = {}
    trainer.play_step()
    means, _ = trainer.meter.read()
    shown = trainer.watched
    for player in ("G", "D"):
        own = [x for name, x in shown.items() if name.startswith(f"{player}/gradients/")]
        assert len(own) == sum(1 for _ in getattr(trainer.game, player).parameters())
        norm = math.sqrt(sum(float(x.double().square().sum()) for x in own))
        assert norm == pytest.approx(means[f"{player}/gradient"], rel=1e-5)
    for side in ("real", "fake"):
        scores = shown[f"D/scores/{side}"]
        assert scores.numel() == 4
        assert float(scores.mean()) == pytest.approx(means[f"D/{side}"], rel=1e-4, abs=1e-6)


def test_values_are_shown_under_the_names_of_their_scope() -> None:
    def objective(_: Any) -> dict[str, Tensor]:
        with scope("A"):
            spread("scores", torch.ones(2, requires_grad=True))
        return {}

    _, seen, shown = evaluate_watched(objective, None)
    assert seen == []
    assert {name: (x.tolist(), x.requires_grad) for name, x in shown.items()} == {
        "scores_A": ([1.0, 1.0], False)
    }
    spread("scores", torch.ones(2))  # outside of an objective nobody looks


def test_histograms_are_taken_at_their_interval_and_change_nothing(
    tmp_path: Path, recorders: list[Recorder]
) -> None:
    trained(tmp_path / "plain")
    trained(tmp_path / "watched", steps=4, histogram_every=3)
    plain, watched = tensors(tmp_path / "plain"), tensors(tmp_path / "watched")
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    assert recorders[0].told("histograms") == {}
    (step,) = recorders[1].told("histograms")
    assert step == 3
    found = recorders[1].told("histograms")[step]
    assert {"D/scores/real", "D/scores/fake"} < found.keys()
    assert found["D/scores/real"].counts.sum() == 4
    weights = {f"{n[0]}/gradients/{n}": x.numel() for n, x in plain_weights().items()}
    assert {n: h.counts.sum() for n, h in found.items() if "gradients" in n} == weights
    assert all(np.all(np.diff(h.edges) > 0) for h in found.values())


def plain_weights() -> dict[str, Tensor]:
    return dict(trainer_of("dcgan", data="digits").game.named_parameters())
