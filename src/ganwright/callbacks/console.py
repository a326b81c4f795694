"""What a run says while it trains: a live line to a person, JSON lines to a program."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ganwright import launched
from ganwright.callbacks.callback import Callback, Run
from ganwright.callbacks.metrics_log import line
from ganwright.config.spelling import quoted
from ganwright.report.card import inline
from ganwright.report.grid import png
from ganwright.report.records import COUNTS

if TYPE_CHECKING:
    from torch import Tensor

SLOW = 0.1
"""A greater share of the time spent waiting for data is shown."""


def display() -> Callback:
    """What shows a run's progress: live on a terminal, a bar in a notebook, JSON lines elsewhere.

    Of several processes only the first speaks.
    """
    if launched.rank():
        return Callback()
    if in_notebook():
        return NotebookBar()
    if sys.stdout is None:  # a program without a console
        return Quiet()
    return LiveLine() if sys.stdout.isatty() else JSONLines()


def in_notebook() -> bool:
    """Whether this is a notebook's kernel, whose output is HTML."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


class Quiet(Callback):
    """Shows nothing; warnings are Python's."""

    def warned(self, run: Run, sentence: str) -> None:
        warnings.warn(sentence, stacklevel=2)


class LiveLine(Callback):
    """Two lines on a terminal: how far, redrawn twice a second, and the newest row of metrics."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._live: Live | None = None
        self._row: dict[str, Any] = {}
        self._drawn = 0.0

    def started(self, run: Run) -> None:
        """Say what is trained, and where."""
        for said in (headline(run), *run.notes):
            self._console.print(said, markup=False)
        self._live = Live(console=self._console, auto_refresh=False)
        self._live.start()

    def stepped(self, run: Run) -> None:
        """Move the bar on, if it has stood for half a second: a redraw costs as much as a step."""
        if time.monotonic() - self._drawn > 0.5:
            self._draw(run)

    def logged(self, run: Run, row: Mapping[str, Any]) -> None:
        """Redraw the line."""
        self._row = dict(row)
        self._draw(run)

    def _draw(self, run: Run) -> None:
        row = since(self._row, run.step)
        if self._live is not None:
            self._live.update(progress(row, run.settings.steps), refresh=True)
        self._drawn = time.monotonic()

    def warned(self, run: Run, sentence: str) -> None:
        """Print a warning above the line."""
        self._console.print(f"warning: {sentence}", style="yellow", markup=False)

    def finished(self, run: Run) -> None:
        """Leave the last line standing, and say where the run lies and what to do with it."""
        self.closed(run)
        self._console.print(f"{ending(run)}: {run.folder}", markup=False)
        for purpose, command in next_commands(run).items():
            self._console.print(f"  to {purpose}: {command}", markup=False, soft_wrap=True)

    def closed(self, run: Run) -> None:
        """Leave the terminal as it was, with the last line standing."""
        if self._live is not None:
            self._live.stop()
            self._live = None


class JSONLines(Callback):
    """One JSON object a line: `run` first, then each row of metrics, then `finished`.

    Warnings go to standard error, so that standard output stays readable by programs.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    def started(self, run: Run) -> None:
        """Write what is trained, and where."""
        engine, spec = run.trainer.engine, run.data.spec
        self._write(
            run=str(run.folder),
            family=run.family,
            device=str(engine.device),
            precision=engine.precision,
            step=run.step,
            steps=run.settings.steps,
            samples=spec.count,
            shape=list(spec.shape),
            **({"notes": list(run.notes)} if run.notes else {}),
        )

    def logged(self, run: Run, row: Mapping[str, Any]) -> None:
        """Write the row as it stands in metrics.jsonl."""
        self._write(**row)

    def warned(self, run: Run, sentence: str) -> None:
        """Write a warning to standard error."""
        print(f"ganwright: warning: {sentence}", file=sys.stderr, flush=True)

    def finished(self, run: Run) -> None:
        """Write where the run lies and what to do with it."""
        why = {} if run.reason is None else {"reason": run.reason}
        self._write(
            finished=str(run.folder),
            step=run.step,
            interrupted=run.interrupted,
            **why,
            **next_commands(run),
        )

    def _write(self, **row: Any) -> None:
        print(line(row), file=self._out, flush=True)


class NotebookBar(Callback):
    """A bar, the newest row and the newest samples below a cell, redrawn twice a second."""

    def __init__(self) -> None:
        self._head = self._samples = ""
        self._row: dict[str, Any] = {}
        self._drawn = 0.0
        self._shown: Any = None

    def started(self, run: Run) -> None:
        """Say what is trained, and where."""
        from IPython.display import HTML, display

        self._head = "".join(f"<p>{escape(x)}</p>" for x in (headline(run), *run.notes))
        self._shown = display(HTML(self._head), display_id=True)
        self._draw(run)

    def stepped(self, run: Run) -> None:
        if time.monotonic() - self._drawn > 0.5:
            self._draw(run)

    def logged(self, run: Run, row: Mapping[str, Any]) -> None:
        self._row = dict(row)
        self._draw(run)

    def sampled(self, run: Run, images: Mapping[str, Tensor]) -> None:
        self._samples = "".join(inline(png(each)) for each in images.values())
        self._draw(run)

    def warned(self, run: Run, sentence: str) -> None:
        """Said as a Python warning, which notebooks show above the bar."""
        warnings.warn(sentence, stacklevel=2)

    def finished(self, run: Run) -> None:
        self._draw(run, f"<p>{escape(f'{ending(run)}: {run.folder}')}</p>")

    def _draw(self, run: Run, after: str = "") -> None:
        if self._shown is None:  # the samples of step 0 come before the bar
            return
        from IPython.display import HTML

        row, steps = since(self._row, run.step), run.settings.steps
        bar = f'<progress value="{run.step}" max="{steps}" style="width: 100%"></progress>'
        text = "".join(f"<p>{escape(line)}</p>" for line in (counts(row, steps), terms(row)))
        body = f"{self._head}<div>{bar}</div>{text}{after}{self._samples}"
        self._shown.update(HTML(body))
        self._drawn = time.monotonic()


def headline(run: Run) -> str:
    """`dcgan on cpu (fp32), 1,617 samples of 1x32x32, into runs/first, from step 500`."""
    spec, engine = run.data.spec, run.trainer.engine
    count = f"{spec.count:,} " if spec.count else ""
    begin = f", from step {run.step:,}" if run.step else ""
    shape = "x".join(map(str, spec.shape))
    where = f"on {engine.device} ({engine.precision})"
    return f"{run.family} {where}, {count}samples of {shape}, into {run.folder}{begin}"


def ending(run: Run) -> str:
    """`done at step 1,000`, or why not."""
    verb = "stopped" if run.interrupted or run.reason else "done"
    why = f" ({run.reason})" if run.reason else ""
    return f"{verb} at step {run.step:,}{why}"


def next_commands(run: Run) -> dict[str, str]:
    """What one may want to do with a run that its family can: a purpose and its command."""
    place = quoted(run.folder)
    more = "" if run.interrupted else f" --steps {2 * run.step}"
    commands = {
        "sample": f"ganwright sample {place}",
        "translate": f"ganwright translate {place} INPUT OUTPUT",
    }
    able = {name: command for name, command in commands.items() if hasattr(run.game, name)}
    return {"resume": f"ganwright resume {place}{more}", **able}


def since(row: dict[str, Any], step: int) -> dict[str, Any]:
    """The newest row as it stands some steps later: images and time left continue at its pace."""
    later = row | {"step": step}
    past = step - row.get("step", step)
    if past and row["step"]:
        images = row["images"] / row["step"] * past
        later["images"] = round(row["images"] + images)
        if row.get("images_per_second"):
            left = row["seconds_left"] - images / row["images_per_second"]
            later["seconds_left"] = max(0.0, left)
    return later


def progress(row: dict[str, Any], steps: int) -> RenderableType:
    """A row of metrics for a person: how far on the first line, each player's terms below it."""
    far = Table.grid(padding=(0, 1))
    far.add_row(ProgressBar(steps, row["step"], width=20), Text(counts(row, steps), no_wrap=True))
    return Group(far, Text(terms(row)))


def counts(row: dict[str, Any], steps: int) -> str:
    """`120/1,000  7,680 images  512/s  0:00:14 left  301 MB`."""
    parts = [f"{row['step']:,}/{steps:,}"]
    if "images" in row:
        parts.append(f"{row['images']:,} images")
    if row.get("images_per_second") is not None:
        parts.append(f"{row['images_per_second']:,.0f}/s")
    if row.get("seconds_left") is not None:
        parts.append(f"{timedelta(seconds=round(row['seconds_left']))} left")
    if (row.get("data_wait") or 0) >= SLOW:
        parts.append(f"{row['data_wait']:.0%} waiting for data")
    if row.get("memory_mb") is not None:
        parts.append(f"{row['memory_mb']:,.0f} MB")
    return "  ".join(parts)


def terms(row: dict[str, Any]) -> str:
    """`D adv 0.69 penalty 0.01 · G adv 0.71`: each player once, its terms after it."""
    players: dict[str, list[str]] = {}
    for name, value in row.items():
        if name in COUNTS or not isinstance(value, int | float):
            continue
        player, _, term = name.rpartition("/")
        players.setdefault(player, []).append(f"{term} {value:.3g}")
    return " · ".join(" ".join([player, *values]).strip() for player, values in players.items())
