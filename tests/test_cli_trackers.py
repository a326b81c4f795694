"""Trackers: TensorBoard for real where it is installed, the others' refusals always."""

from __future__ import annotations

import importlib.util
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny

from ganwright.callbacks import trackers
from ganwright.callbacks.trackers import TRACKERS, Kind, check, flat, open_trackers
from ganwright.errors import MissingExtraError, SettingsError
from ganwright.run.train import train
from ganwright.training.trainer import Trainer


def test_unknown_trackers_are_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="unknown tracker tensorbord; did you mean tensorboard"):
        check(["tensorbord"])


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_named_with_its_cure(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    missing = TRACKERS[name].package
    monkeypatch.setattr(trackers, "find_spec", lambda p: None if p == missing else real(p))
    with pytest.raises(MissingExtraError) as caught:
        open_trackers([name], Path("runs/x"), {})
    assert str(caught.value).endswith(
        f"--log {name} needs packages that are not installed: pip install accelerate {missing}"
    )


def test_settings_are_flattened_to_plain_values() -> None:
    nested = {"steps": 5, "flip": True, "data": None, "game": {"loss": "Hinge()", "log": [1]}}
    assert flat(nested) == {
        "steps": 5,
        "flip": True,
        "data": "None",
        "game.loss": "Hinge()",
        "game.log": "[1]",
    }


def test_tensorboard_holds_what_was_logged(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs ganwright[tensorboard]")
    pytest.importorskip("accelerate", reason="needs ganwright[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (tracker,) = open_trackers(["tensorboard"], tmp_path / "first", {"steps": 3, "game": {"a": 1}})
    tracker.log({"D/adv": 0.5, "G/adv": 2}, step=10)
    tracker.log({"D/adv": 0.25}, step=20)
    pictures = torch.stack([torch.full((3, 8, 8), v) for v in (-1.0, 1.0)])
    tracker.log_images({"samples": pictures, "points": torch.zeros(5, 2)}, step=20)
    tracker.finish()

    events: Any = EventAccumulator(str(tmp_path / "first" / "tensorboard" / "first"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("D/adv")] == [(10, 0.5), (20, 0.25)]
    assert [e.value for e in events.Scalars("G/adv")] == [2.0]
    (image,) = events.Images("samples")
    assert (image.width, image.height) == (2 * 66 + 2, 66 + 2)
    assert events.Tags()["images"] == ["samples"]


class Recorder:
    """A tracker that says what becomes of it."""

    def __init__(self, name: str, told: list[str], broken: bool = False) -> None:
        self.name, self.told, self.broken = name, told, broken

    def start(self) -> None:
        self.told.append(f"{self.name} starts")

    def store_init_configuration(self, config: dict[str, Any]) -> None:
        if self.broken:
            raise OSError("no space left")

    def log(self, values: dict[str, float], step: int) -> None:
        self.told.append(f"{self.name} logs")

    def finish(self) -> None:
        self.told.append(f"{self.name} finishes")


def _recorders(monkeypatch: pytest.MonkeyPatch, told: list[str], *, broken: bool = False) -> None:
    """Two trackers, `first` and `second`, in place of the library's."""
    pytest.importorskip("accelerate", reason="needs ganwright[tensorboard]")
    from accelerate import tracking

    kinds = {}
    for name in ("first", "second"):
        made = partial(Recorder, name, told, broken=broken and name == "second")
        monkeypatch.setattr(tracking, name, made, raising=False)
        kinds[name] = Kind("torch", name, lambda _: {}, lambda *_: None)
    monkeypatch.setattr(trackers, "TRACKERS", kinds)


def test_where_one_tracker_cannot_be_opened_all_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    _recorders(monkeypatch, told, broken=True)
    with pytest.raises(OSError, match="no space left"):
        open_trackers(["first", "second"], tmp_path, {})
    assert told == ["first starts", "second starts", "second finishes", "first finishes"]


def test_a_run_that_fails_closes_its_trackers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    _recorders(monkeypatch, told)
    cls, settings = tiny("dcgan", steps=2, log=("first", "second"), data="digits")
    play_step = Trainer.play_step

    def fail(trainer: Trainer, most: int | None = None) -> None:
        """The trial step passes, the run's first one does not."""
        if most is None:
            raise ZeroDivisionError
        play_step(trainer, most)

    monkeypatch.setattr(Trainer, "play_step", fail)
    with pytest.raises(ZeroDivisionError):
        train(cls, settings, tmp_path / "run")
    assert told == ["first starts", "second starts", "second finishes", "first finishes"]
