"""What a run shows while it trains."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
import torch
from rich.console import Console
from test_cli import QUICK

from ganwright.callbacks.callback import Callback, Run
from ganwright.callbacks.console import (
    JSONLines,
    LiveLine,
    NotebookBar,
    Quiet,
    counts,
    display,
    next_commands,
    since,
    terms,
)
from ganwright.callbacks.unhindered import Unhindered
from ganwright.config.settings import Settings
from ganwright.config.spelling import quoted
from ganwright.data.types import Images, Spec
from ganwright.families import family
from ganwright.report.card import grid_files
from ganwright.training import checkpoint

ROW = {
    "step": 50,
    "images": 3200,
    "images_per_second": 512.25,
    "seconds_left": 77.7,
    "memory_mb": 301,
    "D/adv": 0.61234,
    "D/r1": 1e-5,
    "G/adv": 1.3,
    "held_out/error": 0.25,
}


@dataclass
class Fake:
    """A run as far as displays look at it."""

    folder: Path = Path("runs/[x]")
    step: int = 0
    family: str = "dcgan"
    interrupted: bool = False
    reason: str | None = None
    notes: tuple[str, ...] = ()
    settings: Settings = field(default_factory=lambda: Settings(steps=1000))

    def __post_init__(self) -> None:
        self.game = family(self.family)
        self.data = SimpleNamespace(spec=Spec(Images, (1, 32, 32), count=1617))
        self.trainer = SimpleNamespace(engine=SimpleNamespace(device="cpu", precision="fp32"))


def fake(**values: Any) -> Run:
    return cast(Run, Fake(**values))


def after(run: Run, step: int, **values: Any) -> Run:
    vars(run).update(step=step, **values)
    return run


def test_counts_and_terms() -> None:
    assert counts(ROW, 1000) == "50/1,000  3,200 images  512/s  0:01:18 left  301 MB"
    assert terms(ROW) == "D adv 0.612 r1 1e-05 · G adv 1.3 · held_out error 0.25"
    bare = {"step": 5, "memory_mb": None, "D/adv": float("nan")}
    assert counts(bare, 10) == "5/10"
    assert terms(bare) == "D adv nan"


def test_between_rows_the_count_goes_on_at_the_rows_pace() -> None:
    """3,200 images in 50 steps are 64 a step; ten more take 640 / 512.25 = 1.25 s."""
    later = since(ROW, 60)
    assert (later["step"], later["images"]) == (60, 3840)
    assert later["seconds_left"] == pytest.approx(77.7 - 640 / 512.25)
    assert since({}, 3) == {"step": 3}
    assert since(ROW, 50) == ROW


def test_the_live_line_shows_all_and_says_what_comes_next() -> None:
    out, run = io.StringIO(), fake(notes=("begins with [some] weights",))
    shown = LiveLine(Console(file=out, force_terminal=True, width=120, highlight=False))
    shown.started(run)
    shown.stepped(after(run, 1))
    shown.logged(after(run, 50), ROW)
    shown.warned(run, "a [strange] thing")
    shown.finished(after(run, 50, interrupted=True))
    shown.closed(run)
    text = out.getvalue()
    assert "dcgan on cpu (fp32), 1,617 samples of 1x32x32, into runs/[x]" in text
    assert "runs/[x]\nbegins with [some] weights\n" in text.replace("\r", "")
    assert counts(ROW, 1000) in text
    assert terms(ROW) in text
    assert "warning: a [strange] thing" in text
    assert "stopped at step 50: runs/[x]" in text
    assert text.endswith(
        "  to resume: ganwright resume 'runs/[x]'\n  to sample: ganwright sample 'runs/[x]'\n"
    )
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


def test_an_error_gives_the_cursor_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out, run = Terminal(), fake()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("TERM", "xterm")
    shown = display()
    assert isinstance(shown, LiveLine)
    shown.started(run)
    shown.logged(after(run, 50), ROW)
    shown.closed(run)
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")


def test_json_lines_keep_warnings_apart(capsys: pytest.CaptureFixture[str]) -> None:
    run, shown = fake(folder=Path("runs/x")), display()
    assert isinstance(shown, JSONLines)
    shown.started(run)
    shown.logged(run, ROW)
    shown.warned(run, "take care")
    shown.finished(after(run, 1000))
    said = capsys.readouterr()
    first, row, last = map(json.loads, said.out.splitlines())
    assert (first["family"], first["steps"], first["samples"]) == ("dcgan", 1000, 1617)
    assert row == ROW
    assert last["resume"] == "ganwright resume runs/x --steps 2000"
    assert "reason" not in last
    assert said.err == "ganwright: warning: take care\n"


def test_a_run_that_a_callback_stopped_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    shown = display()
    shown.finished(fake(step=7, reason="no better for 3 rows"))
    assert json.loads(capsys.readouterr().out)["reason"] == "no better for 3 rows"


def test_a_notebook_gets_a_bar_that_is_redrawn_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class ZMQInteractiveShell:
        """What a notebook's kernel calls its shell."""

    class Handle:
        def update(self, html: str) -> None:
            shown[0] = html

    def show(html: str, display_id: bool) -> Handle:
        shown.append(html)
        return Handle()

    shell, inside = ModuleType("IPython"), ModuleType("IPython.display")
    vars(shell)["get_ipython"] = ZMQInteractiveShell
    vars(inside).update(HTML=str, display=show)
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", inside)
    run, bar = fake(folder=Path("runs/<x>")), display()
    assert isinstance(bar, NotebookBar)
    bar.sampled(run, {"first": torch.zeros(4, 1, 8, 8)})  # of step 0, before the bar begins
    assert shown == []
    bar.started(run)
    assert "into runs/&lt;x&gt;" in shown[0]
    images = 'style="max-width: 100%" src="data:image/png;base64,'
    assert shown[0].count(images) == 1
    bar.logged(after(run, 50), ROW)
    assert '<progress value="50" max="1000" style="width: 100%">' in shown[0]
    both = {"samples": torch.zeros(4, 1, 8, 8), "real": torch.zeros(4, 1, 8, 8)}
    bar.sampled(after(run, 50), both)
    assert shown[0].count(images) == 2
    bar.finished(after(run, 1000))
    assert "done at step 1,000" in shown[0]
    assert len(shown) == 1


class Broken(Callback):
    """A display whose output is gone, from the first row on."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def started(self, run: Run) -> None:
        self.told.append("started")

    def logged(self, run: Run, row: Any) -> None:
        self.told.append("logged")
        raise OSError(28, "No space left on device")

    def finished(self, run: Run) -> None:
        self.told.append("finished")


def test_a_run_goes_on_where_nobody_can_be_told(tmp_path: Path) -> None:
    run, broken = fake(), Broken()
    shown = Unhindered(broken)
    shown.started(run)
    shown.logged(run, ROW)
    shown.logged(run, ROW)
    shown.warned(run, "late")
    shown.finished(run)
    shown.closed(run)
    assert broken.told == ["started", "logged"]


@pytest.mark.parametrize("lost", ["/dev/full", "a pipe"])
def test_training_saves_all_when_its_output_cannot_be_written(lost: str, tmp_path: Path) -> None:
    """Status 0: the run is whole, and a full disk is told on standard error."""
    run = tmp_path / "run"
    argv = ["train", "dcgan", *QUICK, "--steps", "3", "--log-every", "1", "--out", str(run)]
    code = f"import sys; from ganwright.cli import main; sys.exit(main({argv!r}))"
    out: Any = subprocess.PIPE
    if lost == "/dev/full":
        if not Path(lost).exists():
            pytest.skip("this system has no /dev/full")
        out = open(lost, "w", encoding="utf-8")  # noqa: SIM115 - closed below
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=out, stderr=subprocess.PIPE, encoding="utf-8"
    )
    (process.stdout or out).close()
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.read()
    assert process.wait(120) == 0, said
    assert checkpoint.steps(run / "checkpoints")[-1].name == "step-000003"
    assert "Traceback" not in said
    told = (
        "warning: progress cannot be shown any more (No space left on device); training continues"
    )
    assert said.count(told) == (lost == "/dev/full")


def test_a_program_without_a_console_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert isinstance(display(), Quiet)


def test_only_the_first_process_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    shown = display()
    assert type(shown) is Callback
    shown.logged(fake(), ROW)
    assert capsys.readouterr().out == ""


def test_folders_with_blanks_are_quoted_for_the_shell() -> None:
    run = fake(folder=Path("my runs/x"), step=5, interrupted=True)
    assert next_commands(run)["resume"] == "ganwright resume 'my runs/x'"


def test_words_are_quoted_as_the_shell_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (quoted("my runs/a"), quoted(Path("runs/a"))) == ("'my runs/a'", "runs/a")
    monkeypatch.setattr(os, "name", "nt")
    assert quoted("my runs\\a") == '"my runs\\a"'
    assert quoted("runs\\a") == "runs\\a"


def test_grids_come_in_the_order_of_their_steps(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for step in (999_500, 1_000_000, 500):
        (tmp_path / "samples" / f"step-{step:06}.png").touch()
    assert [int(path.stem[5:]) for path in grid_files(tmp_path)] == [500, 999_500, 1_000_000]


def test_only_what_the_family_can_is_offered() -> None:
    assert list(next_commands(fake(step=5))) == ["resume", "sample"]
    assert list(next_commands(fake(step=5, family="cyclegan"))) == ["resume", "translate"]
