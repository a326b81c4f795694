"""A sweep: what it varies, and what it trains on and measures anew when it is run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from helpers import tiny
from test_evaluate import trained

import ganwright
from ganwright import stopping
from ganwright.cli import main
from ganwright.commands.compare import divided, grouped
from ganwright.errors import RunError
from ganwright.run import lock, sweep
from ganwright.run.children import Children
from ganwright.run.run_folder import read_config
from ganwright.training import checkpoint

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

    def called(_: Children, words: list[str], environment: dict[str, str]) -> tuple[int, str]:
        found.append(words[0])
        return main(words), ""

    monkeypatch.setattr(Children, "run", called)
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
    run, stops = tmp_path / "seed-0", ["--callbacks", "test_sweep.Stops"]
    assert swept(tmp_path, *stops) == 0
    assert swept(tmp_path, *stops) == 0
    assert (calls, end_of(run)["step"]) == (["train", "evaluate"], 2)
    (run / "ended.json").write_text(json.dumps({"step": 1, "reason": "x"}), encoding="utf-8")
    assert swept(tmp_path) == 0
    assert calls[2:] == ["resume", "evaluate"]


def test_a_continued_run_takes_what_may_be_another(tmp_path: Path, calls: list[str]) -> None:
    run = tmp_path / "seed-0"
    assert swept(tmp_path, "--callbacks", "test_sweep.Stops", "--keep", "5") == 0
    (run / "ended.json").write_text(json.dumps({"step": 1, "reason": "x"}), encoding="utf-8")
    assert swept(tmp_path, "--keep", "4", "--device=cpu", "--no-download") == 0
    settings = read_config(run)[1]
    assert (settings.keep, settings.device, settings.steps) == (4, "cpu", 3)


def test_other_metrics_are_measured_anew(tmp_path: Path, calls: list[str]) -> None:
    for n in (4, 4, 5):
        assert swept(tmp_path, n=n) == 0
    assert calls == ["train", "evaluate", "evaluate"]
    lines = (tmp_path / "seed-0" / "evaluation.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["samples"] for line in lines] == [4, 4, 5, 5]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dcgan", "-n", "60", *SMALL], "FID of 64 features needs more than 64 images"),
        (["dcgan", "-n", "100000000", *SMALL], "-n is 100000000; it must be from 1 to 1e+07"),
        (["gan", "--data", "ring", "-n", "80"], "points"),
        (
            ["dcgan", "--metrics", "FID", "FID", "-n", "80", *SMALL],
            "FID() and FID() both measure FID (digits)",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_said_before_the_first_run(
    tmp_path: Path,
    calls: list[str],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    out = tmp_path / "sweep"
    assert main(["sweep", *words, "--steps", "1", "--jobs", "1", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert (calls, out.exists()) == ([], False)


def test_a_run_is_evaluated_on_the_device_that_it_trains_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def called(_: Children, words: list[str], environment: dict[str, str]) -> tuple[int, str]:
        asked.append(words)
        (tmp_path / "run").mkdir(exist_ok=True)
        return 0, ""

    monkeypatch.setattr(Children, "run", called)
    cls, settings = tiny("dcgan", device="cpu")
    job = sweep.Job(tmp_path / "run", ("--device", "cpu"), settings)
    measures = sweep.Measures(("--metrics", "PrecisionRecall(k=1)", "-n", "8"), (), 80)
    sweep.sweep("dcgan", cls, [job], measures, 1, lambda _: None)
    assert [words[0] for words in asked] == ["train", "evaluate"]
    for words in asked:
        assert words[words.index("--device") + 1] == "cpu"


def test_flags_with_several_values_are_varied() -> None:
    words = "--game.loss Hinge Wasserstein --steps 10 --log a b --game.penalties (R1(),) (R2(),)"
    _, settings = tiny("dcgan")
    varied, fixed = divided(grouped(words.split()), settings)
    assert varied == {
        "--game.loss": ["Hinge", "Wasserstein"],
        "--game.penalties": ["(R1(),)", "(R2(),)"],
    }
    assert fixed == ["--steps", "10", "--log", "a", "b"]
    names = dict(sweep.grid(varied, [0, 1]))
    assert len(names) == 8
    assert names["loss-Hinge-penalties-R2-seed-1"][-2:] == ["--seed", "1"]


def test_each_combination_has_a_folder_of_its_own() -> None:
    varied = {"--data": ["/faces", "faces", "x" * 300, "x" * 301]}
    names = [name for name, _ in sweep.grid(varied, [0])]
    assert len({name.lower() for name in names}) == 4
    assert max(map(len, names)) < 200
    assert [name for name, _ in sweep.grid(varied, [0])] == names


def test_what_is_asked_twice_is_trained_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[sweep.Job] = []
    monkeypatch.setattr(sweep, "sweep", lambda _, __, jobs, *___: asked.extend(jobs))
    losses = ["--game.loss", "Hinge", "Hinge()", "--seeds", "0", "1", "0"]
    assert main(["sweep", "dcgan", *losses, "--out", str(tmp_path / "sweep")]) == 2
    assert "sweep/loss-Hinge-" in capsys.readouterr().err  # it was not trained here
    assert [job.settings.seed for job in asked] == [0, 1]
    asked.clear()
    best = ["--metrics", "FID", "--keep-best", "FID", "KID"]  # no settings, and not the same runs
    assert main(["sweep", "dcgan", *best, "--out", str(tmp_path / "other")]) == 2
    assert [job.flags[3] for job in asked] == ["FID", "KID"]


def test_a_sweep_ends_in_a_table_and_is_not_made_twice(
    tmp_path: Path, calls: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "sweep"), "-n", "80", "--jobs", "1"]
    argv = ["sweep", "dcgan", "--seeds", "0", "1", "--steps", "1", "--metrics", "FID", *SMALL, *out]
    assert main([*argv, "--evaluate-samples", "80"]) == 0
    assert calls == ["train", "evaluate"] * 2
    assert capsys.readouterr().out.splitlines()[-1].startswith("dcgan   ")
    calls.clear()
    assert main([*argv, "--evaluate-samples", "80"]) == 0
    assert calls == []
    assert main([*argv, "--batch-size", "32"]) == 2
    assert "is a run with other settings (batch_size: 128 -> 32)" in capsys.readouterr().err


def test_a_sweep_from_weights_goes_on(tmp_path: Path) -> None:
    """A run keeps the checksum of what it began with, which nobody writes on the command line."""
    base = tmp_path / "base"
    trained(base)
    cls, settings = tiny("dcgan", steps=1, init=str(base))
    ganwright.train(cls, settings, tmp_path / "run", quiet=True)
    sweep._check(cls, sweep.Job(tmp_path / "run", (), settings))
    other = replace(settings, init=str(tmp_path / "other"))
    with pytest.raises(RunError, match="is a run with other settings"):
        sweep._check(cls, sweep.Job(tmp_path / "run", (), other))


def test_a_tuned_sweep_goes_on(tmp_path: Path) -> None:
    """What --tune found stands in the run, and was not asked for."""
    cls, settings = tiny("dcgan", steps=1, layout="contiguous", cpu_threads=1)
    ganwright.train(cls, settings, tmp_path / "run", quiet=True)
    asked = replace(settings, layout="auto", cpu_threads=None)
    sweep._check(cls, sweep.Job(tmp_path / "run", ("--tune",), asked))
    with pytest.raises(RunError, match="is a run with other settings"):
        sweep._check(cls, sweep.Job(tmp_path / "run", (), asked))


@pytest.mark.parametrize("group", [False, True], ids=["the parent", "all processes"])
def test_a_signal_has_all_runs_saved(tmp_path: Path, group: bool) -> None:
    """A scheduler may signal the parent alone or all: no run is left behind or lost."""
    words = ["dcgan", *SMALL, "--steps", "1000000", "--save-every", "1000000", "--log-every", "1"]
    words += ["--batch-size", "4", "--jobs", "1", "--seeds", "0", "1", "-n", "80"]
    argv = [sys.executable, "-m", "ganwright", "sweep", *words, "--out", str(tmp_path)]
    how = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "start_new_session": True}
    run = tmp_path / "seed-0"
    with subprocess.Popen(argv, encoding="utf-8", **how) as parent:  # type: ignore[call-overload]
        try:
            until(lambda: (run / "metrics.jsonl").is_file() and steps_of(run) >= 3)
            (os.killpg if group else os.kill)(parent.pid, signal.SIGTERM)
            assert parent.wait(60) == 130, parent.stderr.read()
            with lock.writing(run):  # nobody is at it
                saved = checkpoint.steps(run / "checkpoints")
            assert checkpoint.step_of(saved[-1]) >= 3
            assert not (tmp_path / "seed-1").exists()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)


def test_a_signal_that_is_passed_on_does_not_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal sends it to the run, too, which is then to be saved all the same."""

    def twice() -> bool:
        with stopping.signals(1) as stop:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
        return stop.asked

    with pytest.raises(KeyboardInterrupt):
        twice()
    monkeypatch.setenv(stopping.PASSED_ON, "1")
    assert twice()


def steps_of(run: Path) -> int:
    """How many rows of metrics there are."""
    return (run / "metrics.jsonl").read_text(encoding="utf-8").count("\n")


def until(true: Callable[[], bool]) -> None:
    """Wait for something, at most half a minute."""
    for _ in range(300):
        if true():
            return
        time.sleep(0.1)
    pytest.fail("it did not happen in half a minute")
