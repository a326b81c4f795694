"""Plots as SVG for a page, which takes the page's colours, and as PNG files; by matplotlib."""

from __future__ import annotations

import io
import re
import warnings
from html import escape
from typing import Any, NamedTuple

import numpy as np

from ganwright.report.plots import Array, Plot, Series, epochs
from ganwright.report.records import Record

COLOURS = ("#3b82f6", "#e8590c", "#2f9e44", "#b14cd6", "#d6336c", "#0c8599", "#a07800", "#808890")
"""Of curves, in order; each is legible on white and on black."""
STYLES = ("solid", "dashed", "dotted")
"""Of curves whose colours are used up."""
_INK, _GRID = "#1f2328", "#d8dbdf"
_SIZE, _BOX = (4.0, 2.7), (0.185, 0.22, 0.765, 0.63)


class Axis(NamedTuple):
    """The horizontal axis of a run's plots.

    Args:
        last: its last step.
        steps: at which images were counted [n].
        images: counted at these [n].
        epochs: where round numbers of epochs are, and what they say.
    """

    last: float
    steps: Array
    images: Array
    epochs: tuple[Array, list[str]]


class Drawn(NamedTuple):
    """A plot as part of a page, and as a file."""

    svg: str
    png: bytes


def axis_of(record: Record) -> Axis:
    """The axis of a run's plots: steps, with images and epochs."""
    steps, images = record.values("images")
    return Axis(float(record.last.get("step", 1)), steps, images, epochs(record))


def mark(i: int) -> tuple[str, str]:
    """Colour and style of the i-th curve."""
    return COLOURS[i % len(COLOURS)], STYLES[i // len(COLOURS) % len(STYLES)]


def drawn(plot: Plot, axis: Axis) -> Drawn:
    """Draw a plot, once for both."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: Any = {"svg.fonttype": "none", "svg.hashsalt": plot.key, "font.size": 9}
    style |= dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _INK)
    with warnings.catch_warnings(), rc_context(style):
        warnings.simplefilter("ignore")  # of letters that the font lacks
        figure = Figure(figsize=_SIZE, facecolor="none")
        FigureCanvasAgg(figure)
        axes: Any = figure.add_axes(_BOX, facecolor="none")
        _curves(axes, plot)
        _axes(axes, plot, axis)
        svg = io.StringIO()
        figure.savefig(svg, format="svg", metadata={"Date": None})
        _alone(axes, figure, plot)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=150, facecolor="white")
    return Drawn(_inline(svg.getvalue(), plot.title), png.getvalue())


def _curves(axes: Any, plot: Plot) -> None:
    for i, each in enumerate(plot.series):
        colour, style = mark(i)
        dot = "o" if len(each.x) < 3 else ""
        axes.plot(each.x, each.y, color=colour, linestyle=style, marker=dot, markersize=3, lw=1.3)
        if each.spread is not None:
            axes.fill_between(
                each.x, each.y - each.spread, each.y + each.spread, color=colour, alpha=0.2, lw=0
            )


def _axes(axes: Any, plot: Plot, axis: Axis) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    if plot.log:
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: short(v)))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: _place(step, axis)))
    axes.set_xlim(0, max(1.0, axis.last) * 1.02)
    axes.set_ylabel(plot.unit)
    axes.set_xlabel("steps, with images below" if len(axis.steps) else "steps", labelpad=1)
    axes.grid(True, color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_color(_GRID)
    axes.tick_params(which="both", length=0)
    places, said = axis.epochs
    if len(places):
        above = axes.secondary_xaxis("top")
        above.set_xticks(places, said)
        above.set_xlabel("epochs", labelpad=3)
        above.tick_params(length=0, pad=2)
        above.spines["top"].set_color(_GRID)


def _place(step: float, axis: Axis) -> str:
    images = np.interp(step, [0, *axis.steps], [0, *axis.images]) if len(axis.steps) else None
    beyond = step < 0 or step > axis.last
    return "" if beyond else short(step) if images is None else f"{short(step)}\n{short(images)}"


def short(value: float) -> str:
    """A number for an axis: 0.25, 4000, 12k, 1.5M."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * unit or (abs(value) >= unit > 1e3):
            return f"{value / unit:.4g}{letter}"
    return f"{value:.4g}"


def _alone(axes: Any, figure: Any, plot: Plot) -> None:
    """What the page says around the plot, a file says itself: title and legend."""
    labels = [_plain(each.label) for each in plot.series]
    width, height = _SIZE
    figure.set_size_inches(width, height + 0.3)
    x, y, w, h = _BOX
    axes.set_position((x, y * height / (height + 0.3), w, h * height / (height + 0.3)))
    figure.text(0.02, 0.985, _plain(plot.title), va="top", weight="bold")
    if len(labels) > 1:
        axes.legend(axes.lines, labels, loc="upper right", fontsize=7, framealpha=0.7)


def _plain(text: str) -> str:
    """Without matplotlib's mathematics."""
    return text.replace("$", r"\$")


def _inline(svg: str, title: str) -> str:
    """The figure alone, with the page's text and grid colours, scaled to its place."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r' id="[a-z][\w.]*_\d+"', "", svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box, "matplotlib writes a viewBox"
    label = escape(title)
    svg = re.sub(r"<svg[^>]*>", f'<svg {box[0]} role="img" aria-label="{label}">', svg, count=1)
    return svg.replace(_INK, "currentColor").replace(_GRID, "var(--line)").strip()


def last(each: Series) -> str:
    """The newest value, for a legend."""
    return f"{each.y[-1]:.4g}"
