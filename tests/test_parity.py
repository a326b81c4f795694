"""Five steps equal a loop that a person would write, bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from helpers import trainer_of
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganwright.families.dcgan import DCGAN
from ganwright.families.wgan_gp import WGANGP
from ganwright.seeds import seed_torch

STEPS, BATCH, SEED = 5, 4, 0


def _frozen(module: nn.Module, statistics: bool = False) -> None:
    """What the trainer does to a network whose player does not move."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.track_running_stats = statistics


def _seed(step: int, player: str, move: int) -> None:
    seed_torch(SEED, 0, step, player, "main", move, 0, 0)


def _compare(
    name: str, by_hand: Callable[[nn.Module, nn.Module, Callable[[int], Tensor]], list[float]]
) -> None:
    trainer = trainer_of(name, seed=SEED)
    game = trainer.game
    assert isinstance(game, DCGAN)
    G, D = copy.deepcopy(game.G), copy.deepcopy(game.D)
    for w in (*G.parameters(), *D.parameters()):
        w.requires_grad_(True)
    losses: list[float] = []
    for _ in trainer.play(STEPS):
        means, _ = trainer.meter.read()
        losses += [means["D/adv"], means["G/adv"]]
    expected = by_hand(G, D, lambda draw: trainer.batches.batch(draw, BATCH).images)  # type: ignore[union-attr]
    assert losses == expected
    for ours, theirs in ((game.G, G), (game.D, D)):
        for (k, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            assert torch.equal(a, b), k


def _dcgan(G: nn.Module, D: nn.Module, data: Callable[[int], Tensor]) -> list[float]:
    opt_g = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
    opt_d = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
    losses = []
    for step in range(STEPS):
        x = data(step)
        _seed(step, "D", 0)
        _frozen(G)
        with torch.no_grad():
            fake = G(torch.randn(BATCH, 100))
        _frozen(G, statistics=True)
        r, f = D(x), D(fake)
        loss_d = softplus(-r).mean() + softplus(f).mean()
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
        _seed(step, "G", 0)
        _frozen(D)
        D.requires_grad_(False)
        loss_g = softplus(-D(G(torch.randn(BATCH, 100)))).mean()
        D.requires_grad_(True)
        _frozen(D, statistics=True)
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        losses += [loss_d.item(), loss_g.item()]
    return losses


def _wgan_gp(G: nn.Module, D: nn.Module, data: Callable[[int], Tensor]) -> list[float]:
    opt_g = torch.optim.Adam(G.parameters(), lr=1e-4, betas=(0.0, 0.9), fused=True)
    opt_d = torch.optim.Adam(D.parameters(), lr=1e-4, betas=(0.0, 0.9), fused=True)
    losses = []
    for step in range(STEPS):
        critic = torch.zeros(())
        for move in range(2):
            x = data(2 * step + move)
            _seed(step, "D", move)
            _frozen(G)
            with torch.no_grad():
                fake = G(torch.randn(BATCH, 100))
            _frozen(G, statistics=True)
            r, f = D(x), D(fake)
            distance = f.mean() - r.mean()
            t = torch.rand(BATCH, 1, 1, 1)
            u = x.lerp(fake, t).requires_grad_()
            (gradient,) = torch.autograd.grad(D(u).sum(), u, create_graph=True)
            penalty = 10.0 * (gradient.flatten(1).norm(dim=1) - 1).square().mean()
            opt_d.zero_grad()
            (distance + penalty).backward()
            opt_d.step()
            critic += distance.detach()
        _seed(step, "G", 0)
        D.requires_grad_(False)
        loss_g = -D(G(torch.randn(BATCH, 100))).mean()
        D.requires_grad_(True)
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        losses += [critic.item() / 2, loss_g.item()]
    return losses


def test_dcgan() -> None:
    _compare("dcgan", _dcgan)


def test_wgan_gp() -> None:
    assert WGANGP.Config().d_moves == 5, "the test plays 2 moves a step"
    _compare("wgan-gp", _wgan_gp)
