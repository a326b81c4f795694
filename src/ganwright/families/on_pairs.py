"""What the families share that learn from pairs what a source looks like in domain b."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import l1_loss

from ganwright.data.types import Paired
from ganwright.families.augmented import AugmentedGame
from ganwright.families.one_way import OneWay
from ganwright.families.side_by_side import side_by_side
from ganwright.game import Terms
from ganwright.layers.fidelity import psnr, ssim


class OnPairs(OneWay, AugmentedGame):
    """Base class of games from a's images to b's, of the same size."""

    task = Paired
    data = "glyphs-paired"
    averaged: tuple[str, ...] = ("G",)
    larger_is_better = ("psnr", "ssim", "pixels")

    def measure(self, batch: Paired) -> Terms:
        """Mean absolute error, PSNR in dB and SSIM of held-out pairs, over all channels.

        Where b holds label maps with one channel per class, the share of pixels in the right class
        takes the place of the last two.
        """
        fake, b, maps = self.translate(batch.a), batch.b, self.spec.target_map
        error = {"l1": l1_loss(fake, b)}
        if maps is not None and maps.onehot:
            return error | {"pixels": right_pixels(fake, b)}
        return error | {
            "psnr": psnr(fake, b, peak=2).mean(),
            "ssim": ssim(fake + 1, b + 1, peak=2).mean(),
        }

    def preview(self, batch: Paired) -> Tensor:
        """Rows of six: a, translated, b; and again."""
        a, b = batch.a[:16], batch.b[:16]
        made, maps, drawn = self.translate(a), self.spec.label_map, self.spec.target_map
        if drawn is not None:
            made, b = drawn.drawn(made), drawn.shown(b)
        return side_by_side(maps.shown(a) if maps else a, made, b)

    @property
    def preview_columns(self) -> int | None:
        return 6


def right_pixels(fake: Tensor, real: Tensor) -> Tensor:
    """The share of pixels whose highest channel is the right one, of [n, classes, H, W].

    Pixels that truly belong to no class do not count.
    """
    known = real.amax(1) > 0
    right = (fake.argmax(1) == real.argmax(1)) & known
    return right.sum() / known.sum().clamp(min=1)
