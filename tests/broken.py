"""A family that keeps the contract, and families that each break it in one way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganwright.data.types import Images, Spec
from ganwright.families.gan import GAN
from ganwright.game import Game, Lazy, Player, Terms
from ganwright.layers.forward_state import Memory
from ganwright.losses import Loss, NonSaturating
from ganwright.networks import MLP, Networks
from ganwright.penalties import Penalty, charge, lazies

NETS = MLP(hidden_G=(8,), hidden_D=(8,))


class Whole(Game):
    """Keeps the contract."""

    title = "Whole (2026)"
    image_size = 8

    @dataclass(frozen=True, kw_only=True)
    class Config(Game.Config):
        loss: Loss = NonSaturating()
        """How scores become losses."""
        penalties: tuple[Penalty, ...] = ()
        """Regularisers of D."""

    cfg: Config

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.G, self.D = NETS.generator(4, spec.shape), NETS.discriminator(spec.shape)

    def players(self) -> Iterable[Player]:
        lazy = lazies(self.cfg.penalties, self.D, self.pair)
        yield Player("D", [self.D], self.discriminator, lazy=lazy)
        yield Player("G", [self.G], self.generator)

    def pair(self, batch: Images) -> tuple[Tensor, Tensor]:
        return batch.images, self.sample(len(batch.images))

    def discriminator(self, batch: Images) -> Terms:
        real, fake = self.pair(batch)
        adv = self.cfg.loss.discriminator(self.D, real, fake)
        return {"adv": adv, **charge(self.cfg.penalties, self.D, real, fake)}

    def generator(self, batch: Images) -> Terms:
        return {"adv": self.cfg.loss.generator(self.D, *self.pair(batch))}

    def after(self, player: Player, terms: Terms) -> None:
        for penalty in self.cfg.penalties if player.name == "D" else ():
            penalty.after(self.D)

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        images: Tensor = self.G(torch.randn(n, 4, device=self.device))
        return images

    def preview(self, batch: Images) -> Tensor:
        return self.sample(16)


class Nameless(Whole):
    """Has its base's title."""


class Silent(Whole):
    title = "Silent (2026)"


class Listed(Whole):
    """A setting is a list, which can change and has no hash."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Whole.Config):
        widths: Any = field(default_factory=lambda: [1, 2])
        """Some."""


class Lossy(Whole):
    """A setting's value cannot be written down."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Whole.Config):
        function: Any = torch.tanh
        """Some."""


class DeafToLoss(Whole):
    """Its loss is always the same."""

    def discriminator(self, batch: Images) -> Terms:
        real, fake = self.pair(batch)
        adv = NonSaturating().discriminator(self.D, real, fake)
        return {"adv": adv, **charge(self.cfg.penalties, self.D, real, fake)}

    def generator(self, batch: Images) -> Terms:
        return {"adv": NonSaturating().generator(self.D, *self.pair(batch))}


class OwnObjective(GAN):
    """GAN's settings, and an objective of G that knows neither regularisers nor unrolling."""

    title = "Own (2026)"

    @dataclass(frozen=True, kw_only=True)
    class Config(GAN.Config):
        networks: Networks = NETS
        """The kind of G and D."""

    def generator(self, batch: Images) -> Terms:
        return {"adv": self.cfg.loss.generator(self.D, *self.judged(batch))}


class OwnAndRegularised(OwnObjective):
    """Now it knows regularisers."""

    def generator(self, batch: Images) -> Terms:
        real, fake = self.judged(batch)
        return {"adv": self.cfg.loss.generator(self.D, real, fake), **self.regularise(real, fake)}


class Unpacked(GAN):
    """Inherits packing and refuses it."""

    Config = OwnObjective.Config  # type: ignore[misc, assignment]

    def __init__(self, cfg: Any, spec: Spec) -> None:
        super().__init__(cfg, spec)
        if cfg.pack > 1:
            from ganwright.errors import SettingsError

            raise SettingsError("no packs here")


class Vector(Whole):
    """A term for each sample."""

    def generator(self, batch: Images) -> Terms:
        return {"adv": -self.D(self.sample(len(batch.images)))}


class Infinite(Whole):
    """A term is infinite."""

    def generator(self, batch: Images) -> Terms:
        return {"adv": self.D(self.sample(4)).mean() * float("inf")}


class Differentiates(Whole):
    """Takes the trainer's work out of its hands."""

    def generator(self, batch: Images) -> Terms:
        terms = super().generator(batch)
        terms["adv"].backward(retain_graph=True)
        return terms


class Dead(Whole):
    """A layer of D is never called."""

    def __init__(self, cfg: Any, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.D.forgotten = nn.Linear(2, 2)


class Meddler(Whole):
    """D changes while G moves."""

    def after(self, player: Player, terms: Terms) -> None:
        super().after(player, terms)
        if player.name == "G":
            next(self.D.parameters()).mul_(0.9)


class Unowned(Whole):
    """Nobody moves a layer that G needs."""

    def __init__(self, cfg: Any, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.shift = nn.Linear(4, 4)

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        images: Tensor = self.G(self.shift(torch.randn(n, 4)))
        return images


class Asleep(Whole):
    """G never moves."""

    def players(self) -> Iterable[Player]:
        D, _ = super().players()
        yield D
        yield Player("G", [self.G], self.generator, moves=0)


class Mode(Whole):
    """D is left in evaluation mode."""

    def generator(self, batch: Images) -> Terms:
        self.D.eval()
        return super().generator(batch)


class Freezer(Whole):
    """D is left frozen once it has moved."""

    def after(self, player: Player, terms: Terms) -> None:
        super().after(player, terms)
        if player.name == "G":
            next(self.G.parameters()).requires_grad_(False)


class Bright(Whole):
    """Draws beyond [-1, 1]."""

    def preview(self, batch: Images) -> Tensor:
        return 3 * self.sample(16)


class Flat(Whole):
    """Draws rows of pixels."""

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        return super().sample(n).flatten(1)

    def pair(self, batch: Images) -> tuple[Tensor, Tensor]:
        return batch.images, super().sample(len(batch.images))

    def preview(self, batch: Images) -> Tensor:
        return super().sample(16)


class Logits(Whole):
    """Gives logits where probabilities are asked for."""

    def classify(self, x: Tensor) -> Tensor:
        return torch.ones(len(x), len(self.spec.classes))


class Counts(Whole):
    """Remembers in a Python attribute how often it was asked."""

    asked = 0

    def generator(self, batch: Images) -> Terms:
        self.asked += 1
        return {"adv": super().generator(batch)["adv"] * self.asked}


class Foreign(Whole):
    """Draws noise that torch knows nothing of."""

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        images: Tensor = self.G(torch.from_numpy(np.random.randn(n, 4).astype("float32")))
        return images


class Unregistered(Whole):
    """Draws a constant where it is made, and saves it nowhere."""

    def __init__(self, cfg: Any, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.offset = torch.randn(4)

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        images: Tensor = self.G(torch.randn(n, 4) + self.offset)
        return images


class Uncharged(Whole):
    """Has penalties and forgets them."""

    def discriminator(self, batch: Images) -> Terms:
        return {"adv": self.cfg.loss.discriminator(self.D, *self.pair(batch))}


class NeverLazy(Whole):
    """Charges what is lazy not at all."""

    def players(self) -> Iterable[Player]:
        yield Player("D", [self.D], self.discriminator)
        yield Player("G", [self.G], self.generator)


class Unclipped(Whole):
    """Does not tell penalties of moves."""

    def after(self, player: Player, terms: Terms) -> None:
        pass


class Tally(nn.Module):
    """Counts its calls, in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x


class HeldTally(Memory):
    """Counts its calls, unless it is held."""

    def __init__(self) -> None:
        super().__init__()
        self.tally = Tally()

    def forward(self, x: Tensor) -> Tensor:
        return x if self.held else self.tally(x)  # type: ignore[no-any-return]


class Taking(Whole):
    """A pool that takes pictures in whenever it is called."""

    pool: type[nn.Module] = Tally

    def __init__(self, cfg: Any, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.past = self.pool()

    def pair(self, batch: Images) -> tuple[Tensor, Tensor]:
        real, fake = super().pair(batch)
        return real, self.past(fake)


class Holding(Taking):
    """Its pool is a `Memory`, as it should be."""

    pool = HeldTally


class BadLazy(Whole):
    """A lazy objective that gives a vector."""

    def players(self) -> Iterable[Player]:
        _, G = super().players()
        yield Player("D", [self.D], self.discriminator, lazy=(Lazy(self.vector, 2),))
        yield G

    def vector(self, batch: Images) -> Terms:
        return {"vector": self.D(batch.images)}
