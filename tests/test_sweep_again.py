"""A sweep that is run again: what it trains on, and what it measures anew."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers import tiny

import ganwright
from ganwright.cli import main
from ganwright.run import sweep

SMALL = ["--game.networks", "ConvNet(width=4)", "--image-size", "8", "--device", "cpu"]


@dataclass(frozen=True)
class Stops(ganwright.Callback):
    """Ends a run after two steps."""

    def stepped(self, run: ganwright.Run) -> None:
        if run.step == 2:
            run.stop("two are enough")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that a sweep runs; its processes are this one."""
    found: list[str] = []

    class Done:
        returncode, stderr = 0, ""

    def called(argv: list[str], **_: Any) -> Done:
        found.append(argv[3])
        assert main(argv[3:]) == 0
        return Done()

    monkeypatch.setattr(sweep.subprocess, "run", called)
    return found


def swept(out: Path, *words: str, n: int = 4) -> int:
    metrics = ["--metrics", "PrecisionRecall(k=1)"]
    own = ["--steps", "3", "--jobs", "1", "-n", str(n), "--evaluate-samples", "4"]
    return main(["sweep", "dcgan", *metrics, *SMALL, *own, "--out", str(out), *words])


def end_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "ended.json").read_text(encoding="utf-8"))
    return found


def test_a_run_says_where_and_why_it_ended(tmp_path: Path) -> None:
    run = tmp_path / "run"
    cls, settings = tiny("dcgan", steps=3)
    ganwright.train(cls, settings, run, callbacks=[Stops()], quiet=True)
    assert end_of(run) == {"step": 2, "reason": "two are enough"}
    ganwright.resume(run, quiet=True)
    assert end_of(run) == {"step": 3, "reason": None}


def test_what_a_callback_stopped_is_not_trained_on(tmp_path: Path, calls: list[str]) -> None:
    """What was interrupted is, and so is what went on since."""
    run, stops = tmp_path / "seed-0", ["--callbacks", "test_sweep_again.Stops"]
    assert swept(tmp_path, *stops) == 0
    assert swept(tmp_path, *stops) == 0
    assert (calls, end_of(run)["step"]) == (["train", "evaluate"], 2)
    (run / "ended.json").write_text(json.dumps({"step": 1, "reason": "x"}), encoding="utf-8")
    assert swept(tmp_path) == 0
    assert calls[2:] == ["resume", "evaluate"]


def test_other_metrics_are_measured_anew(tmp_path: Path, calls: list[str]) -> None:
    for n in (4, 4, 5):
        assert swept(tmp_path, n=n) == 0
    assert calls == ["train", "evaluate", "evaluate"]
    lines = (tmp_path / "seed-0" / "evaluation.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["samples"] for line in lines] == [4, 4, 5, 5]
