"""ADA: Karras et al. (2020), arXiv:2006.06676, sections 2 and 3, appendix B.

    D is shown T(x) and T(G(z)), by itself and in G's updates; each change in T has probability p
    r_t = E[sign D(T(x))] over the last 4 minibatches of D
    then  p <- p + sign(r_t - .6) images / 500k,  at least 0

D(x) is counted from where the loss says that real and fake are equally likely. r_t is 0 while D
cannot tell them apart and 1 when it knows all training images. Chances below 1 keep T from
leaking into samples: G can tell the plain images from the changed ones.

Order, each change with a coin of its own for each image:
    blit      mirror; quarter turns; whole steps of up to 1/8 of the size
    geometry  scale 2^N(0, .2²); turn; stretch 2^N(0, .2²); turn; shift N(0, .125²) of the size
    colour    brightness N(0, .2²); contrast 2^N(0, .5²); invert; hue; saturation 2^N(0, 1)
    filter    gain 2^N(0, 1) on each of 4 bands, then the whole brought to its expected power
    noise     deviation |N(0, .1²)|
    cutout    zeros in a square of half the size
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ganwright.augment import colour, draws
from ganwright.augment.base import Augment, Augmenter, Transformed
from ganwright.augment.draws import each, tossed
from ganwright.augment.warp import SYM6, blitted, turned, warped
from ganwright.config.ranges import Count, NonNegative, Positive, Share
from ganwright.config.schedule import Constant, Schedule
from ganwright.errors import GameError, SettingsError

_POWER = tuple(share / 13 for share in (10, 1, 1, 1))
"""What share of an image's power is expected in each band, from low to high."""


@dataclass(frozen=True)
class ADA(Augment):
    """Karras et al. (2020), arXiv:2006.06676: augmentation strength adapts to D's overfitting.

    Args:
        p: chance of each change at the first step.
        target: what share E[sign D(x)] is held at; none leaves p as it is.
        speed: real images in which p may go from 0 to 1.
        every: updates of D between two changes of p.
        most: where p stops; above .8 changes begin to leak into samples.
        blit, geometry, colour, filter, noise, cutout: factor on p for this group; 0 leaves it out.
        schedule: without a target, the factor on p at each step.
    """

    p: Share = 0.0
    target: Share | None = 0.6
    speed: Positive = 500_000.0
    every: Count = 4
    most: Share = 1.0
    blit: NonNegative = 1.0
    geometry: NonNegative = 1.0
    colour: NonNegative = 1.0
    filter: NonNegative = 0.0
    noise: NonNegative = 0.0
    cutout: NonNegative = 0.0
    schedule: Schedule = Constant()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target is not None and not isinstance(self.schedule, Constant):
            raise SettingsError(
                f"ADA has a schedule of p and the target {self.target}, which moves p too; set "
                "target=none, or leave out the schedule"
            )

    def build(self) -> Augmenter:
        return Adaptive(self)


class Adaptive(Transformed):
    """The changes, and the chance p with which they happen."""

    p: Tensor
    signs: Tensor
    images: Tensor
    moves: Tensor
    taps: Tensor

    def __init__(self, settings: ADA) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("p", torch.tensor(float(min(settings.p, settings.most))))
        for name in ("signs", "images"):
            self.register_buffer(name, torch.tensor(0.0))
        self.register_buffer("moves", torch.tensor(0))
        self.register_buffer("taps", torch.tensor(SYM6), persistent=False)

    def watched(self) -> Mapping[str, Tensor]:
        return {"p": self.p}

    def asks(self) -> Sequence[str]:
        return () if self.settings.target is None else ("real_sign",)

    def before_step(self, step: int) -> None:
        if self.settings.target is None:  # also in a fork, which takes over another run's p
            p = self.settings.p * self.settings.schedule.factor(step)
            self.p.fill_(min(self.settings.most, p))

    def after(self, seen: Mapping[str, Tensor], images: int) -> None:
        settings = self.settings
        if settings.target is None or "p" not in seen:  # a lazy penalty's pass scores nothing
            return
        if "real_sign" not in seen:
            raise GameError(
                "ADA follows the sign of D's scores of real images, and this loss gives the sign no"
                " meaning; choose NonSaturating, Hinge or LeastSquares, or ADA(target=none, p=0.3)"
            )
        self.signs += seen["real_sign"] * images
        self.images += images
        self.moves += 1
        due = self.moves % settings.every == 0
        step = torch.sign(self.signs / self.images - settings.target) * self.images / settings.speed
        self.p.copy_(torch.where(due, self.p + step, self.p).clamp(0, settings.most))
        self.signs.mul_(~due)
        self.images.mul_(~due)

    def transformed(self, x: Tensor) -> Tensor:
        settings = self.settings
        for change, factor in (
            (blit, settings.blit),
            (partial(geometry, taps=self.taps), settings.geometry),
            (colours, settings.colour),
            (bands, settings.filter),
            (grain, settings.noise),
            (cutout, settings.cutout),
        ):
            if factor:
                x = change(x, (factor * self.p).clamp(max=1))
        return x


def blit(x: Tensor, p: Tensor) -> Tensor:
    """Mirrored, turned by quarters, shifted by whole pixels, each with chance p.

    An image that is not square is turned upside down only.
    """
    h, w = x.shape[-2:]
    flip = tossed(x, p, draws.whole(x, 0, 1), 0)
    turns = draws.whole(x, 0, 3) if h == w else 2 * draws.whole(x, 0, 1)
    turns = tossed(x, p, turns, 0)
    shift = torch.stack([draws.uniform(x, -0.125, 0.125) * side for side in (h, w)], 1)
    shift = tossed(x, p, shift.round().long(), 0)
    return blitted(x, flip > 0, turns, shift)


def geometry(x: Tensor, p: Tensor, taps: Tensor) -> Tensor:
    """Scaled, turned, stretched along a direction and shifted, each with chance p.

    The two turns happen with chance p together: 1 - sqrt(1 - p) each.

    Args:
        taps: SYM6, on the device.
    """
    turn = 1 - (1 - p).sqrt()
    scale = tossed(x, p, draws.normal(x, 0.2).exp2(), 1)
    first = tossed(x, turn, draws.angle(x), 0)
    stretch = tossed(x, p, draws.normal(x, 0.2).exp2(), 1)
    second = tossed(x, turn, draws.angle(x), 0)
    shift = torch.stack([draws.normal(x, 0.125) * side for side in x.shape[-2:]], 1)
    shift = tossed(x, p, shift, 0)
    matrix = undone(scale, first, stretch, second)
    out = warped(x, matrix.to(x.dtype), shift.to(x.dtype), taps.to(x.dtype))
    changed = (scale != 1) | (stretch != 1) | (first != 0) | (second != 0) | (shift != 0).any(1)
    return torch.where(each(changed), out, x)


def undone(scale: Tensor, first: Tensor, stretch: Tensor, second: Tensor) -> Tensor:
    """The inverse of scaling, turning, stretching and turning: [n, 2, 2] on (down, right).

    Args:
        scale: factor on both sides, [n].
        first, second: angles in radians, [n].
        stretch: factor on the width; the height has its inverse.
    """
    columns = []
    for down, right in ((1.0, 0.0), (0.0, 1.0)):
        u, v = turned(torch.full_like(scale, right), torch.full_like(scale, down), -second)
        u, v = turned(u / stretch, v * stretch, -first)
        columns.append(torch.stack([v, u], 1) / scale[:, None])
    return torch.stack(columns, 2)


def colours(x: Tensor, p: Tensor) -> Tensor:
    """Brightness, contrast, light against dark, hue and saturation, each with chance p.

    Hues are turned where images have three channels. Values may leave [-1, 1].
    """
    x = colour.brightened(x, tossed(x, p, draws.normal(x, 0.2), 0))
    x = colour.contrasted(x, tossed(x, p, draws.normal(x, 0.5).exp2(), 1))
    x = colour.inverted(x, tossed(x, p, draws.whole(x, 0, 1), 0))
    if x.shape[1] == 3:
        x = colour.hued(x, tossed(x, p, draws.angle(x), 0))
    if x.shape[1] > 1:
        x = colour.saturated(x, tossed(x, p, draws.normal(x, 1.0).exp2(), 1))
    return x


def bands(x: Tensor, p: Tensor) -> Tensor:
    """Bands of frequencies amplified, each with chance p, each time at an expected power of 1."""
    gains, power = [], torch.ones(len(x), device=x.device)
    for share in _POWER:
        gain = tossed(x, p, draws.normal(x, 1.0).exp2(), 1)
        gains.append(gain)
        power = power * (1 + share * (gain.square() - 1))
    return colour.filtered(x, torch.stack(gains, 1) / power.sqrt()[:, None])


def grain(x: Tensor, p: Tensor) -> Tensor:
    """Noise of a deviation of its own added to each image, with chance p."""
    return x + each(tossed(x, p, draws.normal(x, 0.1).abs(), 0)) * draws.grain(x)


def cutout(x: Tensor, p: Tensor) -> Tensor:
    """Zeros in a square of half the size around a place anywhere, with chance p."""
    middle = tossed(x, p, torch.stack([draws.uniform(x, 0.0, 1.0) for _ in range(2)], 1), -1)
    near = []
    for side, place in zip(x.shape[-2:], middle.unbind(1), strict=True):
        pixels = (torch.arange(side, device=x.device) + 0.5) / side
        near.append((pixels - place[:, None]).abs() < 0.25)
    return torch.where((near[0][:, :, None] & near[1][:, None, :])[:, None], 0, x)
