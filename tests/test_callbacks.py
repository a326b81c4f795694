"""Callbacks: when they are called, what they may do, and that what they see is the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import tensors, tiny
from torch import Tensor

import ganwright
from ganwright import Callback, Run
from ganwright.cli import main
from ganwright.data.types import Images
from ganwright.errors import SettingsError
from ganwright.families.gan import GAN
from ganwright.game import Terms

QUICK: dict[str, Any] = {"quiet": True}


class Told(Callback):
    """Writes down every hook but `stepped`, with the step."""

    def __init__(self) -> None:
        self.hooks: list[tuple[str, int]] = []
        self.steps: list[int] = []

    def started(self, run: Run) -> None:
        self.hooks.append(("started", run.step))

    def stepped(self, run: Run) -> None:
        self.steps.append(run.step)

    def sampled(self, run: Run, images: Mapping[str, Tensor]) -> None:
        self.hooks.append(("sampled", run.step))

    def evaluated(self, run: Run, values: Mapping[str, float]) -> None:
        self.hooks.append(("evaluated", run.step))

    def logged(self, run: Run, row: Mapping[str, Any]) -> None:
        self.hooks.append(("logged", row["step"]))

    def saved(self, run: Run, checkpoint: Path) -> None:
        assert (
            json.loads((checkpoint / "manifest.json").read_text(encoding="utf-8"))["step"]
            == run.step
        )
        self.hooks.append(("saved", run.step))

    def finished(self, run: Run) -> None:
        self.hooks.append(("finished", run.step))

    def closed(self, run: Run) -> None:
        self.hooks.append(("closed", run.step))


def trained(out: Path, *callbacks: Callback, name: str = "gan", **changes: Any) -> ganwright.Model:
    cls, settings = tiny(name, **({"log_every": 2, "sample_every": 3, "save_every": 4} | changes))
    return ganwright.train(cls, settings, out, callbacks=callbacks, **QUICK)


def test_hooks_come_in_order(tmp_path: Path) -> None:
    told = Told()
    trained(tmp_path / "run", told, name="sgan", steps=5)
    assert told.steps == [1, 2, 3, 4, 5]
    assert told.hooks == [
        ("started", 0),
        ("sampled", 0),
        ("logged", 2),
        *(("sampled", 3), ("evaluated", 3), ("logged", 3)),
        *(("logged", 4), ("saved", 4)),
        *(("sampled", 5), ("evaluated", 5), ("logged", 5), ("saved", 5), ("finished", 5)),
        ("closed", 5),
    ]


def test_what_a_callback_logs_stands_in_the_row(tmp_path: Path) -> None:
    class Logs(Callback):
        def stepped(self, run: Run) -> None:
            run.log({"mine/steps": run.step})

    trained(tmp_path / "run", Logs(), steps=4)
    rows = [
        json.loads(x)
        for x in (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [(row["step"], row["mine/steps"]) for row in rows] == [(2, 2), (3, 3), (4, 4)]
    assert all("D/adv" in row for row in rows)


def test_images_that_a_callback_logs_reach_the_others(tmp_path: Path) -> None:
    class Draws(Callback):
        def logged(self, run: Run, row: Mapping[str, Any]) -> None:
            with run.averaged() as game:
                run.log_images({"mine": game.sample(2)})  # type: ignore[operator]

    class Sees(Callback):
        names: tuple[str, ...] = ()

        def sampled(self, run: Run, images: Mapping[str, Tensor]) -> None:
            assert all(not x.requires_grad for x in images.values())
            self.names += tuple(images)

    sees = Sees()
    trained(tmp_path / "run", Draws(), sees, steps=2)
    assert sees.names == ("samples", "samples", "mine")


def test_a_stopped_run_is_saved_and_goes_on_as_the_unbroken_one(tmp_path: Path) -> None:
    class Enough(Callback):
        def logged(self, run: Run, row: Mapping[str, Any]) -> None:
            if run.step >= 2:
                run.stop("enough")
                run.stop("a second reason does not count")

    model = trained(tmp_path / "parts", Enough(), steps=6)
    assert model.step == 2
    assert ganwright.load(tmp_path / "parts").step == 2
    ganwright.resume(tmp_path / "parts", **QUICK)
    trained(tmp_path / "whole", steps=6)
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_callbacks_are_closed_whatever_happens(tmp_path: Path) -> None:
    class Breaks(Callback):
        def stepped(self, run: Run) -> None:
            raise ZeroDivisionError

        def closed(self, run: Run) -> None:
            raise ArithmeticError

    told = Told()
    with pytest.raises(ArithmeticError):
        trained(tmp_path / "run", told, Breaks())
    assert told.hooks[-1] == ("closed", 1)
    assert ("finished", 1) not in told.hooks


def test_steps_that_did_not_happen_are_seen_by_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D's third objective, of the third step, is not finite the first time: back to step 2."""
    calls: list[int] = []
    real = GAN.discriminator

    def unlucky(self: GAN, batch: Images) -> Terms:
        terms = dict(real(self, batch))
        calls.append(1)
        return {k: v * float("nan") if len(calls) == 4 else v for k, v in terms.items()}

    class Sees(Callback):
        seen: tuple[int, ...] = ()

        def stepped(self, run: Run) -> None:
            self.seen += (run.step,)

        def rewound(self, run: Run) -> None:
            self.seen += (-run.step,)

    monkeypatch.setattr(GAN, "discriminator", unlucky)
    sees = Sees()
    with pytest.warns(UserWarning, match="back to step 2"):
        trained(tmp_path / "run", sees, steps=4, log_every=1, save_every=1, on_nan="rollback")
    assert sees.seen == (1, 2, -2, 3, 4)
    rows = [
        json.loads(x)
        for x in (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]


@dataclass(frozen=True)
class Halt(Callback):
    """Ends the run at a step, from the command line."""

    at: int = 1

    def stepped(self, run: Run) -> None:
        if run.step >= self.at:
            run.stop(f"step {self.at} is enough")


def test_a_callback_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["train", "gan", "--image-size", "8", "--batch-size", "4", "--steps", "5"]
    flags += ["--device", "cpu", "--out", str(tmp_path / "run")]
    assert main([*flags, "--callbacks", "test_callbacks.Halt(at=2)"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["step"], last["interrupted"], last["reason"]) == (2, False, "step 2 is enough")
    again = ["resume", str(tmp_path / "run"), "--callbacks", "test_callbacks.Halt(at=9)", "--quiet"]
    assert main(again) == 0
    assert capsys.readouterr().out == ""
    assert main([*flags, "--callbacks", "test_callbacks.Told"]) == 2
    assert "Told" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([3], "each must be an object of a class that derives"),
        ([Told], "each must be an object of a class that derives"),
        (3, "each must be an object of a class that derives"),
        ("mine.Plateau", "callbacks: mine.Plateau cannot be imported"),
    ],
)
def test_what_is_no_callback_is_refused(given: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=sentence):
        ganwright.train("gan", out=tmp_path / "run", callbacks=given)
    assert list(tmp_path.iterdir()) == []


class Logs(Callback):
    """Logs a value in the first step."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def stepped(self, run: Run) -> None:
        if run.step == 1:
            run.log({"mine/x": self.value})


@pytest.mark.parametrize("value", [3, 3.0, torch.tensor(3.0), np.float32(3)])
def test_a_callback_logs_numbers_of_any_kind(value: Any, tmp_path: Path) -> None:
    cls, settings = tiny("gan", steps=2, log_every=1)
    ganwright.train(cls, settings, tmp_path / "run", callbacks=[Logs(value)], **QUICK)
    rows = (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(rows[0])["mine/x"] == 3


def test_what_a_callback_logs_must_be_a_number(tmp_path: Path) -> None:
    cls, settings = tiny("gan", steps=2, log_every=1)
    with pytest.raises(SettingsError) as caught:
        ganwright.train(cls, settings, tmp_path / "run", callbacks=[Logs(torch.zeros(2))], **QUICK)
    assert str(caught.value) == (
        "run.log is given a tensor of shape (2,) as 'mine/x'; it must be a number"
    )


class Returns(Callback):
    """Wants to go back once, at step 6 to step 5 or before."""

    def __init__(self) -> None:
        self.back: list[int] = []
        self.asked = False

    def logged(self, run: Run, row: Mapping[str, Any]) -> None:
        if run.step == 6 and not self.asked:
            self.asked = True
            run.go_back("I say so", 5)

    def rewound(self, run: Run) -> None:
        self.back.append(run.step)


def test_a_run_goes_back_for_any_callback_whatever_on_collapse_is(tmp_path: Path) -> None:
    cls, settings = tiny("gan", steps=8, save_every=4, log_every=1)
    returns = Returns()
    with pytest.warns(UserWarning, match="I say so; back to step 4, continuing with new random"):
        model = ganwright.train(cls, settings, tmp_path / "run", callbacks=returns, quiet=True)
    assert (returns.back, model.step) == ([4], 8)


def test_a_run_that_has_nothing_to_go_back_to_stops(tmp_path: Path) -> None:
    cls, settings = tiny("gan", steps=8, save_every=100, log_every=1)
    model = ganwright.train(cls, settings, tmp_path / "run", callbacks=Returns(), quiet=True)
    assert model.step == 6
    ended = json.loads((tmp_path / "run" / "ended.json").read_text(encoding="utf-8"))
    assert ended["reason"].startswith("I say so, and no checkpoint of step 5 or before is left")
