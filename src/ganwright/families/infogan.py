"""InfoGAN: Chen et al. (2016), arXiv:1606.03657, eq. 6.

    L_I = E[log Q(c | G(z, c))]         a lower bound of I(c; G(z, c)), up to a constant

    D and Q minimise  -E[log D(x)] - E[log(1 - D(G(z, c)))] - lambda L_I
    G minimises       -E[log D(G(z, c))]                    - lambda L_I

c consists of categorical codes and codes uniform on [-1, 1]; Q predicts them from an image through
D's body. -L_I is the cross-entropy of the categorical codes (`categorical`) and the Gaussian
negative log-likelihood of the continuous ones (`continuous`). Labels are never used.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gaussian_nll_loss

from ganwright.config.ranges import Count, NonNegative, Several, Whole
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.augmented import watch
from ganwright.families.noise_game import SharingGame
from ganwright.function import linear
from ganwright.game import Terms
from ganwright.layers.norm import NoNorm, Norm
from ganwright.networks import ConvNet, Networks
from ganwright.observing import observe
from ganwright.optim import Adam, Optimizer
from ganwright.penalties import charge
from ganwright.precision import wide


class InfoGAN(SharingGame):
    """A GAN that discovers by itself what images differ in."""

    title = "InfoGAN (2016)"
    paper = "1606.03657"
    image_size = 32
    batch_size = 128

    @dataclass(frozen=True, kw_only=True)
    class Config(SharingGame.Config):
        networks: Networks = ConvNet(hidden_G=(1024,), hidden_D=(1024,), slope=0.1)
        """Architecture of G and D; by default the paper's for digits."""
        latent: int = 62
        """Length of the noise z, in addition to the codes."""
        categories: tuple[Several, ...] = (10,)
        """Number of values of each categorical code."""
        continuous: Whole = 2
        """Number of continuous codes, uniform on [-1, 1]."""
        information: NonNegative = 1.0
        """Weight of L_I (lambda)."""
        predict_variance: bool = False
        """Let Q predict the variance of each continuous code; it is 1 otherwise."""
        hidden: Count = 128
        """Units between D's body and Q's outputs."""
        norm_Q: Norm = NoNorm()  # noqa: N815 - the paper's Q
        """Normalisation of those units; BatchNorm in the authors' code."""
        optimizer_g: Optimizer = Adam(lr=1e-3, betas=(0.5, 0.999))
        """Optimizer of G."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if not self.categories and not self.continuous:
                raise SettingsError("infogan needs a code; set categories=(10,) or continuous=2")

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.Q = nn.Sequential(
            nn.Linear(self.D.width, cfg.hidden, bias=not cfg.norm_Q.shifts),
            *([] if isinstance(cfg.norm_Q, NoNorm) else [cfg.norm_Q.build(cfg.hidden, dims=0)]),
            nn.LeakyReLU(0.1),
            nn.Linear(cfg.hidden, sum(cfg.categories) + self._numbers),
        )

    @property
    def inputs(self) -> int:
        return self.cfg.latent + sum(self.cfg.categories) + self.cfg.continuous

    @property
    def judges(self) -> list[nn.Module]:
        return [self.D, self.Q]

    def noise(self, n: int) -> Tensor:
        """z from the prior, then a one-hot for each categorical code, then the continuous ones."""
        cfg, device = self.cfg, self.device
        chosen = [torch.randint(k, (n,), device=device) for k in cfg.categories]
        hot = [_one_hot(c, k) for c, k in zip(chosen, cfg.categories, strict=True)]
        uniform = 2 * torch.rand(n, cfg.continuous, device=device) - 1
        return torch.cat([super().noise(n), *hot, uniform], 1)

    def between(self, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        """The way from one input to another; that of the codes is straight."""
        n = self.cfg.latent
        noise = super().between(a[:n], b[:n], t)
        return torch.cat([noise, linear(a[n:], b[n:], t)], 1)

    def discriminator(self, batch: Images) -> Terms:
        cfg = self.cfg
        watch(self.augment)
        x, (codes, fake) = self.shown(batch.images), self.once(self.fakes, batch)
        fake = self.shown(fake)
        h_real, h_fake = self.D.features(x), self.D.features(fake)
        return {
            "adv": cfg.loss.discriminator(self.D.score, h_real, h_fake),
            **self.information(h_fake, codes),
            **charge(cfg.penalties, self.D, x, fake),
        }

    def generator(self, batch: Images) -> Terms:
        cfg, (codes, fake) = self.cfg, self.once(self.fakes, batch)
        x, fake = self.shown(batch.images), self.shown(fake)
        h_fake = self.D.features(fake)
        h_real = self.D.features(x) if cfg.loss.relativistic else h_fake
        return {
            "adv": cfg.loss.generator(self.D.score, h_real, h_fake),
            **self.information(h_fake, codes),
            **self.regularise(x, fake),
        }

    def fakes(self, batch: Images) -> tuple[Tensor, Tensor]:
        """As many codes as a batch has images, and what G draws from them."""
        codes = self.noise(len(batch.images))
        return codes, self.G(codes)

    def pair(self, batch: Images) -> tuple[Tensor, Tensor]:
        """Real images and as many fakes, as D sees them."""
        _, fake = self.once(self.fakes, batch)
        return self.shown(batch.images), self.shown(fake)

    def information(self, h: Tensor, codes: Tensor) -> dict[str, Tensor]:
        """-lambda L_I in its two parts.

        Args:
            h: D's features of the samples, [n, width].
            codes: what they were drawn from, [n, inputs].
        """
        weight, terms = self.cfg.information, {}
        read, (mean, variance) = self._read(h)
        if read:
            truth = [codes[:, a:b].argmax(1) for a, b in self._places]
            parts = [cross_entropy(q, c) for q, c in zip(read, truth, strict=True)]
            terms["categorical"] = weight * torch.stack(parts).sum()
            observe("recovered", wide(read[0].argmax(1) == truth[0]).mean())
        if self.cfg.continuous:
            wanted = codes[:, -self.cfg.continuous :]
            nll = gaussian_nll_loss(mean, wanted, variance, reduction="none")
            terms["continuous"] = weight * nll.sum(1).mean()
        return terms

    @property
    def _places(self) -> list[tuple[int, int]]:
        """Where in G's input each categorical code stands."""
        return list(pairwise(accumulate(self.cfg.categories, initial=self.cfg.latent)))

    def _read(self, h: Tensor) -> tuple[list[Tensor], tuple[Tensor, Tensor]]:
        """Q's logits of each categorical code; mean and variance of the continuous ones."""
        cfg = self.cfg
        *logits, numbers = wide(self.Q(h)).split([*cfg.categories, self._numbers], 1)
        mean = numbers[:, : cfg.continuous]
        log_variance = numbers[:, cfg.continuous :] if cfg.predict_variance else mean * 0
        return logits, (mean, log_variance.exp())

    @property
    def _numbers(self) -> int:
        return self.cfg.continuous * (2 if self.cfg.predict_variance else 1)

    def recover(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """The codes that Q reads off images [n, C, H, W].

        Returns:
            Probabilities [n, values] of each categorical code, and the continuous codes' means,
            [n, continuous].
        """
        logits, (mean, _) = self._read(self.D.features(x))
        return [q.softmax(1) for q in logits], mean

    def sweep(self, base: Tensor, code: int, values: Tensor) -> Tensor:
        """Each of `base` [n, inputs] drawn with one continuous code at each of `values` [m].

        Returns:
            [n * m, C, H, W], the values running fastest.
        """
        codes = base.repeat_interleave(len(values), 0)
        codes[:, self.inputs - self.cfg.continuous + code] = values.repeat(len(base))
        images: Tensor = self.G(codes)
        return images

    def preview(self, batch: Images) -> Tensor:
        """One column per category, over several z; then rows that sweep each continuous code.

        The continuous codes run from -2 to 2, twice as far as in training, as in the paper.
        """
        cfg, columns = self.cfg, self.preview_columns
        base = self.noise(max(2, len(batch.images) // columns // (1 + cfg.continuous)))
        grid = base.repeat_interleave(columns, 0)
        if cfg.categories:
            first = slice(*self._places[0])
            grid[:, first] = torch.eye(columns, device=base.device).repeat(len(base), 1)
            base[:, first] = torch.eye(columns, device=base.device).repeat(len(base), 1)[
                : len(base)
            ]
        values = torch.linspace(-2, 2, columns, device=base.device)
        sweeps = [self.sweep(base, code, values) for code in range(cfg.continuous)]
        return torch.cat([self.G(grid), *sweeps])

    @property
    def preview_columns(self) -> int:
        return self.cfg.categories[0] if self.cfg.categories else 8


def _one_hot(c: Tensor, k: int) -> Tensor:
    return wide(c[:, None] == torch.arange(k, device=c.device))
