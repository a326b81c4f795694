"""Canvases to paint on: in any colour, or with one colour for each class of a label map."""

from __future__ import annotations

from html import escape
from typing import Any

from ganwright.app import uploaded
from ganwright.inference.model import Model


def canvas_of(gr: Any, model: Model, way: str) -> Any:
    """A canvas with the colours of the classes where label maps are painted, else with any."""
    maps = model.label_map(way)
    if maps is None:
        return editor(gr, uploaded.blank(model, way), ["#000000", "#ffffff", "#808080"])
    colours = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in maps.palette()[: maps.classes].tolist()]
    gr.HTML(_legend(colours, maps.titles))
    # the canvas has the first class's colour, in which a stroke would not show
    seen = colours[1:2] or colours
    return editor(gr, uploaded.blank(model, way), colours, fixed=True, begins=seen[0])


def _legend(colours: list[str], titles: tuple[str, ...]) -> str:
    """What each colour of the brush stands for, as HTML."""
    pairs = zip(colours, titles, strict=True)
    return " ".join(
        f'<span style="white-space: nowrap; margin-right: 1em"><span style="background: {colour}; '
        f'border: 1px solid gray">&emsp;</span> {escape(title)}</span>'
        for colour, title in pairs
    )


def editor(
    gr: Any, blank: Any, colours: list[str], *, fixed: bool = False, begins: str = "auto"
) -> Any:
    """A canvas whose background is `blank`; with `fixed`, the brush has no other colours.

    It begins with the first of them, or another.
    """
    mode = "fixed" if fixed or len(colours) == 1 else "defaults"
    brush = gr.Brush(max(blank.size) // 20, default_color=begins, colors=colours, color_mode=mode)
    return gr.ImageEditor(
        uploaded.cleared(blank),
        type="pil",
        image_mode="RGBA",
        sources=(),
        transforms=(),
        layers=False,
        brush=brush,
        canvas_size=blank.size,
        buttons=[],
        label="Canvas",
    )
