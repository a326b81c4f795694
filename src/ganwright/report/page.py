"""report.html: one page without outside parts that shows a run's settings, curves and samples."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from ganwright import atomic
from ganwright.errors import RunError

SHOWN = 24
"""Sample grids on the page; of more, as many are taken at even distances."""
POINTS = 400
"""Points of a curve; more are averaged together."""
_NOT_CURVES = {"step", "images", "seconds_left"}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff }
h1, h2 { font-weight: 600 } figure { margin: 0 } figcaption { color: #666 }
table { border-collapse: collapse } td { padding: .1rem 1rem .1rem 0; vertical-align: top }
td + td { font-family: monospace; overflow-wrap: anywhere }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem }
.grid img, .grid svg { width: 100%; height: auto }
svg { font-size: 11px; fill: #666 } path { fill: none; stroke: #bbb }
polyline { fill: none; stroke: #1f6fb2; stroke-width: 1.5 } circle { fill: #1f6fb2 }
"""


def write_report(run: Path) -> Path:
    """Write `run`/report.html from what the run's folder holds; returns its path.

    Raises:
        RunError: if `run` is no run's folder, or its config.yaml cannot be read.
        OSError: if the page cannot be written.
    """
    settings = _config(run / "config.yaml")
    rows = read_metrics(run / "metrics.jsonl")
    title = f"{settings.get('family', 'run')} · {run.resolve().name}"
    page = "".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            f"<title>{escape(title)}</title>",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n",
            f"<p>{escape(_summary(rows))}</p>\n{_files(run)}",
            f"<h2>Samples</h2>\n{_samples(run)}",
            _evaluation(read_rows(run / "evaluation.jsonl")),
            f"<h2>Curves</h2>\n{_curves(rows)}",
            f"<h2>Settings</h2>\n<table>{''.join(_settings(settings))}</table>\n</body></html>\n",
        ]
    )
    path = run / "report.html"
    atomic.write(path, page.encode(errors="backslashreplace"))
    return path


def _config(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise RunError(f"{file.parent} is not a run: it has no config.yaml")
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RunError(f"{file} cannot be read: {atomic.reason(error)}") from error
    if not isinstance(settings, dict):
        raise RunError(f"{file} must be a YAML mapping of settings to values")
    return settings


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl by step, each step's last; a line cut off by a crash is dropped."""
    rows = {int(row["step"]): row for row in read_rows(path)}
    return [rows[step] for step in sorted(rows)]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a .jsonl file that hold a step; a line cut off by a crash is dropped."""
    rows: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            int(row["step"])
        except (ValueError, KeyError, TypeError):
            continue
        rows.append(row)
    return rows


def _evaluation(rows: list[dict[str, Any]]) -> str:
    """What `ganwright evaluate` found, the newest of each number, with its protocol."""
    newest = {row.get("name"): row for row in rows}
    lines = []
    for name, row in newest.items():
        about = ", ".join(
            f"{key.replace('_', ' ')} {value}"
            for key, value in row.items()
            if key not in ("name", "value", "spread")
        )
        spread = f" ± {row['spread']:.4g}" if _finite(row.get("spread")) else ""
        number = f"{row['value']:.4g}{spread}" if _finite(row.get("value")) else "-"
        lines.append(
            f"<tr><td>{escape(str(name))}</td><td>{number}</td><td>{escape(about)}</td></tr>"
        )
    return f"<h2>Evaluation</h2>\n<table>{''.join(lines)}</table>\n" if lines else ""


def _summary(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "No metrics have been logged yet."
    last = rows[-1]
    return f"{last['step']:,} steps, {last.get('images', 0):,} images."


def _files(run: Path) -> str:
    names = ("config.yaml", "metrics.jsonl", "samples", "checkpoints")
    links = [f'<a href="{name}">{name}</a>' for name in names if (run / name).exists()]
    return f"<p>{' · '.join(links)}</p>\n"


def _samples(run: Path) -> str:
    paths = sorted((run / "samples").glob("*.png"))
    if not paths:
        return "<p>There are none yet.</p>\n"
    if len(paths) > SHOWN:
        paths = [paths[i] for i in np.linspace(0, len(paths) - 1, SHOWN).round().astype(int)]
    figures = (
        f'<figure><a href="samples/{escape(path.name)}"><img alt="Samples {escape(path.stem)}" '
        f'src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"></a>'
        f"<figcaption>{escape(path.stem)}</figcaption></figure>\n"
        for path in paths
    )
    return f'<div class="grid">\n{"".join(figures)}</div>\n'


def _curves(rows: list[dict[str, Any]]) -> str:
    names = dict.fromkeys(name for row in rows for name, value in row.items() if _finite(value))
    drawn = [_curve(name, rows) for name in names if name not in _NOT_CURVES]
    return (
        f'<div class="grid">\n{"".join(drawn)}</div>\n' if drawn else "<p>There are none yet.</p>\n"
    )


def _finite(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
    )


def _curve(name: str, rows: list[dict[str, Any]]) -> str:
    """One number over the steps, as an inline SVG with its last value."""
    known = [(row["step"], row[name]) for row in rows if _finite(row.get(name))]
    drawing = _svg(*thinned(np.array(known, dtype=float)))
    caption = f"{escape(name)}: {known[-1][1]:.4g}"
    return f"<figure>{drawing}<figcaption>{caption}</figcaption></figure>\n"


def thinned(points: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
    """At most POINTS points [n, 2] for n: neighbours are averaged. Returns x and y."""
    parts = np.array_split(points, min(len(points), POINTS))
    means = np.stack([part.mean(0) for part in parts])
    return means[:, 0], means[:, 1]


def _svg(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> str:
    """A line between the least and the greatest value, which stand at its left."""
    across = 300 * (x - x[0]) / (np.ptp(x) or 1)
    up = 110 * (y - y.min()) / np.ptp(y) if np.ptp(y) else np.full_like(y, 55)
    path = " ".join(f"{60 + a:.1f},{120 - b:.1f}" for a, b in zip(across, up, strict=True))
    marks = [
        (55, 14, "end", f"{y.max():.4g}"),
        (55, 123, "end", f"{y.min():.4g}"),
        (60, 140, "start", f"step {x[0]:,.0f}"),
        (360, 140, "end", f"{x[-1]:,.0f}"),
    ]
    words = "".join(
        f'<text x="{left}" y="{top}" text-anchor="{anchor}">{text}</text>'
        for left, top, anchor, text in marks
    )
    dot = f'<circle cx="{60 + across[-1]:.1f}" cy="{120 - up[-1]:.1f}" r="2.5"/>'
    return (
        '<svg viewBox="0 0 370 145" role="img"><path d="M60 10V120H360"/>'
        f'<polyline points="{path}"/>{dot}{words}</svg>'
    )


def _settings(settings: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{prefix}{name}.")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield f"<tr><td>{escape(prefix + str(name))}</td><td>{escape(str(shown))}</td></tr>\n"
