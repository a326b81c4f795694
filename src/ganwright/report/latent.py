"""Codes in the plane, coloured by label: what an autoencoder with `latent=2` makes of data."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright import atomic
from ganwright.errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor


def save_codes(
    codes: Tensor, path: Path, labels: Tensor | None = None, classes: Sequence[str] = ()
) -> None:
    """Draw codes as points on equal axes, with a legend of the classes.

    Args:
        codes: float [n, 2].
        path: the PNG to write; its folder is made.
        labels: int64 [n], a colour each; one colour for all when not given.
        classes: the labels' names; their numbers when not given.

    Raises:
        SettingsError: the codes are not points in the plane, or labels differ in number.
        OSError: the file cannot be written.
    """
    if codes.ndim != 2 or codes.shape[1] != 2 or not len(codes):
        raise SettingsError(
            f"codes are plotted in two dimensions, [n, 2], got {list(codes.shape)}; "
            "train with latent=2"
        )
    if labels is not None and len(labels) != len(codes):
        raise SettingsError(f"there are {len(codes)} codes and {len(labels)} labels; give as many")
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    xy = codes.detach().float().cpu().numpy()
    figure = Figure(figsize=(6, 6), dpi=100, layout="tight")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot(aspect="equal")
    colours: Any = colormaps["tab20"].colors  # type: ignore[attr-defined]
    numbers = [None] if labels is None else sorted(set(labels.tolist()))
    for i, number in enumerate(numbers):
        chosen = xy if labels is None else xy[(labels == number).cpu().numpy()]
        # neighbours in tab20 are two shades of one colour: the dark ones first
        colour = colours[(2 * i) % 20 + (i // 10) % 2]
        name = classes[number] if number is not None and classes else number
        axes.plot(*chosen.T, ".", markersize=3, color=colour, label=name)
    if labels is not None:
        axes.legend(markerscale=3, fontsize="small", loc="upper right")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    atomic.write(path, buffer.getvalue())
