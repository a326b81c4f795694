"""Unrolled D against the Dirac-GAN worked out by hand, and against D's real moves."""

from __future__ import annotations

from math import exp
from typing import Any

import pytest
import torch
from helpers import TINY, trainer_of
from torch import Tensor, nn
from torch.func import functional_call

from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families import family
from ganwright.families.gan import GAN
from ganwright.layers.forward_state import constant
from ganwright.losses import LeastSquares, Loss, Scorer, Wasserstein
from ganwright.networks import MLP, ConvNet
from ganwright.optim import Delayed, LinearDecay
from ganwright.penalties import R1, GradientPenalty
from ganwright.unroll import unrolled


class Slope(nn.Module):
    """D(x) = psi x."""

    def __init__(self, psi: float) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.tensor([[psi]]))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.psi).flatten()


ORIGIN = torch.zeros(1, 1)


def g_loss(loss: Loss, theta: Tensor, psi: float, moves: int, lr: float) -> Tensor:
    D = Slope(psi)
    D.requires_grad_(False)

    def objective(scorer: Scorer) -> dict[str, Tensor]:
        return {"adv": loss.discriminator(scorer, ORIGIN, theta)}

    return loss.generator(unrolled(D, objective, moves, lr), ORIGIN, theta)


@pytest.mark.parametrize("moves", [1, 2, 5])
def test_wasserstein_dirac_gan_by_hand(moves: int) -> None:
    """D's loss is psi theta, so psi_K = psi - K lr theta; G's is -psi_K theta."""
    theta = torch.tensor([[0.8]], requires_grad=True)
    loss = g_loss(Wasserstein(), theta, -1.0, moves, 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(0.8 + moves * 0.1 * 0.8**2)
    assert theta.grad is not None
    # without the unrolling it is 1, whatever theta
    assert theta.grad.item() == pytest.approx(1 + 2 * moves * 0.1 * 0.8)


def test_second_derivatives_of_d_count() -> None:
    """Least squares: psi_1 = psi - lr psi theta², and G's loss is (psi_1 theta - 1)² / 2."""
    theta, psi, lr = torch.tensor([[0.5]], requires_grad=True), 2.0, 0.3
    loss = g_loss(LeastSquares(), theta, psi, 1, lr)
    loss.backward()
    answer = psi * 0.5 - lr * psi * 0.5**3
    assert loss.item() == pytest.approx((answer - 1) ** 2 / 2)
    assert theta.grad is not None
    assert theta.grad.item() == pytest.approx((answer - 1) * (psi - 3 * lr * psi * 0.5**2))


def test_without_moves_nothing_changes() -> None:
    theta = torch.tensor([[0.8]], requires_grad=True)
    assert g_loss(Wasserstein(), theta, -1.0, 0, 0.1).item() == pytest.approx(0.8)


def conv_game(**settings: object) -> GAN:
    game = family("dcgan")(
        family("dcgan").Config(networks=ConvNet(width=4), **settings), Spec(Images, (1, 8, 8))
    )
    assert isinstance(game, GAN)
    return game


@pytest.mark.parametrize("penalty", [R1(weight=1.0), GradientPenalty(weight=0.1)])
def test_it_is_where_gradient_descent_would_lead_with_batch_norm_and_penalties(
    penalty: R1,
) -> None:
    game = conv_game(penalties=(penalty,))
    x = torch.rand(4, 1, 8, 8) * 2 - 1
    fake = game.G(torch.randn(4, 100)).detach()

    def cost() -> Tensor:
        torch.manual_seed(3)
        return torch.stack(list(game.criticise(game.D, x, fake).values())).sum()

    before = {k: v.clone() for k, v in game.D.state_dict().items()}
    torch.manual_seed(3)
    ahead = unrolled(game.D, lambda D: game.criticise(D, x, fake), 1, 0.05)(x)
    assert all(torch.equal(v, before[k]) for k, v in game.D.state_dict().items())
    weights = dict(game.D.named_parameters())
    slopes = torch.autograd.grad(cost(), list(weights.values()))
    moved = {k: w - 0.05 * s for (k, w), s in zip(weights.items(), slopes, strict=True)}
    torch.testing.assert_close(ahead, functional_call(game.D, moved, (x,)), rtol=1e-4, atol=1e-5)


def test_only_what_is_named_moves_by_hand() -> None:
    """D(x) = a b x with b alone free: D's loss a b theta has the slope a theta by b."""
    D = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False), nn.Flatten(0))
    with torch.no_grad():
        D[0].weight.fill_(3.0)
        D[1].weight.fill_(2.0)
    theta = torch.tensor([[0.5]])
    ahead = unrolled(D, lambda score: {"adv": score(theta).mean()}, 2, 0.1, {"1.weight"})
    b = 2.0 - 2 * 0.1 * 3 * 0.5
    assert ahead(torch.ones(1, 1)).item() == pytest.approx(3 * b)


def answers(game: GAN, x: Tensor, fake: Tensor) -> Tensor:
    torch.manual_seed(3)
    return game.foreseen(x, fake)(x)


def test_frozen_weights_of_d_stay_in_the_unrolled_updates_too() -> None:
    """Once in training: in G's turn no weight of D requires a gradient."""
    trainer = trainer_of("dcgan", game=tiny_unrolled(), freeze=("D.stack.1",))
    game = trainer.game
    assert isinstance(game, GAN)
    names = {name for name, _ in game.D.named_parameters()}
    x, fake = torch.randn(2, 4, 1, 8, 8)
    with constant(game.parameters()):
        found = answers(game, x, fake)
        game.moving = frozenset(n for n in names if not n.startswith("stack.1."))
        assert torch.equal(found, answers(game, x, fake))
        game.moving = frozenset(names)
        assert not torch.allclose(found, answers(game, x, fake))


def tiny_unrolled(**changes: object) -> Any:
    settings: dict[str, Any] = TINY["dcgan"] | {"unroll": 2, "unroll_lr": 0.1}
    return family("dcgan").Config(**(settings | changes))


def test_unrolled_updates_charge_penalties_by_their_schedules() -> None:
    """Nothing before step 5, all of it from there on, and half of it in between."""
    plain, charged = (
        trainer_of("dcgan", game=tiny_unrolled(penalties=p)).game for p in ((), (R1(weight=9.0),))
    )
    half = trainer_of("dcgan", game=tiny_unrolled(penalties=(R1(weight=4.5),))).game
    x, fake = torch.randn(2, 4, 1, 8, 8)
    for schedule, step, same in (
        (Delayed(5), 4, plain),
        (Delayed(5), 5, charged),
        (LinearDecay(0, 10), 5, half),
    ):
        penalties = (R1(weight=9.0, schedule=schedule),)
        game = trainer_of("dcgan", game=tiny_unrolled(penalties=penalties)).game
        game.before_step(step)
        torch.testing.assert_close(answers(game, x, fake), answers(same, x, fake))
    assert not torch.allclose(answers(plain, x, fake), answers(charged, x, fake))


def test_a_step_of_the_unrolled_game_logs_only_what_really_happened() -> None:
    settings = TINY["dcgan"] | {"unroll": 2, "unroll_lr": 0.01}
    trainer = trainer_of("dcgan", game=family("dcgan").Config(**settings))
    trainer.play_step()
    means, trouble = trainer.meter.read()
    assert trouble is None
    assert "D/real" in means
    assert "G/real" not in means


def test_moves_that_are_no_number_are_refused_in_a_sentence() -> None:
    with pytest.raises(SettingsError, match="unroll is -1; it must be at least 0"):
        family("gan").Config(unroll=-1)


def test_unrolling_damps_the_dirac_gan_that_otherwise_circles() -> None:
    """G's extra slope 2 K lr theta is a pull to the data."""

    def radius(moves: int) -> float:
        theta, psi = torch.tensor([[1.0]], requires_grad=True), -1.0
        for _ in range(200):
            (slope,) = torch.autograd.grad(g_loss(Wasserstein(), theta, psi, moves, 0.5), theta)
            theta = (theta - 0.2 * slope).detach().requires_grad_()
            psi -= 0.2 * theta.item()
        return (theta.item() ** 2 + psi**2) ** 0.5

    assert radius(0) > 0.9
    assert radius(1) < exp(-5)


def test_a_compiled_objective_unrolls_too() -> None:
    game = family("gan")(
        family("gan").Config(
            latent=2,
            networks=MLP(hidden_G=(4,), hidden_D=(4,), dropout=0.0),
            unroll=2,
            unroll_lr=0.1,
        ),
        Spec(Images, (2,)),
    )
    assert isinstance(game, GAN)
    game.D.requires_grad_(False)
    real, z = torch.randn(4, 2), torch.randn(4, 2)

    def adv(z: Tensor) -> Tensor:
        fake = game.G(z)
        return game.cfg.loss.generator(game.foreseen(real, fake), real, fake)

    weight = next(game.G.parameters())
    (eager,) = torch.autograd.grad(adv(z), weight)
    compiled = torch.compile(adv, fullgraph=True, backend="aot_eager")
    (traced,) = torch.autograd.grad(compiled(z), weight)
    assert eager.abs().sum() > 0
    torch.testing.assert_close(traced, eager)
