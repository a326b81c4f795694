"""What the tests of reports share: runs as files, and a reader of pages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import torch

from ganwright.report import save_grid

CONFIG = "ganwright: 0.1.0\nfamily: dcgan\ndata: digits\nsteps: 100\ngame:\n  latent: 100\n"


def make_run(
    folder: Path,
    rows: Iterable[Mapping[str, Any]] = (),
    grids: int = 0,
    config: str = CONFIG,
    count: int = 640,
) -> Path:
    """A run folder as far as a report reads it."""
    (folder / "samples").mkdir(parents=True)
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    (folder / "spec.json").write_text(json.dumps({"count": count}), encoding="utf-8")
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    (folder / "metrics.jsonl").write_text(text, encoding="utf-8")
    for i in range(grids):
        shade = torch.full((1, 1, 64, 64), i / grids)
        save_grid(shade, folder / "samples" / f"step-{i:06}.png")
    return folder


def row(step: int, **values: Any) -> dict[str, Any]:
    """A row of metrics.jsonl: 64 images a step, 32 images a second."""
    return {"step": step, "images": 64 * step, "images_per_second": 32.0} | {
        name.replace("__", "/"): value for name, value in values.items()
    }


class Page(HTMLParser):
    """What a browser would fetch and show of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.cells: list[list[str]] = []
        self.headings: list[str] = []
        self.labels: list[str] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("img", "script", "link", "iframe", "object", "video"):
            self.sources += [str(values[k]) for k in ("src", "href", "data") if k in values]
        if tag == "a":
            self.links.append(str(values["href"]))
        if tag == "svg":
            self.labels.append(str(values["aria-label"]))
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")
        if tag not in ("img", "meta", "input", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        if inside in ("td", "th"):
            self.cells[-1][-1] += data
        if inside in ("h1", "h2", "h3"):
            self.headings.append(data)
        if inside not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        """All that it shows."""
        return " ".join(" ".join(self.words).split())

    def value(self, name: str) -> list[str]:
        """The cells right of one with this text."""
        (found,) = (cells[1:] for cells in self.cells if cells and cells[0] == name)
        return found
