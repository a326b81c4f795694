"""Pages of results: Markdown with the command, the machine and the date that made them."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from ganwright.atomic import write

DOCS = Path(__file__).parents[2] / "docs"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mean_error(values: Sequence[float], digits: int = 2) -> str:
    """Mean ± standard error of the mean; the mean alone of a single value."""
    v = torch.tensor(values, dtype=torch.float64)
    if len(v) < 2:
        return f"{v.mean():.{digits}f}"
    return f"{v.mean():.{digits}f} ± {v.std() / len(v) ** 0.5:.{digits}f}"


class Page:
    """A page of results.

    Args:
        title: its heading.
        command: what makes it anew.
    """

    def __init__(self, title: str, command: str) -> None:
        why = "<!-- not run: writes this page -->"
        self.parts = [f"# {title}", f"{why}\n```sh\n{command}\n```"]

    def say(self, *paragraphs: str) -> None:
        """Add paragraphs and tables."""
        self.parts += paragraphs

    def write(self, path: Path) -> None:
        """Write it, with the date and the machine below."""
        today = datetime.datetime.now(datetime.UTC).date()
        self.say(f"Measured on {today} with torch {torch.__version__} on {machine()}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, "\n\n".join(self.parts) + "\n")


def machine() -> str:
    """The processor, and how many threads computed."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text(encoding="utf-8").splitlines() if "model name" in x]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    threads = torch.get_num_threads()
    return f"{cpu}, {threads} thread{'s' * (threads > 1)}"
