"""Networks from images to images, on images of any size.

Sides are padded, by reflection, to what the network takes, and the padding is cut off again. Large
images are translated tile by tile and come out in strips from the top, so that memory depends on
the tile and not on the image. Where each pixel of the output depends on a neighbourhood of the
input alone, tiles overlap by that neighbourhood and the result is that of the whole image. Where
it depends on the whole input (instance normalisation, attention), tiles differ, and are blended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ganwright.errors import SettingsError
from ganwright.pixels import as_floats
from ganwright.seeds import seed_torch

TILE = 1024
"""Side of a tile in pixels, of the input or of the output, whichever is larger."""
FARTHEST = 256
"""Neighbourhoods that reach farther than so many pixels count as the whole input."""
OVERSHOOT = 2.0
"""Values in [-1, 1] may pass their ends a little, as interpolated images do, but not this far."""

Function = Callable[[Tensor], Tensor]

_POINTWISE = (
    *(nn.Identity, nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid),
    *(nn.Softplus, nn.Dropout, nn.Dropout2d, nn.ReflectionPad2d, nn.ReplicationPad2d),
    nn.ZeroPad2d,
)
_WINDOWED = (nn.Conv2d, nn.ConvTranspose2d, nn.AvgPool2d, nn.MaxPool2d)


@dataclass(frozen=True)
class Footprint:
    """What must be known of a network to apply it to images of any size.

    Args:
        multiple: sides must be multiples of this.
        least: and not be shorter than this.
        scale: pixels of the output for a pixel of the input.
        radius: how far, in pixels of the input, an output pixel looks; None for everywhere.
        only: the one (height, width) that it takes, if it takes no other.
    """

    multiple: int
    least: int
    scale: int
    radius: int | None
    only: tuple[int, int] | None = None

    def refuse(self, height: int, width: int) -> None:
        """Refuse a size that the network does not take.

        Raises:
            SettingsError: it takes one size only, which is another.
        """
        if self.only and self.only != (height, width):
            raise SettingsError(
                f"this network takes images of {self.only[1]}x{self.only[0]} only, got "
                f"{width}x{height}; resize them first"
            )


def footprint(function: Function, modules: nn.Module, shape: tuple[int, ...]) -> Footprint:
    """Find it by calling `function` and watching the layers of `modules` that it runs.

    Args:
        shape: (C, H, W) of images that it takes.

    Raises:
        SettingsError: height and width are not multiplied by the same whole number.
    """
    jumps, reach = [1.0], 0.0
    local = True

    def watch(layer: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal reach, local
        x = inputs[0] if inputs else None
        if not isinstance(x, Tensor) or x.ndim != 4 or not isinstance(output, Tensor):
            local = False
            return
        jump = shape[1] / x.shape[2]
        jumps.extend((jump, shape[1] / output.shape[2] if output.ndim == 4 else jump))
        if isinstance(layer, _WINDOWED):
            reach += jump * _reach(layer)
        elif isinstance(layer, nn.Upsample):
            reach += jump
        elif isinstance(layer, nn.PixelShuffle):  # up to so far from the pixel it comes from
            reach += jump - jumps[-1]
        else:
            still = isinstance(layer, nn.BatchNorm2d) and layer.track_running_stats
            local &= isinstance(layer, _POINTWISE) or (still and not layer.training)

    with torch.no_grad(), _watched(modules, watch):
        out = function(probe(shape, modules))
    scale = out.shape[2] // shape[1]
    if out.shape[2:] != (shape[1] * scale, shape[2] * scale):
        raise SettingsError(
            f"it makes {out.shape[2]}x{out.shape[3]} of {shape[1]}x{shape[2]}; images of any "
            "size need a whole multiple"
        )
    multiple = math.ceil(max(jumps))
    if not _takes(function, modules, (shape[0], shape[1] + multiple, shape[2] + multiple)):
        # its sides need be no multiple of what it downsamples by: it may crop on its way
        return Footprint(1, min(shape[1:]), scale, None, (shape[1], shape[2]))
    radius = math.ceil(reach / multiple) * multiple
    known = local and radius <= FARTHEST and _unmoved(function, modules, shape, radius, multiple)
    return Footprint(multiple, min(2 * multiple, *shape[1:]), scale, radius if known else None)


def strips(
    function: Function, images: Tensor, known: Footprint, tile: int = TILE
) -> Iterator[Tensor]:
    """Apply a network to images of any size; the results' rows come from the top, in order.

    Args:
        function: float32 [n, C, h, w] in [-1, 1] -> [n, C', s h, s w], s being the scale.
        images: float in [-1, 1] or uint8, [n, C, H, W].
        tile: side of a tile, in pixels of the larger of input and output.

    Yields:
        float32 [n, C', rows, s W]; the rows of all strips sum to s H.

    Raises:
        SettingsError: the network takes one size, and this is another.
    """
    height, width = images.shape[2:]
    known.refuse(height, width)
    down, across = (_spans(side, known, tile) for side in (height, width))
    s, left = known.scale, height * known.scale
    pending: Tensor | None = None
    for row, following in pairwise([*down, None]):
        assert row is not None
        band: Tensor | None = None
        for column in across:
            piece = images.index_select(2, row.indices).index_select(3, column.indices)
            made = function(as_floats(piece)) * (row.window[:, None] * column.window)
            if band is None:
                total = (across[-1].start + len(column.indices)) * s
                band = made.new_zeros(*made.shape[:3], total)
            band[..., column.start * s : column.start * s + made.shape[3]] += made
        assert band is not None
        if pending is not None:
            band[:, :, : pending.shape[2]] += pending
        done = left if following is None else (following.start - row.start) * s
        yield band[:, :, : min(done, left), : width * s]
        left -= min(done, left)
        pending = band[:, :, done:]


def tiles(height: int, width: int, known: Footprint, tile: int = TILE) -> int:
    """How many tiles an image is translated in."""
    return len(_spans(height, known, tile)) * len(_spans(width, known, tile))


@dataclass(frozen=True)
class _Span:
    """One tile's part of a side: where it starts, the pixels it shows, what it counts for."""

    start: int
    indices: Tensor
    window: Tensor


def _spans(side: int, known: Footprint, tile: int) -> list[_Span]:
    """Tiles of equal length that cover a side; what they count for sums to 1 at each pixel."""
    m, s = known.multiple, known.scale
    length = math.ceil(max(side, known.least) / m) * m
    most = max(1, tile // max(1, s) // m) * m
    overlap = most // 4 if known.radius is None else 2 * known.radius
    if known.radius is not None:
        most = max(most, 2 * overlap)
    most = max(most, math.ceil(known.least / m) * m)
    count = 1 if length <= most else math.ceil((length - overlap) / (most - overlap))
    size = min(most, length)
    grid = 1 if overlap % m else m  # on a coarser one, tiles would overlap by less
    starts = [round((length - size) * i / max(1, count - 1) / grid) * grid for i in range(count)]
    seams = [(b + a + size) / 2 for a, b in pairwise(starts)]
    blend = s * overlap if known.radius is None else 0
    spans = []
    for i, start in enumerate(starts):
        pixel = torch.arange(start * s, (start + size) * s) + 0.5
        window = torch.ones(len(pixel))
        window = window * _rise(pixel, seams[i - 1] * s, blend) if i else window
        window = window - _rise(pixel, seams[i] * s, blend) if i < len(seams) else window
        spans.append(_Span(start, reflected(torch.arange(start, start + size), side), window))
    return spans


def _rise(pixel: Tensor, seam: float, width: int) -> Tensor:
    """From 0 to 1 at the seam: at once, or over a width in pixels."""
    if not width:
        return (pixel > seam).float()
    return ((pixel - seam) / width + 0.5).clamp(0, 1)


def reflected(indices: Tensor, side: int) -> Tensor:
    """Indices beyond a side turned back into it, as often as it takes, edges not repeated."""
    period = max(1, 2 * (side - 1))
    turned = indices % period
    return torch.minimum(turned, period - turned) if side > 1 else torch.zeros_like(indices)


def check(name: str, images: Tensor, shape: Sequence[int | None]) -> None:
    """Refuse what a network would take for images, and misread.

    Args:
        name: who takes them, for the error.
        images: what was given.
        shape: of one of them; None where any side will do.

    Raises:
        SettingsError: the shape or the type is another, or the values are not in [-1, 1].
    """
    if not isinstance(images, Tensor):
        raise SettingsError(f"{name} takes a tensor of images, got a {type(images).__name__}")
    fits = images.ndim == 1 + len(shape) and all(
        side and wanted in (None, side)
        for wanted, side in zip(shape, images.shape[1:], strict=True)
    )
    if not fits:
        sides = zip(shape, ("C", "H", "W"), strict=False)
        wanted = ", ".join(other if side is None else str(side) for side, other in sides)
        raise SettingsError(f"{name} takes images [n, {wanted}], got {list(images.shape)}")
    if images.dtype == torch.uint8:
        return
    if not images.is_floating_point():
        raise SettingsError(f"{name} takes float or uint8 images, got {images.dtype}")
    farthest = float(images.abs().max()) if images.numel() else 0.0
    if not farthest <= OVERSHOOT:
        raise SettingsError(
            f"{name} takes floats in [-1, 1], got values up to {farthest:g}; make them uint8 if "
            "they are in [0, 255]"
        )


def _reach(layer: nn.Module) -> int:
    """How far one of the windowed layers looks, in pixels of its own input."""
    size: Any = layer.kernel_size
    kernel: int = max(size) if isinstance(size, tuple) else size
    if isinstance(layer, nn.ConvTranspose2d):
        return math.ceil((kernel - 1) / layer.stride[0])
    apart: int = max(layer.dilation) if isinstance(layer, nn.Conv2d) else 1
    return apart * (kernel // 2)


def probe(shape: tuple[int, ...], modules: nn.Module) -> Tensor:
    """An image [1, C, H, W] that is nowhere flat: of 0 alone a network may make 0."""
    weight = next(modules.parameters())
    return torch.linspace(-1, 1, math.prod(shape), device=weight.device).view(1, *shape)


def _takes(function: Function, modules: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether a network takes images of another size than it was trained on."""
    try:
        with torch.no_grad():
            function(probe(shape, modules))
    except RuntimeError:  # torch says so when sizes do not fit
        return False
    return True


def _unmoved(
    function: Function, modules: nn.Module, shape: tuple[int, ...], radius: int, multiple: int
) -> bool:
    """Whether a pixel stays as it is when all that lies beyond the radius changes.

    It catches what layers do not show: attention, statistics, a network's own arithmetic.
    """
    side = math.ceil((2 * radius + 2) / multiple + 1) * multiple
    one = probe((shape[0], side, side), modules)
    near = (torch.arange(side, device=one.device) - side // 2).abs() <= radius
    other = torch.where(near[:, None] & near, one, 0.4 + 0.5 * (99 * one).cos())
    with torch.no_grad():
        seed_torch("locality")
        before = function(one)
        seed_torch("locality")
        after = function(other)
    middle = before.shape[2] // 2
    gap = (before - after)[:, :, middle, middle].abs().max()
    return bool(gap <= 1e-5)


@contextmanager
def _watched(modules: nn.Module, watch: Callable[..., None]) -> Iterator[None]:
    """Call `watch` behind every layer that is run."""
    layers = [
        layer
        for name, layer in modules.named_modules()
        if "parametrizations" not in name
        and (isinstance(layer, _WINDOWED) or not any(layer.children()))
    ]
    handles = [layer.register_forward_hook(watch) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
