"""The Dirac-GAN of Mescheder, Geiger and Nowozin (2018), arXiv:1801.04406: what must converge.

Data at 0, a fake at theta, D(x) = psi x; from (1, -1) by gradient descent with h = .2, played by
the real trainer with the real losses and penalties. r is the distance from the equilibrium (0, 0).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import sqrt

import pytest
import torch
from torch import Tensor, nn

from ganwright.data.types import Images, Spec
from ganwright.game import Game, Player, Terms
from ganwright.losses import Loss, Minimax, NonSaturating, Relativistic, Wasserstein
from ganwright.optim import SGD
from ganwright.penalties import R1, R2, GradientPenalty, Penalty, WeightClipping, charge
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer

H = 0.2


class Point(nn.Module):
    """G: the same point whatever the noise."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.ones(1, 1))

    def forward(self) -> Tensor:
        return self.theta


class Slope(nn.Module):
    """D(x) = psi x."""

    def __init__(self) -> None:
        super().__init__()
        self.psi = nn.Parameter(-torch.ones(1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.psi).flatten()


class Dirac(Game):
    """G moves first."""

    def __init__(self, loss: Loss, penalties: tuple[Penalty, ...], simultaneous: bool) -> None:
        super().__init__(None, Spec(Images, (1,)))
        self.G, self.D = Point(), Slope()
        self.loss, self.penalties, self.simultaneous = loss, penalties, simultaneous

    def players(self) -> Iterable[Player]:
        yield Player("G", [self.G], self.generator, SGD(H))
        yield Player("D", [self.D], self.discriminator, SGD(H))

    def generator(self, batch: Images) -> Terms:
        return {"adv": self.loss.generator(self.D, batch.images, self.G())}

    def discriminator(self, batch: Images) -> Terms:
        x, fake = batch.images, self.G()
        adv = self.loss.discriminator(self.D, x, fake)
        return {"adv": adv, **charge(self.penalties, self.D, x, fake)}

    def after(self, player: Player, terms: Terms) -> None:
        if player.name == "D":
            for penalty in self.penalties:
                penalty.after(self.D)


class Zeros:
    """All data are at 0."""

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Images:
        return Images(torch.zeros(size, 1))


def trainer_of(loss: Loss, penalties: tuple[Penalty, ...], *, simultaneous: bool) -> Trainer:
    """A game at its start."""
    game, engine = Dirac(loss, penalties, simultaneous), Engine(torch.device("cpu"))
    return Trainer(game, Zeros(), engine, batch_size=1, ema_half_life=0)


def radii(
    loss: Loss,
    penalties: tuple[Penalty, ...] = (),
    *,
    simultaneous: bool,
    steps: int = 500,
    scale: float = 1.0,
) -> list[float]:
    """r at the start, scale * (1, -1), and after each step."""
    trainer = trainer_of(loss, penalties, simultaneous=simultaneous)
    weights = list(trainer.game.parameters())
    for w in weights:
        w.data.mul_(scale)

    def radius() -> float:
        return sqrt(sum(w.item() ** 2 for w in weights))

    return [radius(), *(radius() for _ in trainer.play(steps))]


# The published r after 500 and 5,000 steps: simultaneous, alternating.
TABLE: dict[str, tuple[Loss, tuple[Penalty, ...], tuple[float, float], tuple[float, float]]] = {
    "minimax": (Minimax(), (), (3.10, 4.24), (1.42, 1.42)),
    "non-saturating": (NonSaturating(), (), (0.640, 0.624), (0.284, 0.088)),
    "wgan": (Wasserstein(), (WeightClipping(c=1.0),), (1.00, 1.03), (1.02, 1.01)),
    "wgan-gp": (Wasserstein(), (GradientPenalty(0.35),), (1.80, 1.62), (1.22, 1.44)),
    "minimax-r1": (Minimax(), (R1(0.3),), (2.6e-6, 0), (2.3e-7, 0)),
    "minimax-r1-critical": (Minimax(), (R1(1.0),), (9.5e-22, 0), (7.5e-17, 0)),
    "non-saturating-r1": (NonSaturating(), (R1(0.3),), (2.2e-6, 0), (1.5e-7, 0)),
}


@pytest.mark.parametrize("simultaneous", [True, False], ids=["simultaneous", "alternating"])
@pytest.mark.parametrize("name", TABLE)
def test_radius_after_500_steps_is_as_published(name: str, simultaneous: bool) -> None:
    loss, penalties, together, in_turns = TABLE[name]
    expected = (together if simultaneous else in_turns)[0]
    r = radii(loss, penalties, simultaneous=simultaneous)
    assert r[500] == pytest.approx(expected, rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("simultaneous", [True, False], ids=["simultaneous", "alternating"])
@pytest.mark.parametrize("name", TABLE)
def test_radius_after_5000_steps_is_as_published(name: str, simultaneous: bool) -> None:
    loss, penalties, together, in_turns = TABLE[name]
    expected = (together if simultaneous else in_turns)[1]
    r = radii(loss, penalties, simultaneous=simultaneous, steps=5000)
    assert r[5000] == pytest.approx(expected, rel=0.03, abs=1e-12)


def rate(r: list[float], start: int, end: int) -> float:
    """The mean factor on r in a step."""
    return (r[end] / r[start]) ** (1 / (end - start))


def test_without_a_penalty_steps_lead_away_by_the_eigenvalue() -> None:
    """Near (0, 0), lambda = ± i/2 and |1 + h lambda| = sqrt(1 + h²/4)."""
    r = radii(Minimax(), simultaneous=True, steps=100, scale=1e-3)
    assert rate(r, 0, 100) == pytest.approx(sqrt(1 + H**2 / 4), abs=1e-5)


@pytest.mark.parametrize(("gamma", "expected"), [(0.3, sqrt((1 - 0.03) ** 2 + 0.0091)), (1.0, 0.9)])
def test_with_r1_steps_lead_inwards_by_the_eigenvalue(gamma: float, expected: float) -> None:
    """lambda = -gamma/2 ± sqrt(gamma²/4 - 1/4): .9747, and at the critical gamma t * .9^t."""
    r = radii(Minimax(), (R1(gamma),), simultaneous=True)
    start, end = 240, 496  # eight half turns of the spiral at gamma .3
    growth = (end / start) ** (1 / (end - start)) if gamma == 1 else 1.0
    assert rate(r, start, end) == pytest.approx(expected * growth, abs=1e-4)


def test_at_the_critical_gamma_nothing_rotates() -> None:
    """Eigenvalues are complex below gamma 1, so theta changes its sign again and again."""
    assert turns(R1(0.3)) == 9, "half a turn each pi / atan(.0954 / .97) = 32 steps"
    assert turns(R1(1.0)) <= 1


def turns(penalty: Penalty) -> int:
    """How often theta changes its sign in 300 steps."""
    trainer = trainer_of(Minimax(), (penalty,), simultaneous=True)
    theta = [trainer.game.G.theta.item() for _ in trainer.play(300)]  # type: ignore[operator,union-attr]
    return sum(a * b < 0 for a, b in pairwise(theta))


def test_relativistic_pairing_alone_does_not_converge() -> None:
    """The real logit is 0: the field is the non-saturating game's."""
    plain = radii(NonSaturating(), simultaneous=True)
    assert radii(Relativistic(), simultaneous=True) == pytest.approx(plain, rel=1e-5)
    assert plain[500] > 0.6


def test_relativistic_pairing_converges_with_either_penalty_and_faster_with_both() -> None:
    """D is linear, so R1 and R2 are the same cost, and both together are R1 of twice the weight."""
    one = radii(Relativistic(), (R1(0.3),), simultaneous=True)
    other = radii(Relativistic(), (R2(0.3),), simultaneous=True)
    both = radii(Relativistic(), (R1(0.3), R2(0.3)), simultaneous=True)
    assert one[500] == pytest.approx(2.2e-6, rel=0.03)
    assert other == pytest.approx(one, rel=1e-4)
    twice = radii(Relativistic(), (R1(0.6),), simultaneous=True)
    assert both == pytest.approx(twice, rel=1e-3)
    assert both[500] < one[500] / 1e3
