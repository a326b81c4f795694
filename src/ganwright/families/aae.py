"""AAE: Makhzani et al. (2016), arXiv:1511.05644, section 2.

    reconstruction:  Q, P minimise  E |x - P(Q(x))|²
    regularisation:  D minimises    -E[log D(z)] - E[log(1 - D(Q(x)))]     z from the prior
                     Q minimises    -E[log D(Q(x))]

Q encodes, P decodes (the paper's q(z|x) and p(x|z)); D sees codes, not images. There are three
players; Q belongs to two of them, each with its own optimizer.

Labels can guide the codes: with `guided` (section 2.3), D gets the label and each class has its own
part of the prior. With `styled` (section 4), P gets the label, so the code holds only the style.
With both, each class has the same Gaussian prior.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ganwright.config.ranges import Count
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.posteriors import Deterministic, Posterior
from ganwright.families.priors import Gaussian, Planar, Prior
from ganwright.function import Argument, Function
from ganwright.game import Game, Player, Terms
from ganwright.layers.activation import ReLU
from ganwright.losses import Inputs, Loss, NonSaturating
from ganwright.networks import MLP, Networks
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import Penalty, charge, lazies, refuse_twins, schedules

THOUSANDS = MLP(
    hidden_G=(1000, 1000),
    hidden_D=(1000, 1000),
    activation_G=ReLU(),
    activation_D=ReLU(),
    dropout=0.0,
)


class AAE(Game):
    """An autoencoder whose codes follow a prior, so that it can also generate images."""

    title = "Adversarial autoencoder (2015)"
    paper = "1511.05644"
    image_size = 28
    batch_size = 100
    averaged = ("Q", "P")

    @dataclass(frozen=True, kw_only=True)
    class Config(Game.Config):
        latent: Count = 8
        """Length of the code z."""
        networks: Networks = THOUSANDS
        """Architecture of the encoder and decoder."""
        critic: Networks = THOUSANDS
        """Architecture of D, whose input is a code."""
        loss: Loss = NonSaturating()
        """The adversarial loss of D and the encoder."""
        penalties: tuple[Penalty, ...] = ()
        """Penalties on D."""
        prior: Prior = Gaussian()
        """Distribution of the codes: Gaussian, Mixture or SwissRoll."""
        posterior: Posterior = Deterministic()
        """How Q produces codes: Deterministic, GaussianPosterior or Universal."""
        guided: bool = False
        """Give the label to D, and each class its own part of the prior."""
        styled: bool = False
        """Give the label to P, so that the code holds the style."""
        optimizer_autoencoder: Optimizer = Adam(lr=1e-3, betas=(0.9, 0.999))
        """Optimizer of Q and P for the reconstruction."""
        optimizer_d: Optimizer = Adam(lr=2e-4, betas=(0.5, 0.999))
        """Optimizer of D."""
        optimizer_encoder: Optimizer = Adam(lr=2e-4, betas=(0.5, 0.999))
        """Optimizer of Q for fooling D."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_twins(self.penalties)

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.classes = len(spec.classes)
        if (cfg.guided or cfg.styled) and not self.classes:
            raise SettingsError("guided and styled need labelled data; this data set has no labels")
        if (cfg.guided or cfg.styled) and spec.several:
            raise SettingsError("guided and styled need one label an image; this data has several")
        guides = self.classes if cfg.guided else 0
        if cfg.guided and not cfg.styled and not isinstance(cfg.prior, Planar):
            raise SettingsError(
                f"a {type(cfg.prior).__name__} prior has one place for all classes; choose Mixture "
                "or SwissRoll, or give P the label too with styled"
            )
        cfg.prior.check(cfg.latent, guides)
        self.Q = cfg.posterior.encoder(cfg.networks, spec.shape, cfg.latent)
        self.P = cfg.networks.generator(cfg.latent, spec.shape, self.classes if cfg.styled else 0)
        self.D = cfg.critic.discriminator((cfg.latent,), guides)

    def players(self) -> Iterable[Player]:
        cfg = self.cfg
        yield Player("autoencoder", [self.Q, self.P], self.autoencoder, cfg.optimizer_autoencoder)
        yield Player(
            "D",
            [self.D],
            self.discriminator,
            cfg.optimizer_d,
            lazy=lazies(cfg.penalties, self.D, self.codes),
            schedules=schedules(cfg.penalties),
        )
        yield Player("encoder", [self.Q], self.encoder, cfg.optimizer_encoder)

    def autoencoder(self, batch: Images) -> Terms:
        x = batch.images
        return {"reconstruction": mse_loss(self.P(self.Q(x), batch.labels), x)}

    def discriminator(self, batch: Images) -> Terms:
        z, code = self.codes(batch)
        adv = self.cfg.loss.discriminator(self.D, z, code)
        return {"adv": adv, **charge(self.cfg.penalties, self.D, z, code)}

    def encoder(self, batch: Images) -> Terms:
        return {"adv": self.cfg.loss.generator(self.D, *self.codes(batch))}

    def codes(self, batch: Images) -> tuple[Inputs, Inputs]:
        """Codes of the prior, D's real ones, and the posterior's; with labels if guided."""
        x, y = batch
        z, code = self.prior(len(x), y), self.Q(x)
        return ((z, y), (code, y)) if self.cfg.guided else (z, code)

    def prior(self, n: int, y: Tensor | None = None) -> Tensor:
        """Codes of the prior, [n, latent]; guided, from the places of the classes `y` if given."""
        prior = self.cfg.prior
        if self.cfg.guided and y is not None:
            return prior.of(y, self.classes, self.cfg.latent)
        return prior.draw(n, self.cfg.latent, self.device)

    def after(self, player: Player, terms: Terms) -> None:
        if player.name == "D":
            for penalty in self.cfg.penalties:
                penalty.after(self.D)

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        """Decode n codes of the prior: [n, C, H, W] in [-1, 1].

        Args:
            n: how many.
            labels: int64 [n], where labels guide or style; the classes in turn when not given.

        Raises:
            SettingsError: labels are given, and the game was played without.
        """
        if self.cfg.guided or self.cfg.styled:
            labels = self.in_turn(n) if labels is None else labels
        elif labels is not None:
            raise SettingsError(
                "this aae was trained without labels; leave them out, or train with guided "
                "or styled"
            )
        return self.generate(self.prior(n, labels), labels)

    def generate(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Codes [n, latent] to images; a styled P needs labels, int64 [n]."""
        images: Tensor = self.P(z, labels)
        return images

    def function(self, direction: str = "a2b") -> Function:
        """(z [n, latent], and labels where P is styled) to images."""
        z = Argument("z", self._codes, between=self.cfg.prior.between)
        labels = (
            (Argument("labels", self.in_turn, choices=self.spec.asked),) if self.cfg.styled else ()
        )
        return Function(self.generate, (z, *labels))

    def _codes(self, n: int) -> Tensor:
        """Codes as `sample` draws them, guided by the classes in turn."""
        return self.prior(n, self.in_turn(n) if self.cfg.guided else None)

    def encode(self, x: Tensor) -> Tensor:
        """Codes [n, latent] of images."""
        z: Tensor = self.Q(x)
        return z

    def reconstruct(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images and back through their codes; a styled P needs their labels, int64 [n].

        Raises:
            SettingsError: P is styled and there are no labels.
        """
        images: Tensor = self.P(self.Q(x), labels)
        return images

    def measure(self, batch: Images) -> Terms:
        """The mean squared error of held-out reconstructions."""
        return {"reconstruction": mse_loss(self.reconstruct(*batch), batch.images)}

    def preview(self, batch: Images) -> Tensor:
        """Rows of eight: images, their reconstructions, and samples of the prior.

        With a styled P: an image in each row, and its style in every class.
        """
        if self.cfg.styled:
            return self.restyled(batch.images[:10])
        keep = len(batch.images) // 3 // 8 * 8 or len(batch.images)
        x = batch.images[:keep]
        rows = [x, self.reconstruct(x), self.sample(len(x))]
        return torch.cat(
            [r for group in zip(*(t.split(8) for t in rows), strict=True) for r in group]
        )

    def restyled(self, x: Tensor) -> Tensor:
        """Each image, followed by its code decoded as each class: [n * (1 + classes), C, H, W]."""
        columns = len(self.spec.asked)
        z = self.Q(x).repeat_interleave(columns, 0)
        drawn = self.P(z, self.in_turn(len(z)))
        rows = torch.cat([x[:, None], drawn.unflatten(0, (len(x), columns))], 1)
        return rows.flatten(0, 1)

    @property
    def preview_columns(self) -> int | None:
        return 1 + len(self.spec.asked) if self.cfg.styled else 8
