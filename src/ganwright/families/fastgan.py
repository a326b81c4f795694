"""FastGAN: Liu, Zhu, Song and Elgammal (2021), arXiv:2101.04775, section 3.

    D minimises  E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))] + E[rec(x)]
    G minimises  -E[D(G(z))]

    rec(x) = d(A(f8), x) + d(B(f_small), x) + d(C(quarter of f16), the same quarter of x)

It trains on a hundred images. In G, maps of 4 to 32 pixels scale the channels of maps 16 times as
large (skip-layer excitation). D's feature maps of real images, of 16 and 8 pixels, and of a small
copy at 8, must allow three small decoders A, B and C to restore the image at half its size, 128
pixels at most, so that D learns to see all of it. d compares features of a network. Logits are 5x5
of the image and 5x5 of the small copy, each with a hinge of its own. Both players see DiffAugment's
colours and translations.

Adam has the learning rate 2e-4 and betas (.5, .999), batches have 8 images, z has length 256.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ganwright.augment import Augment, DiffAugment
from ganwright.config.ranges import Positive
from ganwright.data.types import Images, Spec
from ganwright.families.augmented import watch
from ganwright.families.noise_game import NoiseGame
from ganwright.game import Terms
from ganwright.losses import Hinge, Loss
from ganwright.networks import FastNet
from ganwright.networks.fast_critic import FastDiscriminator
from ganwright.networks.features import Content, SmallFeatures
from ganwright.penalties import charge


class FastGAN(NoiseGame):
    """Skip-layer excitation in G, and a D that must be able to restore real images."""

    title = "FastGAN (2021)"
    paper = "2101.04775"
    image_size = 64
    batch_size = 8

    D: FastDiscriminator

    @dataclass(frozen=True, kw_only=True)
    class Config(NoiseGame.Config):
        latent: int = 256
        """Length of the noise vector z."""
        networks: FastNet = FastNet()
        """Architecture of G, D and the decoders."""
        loss: Loss = Hinge()
        """The adversarial loss of D and G; the authors' code has Hinge(jitter=0.2)."""
        content: Content = SmallFeatures()
        """What compares restored images with real ones: SmallFeatures(), VGG() or Pixels()."""
        restoring: Positive = 1.0
        """Weight of the restored images' distance in D."""
        augment_d: Augment | None = DiffAugment(cutout=0.0)
        """Augmentation of all of D's inputs."""

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.decoders = cfg.networks.decoders(spec.shape)

    def before_training(self) -> None:
        super().before_training()
        channels, *size = self.spec.shape
        shrink = self.decoders.shrink
        self.content = self.cfg.content.build((channels, *(side // shrink for side in size)))

    @property
    def judges(self) -> list[nn.Module]:
        return [self.D, self.decoders]

    def discriminator(self, batch: Images) -> Terms:
        cfg = self.cfg
        watch(self.augment)
        x, fake = self.pair(batch)
        maps = self.D.maps(x)
        adv = cfg.loss.discriminator(self.D.logits, maps, self.D.maps(fake))
        restored = torch.stack([self.content(a, b) for a, b in self.decoders(maps, x)]).sum()
        return {
            "adv": adv,
            "restored": cfg.restoring * restored,
            **charge(cfg.penalties, self.D, x, fake),
        }

    def generator(self, batch: Images) -> Terms:
        return {"adv": self.cfg.loss.generator(self.D.patches, *self.pair(batch))}
