"""The degradation of Real-ESRGAN: Wang et al. (2021), arXiv:2107.10833, section 3.

    x_low = JPEG(down(sinc(... noise(resize(blur(JPEG(noise(resize(blur(x)))))))))

Each image of a batch has its own kernels, sizes, noise and quality; the authors' code draws sizes
and the kind of noise once per batch, and mixes batches in a pool for that reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganwright.config.checked import Checked
from ganwright.config.ranges import NonNegative, Share
from ganwright.degrade import kernels
from ganwright.degrade.draws import Draws, each
from ganwright.degrade.order import Order, lightness, ringing
from ganwright.degrade.resize import AREA, BICUBIC, Canvas, whole
from ganwright.errors import SettingsError, described
from ganwright.precision import wide

SECOND = Order(
    blur=0.8,
    sigma=(0.2, 1.5),
    up=0.3,
    down=0.4,
    scale=(0.3, 1.2),
    gaussian=(1.0, 25.0),
    poisson=(0.05, 2.5),
)
"""Real-ESRGAN's second order."""


@dataclass(frozen=True, kw_only=True)
class Degrade(Checked):
    """Makes images worse as cameras, editing and the web do; defaults are Real-ESRGAN's."""

    first: Order = Order()
    """The first order."""
    second: Order | None = SECOND
    """The second order, whose sizes are relative to those of the result; or none."""
    sinc: Share = 0.8
    """Chance of a sinc filter at the end."""
    late: Share = 0.5
    """Chance that the last JPEG follows the last resizing and the sinc filter."""
    strength: Share = 1.0
    """How much of it all there is: 0 leaves images as they are."""
    faint: Share = 0.0
    """Contrast lost at most: 0.5 draws factors on it from 0.5 to 1."""
    jitter: NonNegative = 0.0
    """Largest shift of each channel, in levels of 255."""
    grey: Share = 0.0
    """Chance that an image loses its colours, so that they are learned to be restored."""

    @torch.no_grad()
    def __call__(
        self,
        x: Tensor,
        size: tuple[int, int] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Degraded images, constants: no gradient flows through rounding.

        Args:
            x: [n, C, H, W] in [-1, 1].
            size: height and width of the result; those of x when not given.
            generator: on x's device; where all draws come from. torch's global one when None.

        Returns:
            [n, C, *size] in [-1, 1], of x's type.

        Raises:
            SettingsError: x are no such images.
        """
        if x.ndim != 4 or not x.is_floating_point():
            raise SettingsError(
                f"Degrade takes images [n, C, H, W] of floats in [-1, 1], got {described(x)}"
            )
        with torch.autocast(x.device.type, enabled=False):
            draws = Draws(len(x), wide(x), generator)
            size = size or (x.shape[2], x.shape[3])
            made = self._orders(self._faded(wide(x), draws), size, draws)
        return made.to(x.dtype)

    def _faded(self, x: Tensor, draws: Draws) -> Tensor:
        """Images with less contrast, other colours, or none."""
        kept = each(draws.uniform((1 - self.strength * self.faint, 1.0)))
        mean = x.mean((1, 2, 3), keepdim=True)
        x = x - (1 - kept) * (x - mean)
        shift = self.strength * self.jitter * 2 / 255 * (2 * draws.rand(len(x), x.shape[1]) - 1)
        x = (x + shift[:, :, None, None]).clamp(-1, 1)
        grey = each(draws.chance(self.strength * self.grey))
        return torch.where(grey, lightness(x), x)

    def _orders(self, x: Tensor, size: tuple[int, int], draws: Draws) -> Tensor:
        """The one or two orders, and what comes last, brought to `size`."""
        s, canvas, last = self.strength, whole(x), self.second or self.first
        if self.second is not None:
            canvas = self._order(self.first, canvas, (x.shape[2], x.shape[3]), draws)
            canvas = canvas.edged(self.first.compressed(canvas.pixels, draws, s))
        canvas = self._order(last, canvas, size, draws)
        early = canvas.edged(last.compressed(canvas.pixels, draws, s))
        late = each(draws.chance(self.late))
        canvas = canvas._replace(pixels=torch.where(late, canvas.pixels, early.pixels))
        made = self._finished(canvas, size, draws)
        return torch.where(late, last.compressed(made, draws, s), made)

    def _order(self, order: Order, canvas: Canvas, size: tuple[int, int], draws: Draws) -> Canvas:
        """Blur, resizing and noise of one order."""
        canvas = order.blurred(canvas, draws, self.strength)
        canvas = order.resized(canvas, size, draws, self.strength)
        return order.noisy(canvas, draws, self.strength)

    def _finished(self, canvas: Canvas, size: tuple[int, int], draws: Draws) -> Tensor:
        """Images of one size, [n, C, *size], some of them with the ringing of a sinc filter."""
        side = (self.second or self.first).kernel[1]
        height, width = (torch.full_like(canvas.height, s) for s in size)
        made = canvas.resized(height, width, size, draws.whole(AREA, BICUBIC)).pixels
        rings = each(draws.chance(self.strength * self.sinc))
        radius = draws.whole(3, side // 2)
        kernel = torch.where(rings[:, 0], ringing(draws, radius, side), kernels.still(side, made))
        return kernels.filtered(made, kernel).clamp(-1, 1)
