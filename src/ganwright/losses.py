"""Adversarial losses: how D's scores of real and fake become the two players' losses.

`D` is any callable that scores; `real` and `fake` are its argument, or tuples of its arguments
(images and labels, say). Scores are logits of shape [n], or maps [n, 1, h, w] of patches.
The discriminator's column also observes the mean scores `real` and `fake`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from ganwright.config.checked import Checked
from ganwright.config.ranges import BelowOne, Positive, Real, Share
from ganwright.errors import SettingsError
from ganwright.observing import asked, observe, spread
from ganwright.precision import wide

Scorer: TypeAlias = Callable[..., Tensor]
Inputs: TypeAlias = Tensor | tuple[Any, ...]

NEAREST = 1e-6
"""How near to 0 and 1 a probability may come whose odds are asked for."""


def score(D: Scorer, x: Inputs) -> Tensor:
    """D's scores of `x`, which may be a tuple of D's arguments, in fp32."""
    return wide(D(*x) if isinstance(x, tuple) else D(x))


def scores(
    D: Scorer, real: Inputs, fake: Inputs, even: float | None = None
) -> tuple[Tensor, Tensor]:
    """D's scores of both, their means observed and all of them shown to histograms.

    Args:
        even: the score at which real and fake are equally likely, where the loss has one. When
            asked for `real_sign`, the mean sign of real scores from there is observed: 0 while D
            cannot tell, 1 when it knows all training images (Karras et al., 2020,
            arXiv:2006.06676, eq. 1).
    """
    r, f = score(D, real), score(D, fake)
    observe("real", r.mean())
    observe("fake", f.mean())
    spread("scores/real", r)
    spread("scores/fake", f)
    if even is not None and asked("real_sign"):
        observe("real_sign", (r - even).sign().mean())
    return r, f


@dataclass(frozen=True)
class Loss(Checked):
    """Base of the adversarial losses: the two columns of a paper's table, each a scalar."""

    relativistic: ClassVar[bool] = False
    """Whether the generator's column looks at real scores, too."""

    def discriminator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        """The discriminator's loss."""
        raise NotImplementedError

    def generator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        """The generator's loss."""
        raise NotImplementedError

    def of_fakes(self, scores: Tensor) -> Tensor:
        """The discriminator's loss of fakes alone, a scalar of their scores, where it has one."""
        raise NotImplementedError

    def log_ratio(self, scores: Tensor) -> Tensor:
        """log p_data / p_G of what the best D gives these scores, up to a constant.

        Raises:
            SettingsError: this loss has no D from which it can be told.
        """
        raise SettingsError(
            f"a D that is trained with {type(self).__name__} does not tell how likely a sample is "
            "as data; train D with NonSaturating, Relativistic or LeastSquares"
        )


@dataclass(frozen=True)
class NonSaturating(Loss):
    """Goodfellow et al. (2014), arXiv:1406.2661, section 3: G minimises -log D(G(z)).

        D  E[softplus(-D(x))] + E[softplus(D(G(z)))]     softplus(-D(x)) = -log σ(D(x))
        G  E[softplus(-D(G(z)))]

    Args:
        smooth: one-sided label smoothing: the target of real images is 1 - smooth
            (Salimans et al., 2016, section 3.4).
    """

    smooth: BelowOne = 0.0

    def discriminator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        # with smoothing the best D is (1 - s) p / (p + q), so (1 - s) / 2 where p = q
        even = math.log((1 - self.smooth) / (1 + self.smooth))
        r, f = scores(D, real, fake, even)
        loss = softplus(-r).mean() + self.of_fakes(f)
        # cross-entropy against 1 - s is softplus(-r) + s r, since softplus(r) = softplus(-r) + r
        return loss + self.smooth * r.mean() if self.smooth else loss

    def of_fakes(self, scores: Tensor) -> Tensor:
        return softplus(scores).mean()

    def log_ratio(self, scores: Tensor) -> Tensor:
        if not self.smooth:
            return scores
        return torch.logit(scores.sigmoid() / (1 - self.smooth), eps=NEAREST)

    def generator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        return softplus(-score(D, fake)).mean()


@dataclass(frozen=True)
class Minimax(NonSaturating):
    """Goodfellow et al. (2014), eq. 1: G minimises log(1 - D(G(z))), which saturates.

        D  E[softplus(-D(x))] + E[softplus(D(G(z)))]
        G  -E[softplus(D(G(z)))]

    Its gradient vanishes where D rejects samples with confidence.
    """

    def generator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        return -softplus(score(D, fake)).mean()


@dataclass(frozen=True)
class LeastSquares(Loss):
    """Mao et al. (2017), arXiv:1611.04076, eq. 2, with targets a for fake, b for real, c for G.

        D  scale (E[(D(x) - b)²] + E[(D(G(z)) - a)²])
        G  scale E[(D(G(z)) - c)²]

    Eq. 8 is (a, b, c) = (-1, 1, 0); eq. 9, the default, (0, 1, 1).

    Args:
        scale: the factor before the squares; CycleGAN has 1.
    """

    a: Real = 0.0
    b: Real = 1.0
    c: Real = 1.0
    scale: Positive = 0.5

    def discriminator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        r, f = scores(D, real, fake, (self.a + self.b) / 2)
        return self.scale * ((r - self.b).square().mean() + (f - self.a).square().mean())

    def of_fakes(self, scores: Tensor) -> Tensor:
        return self.scale * (scores - self.a).square().mean()

    def log_ratio(self, scores: Tensor) -> Tensor:
        # the best D is (b p + a q) / (p + q)
        return torch.logit((scores - self.a) / (self.b - self.a), eps=NEAREST)

    def generator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        return self.scale * (score(D, fake) - self.c).square().mean()


@dataclass(frozen=True)
class Wasserstein(Loss):
    """Arjovsky et al. (2017), arXiv:1701.07875, eq. 2; observes the estimate of the distance.

        D  E[D(G(z))] - E[D(x)]
        G  -E[D(G(z))]

    D needs a limit on its slope: a gradient penalty, clipped weights or spectral norm.
    """

    def discriminator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        r, f = scores(D, real, fake)
        loss = self.of_fakes(f) - r.mean()
        observe("wasserstein", -loss)
        return loss

    def of_fakes(self, scores: Tensor) -> Tensor:
        return scores.mean()

    def generator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        return -score(D, fake).mean()


@dataclass(frozen=True)
class Hinge(Loss):
    """Lim and Ye (2017), arXiv:1705.02894; Miyato et al. (2018); SAGAN, eq. 4.

        D  E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]
        G  -E[D(G(z))]

    Scores beyond the margin of 1 give D no gradient.

    Args:
        jitter: each score has a margin of its own from U[1 - jitter, 1] (FastGAN's code: .2).
    """

    jitter: Share = 0.0

    def discriminator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        r, f = scores(D, real, fake, 0.0)
        return relu(self._margins(r) - r).mean() + self.of_fakes(f)

    def of_fakes(self, scores: Tensor) -> Tensor:
        return relu(self._margins(scores) + scores).mean()

    def _margins(self, scores: Tensor) -> Tensor | float:
        return 1 - self.jitter * torch.rand_like(scores) if self.jitter else 1.0

    def generator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        return -score(D, fake).mean()


@dataclass(frozen=True)
class Relativistic(Loss):
    """Paired relativistic logistic loss: Jolicoeur-Martineau (2018), arXiv:1807.00734, eq. 4.

        D  E[softplus(D(G(z)) - D(x))]
        G  E[softplus(D(x) - D(G(z)))]

    R3GAN (2024, arXiv:2501.05441) builds on it with R1 and R2.
    """

    relativistic: ClassVar[bool] = True

    def discriminator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        r, f = scores(D, real, fake)
        return softplus(f - r).mean()

    def log_ratio(self, scores: Tensor) -> Tensor:
        return scores

    def generator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        return softplus(score(D, real) - score(D, fake)).mean()


@dataclass(frozen=True)
class RelativisticAverage(Loss):
    """Relativistic average logistic loss: Jolicoeur-Martineau (2018), arXiv:1807.00734, RaSGAN.

        D  E[softplus(E[D(G(z))] - D(x))] + E[softplus(D(G(z)) - E[D(x)])]
        G  E[softplus(E[D(x)] - D(G(z)))] + E[softplus(D(x) - E[D(G(z))])]

    Each score is compared with the mean score of the other side.
    """

    relativistic: ClassVar[bool] = True

    def discriminator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        r, f = scores(D, real, fake)
        return softplus(f.mean() - r).mean() + softplus(f - r.mean()).mean()

    def generator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        r, f = score(D, real), score(D, fake)
        return softplus(r.mean() - f).mean() + softplus(r - f.mean()).mean()


@dataclass(frozen=True)
class BoundarySeeking(NonSaturating):
    """Hjelm et al. (2018), arXiv:1702.08431, eq. 13, continuous case.

        D  E[softplus(-D(x))] + E[softplus(D(G(z)))]
        G  1/2 E[D(G(z))²]

    G minimises 1/2 E (log D(G(z)) - log(1 - D(G(z))))², which is half the squared logit.
    """

    def generator(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        return 0.5 * score(D, fake).square().mean()


LOSSES: dict[str, type[Loss]] = {
    "NonSaturating": NonSaturating,
    "Minimax": Minimax,
    "LeastSquares": LeastSquares,
    "Wasserstein": Wasserstein,
    "Hinge": Hinge,
    "Relativistic": Relativistic,
    "RelativisticAverage": RelativisticAverage,
    "BoundarySeeking": BoundarySeeking,
}
