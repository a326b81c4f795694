"""Training loops written out by hand, as scripts have them and as well as one can.

Each takes a game for its networks and optimizers alone, never its objectives, and plays a step a
call. `Style` says which of the habits of scripts it has.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    relu,
)

Batches = Callable[[], Any]
Step = Callable[[], None]


@dataclass(frozen=True)
class Style:
    """The habits of a loop.

    Args:
        careful: opponents require no gradient, optimizers are fused, nothing is read by the host.
        bf16: networks compute in bfloat16.
        layout: of the convolutions' weights.
    """

    careful: bool = False
    bf16: bool = False
    layout: torch.memory_format = torch.contiguous_format


class Hand:
    """What all loops share: optimizers, updates, printing."""

    def __init__(self, game: Any, style: Style, players: Mapping[str, Sequence[nn.Module]]) -> None:
        self.style = style
        game.to(memory_format=style.layout)
        self.device = next(game.parameters()).device
        self.players = players
        named = {player.name: player.optimizer for player in game.players()}
        self.optimizers = {name: self._adam(named[name], nets) for name, nets in players.items()}
        self.out = Path("/dev/null").open("w", encoding="utf-8")  # noqa: SIM115

    def _adam(self, settings: Any, nets: Sequence[nn.Module]) -> torch.optim.Adam:
        weights = [w for net in nets for w in net.parameters()]
        fused = self.style.careful
        return torch.optim.Adam(weights, settings.lr, settings.betas, fused=fused)

    def amp(self) -> torch.autocast:
        """The precision of the networks."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.style.bf16)

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Within it others are frozen, if the loop does so."""
        others = [n for k, nets in self.players.items() if k != name for n in nets]
        if self.style.careful:
            for net in others:
                net.requires_grad_(False)
        self.optimizers[name].zero_grad()
        yield
        if self.style.careful:
            for net in others:
                net.requires_grad_(True)

    def update(self, name: str, loss: Tensor) -> None:
        """Step one player's optimizer."""
        loss.backward()
        self.optimizers[name].step()

    def say(self, **losses: Tensor) -> None:
        """Print as scripts do, in every step."""
        if not self.style.careful:
            text = " ".join(f"[{name} loss: {loss.item()}]" for name, loss in losses.items())
            print(text, file=self.out)


def bce(logits: Tensor, truth: float) -> Tensor:
    """Binary cross-entropy against one value."""
    return binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits.float(), truth))


def square(scores: Tensor, truth: float) -> Tensor:
    """Squared distance from one value."""
    return mse_loss(scores.float(), torch.full_like(scores.float(), truth))


def _labelled(game: Any, y: Tensor) -> tuple[Tensor, ...]:
    return (y,) if game.classes else ()


def noise(game: Any, batches: Batches, style: Style) -> Step:
    """G first, and its fakes shown to D as constants: cross-entropy, or SAGAN's hinge."""
    G, D = game.G, game.D
    hand = Hand(game, style, {"D": [D], "G": [G]})
    hinge = type(game.cfg.loss).__name__ == "Hinge"

    def step() -> None:
        batch = batches()
        x, y = batch.images, _labelled(game, batch.labels)
        with hand.turn("G"):
            with hand.amp():
                fake = G(torch.randn(len(x), game.cfg.latent, device=hand.device), *y)
                score = D(fake, *y)
                loss_G = -score.float().mean() if hinge else bce(score, 1)
            hand.update("G", loss_G)
        with hand.turn("D"):
            with hand.amp():
                real, false = D(x, *y), D(fake.detach(), *y)
                if hinge:
                    loss_D = relu(1 - real.float()).mean() + relu(1 + false.float()).mean()
                else:
                    loss_D = bce(real, 1) + bce(false, 0)
            hand.update("D", loss_D)
        hand.say(D=loss_D, G=loss_G)

    return step


def wgan_gp(game: Any, batches: Batches, style: Style) -> Step:
    """Five updates of D, each with a penalty between real and fake, and one of G."""
    G, D = game.G, game.D
    hand = Hand(game, style, {"D": [D], "G": [G]})

    def penalty(x: Tensor, fake: Tensor) -> Tensor:
        t = torch.rand(len(x), 1, 1, 1, device=hand.device)
        u = (t * x + (1 - t) * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(D(u).sum(), u, create_graph=True)
        excess: Tensor = gradient.flatten(1).float().norm(dim=1) - 1
        return 10 * excess.square().mean()

    def draw(n: int) -> Tensor:
        fake: Tensor = G(torch.randn(n, game.cfg.latent, device=hand.device))
        return fake

    def step() -> None:
        for _ in range(5):
            x = batches().images
            with hand.turn("D"):
                with hand.amp():
                    fake = draw(len(x)).detach()
                    loss_D = (D(fake) - D(x)).float().mean() + penalty(x, fake.to(x.dtype))
                hand.update("D", loss_D)
        with hand.turn("G"):
            with hand.amp():
                loss_G = -D(draw(len(x))).float().mean()
            hand.update("G", loss_G)
        hand.say(D=loss_D, G=loss_G)

    return step


def acgan(game: Any, batches: Batches, style: Style) -> Step:
    """G first; D tells real from fake, and classes of both."""
    G, D, C = game.G, game.D, game.C
    hand = Hand(game, style, {"D": [D, C], "G": [G]})

    def judged(x: Tensor, y: Tensor, truth: float) -> Tensor:
        h = D.features(x)
        return bce(D.score(h), truth) + cross_entropy(C(h).float(), y)

    def step() -> None:
        batch = batches()
        x, y = batch.images, batch.labels
        with hand.turn("G"):
            with hand.amp():
                fake = G(torch.randn(len(x), game.cfg.latent, device=hand.device), y)
                loss_G = judged(fake, y, 1)
            hand.update("G", loss_G)
        with hand.turn("D"):
            with hand.amp():
                loss_D = judged(x, y, 1) + judged(fake.detach(), y, 0)
            hand.update("D", loss_D)
        hand.say(D=loss_D, G=loss_G)

    return step


def pix2pix(game: Any, batches: Batches, style: Style) -> Step:
    """One translation a step; D first, with half its loss, then G with L1."""
    G, D = game.G, game.D
    hand = Hand(game, style, {"D": [D], "G": [G]})

    def step() -> None:
        batch = batches()
        a, b = batch.a, batch.b
        with hand.amp():
            fake = G(a)
        with hand.turn("D"):
            with hand.amp():
                real, false = D(torch.cat([a, b], 1)), D(torch.cat([a, fake.detach()], 1))
                loss_D = 0.5 * (bce(real, 1) + bce(false, 0))
            hand.update("D", loss_D)
        with hand.turn("G"):
            with hand.amp():
                adv = bce(D(torch.cat([a, fake], 1)), 1)
                loss_G = adv + 100 * l1_loss(fake.float(), b)
            hand.update("G", loss_G)
        hand.say(D=loss_D, G=loss_G)

    return step


class Pool:
    """A list of past images on the host's side, as scripts have it."""

    def __init__(self) -> None:
        self.images: list[Tensor] = []

    def __call__(self, fake: Tensor) -> Tensor:
        if len(self.images) < 50:
            self.images.append(fake)
            return fake
        if random.random() < 0.5:
            i = random.randrange(50)
            self.images[i], fake = fake, self.images[i]
        return fake


def cyclegan(game: Any, batches: Batches, style: Style) -> Step:
    """Both translators, then each discriminator with a pool of translations."""
    AB, BA = game.AB, game.BA
    players = {"G": [AB, BA], "D_A": [game.D_A], "D_B": [game.D_B]}
    hand = Hand(game, style, players)
    pools = {"D_A": Pool(), "D_B": Pool()}

    def step() -> None:
        batch = batches()
        a, b = batch.a, batch.b
        with hand.turn("G"):
            with hand.amp():
                fake_b, fake_a = AB(a), BA(b)
                identity = 5 * (l1_loss(AB(b), b) + l1_loss(BA(a), a))
                adv = square(game.D_A(fake_a), 1) + square(game.D_B(fake_b), 1)
                cycle = 10 * (l1_loss(BA(fake_b), a) + l1_loss(AB(fake_a), b))
                loss_G = identity + adv + cycle
            hand.update("G", loss_G)
        losses = {}
        for name, real, fake in (("D_A", a, fake_a), ("D_B", b, fake_b)):
            D = players[name][0]
            with hand.turn(name):
                with hand.amp():
                    past = pools[name](fake.detach())
                    losses[name] = 0.5 * (square(D(real), 1) + square(D(past), 0))
                hand.update(name, losses[name])
        hand.say(G=loss_G, **losses)

    return step


def srgan(game: Any, batches: Batches, style: Style) -> Step:
    """The adversarial phase, with the game's own content network."""
    G, D = game.G, game.D
    hand = Hand(game, style, {"D": [D], "G": [G]})
    game.before_training()
    cfg = game.cfg

    def step() -> None:
        batch = batches()
        low, x = batch.a, batch.b
        with hand.amp():
            fake = G(low)
        with hand.turn("D"):
            with hand.amp():
                loss_D = bce(D(x), 1) + bce(D(fake.detach()), 0)
            hand.update("D", loss_D)
        with hand.turn("G"):
            with hand.amp():
                content = cfg.content_weight * game.content(fake, x)
                loss_G = content + cfg.adversarial * bce(D(fake), 1)
            hand.update("G", loss_G)
        hand.say(D=loss_D, G=loss_G)

    return step
