"""What a run shows while it trains."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from ganwright.callbacks.console import (
    JSONLines,
    LiveLine,
    counts,
    listener,
    next_commands,
    since,
    terms,
)
from ganwright.config.settings import Settings
from ganwright.data.types import Images, Spec

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


def start(shown: LiveLine | JSONLines) -> None:
    shown.started(
        run=Path("runs/[x]"),
        family="dcgan",
        settings=Settings(steps=1000),
        spec=Spec(Images, (1, 32, 32), count=1617),
        device="cpu",
        precision="fp32",
        step=0,
    )


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
    out = io.StringIO()
    shown = LiveLine(Console(file=out, force_terminal=True, width=120, highlight=False))
    start(shown)
    shown.stepped(1)
    shown.logged(ROW)
    shown.warned("a [strange] thing")
    shown.finished(Path("runs/[x]"), 50, True)
    text = out.getvalue()
    assert "dcgan on cpu (fp32), 1,617 samples of 1x32x32, into runs/[x]" in text
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

    out = Terminal()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("TERM", "xterm")

    def fail() -> None:
        with listener() as shown:
            assert isinstance(shown, LiveLine)
            start(shown)
            shown.logged(ROW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")


def test_json_lines_keep_warnings_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with listener() as shown:
        assert isinstance(shown, JSONLines)
        start(shown)
        shown.logged(ROW)
        shown.warned("take care")
        shown.finished(Path("runs/x"), 1000, False)
    said = capsys.readouterr()
    first, row, last = map(json.loads, said.out.splitlines())
    assert (first["family"], first["steps"], first["samples"]) == ("dcgan", 1000, 1617)
    assert row == ROW
    assert last["resume"] == "ganwright resume runs/x --steps 2000"
    assert said.err == "ganwright: warning: take care\n"


def test_only_the_first_process_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    with listener() as shown:
        shown.logged(ROW)
    assert capsys.readouterr().out == ""


def test_folders_with_blanks_are_quoted_for_the_shell() -> None:
    resume = next_commands(Path("my runs/x"), "dcgan", 5, True)["resume"]
    assert resume == "ganwright resume 'my runs/x'"


def test_only_what_the_family_can_is_offered() -> None:
    assert list(next_commands(Path("x"), "dcgan", 5, False)) == ["resume", "sample"]
    assert list(next_commands(Path("x"), "cyclegan", 5, False)) == ["resume", "translate"]
