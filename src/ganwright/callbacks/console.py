"""What a run says while it trains: a live line to a person, JSON lines to a program."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ganwright.config.yaml import game_class

if TYPE_CHECKING:
    from ganwright.callbacks.listener import Listener
    from ganwright.config.settings import Settings
    from ganwright.data.types import Spec

COUNTS = ("step", "images", "images_per_second", "seconds_left", "memory_mb")
"""The numbers of a row of metrics that are no player's."""


@contextmanager
def listener() -> Iterator[Listener]:
    """The display that suits standard output: live on a terminal, JSON lines elsewhere.

    Of several processes only the first speaks. On leaving, the terminal is as it was before.
    """
    if int(os.environ.get("RANK", "0")):
        from ganwright.callbacks.listener import Silent

        yield Silent()
    elif sys.stdout.isatty():
        line = LiveLine()
        try:
            yield line
        finally:
            line.stop()
    else:
        yield JSONLines()


class LiveLine:
    """Two lines on a terminal: how far, redrawn twice a second, and the newest row of metrics."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._live: Live | None = None
        self._steps = 0
        self._family = ""
        self._row: dict[str, Any] = {}
        self._drawn = 0.0

    def started(
        self,
        *,
        run: Path,
        family: str,
        settings: Settings,
        spec: Spec,
        device: str,
        precision: str,
        step: int,
    ) -> None:
        """Say what is trained, and where."""
        self._steps, self._family = settings.steps, family
        shape = "x".join(map(str, spec.shape))
        data = f"{spec.count:,} samples of {shape}" if spec.count else f"samples of {shape}"
        begin = f", from step {step:,}" if step else ""
        self._console.print(
            f"{family} on {device} ({precision}), {data}, into {run}{begin}", markup=False
        )
        self._live = Live(console=self._console, auto_refresh=False)
        self._live.start()

    def stepped(self, step: int) -> None:
        """Move the bar on, if it has stood for half a second: a redraw costs as much as a step."""
        if time.monotonic() - self._drawn > 0.5:
            self._draw(step)

    def logged(self, row: dict[str, Any]) -> None:
        """Redraw the line."""
        self._row = row
        self._draw(row["step"])

    def _draw(self, step: int) -> None:
        row = since(self._row, step)
        if self._live is not None:
            self._live.update(display(row, self._steps), refresh=True)
        self._drawn = time.monotonic()

    def warned(self, sentence: str) -> None:
        """Print a warning above the line."""
        self._console.print(f"warning: {sentence}", style="yellow", markup=False)

    def finished(self, run: Path, step: int, interrupted: bool) -> None:
        """Leave the last line standing, and say where the run lies and what to do with it."""
        self.stop()
        verb = "stopped" if interrupted else "done"
        self._console.print(f"{verb} at step {step:,}: {run}", markup=False)
        for purpose, command in next_commands(run, self._family, step, interrupted).items():
            self._console.print(f"  to {purpose}: {command}", markup=False, soft_wrap=True)

    def stop(self) -> None:
        """Leave the terminal, with the last line standing."""
        if self._live is not None:
            self._live.stop()
            self._live = None


class JSONLines:
    """One JSON object a line: `run` first, then each row of metrics, then `finished`.

    Warnings go to standard error, so that standard output stays readable by programs.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._family = ""

    def started(
        self,
        *,
        run: Path,
        family: str,
        settings: Settings,
        spec: Spec,
        device: str,
        precision: str,
        step: int,
    ) -> None:
        """Write what is trained, and where."""
        self._family = family
        self._write(
            run=str(run),
            family=family,
            device=device,
            precision=precision,
            step=step,
            steps=settings.steps,
            samples=spec.count,
            shape=list(spec.shape),
        )

    def stepped(self, step: int) -> None:
        """Not written."""

    def logged(self, row: dict[str, Any]) -> None:
        """Write the row as it stands in metrics.jsonl."""
        self._write(**row)

    def warned(self, sentence: str) -> None:
        """Write a warning to standard error."""
        print(f"ganwright: warning: {sentence}", file=sys.stderr, flush=True)

    def finished(self, run: Path, step: int, interrupted: bool) -> None:
        """Write where the run lies and what to do with it."""
        commands = next_commands(run, self._family, step, interrupted)
        self._write(finished=str(run), step=step, interrupted=interrupted, **commands)

    def _write(self, **row: Any) -> None:
        print(json.dumps(row), file=self._out, flush=True)


def next_commands(run: Path, family: str, step: int, interrupted: bool) -> dict[str, str]:
    """What one may want to do with a run that its family can: a purpose and its command."""
    place = shlex.quote(str(run))
    more = "" if interrupted else f" --steps {2 * step}"
    commands = {
        "sample": f"ganwright sample {place}",
        "translate": f"ganwright translate {place} INPUT OUTPUT",
    }
    game = game_class(family)
    able = {name: command for name, command in commands.items() if hasattr(game, name)}
    return {"resume": f"ganwright resume {place}{more}", **able}


def since(row: dict[str, Any], step: int) -> dict[str, Any]:
    """The newest row as it stands some steps later: images and time left go on at its pace."""
    later = row | {"step": step}
    past = step - row.get("step", step)
    if past and row["step"]:
        images = row["images"] / row["step"] * past
        later["images"] = round(row["images"] + images)
        if row.get("images_per_second"):
            left = row["seconds_left"] - images / row["images_per_second"]
            later["seconds_left"] = max(0.0, left)
    return later


def display(row: dict[str, Any], steps: int) -> RenderableType:
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
