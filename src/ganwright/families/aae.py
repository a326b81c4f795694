"""AAE: Makhzani et al. (2016), arXiv:1511.05644, section 2.

    reconstruction:  Q, P minimise  E |x - P(Q(x))|²
    regularisation:  D minimises    -E[log D(z)] - E[log(1 - D(Q(x)))]     z from the prior
                     Q minimises    -E[log D(Q(x))]

Q encodes, P decodes (the paper's q(z|x) and p(x|z)); D sees codes, not pictures. Three players take
turns; Q serves two of them, each with an optimizer of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ganwright.data.batch import Images, Spec
from ganwright.errors import SettingsError
from ganwright.game import Game, Player, Terms
from ganwright.layers.activation import ReLU
from ganwright.losses import Loss, NonSaturating
from ganwright.networks import MLP, Networks
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import Penalty, charge, lazies, refuse_twins

THOUSANDS = MLP(
    hidden_G=(1000, 1000),
    hidden_D=(1000, 1000),
    activation_G=ReLU(),
    activation_D=ReLU(),
    dropout=0.0,
)


class AAE(Game):
    """An autoencoder whose codes are made to follow a prior, so that it also draws."""

    title = "Adversarial autoencoder (2015)"
    paper = "1511.05644"
    image_size = 28
    batch_size = 100
    averaged = ("Q", "P")

    @dataclass(frozen=True, kw_only=True)
    class Config(Game.Config):
        latent: int = 8
        """Length of the code z."""
        networks: Networks = THOUSANDS
        """The kind of encoder and decoder."""
        critic: Networks = THOUSANDS
        """The kind of D, which sees codes."""
        loss: Loss = NonSaturating()
        """How D's scores of prior and posterior codes become losses."""
        penalties: tuple[Penalty, ...] = ()
        """Regularisers of D."""
        spread: float = 1.0
        """Standard deviation of the Gaussian prior."""
        optimizer_autoencoder: Optimizer = Adam(lr=1e-3, betas=(0.9, 0.999))
        """How Q and P move to reconstruct."""
        optimizer_d: Optimizer = Adam(lr=2e-4, betas=(0.5, 0.999))
        """How D moves."""
        optimizer_encoder: Optimizer = Adam(lr=2e-4, betas=(0.5, 0.999))
        """How Q moves to deceive D."""

        def __post_init__(self) -> None:
            refuse_twins(self.penalties)
            if self.latent < 1 or self.spread <= 0:
                raise SettingsError(
                    f"aae needs latent >= 1 and spread > 0, got {self.latent} and {self.spread}"
                )

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.Q = cfg.networks.encoder(spec.shape, cfg.latent)
        self.P = cfg.networks.generator(cfg.latent, spec.shape)
        self.D = cfg.critic.discriminator((cfg.latent,))

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        yield Player("autoencoder", [self.Q, self.P], self.autoencoder, cfg.optimizer_autoencoder)
        yield Player(
            "D",
            [self.D],
            self.discriminator,
            cfg.optimizer_d,
            lazy=lazies(cfg.penalties, self.D, self.codes),
        )
        yield Player("encoder", [self.Q], self.encoder, cfg.optimizer_encoder)

    def autoencoder(self, batch: Images) -> Terms:
        return {"reconstruction": mse_loss(self.P(self.Q(batch.images)), batch.images)}

    def discriminator(self, batch: Images) -> Terms:
        z, code = self.codes(batch)
        adv = self.cfg.loss.discriminator(self.D, z, code)
        return {"adv": adv, **charge(self.cfg.penalties, self.D, z, code)}

    def encoder(self, batch: Images) -> Terms:
        return {"adv": self.cfg.loss.generator(self.D, *self.codes(batch))}

    def codes(self, batch: Images) -> tuple[Tensor, Tensor]:
        """Codes from the prior, which D takes for real, and the posterior's."""
        return self.prior(len(batch.images)), self.Q(batch.images)

    def prior(self, n: int) -> Tensor:
        """z ~ N(0, spread²), [n, latent]."""
        return self.cfg.spread * torch.randn(n, self.cfg.latent, device=self.device)

    def after(self, player: Player, terms: Terms) -> None:
        if player.name == "D":
            for penalty in self.cfg.penalties:
                penalty.after(self.D)

    def sample(self, n: int) -> Tensor:
        """Decode n codes of the prior: [n, C, H, W] in [-1, 1]."""
        images: Tensor = self.P(self.prior(n))
        return images

    def encode(self, x: Tensor) -> Tensor:
        """Codes [n, latent] of images."""
        z: Tensor = self.Q(x)
        return z

    def reconstruct(self, x: Tensor) -> Tensor:
        """Images and back through their codes."""
        images: Tensor = self.P(self.Q(x))
        return images

    def preview(self, batch: Images) -> Tensor:
        """Rows of eight: images, their reconstructions, and samples of the prior."""
        x = batch.images[: len(batch.images) // 3 // 8 * 8 or len(batch.images)]
        rows = [x, self.reconstruct(x), self.sample(len(x))]
        return torch.cat(
            [r for group in zip(*(t.split(8) for t in rows), strict=True) for r in group]
        )

    @property
    def preview_columns(self) -> int | None:
        return 8
