"""What the page shows of a generator: samples, what lies between two, and directions from one."""

from __future__ import annotations

import io
import math
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganwright import atomic
from ganwright.app.abilities import WIDEST
from ganwright.config.ranges import Count, Positive, Real, Share, Whole
from ganwright.config.spelling import convert
from ganwright.errors import SettingsError
from ganwright.inference.animation import FORMATS
from ganwright.inference.model import Model
from ganwright.inference.walk import along, directions, route, shifted
from ganwright.report.grid import png, tile, to_pixels

MOST = 64
"""Samples in a grid."""
_POSITIONS = 100
_FRAMES = 24
_FPS = 12.0
_LEAST = 384
"""Smaller images are enlarged by whole factors until a side is as long."""


def grid(
    model: Model, seed: Any, n: Any, label: Any = None, scale: Any = 1.0, truncation: Any = None
) -> Image.Image:
    """A grid of n samples, those that `ganwright sample` draws of this seed.

    Args:
        model: a family that samples.
        seed: of the samples.
        n: how many, at most 64.
        label: a class, several where images have several, or None for the classes in turn.
        scale: what the latents are multiplied by: below 1, samples are more typical and vary less.
        truncation: the family's own, where it has one; `WIDEST` for none.

    Raises:
        SettingsError: a value is out of range.
    """
    n, seed = convert(n, Count, "n"), convert(seed, Whole, "seed")
    scale = convert(scale, Positive, "truncation")
    if truncation is not None:
        model = _narrowed(model, truncation)
    if n > MOST:
        raise SettingsError(f"n is {n}; a page shows at most {MOST} samples")
    z = None if scale == 1 else scale * model.latents(n, seed=seed)
    images = model.sample(n, seed=seed, labels=labels_of(label), latents=z)
    shown = Image.open(io.BytesIO(png(images)))
    factor = max(1, math.ceil(_LEAST / max(shown.size)))
    return shown.resize((shown.width * factor, shown.height * factor), Image.Resampling.NEAREST)


def between(model: Model, first: Any, second: Any, position: Any, label: Any = None) -> Image.Image:
    """The image at a position in [0, 1] on the way from one seed's first sample to another's.

    Raises:
        SettingsError: a value is out of range.
    """
    position = convert(position, Share, "position")
    way = _way(model, first, second, _POSITIONS)
    return _image(_drawn(model, way[round(position * _POSITIONS)][None], label))


def animation(model: Model, first: Any, second: Any, label: Any = None, *, folder: Path) -> str:
    """The path of a GIF that goes from one seed's first sample to another's and back.

    Raises:
        SettingsError: a value is out of range.
    """
    way = _way(model, first, second, _FRAMES)
    frames = to_pixels(_drawn(model, torch.cat([way, way[1:-1].flip(0)]), label))
    factor = max(1, math.ceil(_LEAST / 2 / max(frames.shape[1:3])))
    larger = list(frames.repeat(factor, 1).repeat(factor, 2))
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(mkdtemp(dir=folder)) / "walk.gif"
    atomic.write(path, FORMATS[".gif"](larger, _FPS))
    return str(path)


def changed(model: Model, seed: Any, number: Any, strength: Any, label: Any = None) -> Image.Image:
    """A seed's first sample, and next to it the sample changed along a latent direction.

    Args:
        model: a family that has directions.
        seed: of the sample.
        number: of the direction; 1 is the strongest.
        strength: how far to go, in latent space.
        label: the class of the sample.

    Raises:
        SettingsError: a value is out of range.
    """
    number, seed = convert(number, Count, "direction"), convert(seed, Whole, "seed")
    strength = convert(strength, Real, "strength")
    found = directions(model, number)[-1:]
    ends = torch.tensor([0.0, strength])
    (images,) = shifted(model, found, ends, seed=seed, labels=labels_of(label) or ())
    factor = max(1, math.ceil(_LEAST / 2 / max(images.shape[2:])))
    larger = images.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    return Image.fromarray(tile(larger, 2, gutter=4, captions=("sample", f"{strength:+g}")))


def labels_of(label: Any) -> list[str] | None:
    """A class as `Model.sample` takes it: one name, or several joined by +."""
    names = [label] if isinstance(label, str) else list(label or ())
    return ["+".join(names)] if any(names) else None


def _narrowed(model: Model, truncation: Any) -> Model:
    asked = None if truncation == WIDEST else truncation
    return model if asked == model.truncation else model.truncated(asked)


def _way(model: Model, first: Any, second: Any, frames: int) -> Tensor:
    seeds = [convert(seed, Whole, "seed") for seed in (first, second)]
    return route(model, seeds, frames=frames, loop=False)


def _drawn(model: Model, latents: Tensor, label: Any) -> Tensor:
    return torch.cat(list(along(model, latents, labels_of(label) or ())))


def _image(images: Tensor) -> Image.Image:
    pixels = to_pixels(images)[0]
    factor = max(1, math.ceil(_LEAST / max(pixels.shape[:2])))
    larger = pixels.repeat(factor, 0).repeat(factor, 1)
    return Image.fromarray(larger[..., 0] if larger.shape[2] == 1 else larger)
