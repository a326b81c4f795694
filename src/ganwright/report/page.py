"""report.html: one page without outside parts that shows how a run goes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from html import escape
from itertools import zip_longest
from os import PathLike
from pathlib import Path
from urllib.parse import quote

import numpy as np

from ganwright import atomic
from ganwright.config.spelling import convert
from ganwright.families import FAMILIES
from ganwright.report import html
from ganwright.report.card import grid_files
from ganwright.report.drawing import axis_of, drawn, last, mark
from ganwright.report.exhibits import Exhibits, read_exhibits
from ganwright.report.plots import Group, Plot, groups, names
from ganwright.report.records import Record, finite, health, read_record, read_rows

SHOWN = 24
"""Sample grids on the page; of more, as many are taken at even distances."""
PLOTS = "plots"
"""The folder of the plots' files."""


def write_report(
    run: str | PathLike[str], out: str | PathLike[str] | None = None, *, price: float | None = None
) -> Path:
    """Write the report of a run from what its folder holds, and each plot as RUN/plots/NAME.png.

    Args:
        run: the run folder.
        out: the page; RUN/report.html when not given.
        price: of an hour of the machine.

    Returns:
        The page's path.

    Raises:
        RunError: if `run` is no run's folder, or its config.yaml cannot be read.
        OSError: if the page cannot be written.
    """
    folder: Path = convert(run, Path, "run")
    path: Path = folder / "report.html" if out is None else convert(out, Path, "out")
    record = read_record(folder)
    exhibits = read_exhibits(folder / PLOTS)
    title = f"{record.family} · {record.name}"
    sections = {
        "Health": "".join(html.paragraph(each, "health") for each in health(folder)),
        "Samples": _samples(record, exhibits),
        "Curves": _curves(record),
        "Evaluation": _evaluation(folder),
        "Time and cost": html.table(_cost(record, price)),
        "Environment": html.table((k, str(v)) for k, v in record.environment.items()),
        "Settings": html.table(record.settings.items()),
    }
    parts = [html.section(name, body) for name, body in sections.items()]
    links = html.contents(name for name, body in sections.items() if body)
    atomic.write(path, html.page(title, [_head(record, path), links, *parts]))
    return path


def grids(record: Record) -> list[tuple[str, Path]]:
    """Sample grids by what they are called: the first, the last, and some between."""
    paths = grid_files(record.folder)
    if len(paths) > SHOWN:
        paths = [paths[i] for i in np.linspace(0, len(paths) - 1, SHOWN).round().astype(int)]
    return [(f"step {_number(path)}", path) for path in paths]


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, the two largest of them that are not 0."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


def terms(plot: Plot) -> str:
    """The legend below a plot: each curve's newest value, what it is, and how a healthy one looks.

    What neighbours have in common is said once, below the last of them.
    """
    lines = []
    for i, (each, after) in enumerate(zip_longest(plot.series, plot.series[1:])):
        colour, style = mark(i)
        key = f'<span class="key" style="border-top-style:{style};border-color:{colour}"></span>'
        lines.append(f"<dt>{key}{escape(each.label)}: {last(each)}</dt>")
        about = " ".join(filter(None, (each.meaning.text, each.meaning.healthy)))
        if about and (after is None or after.meaning != each.meaning):
            lines.append(f"<dd>{escape(about)}</dd>")
    return f'<dl class="terms">{"".join(lines)}</dl>'


def _number(path: Path) -> str:
    digits = path.stem.removeprefix("step-")
    return f"{int(digits):,}" if digits.isdecimal() else digits


def _head(record: Record, page: Path) -> str:
    entry = FAMILIES.get(record.family)
    about = f"{entry.title} (arXiv:{entry.paper}). " if entry and entry.paper else ""
    lines = [html.paragraph(f"{about}Trained on {record.settings.get('data') or 'data'}.")]
    lines.append(html.paragraph(_progress(record)))
    if record.damaged:
        what = "line" if record.damaged == 1 else "lines"
        text = f"{record.damaged} {what} of metrics.jsonl cannot be read and are left out."
        lines.append(html.paragraph(text, "dim"))
    lines.append(html.paragraph(f"Written {time.strftime('%Y-%m-%d %H:%M')}.", "dim"))
    files = ("config.yaml", "metrics.jsonl", "samples", PLOTS, "checkpoints")
    found = [
        f'<a href="{_link(record.folder / name, page)}">{name}</a>'
        for name in files
        if (record.folder / name).exists()
    ]
    return f"{''.join(lines)}<p>{' · '.join(found)}</p>\n"


def _link(target: Path, page: Path) -> str:
    """From a page to a file, wherever both lie."""
    try:
        place = os.path.relpath(target.resolve(), page.parent.resolve())
    except ValueError:  # another drive
        return target.resolve().as_uri()
    return quote(Path(place).as_posix())


def _progress(record: Record) -> str:
    """`500 of 1,000 steps, 64,000 images (39.6 epochs), 2 min 5 s.`"""
    if not record.rows:
        return "No metrics have been logged yet."
    step, images = int(record.last["step"]), record.last.get("images")
    of = record.settings.get("steps", "")
    said = f"{step:,} of {int(of):,} steps" if of.isdecimal() else f"{step:,} steps"
    if isinstance(images, int):
        said += f", {images:,} images"
        if record.epoch_images:
            said += f" ({images / record.epoch_images:.3g} epochs)"
    return f"{said}, {duration(record.seconds)}."


def _samples(record: Record, exhibits: Exhibits) -> str:
    found = grids(record)
    if not found:
        return html.paragraph("There are none yet.")
    first, translates = record.folder / "samples" / "data.png", bool(record.spec.get("target"))
    parts = [html.card("Over training", html.slider(found))]
    real = html.image(first, "real images")
    if real and translates:
        parts.append(
            html.card(
                "Inputs", f"{real}<figcaption>Held-out images, if there are any.</figcaption>"
            )
        )
    elif real:
        parts.append(html.card("Real images", real))
        newest = html.image(found[-1][1], f"samples at {found[-1][0]}")
        parts.append(html.card(f"Generated, {found[-1][0]}", newest))
    pairs = ((e.title, e.path, e.about) for e in exhibits)
    parts += [
        html.card(title, f"{shown}<figcaption>{escape(about)}</figcaption>")
        for title, path, about in pairs
        if (shown := html.image(path, title))
    ]
    return html.cards(parts)


def _curves(record: Record) -> str:
    """Plots, from two rows on; below that, numbers alone."""
    if len(record.rows) < 2:
        rows = [(n, f"{record.values(n)[1][-1]:.4g}") for n in names(record)]
        return html.table(rows) or html.paragraph("There are none yet.")
    return "".join(_group(record, group) for group in groups(record))


def _group(record: Record, group: Group) -> str:
    axis, shown = axis_of(record), []
    for plot in group.plots:
        made = drawn(plot, axis)
        atomic.write(record.folder / PLOTS / f"{plot.key}.png", made.png)
        shown.append(html.card(plot.title, made.svg + terms(plot)))
    return f"<h3>{escape(group.title)}</h3>{html.cards(shown)}"


def _evaluation(run: Path) -> str:
    """What `ganwright evaluate` found, the newest of each number, with its protocol."""
    newest = {str(row.get("name")): row for row in read_rows(run / "evaluation.jsonl")}
    lines: list[Sequence[str]] = []
    for name, row in newest.items():
        about = ", ".join(
            f"{key.replace('_', ' ')} {value}"
            for key, value in row.items()
            if key not in ("name", "value", "spread")
        )
        spread = f" ± {row['spread']:.4g}" if finite(row.get("spread")) else ""
        number = f"{row['value']:.4g}{spread}" if finite(row.get("value")) else "-"
        lines.append((name, number, about))
    return html.table(lines)


def _cost(record: Record, price: float | None) -> Iterable[tuple[str, str]]:
    """What training took, by the log."""
    step, images = (record.last.get(x, 0) - record.before(x) for x in ("step", "images"))
    seconds = record.seconds
    if not seconds or step <= 0:
        return
    yield "time", duration(seconds)
    yield "images per second", f"{images / seconds:,.1f}"
    yield "milliseconds per step", f"{1000 * seconds / step:,.3g}"
    waits, peak = record.values("data_wait")[1], record.values("memory_mb")[1]
    if len(waits):
        yield "share of time waiting for data", f"{waits.mean():.1%}"
    if len(peak):
        yield "most GPU memory", f"{peak.max():,.0f} MiB"
    left = record.last.get("seconds_left")
    if finite(left) and left:
        yield "time left", duration(left)
    if price is not None:
        yield f"price at {price:g} an hour", f"{price * seconds / 3600:.2f}"
