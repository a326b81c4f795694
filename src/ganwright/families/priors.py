"""What z follows: the noise that G draws from, or the codes of an adversarial autoencoder.

Priors in the plane (arXiv:1511.05644, sections 2 and 2.3) are curves or petals along which a sample
has a position u in [0, 1); a class may own a stretch of it, and so a place of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count, NonNegative, Positive, Real
from ganwright.errors import SettingsError
from ganwright.function import linear, spherical


class Prior(Checked):
    """Base of the priors."""

    def check(self, latent: int, classes: int = 0) -> None:
        """Refuse codes of length `latent`, or places for `classes` classes, that do not fit.

        Raises:
            SettingsError: if they do not.
        """

    def draw(self, n: int, latent: int, device: torch.device) -> Tensor:
        """n codes, [n, latent]."""
        raise NotImplementedError

    def between(self, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        """The way from code a to code b, [latent]: positions t [m] in [0, 1] to [m, latent]."""
        return linear(a, b, t)

    def of(self, y: Tensor, classes: int, latent: int = 2) -> Tensor:
        """A code for each label's class; classes share the prior unless they have places in it.

        Args:
            y: int64 [n].
            classes: how many there are.
            latent: length of a code.

        Returns:
            [n, latent].
        """
        return self.draw(len(y), latent, y.device)


@dataclass(frozen=True)
class Gaussian(Prior):
    """N(0, spread²) in every direction."""

    spread: Positive = 1.0
    """Standard deviation; 5 in AAE's appendix A, for MNIST in 8 dimensions."""

    def draw(self, n: int, latent: int, device: torch.device) -> Tensor:
        return self.spread * torch.randn(n, latent, device=device)

    def within(self, most: float, n: int, latent: int, device: torch.device) -> Tensor:
        """n codes, [n, latent], whose numbers are drawn again while they are beyond `most` in size.

        By inverting the distribution function, which gives the same distribution in one go.
        """
        scale = self.spread * 2**0.5
        u = 2 * torch.rand(n, latent, device=device) - 1
        z = scale * torch.erfinv(u * math.erf(most / scale))
        return z.clamp(-most, most)  # an end where it rounds to infinity

    def between(self, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        return spherical(a, b, t)


@dataclass(frozen=True)
class Uniform(Prior):
    """U(low, high) in every direction."""

    low: Real = -1.0
    """Lower end."""
    high: Real = 1.0
    """Upper end."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low < self.high:
            raise SettingsError(f"Uniform needs low < high, got {self.low} and {self.high}")

    def draw(self, n: int, latent: int, device: torch.device) -> Tensor:
        return (self.high - self.low) * torch.rand(n, latent, device=device) + self.low


class Planar(Prior):
    """Base of the priors in the plane."""

    def check(self, latent: int, classes: int = 0) -> None:
        if latent != 2:
            raise SettingsError(
                f"a {type(self).__name__} prior is two-dimensional, but latent is {latent}; "
                "set latent=2"
            )

    def draw(self, n: int, latent: int, device: torch.device) -> Tensor:
        return self.at(torch.rand(n, device=device))

    def of(self, y: Tensor, classes: int, latent: int = 2) -> Tensor:
        """A code from the stretch of each label's class: positions are divided evenly."""
        return self.at((y + torch.rand(len(y), device=y.device)) / classes)

    def at(self, u: Tensor) -> Tensor:
        """A code near each position, [n] in [0, 1) -> [n, 2]."""
        raise NotImplementedError


@dataclass(frozen=True)
class Mixture(Planar):
    """Gaussians in a circle, each stretched along its radius like a petal."""

    components: Count = 10
    """Number of components; with a guided prior, one for each class."""
    radius: Positive = 1.4
    """Distance of their centres from the origin."""
    along: Positive = 0.5
    """Standard deviation along the radius."""
    across: Positive = 0.1
    """Standard deviation across the radius."""

    def check(self, latent: int, classes: int = 0) -> None:
        super().check(latent, classes)
        if classes not in (0, self.components):
            raise SettingsError(
                f"a guided Mixture of {self.components} components does not fit {classes} classes; "
                f"set components={classes}"
            )

    def at(self, u: Tensor) -> Tensor:
        angle = (u * self.components).floor() * (2 * math.pi / self.components)
        out = self.radius + self.along * torch.randn_like(u)
        side = self.across * torch.randn_like(u)
        cos, sin = angle.cos(), angle.sin()
        return torch.stack([out * cos - side * sin, out * sin + side * cos], 1)


@dataclass(frozen=True)
class SwissRoll(Planar):
    """A spiral from the origin, evenly filled along its length."""

    turns: Positive = 2.0
    """Number of turns around the origin."""
    radius: Positive = 3.0
    """Upper end."""
    noise: NonNegative = 0.05
    """Standard deviation around it."""

    def at(self, u: Tensor) -> Tensor:
        # the length of a spiral grows as the square of its radius
        out = u.sqrt()
        angle = 2 * math.pi * self.turns * out
        roll = self.radius * out[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
        return roll + self.noise * torch.randn_like(roll)


PRIORS: dict[str, type[Prior]] = {
    "Gaussian": Gaussian,
    "Mixture": Mixture,
    "SwissRoll": SwissRoll,
    "Uniform": Uniform,
}
