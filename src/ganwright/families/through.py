"""Noise games whose D judges plain images through its augmentation.

    D minimises  f_D(D(T(x)), D(T(G(z)))) + penalties of D(T(.)) at x and G(z)
    G minimises  f_G(D(T(x)), D(T(G(z))))              T: the augmenter

Other noise games change images first and penalise D where the changed ones lie. Here a gradient
penalty differentiates by the plain image, as the authors' code of StyleGAN2-ADA and R3GAN does.
"""

from __future__ import annotations

from torch import Tensor

from ganwright.data.types import Images
from ganwright.families.augmented import watch
from ganwright.families.noise_game import RegularisedGame
from ganwright.game import Terms
from ganwright.losses import Inputs, Scorer
from ganwright.penalties import charge


class ThroughGame(RegularisedGame):
    """Base of the families whose G has no tanh and whose penalties look through T."""

    squashes = False

    @property
    def judge(self) -> Scorer:
        return self.through

    def through(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """D's scores, [n], of plain images [n, C, H, W], which it sees augmented."""
        scores: Tensor = self.D(self.shown(x), y)
        return scores

    def logits(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """What the loss is given of plain images: here D's scores."""
        return self.through(x, y)

    def pair(self, batch: Images) -> tuple[Tensor, Tensor]:
        """Real images and as many fakes, of the same labels if there are any, both plain."""
        return batch.images, self.fakes(batch)

    def discriminator(self, batch: Images) -> Terms:
        watch(self.augment)
        real, fake = self.judged(batch)
        adv = self.cfg.loss.discriminator(self.logits, real, fake)
        return {"adv": adv, **charge(self.cfg.penalties, self.through, real, fake)}

    def generator(self, batch: Images) -> Terms:
        real, fake = self.judged(batch)
        adv = self.cfg.loss.generator(self.logits, real, fake)
        if not self.cfg.regularisers:  # then nothing more is drawn
            return {"adv": adv}
        return {"adv": adv, **self.regularise(self.seen(real), self.seen(fake))}

    def seen(self, x: Inputs) -> Inputs:
        """Plain images, perhaps with labels, as D sees them: regularisers compare its features."""
        first, *rest = x if isinstance(x, tuple) else (x,)
        return (self.shown(first), *rest) if rest else self.shown(first)
