"""What EBGAN and BEGAN share: D is an autoencoder, and its reconstruction error an energy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganwright.config.ranges import Count, Whole
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.augmented import OneJudge, shown_both
from ganwright.families.priors import Gaussian, Prior
from ganwright.function import Argument, Function
from ganwright.game import Player, Terms
from ganwright.networks import ConvNet, Networks
from ganwright.networks.autoencoder import Autoencoder
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import Penalty, lazies, refuse_twins, schedules


class EnergyGame(OneJudge):
    """D is an autoencoder that should reconstruct data but not samples."""

    image_size: int | None = 32
    averaged = ("G",)

    @dataclass(frozen=True, kw_only=True)
    class Config(OneJudge.Config):
        latent: Count = 64
        """Length of the noise vector z."""
        prior: Prior = Gaussian()
        """Distribution of z."""
        code: Whole = 64
        """Length of D's code; 0 uses the last hidden layer of the encoder."""
        networks: Networks = ConvNet()
        """Architecture of G and of D's encoder and decoder."""
        decoder: Networks | None = None
        """Architecture of D's decoder; by default that of G."""
        penalties: tuple[Penalty, ...] = ()
        """Penalties on D's energy: gradient penalties, weight clipping."""
        optimizer_d: Optimizer = Adam()
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam()
        """Optimizer of G."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_twins(self.penalties)

    if TYPE_CHECKING:
        cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        cfg.prior.check(cfg.latent)
        self.augment = self.augmenter(spec.shape)
        if self.augment and self.augment.asks():
            raise SettingsError(
                f"ADA() follows the sign of D's scores, and {self.title}'s D gives energies, which "
                "have none; choose ADA(target=none, p=0.3) or DiffAugment()"
            )
        self.G = cfg.networks.generator(cfg.latent, spec.shape)
        self.D = Autoencoder(cfg.networks, cfg.decoder or cfg.networks, spec.shape, cfg.code)

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        lazy = lazies(cfg.penalties, self.energy, self.judged)
        yield Player(
            "D",
            [self.D],
            self.discriminator,
            cfg.optimizer_d,
            lazy=lazy,
            schedules=schedules(cfg.penalties),
        )
        yield Player("G", [self.G], self.generator, cfg.optimizer_g)

    def discriminator(self, batch: Images) -> Terms:
        raise NotImplementedError

    def generator(self, batch: Images) -> Terms:
        raise NotImplementedError

    def energy(self, x: Tensor) -> Tensor:
        """D's reconstruction error of each image: [n, C, H, W] -> [n]."""
        raise NotImplementedError

    def judged(self, batch: Images) -> tuple[Tensor, Tensor]:
        """Real images and as many fake, as D sees them."""
        return shown_both(self.augment, batch.images, self.sample(len(batch.images)))

    def noise(self, n: int) -> Tensor:
        """z from the prior, [n, latent]."""
        return self.cfg.prior.draw(n, self.cfg.latent, self.device)

    def sample(self, n: int) -> Tensor:
        """Draw n samples, [n, C, H, W] in [-1, 1]."""
        return self.generate(self.noise(n))

    def generate(self, z: Tensor) -> Tensor:
        """Images [n, C, H, W] of noise [n, latent]."""
        images: Tensor = self.G(z)
        return images

    def function(self, direction: str = "a2b") -> Function:
        """z [n, latent] to images."""
        return Function(self.generate, (Argument("z", self.noise, between=self.cfg.prior.between),))

    def preview(self, batch: Images) -> Tensor:
        """Fixed noise."""
        return self.sample(len(batch.images))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Images as D redraws them."""
        images: Tensor = self.D(x)
        return images
