"""Parts of a page that opens offline: nothing in it is fetched, and all text is escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from PIL import Image

LARGEST, SIDE = 300_000, 1200
"""Bytes and pixels beyond which an image is shown smaller, as a JPEG."""
_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --dim: #5b636c; --paper: #fff; --card: #f6f7f9;
  --line: #d8dbdf; --link: #1f5fbf }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --dim: #a0a8b1; --paper: #14171a;
  --card: #1d2125; --line: #3a4047; --link: #7cb0ff } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 0 auto; padding: 1rem;
  color: var(--ink); background: var(--paper); overflow-wrap: anywhere }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0 } h2 { margin: 2rem 0 .5rem }
h3 { font-size: 1rem; margin: 0 0 .25rem } h1, h2, h3 { font-weight: 600 }
p { margin: .25rem 0; max-width: 46rem } a { color: var(--link) } nav a { margin-right: 1rem }
figcaption { font-size: .875rem; margin-top: .5rem } .dim, figcaption { color: var(--dim) }
.health { border-left: 4px solid #d97706; padding-left: .75rem }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(21rem, 100%), 1fr));
  gap: 1rem; align-items: start; margin: .5rem 0 1rem }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .75rem;
  min-width: 0; margin: 0 }
.card svg { width: 100%; height: auto; display: block }
.card svg text { font-family: system-ui, sans-serif !important }
img { max-width: 100%; height: auto; display: block; border-radius: 4px; background: #fff }
.grid { width: 34rem } img[hidden] { display: none }
dl.terms { margin: .5rem 0 0; font-size: .875rem } dl.terms dt { font-weight: 600 }
dl.terms dd { margin: 0 0 .35rem 1.9rem; color: var(--dim) }
.key { display: inline-block; width: 1.4rem; border-top: 3px; margin-right: .5rem;
  vertical-align: middle }
.slide { display: flex; gap: .75rem; align-items: center; margin-bottom: .5rem }
.slide input { flex: 1; min-width: 0 }
output { white-space: nowrap; font-variant-numeric: tabular-nums }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-size: .9rem }
td, th { padding: .2rem 1rem .2rem 0; vertical-align: top; text-align: left;
  border-bottom: 1px solid var(--line) }
td + td { font-family: ui-monospace, monospace; font-size: .85rem }
th, td:first-child { overflow-wrap: normal } td + td { overflow-wrap: anywhere; min-width: 6.5rem }
"""
_SCRIPT = """
for (const slider of document.querySelectorAll(".slider")) {
  const [input, said] = slider.querySelectorAll("input, output");
  const images = slider.querySelectorAll("img");
  input.oninput = () => {
    images.forEach((image, i) => { image.hidden = i != input.value; });
    said.textContent = images[input.value].alt;
  };
  input.oninput();
}
"""


def page(title: str, body: Iterable[str]) -> bytes:
    """A page with a title and its parts."""
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f"<title>{escape(title)}</title>",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n",
        *body,
        f"<script>{_SCRIPT}</script></body></html>\n",
    ]
    return "".join(parts).encode(errors="backslashreplace")


def section(title: str, *parts: str) -> str:
    """Parts below a heading that can be linked to; nothing where all are empty."""
    body = "".join(parts)
    return f'<h2 id="{anchor(title)}">{escape(title)}</h2>\n{body}\n' if body else ""


def anchor(title: str) -> str:
    """What a link to a section ends with."""
    return title.lower().replace(" ", "-")


def contents(titles: Iterable[str]) -> str:
    """Links to sections."""
    links = "".join(f'<a href="#{anchor(title)}">{escape(title)}</a>' for title in titles)
    return f"<nav>{links}</nav>\n"


def paragraph(text: str, name: str = "") -> str:
    """A paragraph of plain text."""
    about = f' class="{name}"' if name else ""
    return f"<p{about}>{escape(text)}</p>\n"


def table(rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Rows of text; nothing without rows."""
    lines = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>\n" for row in rows)
    top = f"<tr>{''.join(f'<th>{escape(c)}</th>' for c in head)}</tr>\n" if head else ""
    return f'<div class="scroll"><table>{top}{lines}</table></div>\n' if lines else ""


def card(title: str, body: str) -> str:
    """A box with a heading."""
    heading = f"<h3>{escape(title)}</h3>" if title else ""
    return f'<figure class="card">{heading}{body}</figure>\n'


def cards(parts: Iterable[str]) -> str:
    """Boxes next to each other where the page is wide enough; nothing without boxes."""
    body = "".join(parts)
    return f'<div class="cards">{body}</div>\n' if body else ""


def slider(images: Sequence[tuple[str, Path]]) -> str:
    """Images of which one is shown, and what moves from one to the next.

    Args:
        images: what each is called, and its file; files that cannot be read are left out.
    """
    found = [(name, source) for name, path in images if (source := data(path))]
    if not found:
        return ""
    last = len(found) - 1
    shown = "".join(
        f'<img class="grid" alt="{escape(name)}" src="{source}"{"" if i == last else " hidden"}>'
        for i, (name, source) in enumerate(found)
    )
    label = "which sample grid is shown"
    bar = f'<input type="range" min="0" max="{last}" value="{last}" aria-label="{label}">'
    said = f"<output>{escape(found[-1][0])}</output>"
    return f'<div class="slider"><div class="slide">{bar}{said}</div>{shown}</div>'


def image(path: Path, alt: str) -> str:
    """An image; nothing where the file cannot be read."""
    source = data(path)
    return f'<img class="grid" alt="{escape(alt)}" src="{source}">' if source else ""


def data(path: Path) -> str:
    """A file of an image as an address that holds all of it; empty where it cannot be read."""
    try:
        raw = path.read_bytes()
        with Image.open(io.BytesIO(raw)) as opened:
            kind, large = "png", len(raw) > LARGEST
            if large:
                raw, kind = _smaller(opened), "jpeg"
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return ""
    return f"data:image/{kind};base64,{base64.b64encode(raw).decode()}"


def _smaller(opened: Image.Image) -> bytes:
    image = opened.convert("RGB")
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
