"""How an adversarial autoencoder's encoder makes codes (arXiv:1511.05644, section 2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count
from ganwright.networks import Networks


class Posterior(Checked):
    """Base of the posteriors q(z | x)."""

    def encoder(self, networks: Networks, shape: tuple[int, ...], latent: int) -> nn.Module:
        """The network Q: images [n, C, H, W] -> float32 [n, latent]."""
        raise NotImplementedError


@dataclass(frozen=True)
class Deterministic(Posterior):
    """z is a function of x: all randomness is the data's."""

    def encoder(self, networks: Networks, shape: tuple[int, ...], latent: int) -> nn.Module:
        return networks.encoder(shape, latent)


class _Sampling(nn.Module):
    """z ~ N(mean(x), deviation(x)²) in training, the mean in evaluation."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        mean, log_variance = self.encoder(x).chunk(2, 1)
        noise = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        z: Tensor = mean + (0.5 * log_variance).exp() * noise
        return z


@dataclass(frozen=True)
class GaussianPosterior(Posterior):
    """Q predicts a mean and a variance for each number of the code."""

    def encoder(self, networks: Networks, shape: tuple[int, ...], latent: int) -> nn.Module:
        return _Sampling(networks.encoder(shape, 2 * latent))


class _Noisy(nn.Module):
    """z = f(x, noise), with the noise as further channels of the image."""

    def __init__(self, encoder: nn.Module, channels: int) -> None:
        super().__init__()
        self.encoder, self.channels = encoder, channels

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.randn(len(x), self.channels, *x.shape[2:], device=x.device, dtype=x.dtype)
        z: Tensor = self.encoder(torch.cat([x, noise], 1))
        return z


@dataclass(frozen=True)
class Universal(Posterior):
    """Q also gets noise as an input, so that q(z | x) can have any shape."""

    channels: Count = 1
    """Channels of noise, each of the size of the image."""

    def encoder(self, networks: Networks, shape: tuple[int, ...], latent: int) -> nn.Module:
        widened = (shape[0] + self.channels, *shape[1:])
        return _Noisy(networks.encoder(widened, latent), self.channels)


class TwoHeads(nn.Module):
    """An image to the logits of y and to z.

    Where a softmax is sure, a value that is never chosen gets no gradient and is forgotten. With
    `sharpness`, each logit is normalised over the batch, so each value is chosen now and then.
    """

    def __init__(self, encoder: nn.Module, values: int, sharpness: float) -> None:
        super().__init__()
        self.encoder, self.values, self.sharpness = encoder, values, sharpness
        self.balance = nn.BatchNorm1d(values, affine=False) if sharpness else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        out = self.encoder(x)
        logits, z = out[:, : self.values], out[:, self.values :]
        return self.balance(logits) * (self.sharpness or 1.0), z
