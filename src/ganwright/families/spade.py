"""SPADE, also known as GauGAN: Park, Liu, Wang and Zhu (2019), arXiv:1903.07291, section 3.

    D_k minimises  E[max(0, 1 - D_k(m, x))] + E[max(0, 1 + D_k(m, G(m)))]
    G minimises    -E[D(m, G(m))] + 10 sum_i E|D^i(m, x) - D^i(m, G(m))| + 10 content(G(m), x)

with means over the scales k: D_2 judges images of half the size. D^i is the i-th hidden layer of D,
and content compares features of a network that was trained before. The map m has a channel for each
class, 1 where a pixel is of that class, and, where instances are known, one that is 1 at their
edges. In G it is never normalised away: after each normalisation it scales and shifts each pixel.

With a latent code, G starts from z instead of the map, so that one map has many images; with an
encoder, z is the style of a photograph, and G and E minimise .05 KL(q(z|x) || N(0, I)) besides.
Adam 1e-4 for G and 4e-4 for D, betas (0, .9), batches of 32.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss

from ganwright.config.ranges import Count, NonNegative, Whole
from ganwright.data.types import Paired, Spec
from ganwright.errors import SettingsError
from ganwright.families.augmented import AugmentedGame, shown_alike, watch
from ganwright.families.on_pairs import OnPairs
from ganwright.families.pix2pix import pair
from ganwright.function import Argument, Function, pictures, spherical
from ganwright.game import Player, Terms
from ganwright.losses import Hinge, Loss
from ganwright.networks import Patch, PatchGAN
from ganwright.networks.features import Content, SmallLayers
from ganwright.networks.spade import SpadeNet, StyleEncoder, divergence
from ganwright.observing import scope
from ganwright.optim import Adam, Optimizer


class Drawn(NamedTuple):
    """Images of a batch's maps and, with an encoder, the distribution of their styles."""

    fake: Tensor
    mean: Tensor | None = None
    log_variance: Tensor | None = None


class Judged(NamedTuple):
    """A discriminator, and the real and the made pairs at its scale."""

    D: nn.Module
    real: Tensor
    fake: Tensor


class Spade(OnPairs):
    """A painting of labels becomes a photograph: the map modulates every normalisation."""

    title = "SPADE (2019)"
    paper = "1903.07291"
    image_size = 64
    batch_size = 32

    @dataclass(frozen=True, kw_only=True)
    class Config(AugmentedGame.Config):
        switches = (("content", "content_weight"), ("kl", "encoder"))

        translator: SpadeNet = SpadeNet()
        """Architecture of G."""
        patch: Patch = PatchGAN(spectral=True)
        """Architecture of D at each scale."""
        scales: Count = 2
        """Discriminators; each judges images of half the size of those before."""
        latent: Whole = 0
        """Length of z, the paper's is 256; with 0, G starts from the map, which has one image."""
        encoder: StyleEncoder | None = None
        """Encoder of photographs, StyleEncoder(), so that z is the style of one; needs latent."""
        loss: Loss = Hinge()
        """The adversarial loss."""
        matching: NonNegative = 10.0
        """Weight of feature matching: the L1 distance of D's hidden layers."""
        content: Content = SmallLayers()
        """The perceptual term: VGGLayers() as in the paper, or SmallLayers()."""
        content_weight: NonNegative = 10.0
        """Weight of the perceptual term."""
        kl: NonNegative = 0.05
        """Weight of the KL divergence of the encoder's styles from N(0, I)."""
        optimizer_d: Optimizer = Adam(lr=4e-4, betas=(0.0, 0.9))
        """Optimizer of D."""
        optimizer_g: Optimizer = Adam(lr=1e-4, betas=(0.0, 0.9))
        """Optimizer of G and the encoder."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.encoder is not None and not self.latent:
                raise SettingsError(
                    "the encoder gives z, and latent is 0; set latent too, such as 256, or leave "
                    "encoder out"
                )

    cfg: Config
    content: nn.Module

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        a, b = spec.shape, spec.target
        assert b is not None
        if spec.label_map is not None and not spec.label_map.onehot:
            raise SettingsError(
                "spade reads label maps as a channel a class; add onehot=a to the data, as in "
                '--data "FOLDER?a=label&b=photo&onehot=a", or a:image to read them as images'
            )
        self.G = cfg.translator.generator(a, b, cfg.latent)
        if cfg.encoder is not None:
            self.E = cfg.encoder.encoder(b, cfg.latent)
            self.averaged = ("G", "E")
        h, w = b[1:]
        self.D = nn.ModuleList()
        for _ in range(cfg.scales):
            self.D.append(cfg.patch.discriminator((a[0] + b[0], h, w)))
            h, w = -(-h // 2), -(-w // 2)
        self.augment = self.augmenter((a[0] + b[0], *b[1:]))

    def before_training(self) -> None:
        if self.cfg.content_weight:
            self.content = self.cfg.content.build(self.spec.target or ())

    def players(self) -> Iterable[Player]:
        trained = [self.G] if self.cfg.encoder is None else [self.G, self.E]
        yield Player("D", [self.D], self.discriminator, self.cfg.optimizer_d)
        yield Player("G", trained, self.generator, self.cfg.optimizer_g, draws=self.translation)

    def discriminator(self, batch: Paired) -> Terms:
        watch(self.augment)
        losses = []
        for k, (D, real, fake) in enumerate(self.judged(batch)):
            with scope(f"{1 << k}") if k else nullcontext():
                losses.append(self.cfg.loss.discriminator(D, real, fake))
        return {"adv": torch.stack(losses).mean()}

    def generator(self, batch: Paired) -> Terms:
        cfg, drawn, judged = self.cfg, self.once(self.translation, batch), self.judged(batch)
        adv, matching = [], []
        for D, real, fake in judged:
            adv.append(cfg.loss.generator(D, real, fake))
            if cfg.matching:
                matching.append(distance(D, real, fake))
        terms = {"adv": torch.stack(adv).mean()}
        if cfg.matching:
            terms["matching"] = cfg.matching * torch.stack(matching).mean()
        if cfg.content_weight:
            terms["content"] = cfg.content_weight * self.content(drawn.fake, batch.b)
        if cfg.encoder is not None:
            terms["kl"] = cfg.kl * divergence(drawn.mean, drawn.log_variance)
        return terms

    def translation(self, batch: Paired) -> Drawn:
        """G(m, z), z being drawn from the prior or from what the encoder says of the photograph."""
        n, cfg = len(batch.a), self.cfg
        if cfg.encoder is not None:
            mean, log_variance = self.E(batch.b)
            z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
            return Drawn(self.G(batch.a, z), mean, log_variance)
        return Drawn(self.G(batch.a, *([self.prior(n)] if cfg.latent else [])))

    def prior(self, n: int) -> Tensor:
        """z ~ N(0, I), [n, latent]."""
        return torch.randn(n, self.cfg.latent, device=self.device)

    def judged(self, batch: Paired) -> list[Judged]:
        """Real and made pairs at each scale, changed by the same random numbers."""
        made = self.once(self.translation, batch).fake
        real, fake = shown_alike(self.augment, pair(batch.a, batch.b), pair(batch.a, made))
        found = []
        for k, D in enumerate(self.D):
            if k:
                real, fake = (avg_pool2d(x, 3, 2, 1, count_include_pad=False) for x in (real, fake))
            found.append(Judged(D, real, fake))
        return found

    def after(self, player: Player, terms: Terms) -> None:
        if player.name == "D":
            self.follow(self.augment, player, terms)

    def translate(
        self, images: Tensor, direction: str = "a2b", style: Tensor | None = None
    ) -> Tensor:
        """Maps [n, L, H, W] as images [n, C, H, W], all of one style.

        Args:
            images: the maps, a channel a class in {-1, 1} and perhaps one of edges of instances,
                or images in [-1, 1].
            direction: a2b.
            style: a photograph [1, C, H, W] whose style they take; else it is drawn, or there is
                none to choose.

        Raises:
            SettingsError: the way back is asked for, or a style without an encoder.
        """
        function = self.function(direction)
        if style is not None:
            return function(images, self.style_of(style).expand(len(images), -1))
        z = [self.prior(1).expand(len(images), -1)] if self.cfg.latent else []
        return function(images, *z)

    def style_of(self, photo: Tensor) -> Tensor:
        """The mean of z for photographs [n, C, H, W] of the training images' size: [n, latent].

        Raises:
            SettingsError: there is no encoder.
        """
        if self.cfg.encoder is None:
            raise SettingsError(
                "this run has no encoder, so no photo can give the style; leave style out, or "
                'train with --game.latent 256 --game.encoder "StyleEncoder()"'
            )
        mean: Tensor = self.E(photo)[0]
        return mean

    def forward_way(self) -> Function:
        """Maps, and z if there is one, to images."""
        arguments = [pictures(self.spec.shape, self.device)]
        if self.cfg.latent:
            arguments.append(Argument("z", self.prior, between=spherical))
        alone = bool(getattr(self.cfg.translator.norm, "always_batch", False))
        return Function(self.G, tuple(arguments), alone)


def distance(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """The sum over D's hidden layers of the mean absolute differences of their features.

    Wang et al. (2018), arXiv:1711.11585, eq. 4.
    """
    pairs = zip(D.features(real), D.features(fake), strict=True)  # type: ignore[operator]
    return torch.stack([l1_loss(f, r) for r, f in pairs]).sum()
