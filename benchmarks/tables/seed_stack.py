"""Several seeds of one GAN on points, trained at once: their networks are stacked, layer by layer.

A batch of S seeds has S * n rows, seed by seed. Linear layers and BatchNorm see [S, n, channels],
each seed with weights and statistics of its own; all else treats rows one by one and needs no
change. Every seed begins with the weights, and sees the batches and the noise, of
`ganwright train gan --seed SEED`: it is that run, up to rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from ganwright.config.settings import Settings
from ganwright.data import RunData
from ganwright.errors import SettingsError, described
from ganwright.families.gan import GAN
from ganwright.game import Terms
from ganwright.layers.activation import MaxPieces
from ganwright.layers.condition import Join
from ganwright.losses import RelativisticAverage
from ganwright.penalties import DRAGAN
from ganwright.run.assembly import assemble, resolved
from ganwright.seeds import seed_torch
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer

BY_ROW = (nn.Identity, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Softplus, nn.Flatten, MaxPieces, Join)
"""Layers that treat rows one by one and have no weights."""


class StackedLinear(nn.Module):
    """S linear layers: [S * n, in] -> [S * n, out]."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in layers]))
        biased = layers[0].bias is not None
        biases = [layer.bias.detach() for layer in layers] if biased else None
        self.bias = nn.Parameter(torch.stack(biases)[:, None]) if biases else None

    def forward(self, x: Tensor) -> Tensor:
        rows = x.unflatten(0, (len(self.weight), -1))
        out: Tensor = rows @ self.weight
        if self.bias is not None:
            out = out + self.bias
        return out.flatten(0, 1)


class StackedBatchNorm(nn.BatchNorm1d):
    """S batch normalisations: [S * n, C] -> [S * n, C], each seed by its own n rows."""

    def __init__(self, layers: Sequence[nn.BatchNorm1d]) -> None:
        first = layers[0]
        super().__init__(first.num_features, first.eps, first.momentum)
        states = [layer.state_dict() for layer in layers]
        for name, tensor in self.state_dict(keep_vars=True).items():
            tensor.data = torch.stack([state[name] for state in states])

    def forward(self, input: Tensor) -> Tensor:
        x = input.unflatten(0, (len(self.weight), -1))
        mean, variance = self.running_mean, self.running_var
        assert mean is not None
        assert variance is not None
        if self.training:
            now, spread = x.mean(1), x.var(1, correction=0)
            if self.track_running_stats:
                assert self.num_batches_tracked is not None
                assert self.momentum is not None
                self.num_batches_tracked.add_(1)
                mean.lerp_(now.detach(), self.momentum)
                unbiased = spread.detach() * (x.shape[1] / (x.shape[1] - 1))
                variance.lerp_(unbiased, self.momentum)
            mean, variance = now, spread
        scale = (variance + self.eps).rsqrt() * self.weight
        out: Tensor = (x - mean[:, None]) * scale[:, None] + self.bias[:, None]
        return out.flatten(0, 1)


def stacked(networks: Sequence[nn.Module]) -> nn.Module:
    """One network of rows of S networks that are built alike.

    Raises:
        SettingsError: a layer mixes the rows of a batch, or draws at random.
    """
    first = networks[0]
    if isinstance(first, nn.Linear):
        return StackedLinear(cast("Sequence[nn.Linear]", networks))
    if isinstance(first, nn.BatchNorm1d):
        return StackedBatchNorm(cast("Sequence[nn.BatchNorm1d]", networks))
    children = list(first.named_children())
    if not children and not isinstance(first, BY_ROW):
        raise SettingsError(
            f"a layer of the networks is {described(first)}, which seeds cannot be stacked "
            "through; train each seed by itself with `ganwright train gan`"
        )
    result = copy.copy(first)
    result._modules = {
        name: stacked([network.get_submodule(name) for network in networks]) for name, _ in children
    }
    return result


class Draws(NamedTuple):
    """What all seeds draw for a step: data [S * n, d], noise of D's and of G's move [S * n, k]."""

    images: Tensor
    for_D: Tensor  # noqa: N815 - the player's name
    for_G: Tensor  # noqa: N815


@dataclass(frozen=True)
class StackedData:
    """Batches and noise of several runs, each a pure function of its seed and of the draw."""

    sources: Sequence[RunData]
    game: GAN.Config
    seeds: Sequence[int]

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Draws:
        """`size` rows for every seed."""
        images = torch.cat([source.batch(draw, size)[0] for source in self.sources])
        return Draws(images, self.noise("D", draw, size), self.noise("G", draw, size))

    def noise(self, player: str, step: int, size: int) -> Tensor:
        """What the trainers of these seeds would draw in the player's one move of a step."""
        drawn = []
        for seed in self.seeds:
            seed_torch(seed, 0, step, player, "main", 0, 0, 0)
            drawn.append(self.game.prior.draw(size, self.game.latent, torch.device("cpu")))
        return torch.cat(drawn)


class StackedGAN(GAN):
    """GAN's two objectives, each the sum of those of all seeds."""

    task: Any = Draws

    def __init__(self, games: Sequence[GAN]) -> None:
        first = games[0]
        super().__init__(first.cfg, first.spec)
        self.count = len(games)
        self.G = cast(Any, stacked([game.G for game in games]))
        self.D = cast(Any, stacked([game.D for game in games]))
        _refuse_mixed(first.cfg)

    def discriminator(self, batch: Any) -> Terms:
        real, fake = self.shown(batch.images), self.shown(self.G(batch.for_D))
        return self.summed(self.criticise(self.D, real, fake))

    def generator(self, batch: Any) -> Terms:
        real, fake = self.shown(batch.images), self.shown(self.G(batch.for_G))
        return self.summed({"adv": self.cfg.loss.generator(self.D, real, fake)})

    def summed(self, terms: Terms) -> Terms:
        """Means over the rows of all seeds become sums over seeds of their means."""
        return {name: self.count * value for name, value in terms.items()}


def _refuse_mixed(cfg: GAN.Config) -> None:
    """Only means over rows are sums over seeds; unrolling and regularisers GAN itself refuses.

    Raises:
        SettingsError: a setting has one seed depend on another's rows, or needs other draws.
    """
    several = cfg.d_moves > 1 or cfg.g_moves > 1 or cfg.noise
    mixed = [p for p in cfg.penalties if isinstance(p, DRAGAN) or p.every > 1]
    if several or mixed or isinstance(cfg.loss, RelativisticAverage):
        raise SettingsError(
            "seeds are stacked with losses and penalties that are means over samples, charged at "
            "every step, and one move a player; train each seed by itself with `ganwright train`"
        )


def trainer_of(settings: Settings, seeds: Sequence[int]) -> Trainer:
    """The trainer of all seeds at once, at step 0; `settings.seed` plays no part."""
    settings = resolved(GAN, settings)
    assert settings.batch_size is not None
    engine = Engine(torch.device("cpu"))
    runs = [assemble(GAN, replace(settings, seed=seed), engine) for seed in seeds]
    game = StackedGAN([cast(GAN, trainer.game) for trainer, _ in runs])
    data = StackedData([source for _, source in runs], game.cfg, seeds)
    return Trainer(
        game,
        cast(Any, data),
        engine,
        batch_size=settings.batch_size,
        ema_half_life=settings.ema_half_life,
    )
