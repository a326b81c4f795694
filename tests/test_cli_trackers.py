"""Trackers: TensorBoard for real where it is installed, the others' refusals always."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from ganwright import trackers
from ganwright.errors import MissingExtraError, SettingsError
from ganwright.trackers import TRACKERS, check, flat, open_trackers


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
