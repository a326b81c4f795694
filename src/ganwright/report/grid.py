"""Sample grids as PNG files: images side by side, points as a scatter plot, signals as curves."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ganwright import atomic
from ganwright.errors import SettingsError
from ganwright.pixels import to_bytes

if TYPE_CHECKING:
    from torch import Tensor

Pixels = npt.NDArray[np.uint8]

LEAST = 64
"""Smaller tiles are enlarged by whole factors until a side has as many pixels."""
_PAPER = 255


def save_grid(
    images: Tensor,
    path: Path,
    columns: int | None = None,
    gutter: int = 2,
    captions: Sequence[str] | None = None,
) -> None:
    """Write images as one PNG, row by row from the top left, all at once or not at all.

    Args:
        images: float [n, C, H, W] in [-1, 1], points [n, 2], or signals [n, C, L]; of more than
            three channels of images the first three are shown, and of two the first; of rows of a
            table the first two numbers; of signals the first 16.
        path: where to; its folder is made.
        columns: images in a row; as square a grid as can be when not given.
        gutter: white pixels between the tiles.
        captions: a word for each image, drawn below it.

    Raises:
        SettingsError: if the tensor is neither images, points nor signals.
        OSError: if the file cannot be written.
    """
    atomic.write(path, png(images, columns, gutter, captions))


def png(
    images: Tensor,
    columns: int | None = None,
    gutter: int = 2,
    captions: Sequence[str] | None = None,
) -> bytes:
    """The file that `save_grid` writes.

    Raises:
        SettingsError: if the tensor is neither images nor points.
    """
    if images.ndim == 2:
        return _scatter(images)
    if images.ndim == 3:
        return _curves(images)
    buffer = io.BytesIO()
    Image.fromarray(tile(images, columns, gutter, captions)).save(buffer, format="PNG")
    return buffer.getvalue()


def tile(
    images: Tensor,
    columns: int | None = None,
    gutter: int = 2,
    captions: Sequence[str] | None = None,
) -> Pixels:
    """The grid that `save_grid` writes: uint8 [H, W] where images are grey, [H, W, 3] in colour.

    Raises:
        SettingsError: if the tensor is not images.
    """
    pictures = _enlarged(to_pixels(images))
    n, height, width, channels = pictures.shape
    columns = min(n, columns or math.ceil(math.sqrt(n)))
    line = 12 if captions else 0
    rows = math.ceil(n / columns)
    stride_y, stride_x = height + line + gutter, width + gutter
    canvas = np.full(
        (rows * stride_y + gutter, columns * stride_x + gutter, channels), _PAPER, np.uint8
    )
    for i, picture in enumerate(pictures):
        y, x = gutter + i // columns * stride_y, gutter + i % columns * stride_x
        canvas[y : y + height, x : x + width] = picture
    grid = canvas[..., 0] if channels == 1 else canvas
    if not captions:
        return grid
    places = [
        (gutter + i % columns * stride_x, gutter + i // columns * stride_y + height)
        for i in range(n)
    ]
    return _captioned(grid, captions, places)


def picture(images: Tensor) -> Pixels:
    """What `save_grid` draws of images or points, in colour: uint8 [H, W, 3].

    Raises:
        SettingsError: if the tensor is neither images nor points.
    """
    return np.asarray(Image.open(io.BytesIO(png(images))).convert("RGB"))


def to_pixels(images: Tensor) -> Pixels:
    """Images [n, C, H, W] in [-1, 1] as uint8 [n, H, W, 1 or 3]; NaN is mid-grey.

    Raises:
        SettingsError: if there are none.
    """
    if images.ndim != 4 or not images.numel():
        raise SettingsError(
            f"a grid shows images [n, C, H, W] or points [n, 2], got {list(images.shape)}"
        )
    images = images[:, : 3 if images.shape[1] > 2 else 1]
    levels = to_bytes(images.detach().float().nan_to_num(0.0))
    pixels: Pixels = levels.permute(0, 2, 3, 1).cpu().numpy()
    return pixels


def _enlarged(pictures: Pixels) -> Pixels:
    factor = max(1, math.ceil(LEAST / max(pictures.shape[1:3])))
    return pictures.repeat(factor, 1).repeat(factor, 2)


def _captioned(grid: Pixels, captions: Sequence[str], places: list[tuple[int, int]]) -> Pixels:
    canvas = Image.fromarray(grid)
    draw = ImageDraw.Draw(canvas)
    for text, place in zip(captions, places, strict=False):
        draw.text(place, text, fill=0 if canvas.mode == "L" else (0, 0, 0))
    return np.asarray(canvas)


def _scatter(points: Tensor) -> bytes:
    """Points on equal axes, in view of most: a straggler does not squeeze the rest together."""
    if not points.numel():
        raise SettingsError(f"points are drawn in the plane, [n, 2], got {list(points.shape)}")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    xy = points[:, :2].detach().float().nan_to_num(0.0).cpu().numpy()
    xy = np.pad(xy, ((0, 0), (0, 2 - xy.shape[1])))  # one column alone lies on a line
    figure = Figure(figsize=(5, 5), dpi=100, layout="tight")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot(aspect="equal")
    axes.plot(xy[:, 0], xy[:, 1], ".", markersize=2, alpha=0.5)
    reach = 1.25 * max(1e-3, float(np.quantile(np.abs(xy), 0.99)))
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    return _saved(figure)


def _curves(signals: Tensor) -> bytes:
    """The first 16 signals [n, C, L], a panel each on the same axes; a curve for each channel."""
    if not signals.numel():
        raise SettingsError(f"signals are drawn as [n, C, L], got {list(signals.shape)}")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = signals[:16].detach().float().nan_to_num(0.0).cpu().numpy()
    columns = math.ceil(math.sqrt(len(shown)))
    rows = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(2 * columns, 1.5 * rows), dpi=100, layout="tight")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel in panels.flat[len(shown) :]:
        panel.axis("off")
    for panel, signal in zip(panels.flat, shown, strict=False):
        panel.plot(signal.T, linewidth=1)
    return _saved(figure)


def _saved(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
