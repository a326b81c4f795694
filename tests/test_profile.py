"""What a training costs is measured, told, and costs nothing that stays."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import TINY, tiny, trainer_of

import ganwright
from ganwright.cli import main
from ganwright.commands.profile import anatomy, summary
from ganwright.data.batches import Data
from ganwright.data.types import Images, Spec
from ganwright.errors import GanwrightError, SettingsError
from ganwright.report.page import duration
from ganwright.run.assembly import assemble, resolved
from ganwright.run.profile import Profile, Stretch, chosen, measure
from ganwright.training.engine import Engine
from ganwright.training.timed import TimedTrainer

SMALL = (
    *("--image-size", "8", "--batch-size", "4", "--device", "cpu", "--precision", "fp32"),
    *("--game.networks", "MLP(hidden_G=(16,), hidden_D=(8,))", "--seconds", "0.05"),
)


def timed(name: str) -> TimedTrainer:
    cls, settings = tiny(name)
    engine = Engine.pick("cpu", "fp32")
    trainer, _ = assemble(cls, resolved(cls, settings), engine, kind=TimedTrainer)
    assert isinstance(trainer, TimedTrainer)
    return trainer


@pytest.mark.parametrize("name", ["gan", "cyclegan", "srgan"])
def test_a_timed_trainer_trains_as_any_other(name: str) -> None:
    plain, noted = trainer_of(name), timed(name)
    list(plain.play(2))
    list(noted.play(2))
    both = zip(plain.game.state_dict().values(), noted.game.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in both)


def test_each_part_of_a_step_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a batch takes 20 ms, an update of G 40 ms; both are in no other part."""
    trainer = timed("gan")
    _, G = trainer.players
    for place, name, seconds in ((trainer.batches, "batch", 0.02), (G.optimizer, "step", 0.04)):
        own = getattr(place, name)

        def slow(*args: Any, own: Any = own, seconds: float = seconds, **more: Any) -> Any:
            time.sleep(seconds)
            return own(*args, **more)

        monkeypatch.setattr(place, name, slow)
    began = time.perf_counter()
    list(trainer.play(3))
    took = time.perf_counter() - began
    spent = trainer.spent
    assert spent["", "data"] >= 0.06
    assert spent["G", "optimizer"] >= 0.12
    assert sum(spent.values()) <= took, "no time is counted twice"
    assert set(spent) == {("", "data"), ("", "trainer")} | {
        (p, part) for p in "DG" for part in ("forward", "backward", "optimizer")
    }


def test_weights_and_their_memory_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cls, settings = tiny("gan")
    found = ganwright.profile(cls, settings, seconds=0.02, steps=30)
    count = sum(found.parameters.values())
    assert set(found.parameters) == {"G", "D"}
    assert found.memory["weights"] == found.memory["gradients"] == 4 * count
    assert found.memory["averages"] == 4 * found.parameters["G"]
    # Adam's two moments, and a step count for each tensor
    tensors = len(list(cls(settings.game, found.spec).parameters()))
    assert found.memory["optimizers"] == 8 * count + 4 * tensors
    (stretch,) = found.stretches
    assert (stretch.name, stretch.steps, stretch.images) == ("", 30, 4)
    assert found.seconds == found.first + 30 * stretch.seconds
    assert list(tmp_path.iterdir()) == []


def test_phases_are_measured_apart_and_intervals_in_whole_rounds() -> None:
    cls, _ = tiny("srgan")
    game = cls.Config(**TINY["srgan"] | {"mse_steps": 3})
    cls, settings = tiny("srgan", steps=10, game=game)
    found = measure(cls, settings, seconds=0.02)
    assert [(s.name, s.steps) for s in found.stretches] == [("mse", 3), ("adversarial", 7)]
    assert {player for player, _ in found.stretches[0].parts} == {"", "G_mse"}
    assert {player for player, _ in found.stretches[1].parts} == {"", "D", "G"}
    cls, settings = tiny("discogan", steps=10)
    found = measure(cls, settings, seconds=0.02)
    assert {player for player, _ in found.stretches[0].parts} == {"", "D", "G"}
    assert found.stretches[0].images == 4


def test_a_table_has_a_row_for_each_player_and_a_column_for_each_part() -> None:
    _, settings = tiny("gan")
    parts = {("D", "forward"): 0.002, ("G", "backward"): 0.001, ("", "data"): 0.001}
    stretch = Stretch("", 1000, 64, 0.004, 0.1, parts)
    spec = Spec(Images, (1, 8, 8))
    device, memory = torch.device("cpu"), {"peak": 2**20}
    found = Profile(settings, spec, device, {"G": 10}, memory, 1.0, (stretch,))
    assert anatomy(found) == [
        "ms a step  data  forward  backward  share",
        "D                      2              50%",
        "G                                1    25%",
        "other         1                       25%",
    ]
    assert found.seconds == 5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90060, "25 h 1 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_command_tells_speed_price_and_anatomy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    trace = tmp_path / "trace.json"
    assert main(["profile", "gan", *SMALL, "--price", "2", "--trace", str(trace)]) == 0
    said = capsys.readouterr().out
    assert "parameters: G " in said
    assert "images a second" in said
    assert "at 2 an hour" in said
    assert "\nother " in said
    events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    assert any("addmm" in str(event.get("name")) for event in events)
    assert [p.name for p in tmp_path.iterdir()] == ["trace.json"]
    assert main(["profile", "gan", *SMALL, "--trace", str(trace)]) == 2
    assert "trace.json exists; add --overwrite to replace it" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = [word for word in SMALL if word not in ("--seconds", "0.05")]
    assert main(["train", "gan", *small, "--steps", "50", "--dry-run"]) == 0
    assert "50 steps" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_the_data_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the first step fails; a trace, which reads once more, comes before."""
    closed: list[bool] = []
    trace = tmp_path / "trace.json"
    monkeypatch.setattr(Data, "close", lambda _: closed.append(trace.exists()))
    ganwright.profile(*tiny("gan"), seconds=0.01)
    ganwright.suggest("ring", hours=0.1, seconds=0.01, device="cpu")
    assert main(["profile", "gan", *SMALL, "--trace", str(trace)]) == 0
    assert closed == [False, False, True]

    def fails(*_: Any) -> None:
        raise SettingsError("the first step fails")

    monkeypatch.setattr("ganwright.run.profile.try_first_step", fails)
    assert main(["profile", "gan", *SMALL]) == 2
    assert len(closed) == 4


def test_a_run_is_profiled_with_its_own_settings(tmp_path: Path) -> None:
    cls, settings = tiny("gan", steps=1)
    ganwright.train(cls, settings, tmp_path / "run", quiet=True)
    found, own = chosen(tmp_path / "run")
    assert (found, own.batch_size, own.game) == (cls, 4, settings.game)


def test_a_file_of_settings_is_profiled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `train --config` would train it: its family need not be named, and flags come on top."""
    cls, settings = tiny("gan", steps=1)
    ganwright.train(cls, settings, tmp_path / "run", quiet=True)
    config = ["--config", str(tmp_path / "run" / "config.yaml"), "--seconds", "0.05"]
    for given in (["profile", *config], ["profile", "gan", *config]):
        assert main([*given, "--batch-size", "3"]) == 0
        assert "batches of 3" in capsys.readouterr().out
    assert main(["profile", "dcgan", *config]) == 2
    assert "is for gan, not for dcgan" in capsys.readouterr().err
    assert main(["profile", str(tmp_path / "run"), *config]) == 2
    assert "is a run, which has its own settings; leave out --config" in capsys.readouterr().err


def test_what_cannot_be_trained_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "--seconds", "1", "gan"]) == 2
    assert "profile needs a family or a run first" in capsys.readouterr().err
    assert main(["profile", "nogan"]) == 2
    assert "nogan" in capsys.readouterr().err
    with pytest.raises(GanwrightError):
        ganwright.profile("gan", data="missing-folder")


def test_the_summary_names_the_price_where_there_is_one() -> None:
    cls, settings = tiny("gan")
    found = measure(cls, settings, seconds=0.01)
    assert "an hour" not in summary(cls, found)[-1]
    assert summary(cls, found, 3600.0)[-1].endswith(f"at 3600 an hour {found.seconds:.2f}")


def test_the_summary_leaves_out_a_count_that_is_not_known() -> None:
    cls, settings = tiny("gan")
    found = measure(cls, settings, seconds=0.01)
    assert "digits: 1,617 items of 1x8x8" in summary(cls, found)[0]
    endless = dataclasses.replace(found, spec=dataclasses.replace(found.spec, count=0))
    assert "digits: items of 1x8x8" in summary(cls, endless)[0]


@pytest.mark.parametrize("seconds", [0, float("nan"), float("inf"), "long"])
def test_how_long_to_measure_is_a_number_above_0(seconds: Any) -> None:
    with pytest.raises(GanwrightError, match=r"seconds is .*; it must be .*above 0"):
        ganwright.profile("dcgan", seconds=seconds)


def test_slow_steps_are_measured_no_longer_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of 20 ms: one is enough for 10 ms, three for 50 ms, five of several for a second."""
    played: list[int] = []

    def slow(trainer: TimedTrainer, start: int, length: int, count: int) -> None:
        played.append(count)
        time.sleep(0.02 * count)
        trainer.spent["", "data"] = 0.02

    monkeypatch.setattr("ganwright.run.profile._play", slow)
    cls, settings = tiny("gan")
    (stretch,) = measure(cls, settings, seconds=0.01).stretches
    assert played == [1, 1]
    assert stretch.spread is None
    played.clear()
    (stretch,) = measure(cls, settings, seconds=0.05).stretches
    assert played[0] == 1
    assert 2 <= len(played) <= 4
    assert "spread None" not in "".join(summary(cls, measure(cls, settings, seconds=0.01)))
