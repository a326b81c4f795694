"""AAE with two codes: Makhzani et al. (2016), arXiv:1511.05644, sections 5, 6 and 7.

    Q(x) = (y, z)    y: a softmax over classes or clusters; z: the style

    reconstruction:   Q, P minimise  E |x - P(y, z)|²
    regularisation:   D_y tells y from one-hot samples of Cat(1/K), D_z tells z from N(0, I),
                      and Q fools both
    semi-supervised:  Q minimises    -E[log y_label]        on few labelled images

`aae-clusters` uses the first two on images without labels, so that y finds clusters (section 6).
`aae-semi` uses all three, so that y finds the classes (section 5). With `apart` above 0, P gets one
short code, W y + z, where W_k is the position of cluster k. Positions closer than `apart` are
pushed apart, so in two dimensions the codes are a map of the data (section 7).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, pdist

from ganwright.config.ranges import Count, NonNegative, Several
from ganwright.data.types import Images, SemiSupervised, Spec
from ganwright.families.aae import THOUSANDS
from ganwright.families.posteriors import TwoHeads
from ganwright.function import Argument, Function, spherical
from ganwright.game import Game, Player, Terms
from ganwright.layers.norm import soft_labels
from ganwright.losses import Loss, NonSaturating
from ganwright.networks import Networks
from ganwright.observing import observe
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import Penalty, charge, lazies, refuse_twins, schedules
from ganwright.precision import wide


class TwoCodes(Game):
    """What both games share."""

    paper = "1511.05644"
    image_size = 28
    batch_size = 100
    averaged: tuple[str, ...] = ("Q", "P")

    @dataclass(frozen=True, kw_only=True)
    class Config(Game.Config):
        latent: Count = 10
        """Length of the style z."""
        apart: NonNegative = 0.0
        """Minimum distance of cluster positions in P's single code; 0 gives P both codes."""
        networks: Networks = THOUSANDS
        """Architecture of the encoder and decoder."""
        critic: Networks = THOUSANDS
        """Architecture of D_y and D_z, whose inputs are codes."""
        loss: Loss = NonSaturating()
        """The adversarial loss."""
        penalties: tuple[Penalty, ...] = ()
        """Penalties on D_y and D_z."""
        sharpness: NonNegative = 0.0
        """Scale of the logits of y after normalising them over the batch; 0 turns this off."""
        noise: NonNegative = 0.0
        """Standard deviation of the noise added to Q's input in training."""
        optimizer_autoencoder: Optimizer = Adam(lr=1e-3, betas=(0.9, 0.999))
        """Optimizer of Q and P for the reconstruction."""
        optimizer_d: Optimizer = Adam(lr=1e-3, betas=(0.5, 0.999))
        """Optimizer of D_y and D_z."""
        optimizer_encoder: Optimizer = Adam(lr=1e-3, betas=(0.5, 0.999))
        """Optimizer of Q for fooling D_y and D_z."""

        def __post_init__(self) -> None:
            super().__post_init__()
            refuse_twins(self.penalties)

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        encoder = cfg.networks.encoder(spec.shape, self.values + cfg.latent)
        self.Q = TwoHeads(encoder, self.values, cfg.sharpness)
        joined = cfg.latent if cfg.apart else self.values + cfg.latent
        self.P = cfg.networks.generator(joined, spec.shape)
        self.W = nn.Linear(self.values, cfg.latent, bias=False) if cfg.apart else None
        if cfg.apart:
            self.averaged = (*self.averaged, "W")
        self.D_y = cfg.critic.discriminator((self.values,))
        self.D_z = cfg.critic.discriminator((cfg.latent,))
        self.drawable: Tensor
        self.register_buffer("drawable", torch.tensor(self.asked), persistent=False)

    @property
    def values(self) -> int:
        """How many values y has."""
        return len(self.spec.classes)

    @property
    def asked(self) -> tuple[int, ...]:
        """The values that y's prior draws."""
        return self.spec.asked

    def players(self) -> Iterable[Player]:
        cfg, paced = self.cfg, schedules(self.cfg.penalties)
        makers = [self.Q, self.P] if self.W is None else [self.Q, self.P, self.W]
        yield Player("autoencoder", makers, self.autoencoder, cfg.optimizer_autoencoder)
        for name, D, objective, pair in (
            ("D_y", self.D_y, self.discriminator_y, self.pair_y),
            ("D_z", self.D_z, self.discriminator_z, self.pair_z),
        ):
            lazy = lazies(cfg.penalties, D, pair)
            yield Player(name, [D], objective, cfg.optimizer_d, lazy=lazy, schedules=paced)
        yield Player("encoder", [self.Q], self.encoder, cfg.optimizer_encoder)

    def seen(self, batch: Images | SemiSupervised) -> Tensor:
        """The images that every player but the classifier looks at."""
        assert isinstance(batch, Images)
        return batch.images

    def autoencoder(self, batch: Images) -> Terms:
        x = self.seen(batch)
        terms = {"reconstruction": mse_loss(self.decode(*self.codes(x)), x)}
        if self.W is not None:
            terms["apart"] = (self.cfg.apart - pdist(self.W.weight.T)).relu().sum()
        return terms

    def discriminator_y(self, batch: Images) -> Terms:
        return self._discriminator(self.D_y, *self.pair_y(batch))

    def discriminator_z(self, batch: Images) -> Terms:
        return self._discriminator(self.D_z, *self.pair_z(batch))

    def _discriminator(self, D: nn.Module, real: Tensor, fake: Tensor) -> Terms:
        adv = self.cfg.loss.discriminator(D, real, fake)
        return {"adv": adv, **charge(self.cfg.penalties, D, real, fake)}

    def encoder(self, batch: Images) -> Terms:
        y, z = self.codes(self.seen(batch))
        return {
            "adv_y": self.cfg.loss.generator(self.D_y, self.draw_y(len(y)), y),
            "adv_z": self.cfg.loss.generator(self.D_z, self.draw_z(len(z)), z),
        }

    def pair_y(self, batch: Images) -> tuple[Tensor, Tensor]:
        """Draws of y's prior, and Q's."""
        y, _ = self.codes(self.seen(batch))
        return self.draw_y(len(y)), y

    def pair_z(self, batch: Images) -> tuple[Tensor, Tensor]:
        """Draws of z's prior, and Q's."""
        _, z = self.codes(self.seen(batch))
        return self.draw_z(len(z)), z

    def draw_y(self, n: int) -> Tensor:
        """One-hot draws [n, values], each value equally often."""
        drawn = torch.randint(len(self.asked), (n,), device=self.device)
        return soft_labels(self.drawable[drawn], self.values)

    def draw_z(self, n: int) -> Tensor:
        """Draws [n, latent] of N(0, I)."""
        return torch.randn(n, self.cfg.latent, device=self.device)

    def codes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images to y, a distribution [n, values], and z [n, latent]."""
        logits, z = self._read(x)
        return logits.softmax(1), z

    def _read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.cfg.noise and self.training:
            x = x + self.cfg.noise * torch.randn_like(x)
        read: tuple[Tensor, Tensor] = self.Q(x)
        return read

    def join(self, y: Tensor, z: Tensor) -> Tensor:
        """The input of P: W y + z, or both side by side."""
        return torch.cat([y, z], 1) if self.W is None else wide(self.W(y)) + z

    def decode(self, y: Tensor, z: Tensor) -> Tensor:
        """Codes back to images [n, C, H, W]."""
        images: Tensor = self.P(self.join(y, z))
        return images

    def after(self, player: Player, terms: Terms) -> None:
        if player.name.startswith("D_"):
            for penalty in self.cfg.penalties:
                penalty.after(player.networks[0])

    def sample(self, n: int) -> Tensor:
        """n images of random style, the values of y in turn: [n, C, H, W] in [-1, 1]."""
        return self.generate(self.draw_z(n), self.turns(n))

    def turns(self, n: int) -> Tensor:
        """The asked values of y in turn, int64 [n]."""
        return self.drawable[torch.arange(n, device=self.device) % len(self.asked)]

    def generate(self, z: Tensor, labels: Tensor) -> Tensor:
        """Styles [n, latent] and values of y, int64 [n], to images."""
        return self.decode(soft_labels(labels, self.values), z)

    def function(self, direction: str = "a2b") -> Function:
        """(z [n, latent], labels: the values of y) to images."""
        z = Argument("z", self.draw_z, between=spherical)
        return Function(self.generate, (z, Argument("labels", self.turns, choices=self.asked)))

    def encode(self, x: Tensor) -> Tensor:
        """The input of P for images: [n, latent] with `apart`, else [n, values + latent]."""
        return self.join(*self.codes(x))

    def cluster(self, x: Tensor) -> Tensor:
        """The probability of each cluster, [n, values]."""
        return self.codes(x)[0]

    def reconstruct(self, x: Tensor) -> Tensor:
        """Images and back through their codes."""
        return self.decode(*self.codes(x))

    def measure(self, batch: Images) -> Terms:
        """The mean squared error of held-out reconstructions."""
        return {"reconstruction": mse_loss(self.reconstruct(batch.images), batch.images)}

    def preview(self, batch: Images) -> Tensor:
        """One column per value of y and one row per style; the top row has no style, z = 0."""
        columns = len(self.asked)
        rows = max(2, len(batch.images) // columns)
        z = self.draw_z(rows)
        z[0] = 0
        return self.generate(z.repeat_interleave(columns, 0), self.turns(rows * columns))

    @property
    def preview_columns(self) -> int | None:
        return len(self.asked)


class AAEClusters(TwoCodes):
    """An autoencoder that sorts images into clusters and separates their style."""

    title = "AAE clustering (2015)"

    @dataclass(frozen=True, kw_only=True)
    class Config(TwoCodes.Config):
        clusters: Several = 16
        """Number of values of y: the maximum number of clusters."""
        sharpness: NonNegative = 3.0
        """Scale of the logits of y after normalising them over the batch; 0 turns this off."""

    cfg: Config

    @property
    def values(self) -> int:
        return self.cfg.clusters

    @property
    def asked(self) -> tuple[int, ...]:
        return tuple(range(self.values))


class AAESemi(TwoCodes):
    """A classifier trained with few labels: y is the class, z the style, P decodes both."""

    title = "Semi-supervised AAE (2015)"
    task = SemiSupervised
    needs_labels = True
    held_out = 10_000

    @dataclass(frozen=True, kw_only=True)
    class Config(TwoCodes.Config):
        noise: NonNegative = 0.6
        """Standard deviation of the noise added to Q's input in training."""
        optimizer_classifier: Optimizer = Adam(lr=1e-3, betas=(0.9, 0.999))
        """Optimizer of Q for the classification."""

    cfg: Config

    def players(self) -> Iterable[Player]:
        yield from super().players()
        yield Player("classifier", [self.Q], self.classifier, self.cfg.optimizer_classifier)

    def seen(self, batch: Images | SemiSupervised) -> Tensor:
        assert isinstance(batch, SemiSupervised)
        return batch.unlabelled

    def classifier(self, batch: SemiSupervised) -> Terms:
        logits, _ = self._read(batch.images)
        observe("accuracy", wide(logits.argmax(1) == batch.labels).mean())
        return {"labelled": cross_entropy(logits, batch.labels)}

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        """n images of the asked classes, int64 [n], or of the classes in turn."""
        return self.generate(self.draw_z(n), self.turns(n) if labels is None else labels)

    def classify(self, x: Tensor) -> Tensor:
        """Class probabilities [n, classes] of images [n, C, H, W] in [-1, 1]."""
        return self.cluster(x)

    def measure(self, batch: SemiSupervised) -> Terms:  # type: ignore[override]
        """The share of held-out images misclassified, and their reconstruction's error."""
        x = batch.images
        y, z = self.codes(x)
        return {
            "error": wide(y.argmax(1) != batch.labels).mean(),
            "reconstruction": mse_loss(self.decode(y, z), x),
        }
