"""What the page makes of images that people bring or draw, read as the command line reads files."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from ganwright.config.ranges import Whole
from ganwright.config.spelling import convert
from ganwright.data.label_map import LabelMap
from ganwright.data.levels import Reading
from ganwright.errors import DataError, SettingsError
from ganwright.inference.image_files import output_of, read_picture, write_picture
from ganwright.inference.model import Model
from ganwright.inference.pictures import Picture, picture_of
from ganwright.pixels import as_floats, from_bytes, to_bytes
from ganwright.report.grid import to_pixels

CANVAS = 320
"""Canvases and images are enlarged by whole factors until a side has so many pixels."""


class Translated(NamedTuple):
    """What was given, what was made of it, and the file that `ganwright translate` would write."""

    given: Image.Image
    made: Image.Image
    file: str


class Way(NamedTuple):
    """How to translate: the direction, and what an image is made of besides the input."""

    direction: str
    seed: float
    style: str | None

    def options(self, model: Model) -> dict[str, Any]:
        """Keywords of `Model.strips`.

        Raises:
            SettingsError: the seed is no whole number.
            DataError: the photo of the style cannot be read.
        """
        options: dict[str, Any] = {
            "direction": self.direction,
            "seed": convert(self.seed, Whole, "seed"),
        }
        if self.style:
            shape = model.spec.target or model.spec.shape
            reading = model.reading(self.direction, output=True)
            options["style"] = _read(Path(self.style), shape[0], None, reading).fitted(shape)
        return options


def translated(
    model: Model,
    path: str | None,
    direction: str,
    seed: float = 0,
    style: str | None = None,
    *,
    folder: Path,
) -> Translated:
    """An uploaded file translated, at its own size.

    Args:
        model: what translates.
        path: the file.
        direction: a2b, or b2a.
        seed: of the noise, where there is some.
        style: a photo whose style it takes, where there is an encoder.
        folder: where the output goes.

    Raises:
        SettingsError: there is no file, or the network does not take its size.
        DataError: it cannot be read as an image that this model takes.
    """
    name = _there(path)
    maps, reading = model.label_map(direction), model.reading(direction)
    picture = _read(name, model.channels(direction), maps, reading)
    return _result(model, picture, Way(direction, seed, style), name.name, folder)


def drawn(
    model: Model,
    canvas: Any,
    direction: str,
    seed: float = 0,
    style: str | None = None,
    *,
    folder: Path,
) -> Translated:
    """What was painted on a canvas, at the size of the training images, translated.

    Args:
        model: what translates.
        canvas: what Gradio's editor gives.
        direction: as in `translated`, like those that follow.

    Raises:
        SettingsError: there is no canvas.
        DataError: the photo of the style cannot be read.
    """
    parts = canvas or {}
    # a canvas that nobody has touched is its background
    paint = parts.get("background") if parts.get("composite") is None else parts["composite"]
    if paint is None:
        raise SettingsError("the canvas is empty; draw an image first")
    empty = blank(model, direction).convert("RGBA").resize(paint.size)
    image = Image.alpha_composite(empty, paint.convert("RGBA"))  # browsers may leave it transparent
    shape, maps = _shape(model, direction), model.label_map(direction)
    if maps is None:
        pixels = picture_of(image, shape[0]).fitted(shape)[0]
    else:
        colours = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
        numbers = interpolate(maps.nearest(colours)[None], shape[1:], mode="nearest-exact")[0]
        pixels = maps.channelled(numbers)
    return _result(model, Picture(pixels), Way(direction, seed, style), "drawn.png", folder)


def canvas_of(model: Model, path: str | None) -> dict[str, Any]:
    """An uploaded file as the background of a canvas on which holes are painted.

    Raises:
        SettingsError: there is no file.
        DataError: it cannot be read as an image.
    """
    shape = model.spec.shape
    picture = _read(_there(path), shape[0], None, model.reading())
    image = _image(as_floats(picture.fitted(shape))).convert("RGB")
    return cleared(image)


def cleared(background: Image.Image) -> dict[str, Any]:
    """A canvas's value: a background that nobody has painted on."""
    return {"background": background, "layers": [], "composite": None}


def filled(model: Model, path: str | None, canvas: Any) -> tuple[Image.Image, Image.Image]:
    """An uploaded file with its holes, and filled: where it was painted on, or in its centre.

    Args:
        model: what fills holes.
        path: the file.
        canvas: what Gradio's editor gives; only its paint is used.

    Raises:
        SettingsError: there is no file.
        DataError: it cannot be read as an image.
    """
    shape = model.spec.shape
    x = as_floats(_read(_there(path), shape[0], None, model.reading()).fitted(shape))
    layers = (canvas or {}).get("layers") or ()
    holes = torch.zeros(1, 1, *shape[1:], dtype=torch.bool)
    for layer in layers:
        paint = np.array(layer.convert("RGBA").getchannel("A"))
        alpha = torch.from_numpy(paint)[None, None].float()
        holes |= interpolate(alpha, shape[1:], mode="area") > 127
    device = model.game.device
    given = {"known": ~holes.to(device)} if holes.any() else {}
    with torch.no_grad():
        made = model.ability("translate")(x.to(device), **given).float().cpu()
    changed = holes if given else (made != x).any(1, keepdim=True)
    return _image(x.masked_fill(changed, 0)), _image(made)


def read(model: Model, path: str | None, *, reconstruct: bool, classify: bool) -> tuple[Any, ...]:
    """An image as the networks see it; then what was asked for.

    Args:
        model: what takes images apart.
        path: an uploaded file.
        reconstruct: give its reconstruction.
        classify: give the probability of each class by its name.

    Raises:
        SettingsError: there is no file.
        DataError: it cannot be read as an image.
    """
    shape = model.spec.shape
    x = as_floats(_read(_there(path), shape[0], None, model.reading()).fitted(shape))
    found: list[Any] = [_image(x)]
    if reconstruct:
        found.append(_image(model.reconstruct(x)))
    if classify:
        probabilities = model.classify(x)[0].tolist()
        names = model.spec.classes or map(str, range(len(probabilities)))
        found.append(dict(zip(names, probabilities, strict=True)))
    return tuple(found)


def blank(model: Model, direction: str) -> Image.Image:
    """An empty canvas: white, or of the first class where label maps are painted."""
    maps, (_, height, width) = model.label_map(direction), _shape(model, direction)
    factor = max(1, math.ceil(CANVAS / max(height, width)))
    colour = tuple(map(int, maps.palette()[0])) if maps else (255, 255, 255)
    return Image.new("RGB", (width * factor, height * factor), colour)


def _there(path: str | None) -> Path:
    if not path:
        raise SettingsError("there is no image yet; upload one first")
    return Path(path)


def _read(path: Path, channels: int, maps: LabelMap | None, reading: Reading) -> Picture:
    """The reader of the command line; its sentence names the file as the person did."""
    try:
        return read_picture(path, channels, maps, reading)
    except DataError as error:
        raise DataError(str(error).replace(str(path), path.name)) from error


def _result(model: Model, picture: Picture, way: Way, name: str, folder: Path) -> Translated:
    direction = way.direction
    rows = list(model.strips(picture.pixels[None], **way.options(model)))
    made, maps = torch.cat(rows, 2), model.drawn_map(direction)
    levels = model.levels(direction, output=True)
    result = picture.with_pixels(made[0] if levels else to_bytes(made[0]), maps)
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(mkdtemp(dir=folder)) / output_of(
        Path(name), levels, made.shape[1], masks=maps is not None
    )
    write_picture(result, path, levels)
    given = as_floats(picture.pixels)[None]
    seen = model.label_map(direction)
    if maps is not None:
        made = from_bytes(maps.coloured(maps.likeliest(result.pixels)))[None]
    return Translated(_image(seen.shown(given) if seen else given), _image(made), str(path))


def _shape(model: Model, direction: str) -> tuple[int, ...]:
    spec = model.spec
    return spec.target if direction == "b2a" and spec.target is not None else spec.shape


def _image(images: Tensor) -> Image.Image:
    """The first of images in [-1, 1]."""
    pixels = to_pixels(images)[0]
    factor = max(1, math.ceil(CANVAS / max(pixels.shape[:2])))
    larger = pixels.repeat(factor, 0).repeat(factor, 1)
    return Image.fromarray(larger[..., 0] if larger.shape[2] == 1 else larger)
