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

    def measure(self, batch: Paired) -> Terms:
        """Mean absolute error, PSNR in dB and SSIM of held-out pairs, over all channels."""
        fake, b = self.translate(batch.a), batch.b
        return {
            "l1": l1_loss(fake, b),
            "psnr": psnr(fake, b, peak=2).mean(),
            "ssim": ssim(fake + 1, b + 1, peak=2).mean(),
        }

    def preview(self, batch: Paired) -> Tensor:
        """Rows of six: a, translated, b; and again."""
        a, b, maps = batch.a[:16], batch.b[:16], self.spec.label_map
        return side_by_side(maps.shown(a) if maps else a, self.translate(a), b)

    @property
    def preview_columns(self) -> int | None:
        return 6
