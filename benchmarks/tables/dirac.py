"""The Dirac-GAN of Mescheder, Geiger and Nowozin (2018), arXiv:1801.04406, beside its table.

Data at 0, a fake at theta, D(x) = psi x; from (theta, psi) = (1, -1) by gradient descent with
h = .2, played by the library's own trainer with its losses and penalties. r is the distance from
the equilibrium (0, 0). Computed in float64, so every machine prints the same.

    python benchmarks/tables/dirac.py                 # writes docs/results/dirac.md
"""

from __future__ import annotations

import argparse
import cmath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from pathlib import Path

import torch
from torch import Tensor, nn

from ganwright.data.types import Images, Spec
from ganwright.game import Game, Player, Terms
from ganwright.losses import LOSSES, Loss, Minimax, NonSaturating, Relativistic, Wasserstein
from ganwright.optim import SGD
from ganwright.penalties import R1, R2, GradientPenalty, Penalty, WeightClipping, charge
from ganwright.precision import default_type
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer
from page import DOCS, Page, table

H = 0.2


class Point(nn.Module):
    """G: the same point whatever the noise."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n
        self.theta = nn.Parameter(torch.ones(1, 1))

    def forward(self) -> Tensor:
        return self.theta.expand(self.n, 1)


class Slope(nn.Module):
    """D(x) = psi x."""

    def __init__(self) -> None:
        super().__init__()
        self.psi = nn.Parameter(-torch.ones(1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.psi).flatten()


class Dirac(Game):
    """G moves first."""

    def __init__(
        self, loss: Loss, penalties: tuple[Penalty, ...], simultaneous: bool, batch: int
    ) -> None:
        super().__init__(None, Spec(Images, (1,)))
        self.G, self.D = Point(batch), Slope()
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


def path(
    loss: Loss,
    penalties: Sequence[Penalty] = (),
    *,
    simultaneous: bool,
    steps: int = 500,
    start: tuple[float, float] = (1.0, -1.0),
    batch: int = 1,
) -> Iterator[tuple[float, float]]:
    """(theta, psi) at the start and after each step, in float64.

    Args:
        loss: whose two columns are played.
        penalties: on D.
        simultaneous: both players move from the same point; else G first, then D.
        steps: how many.
        start: theta and psi.
        batch: copies of the one fake and of the one real point.
    """
    with default_type(torch.float64):
        game = Dirac(loss, tuple(penalties), simultaneous, batch)
        for w, value in zip((game.G.theta, game.D.psi), start, strict=True):
            w.data.fill_(value)
        engine = Engine(torch.device("cpu"))
        trainer = Trainer(game, Zeros(), engine, batch_size=batch, ema_half_life=0)
        yield game.G.theta.item(), game.D.psi.item()
        for _ in trainer.play(steps):
            yield game.G.theta.item(), game.D.psi.item()


def radii(
    loss: Loss,
    penalties: Sequence[Penalty] = (),
    *,
    simultaneous: bool,
    steps: int = 500,
    start: tuple[float, float] = (1.0, -1.0),
) -> list[float]:
    """r at the start and after each step of `path`."""
    points = path(loss, penalties, simultaneous=simultaneous, steps=steps, start=start)
    return [hypot(*point) for point in points]


@dataclass(frozen=True)
class Row:
    """A published row: r after 500 and 5,000 steps, to as many digits as were printed.

    Only R1's r after 500 steps were published.
    """

    name: str
    loss: Loss
    penalties: tuple[Penalty, ...]
    simultaneous: tuple[str, ...]
    alternating: tuple[str, ...]
    expected: str

    def published(self, simultaneous: bool) -> tuple[str, ...]:
        """r after 500 steps and, where published, after 5,000."""
        return self.simultaneous if simultaneous else self.alternating


_MINIMAX, _CLIP, _GP = Minimax(), WeightClipping(c=1.0), GradientPenalty(0.35)
ROWS = (
    Row("minimax", _MINIMAX, (), ("3.10", "4.24"), ("1.42", "1.42"), "diverges / circles"),
    Row("NS", NonSaturating(), (), ("0.640", "0.624"), ("0.284", "0.088"), "cycle / very slow"),
    Row("WGAN", Wasserstein(), (_CLIP,), ("1.00", "1.03"), ("1.02", "1.01"), "never converges"),
    Row("WGAN-GP", Wasserstein(), (_GP,), ("1.80", "1.62"), ("1.22", "1.44"), "never converges"),
    Row("minimax, R1 .3", _MINIMAX, (R1(0.3),), ("2.6e-06",), ("2.3e-07",), "linear"),
    Row("minimax, R1 1", _MINIMAX, (R1(1.0),), ("9.5e-22",), ("7.5e-17",), "linear, no rotation"),
    Row("NS, R1 .3", NonSaturating(), (R1(0.3),), ("2.2e-06",), ("1.5e-07",), "linear"),
)


def like(value: float, published: str) -> str:
    """A number written to as many digits as the published one."""
    if "e" in published:
        return f"{value:.1e}"
    return f"{value:.{len(published.partition('.')[2])}f}"


def rate(r: Sequence[float], start: int, end: int) -> float:
    """The mean factor on r in a step."""
    return float((r[end] / r[start]) ** (1 / (end - start)))


def published() -> list[list[str]]:
    """The published table, each number with ours behind it."""
    rows = []
    for row in ROWS:
        cells = [row.name]
        for simultaneous in (True, False):
            r = radii(row.loss, row.penalties, simultaneous=simultaneous, steps=5000)
            theirs = row.published(simultaneous)
            ours = [like(r[n], t) for n, t in zip((500, 5000), theirs, strict=False)]
            ours += [f"{r[5000]:.1e}"] * (len(theirs) == 1)
            cells += [" / ".join(theirs), " / ".join(ours)]
        rows.append([*cells, row.expected])
    return rows


def eigenvalues(loss: Loss, penalties: Sequence[Penalty] = ()) -> tuple[complex, complex]:
    """Those of the field at the equilibrium, from three points of a path beside it.

    The points follow z' = M z, so M² z = trace(M) M z - det(M) z.
    """
    (a, b), (c, d), (e, f) = path(loss, penalties, simultaneous=True, steps=2, start=(1e-6, 0))
    area = a * d - b * c
    determinant, trace = (c * f - d * e) / area, (a * f - b * e) / area
    root = cmath.sqrt(trace**2 / 4 - determinant)
    return (trace / 2 + root - 1) / H, (trace / 2 - root - 1) / H


def rates() -> list[list[str]]:
    """Eigenvalues, and the factor on r in a step, as they should be and as they are."""
    cases: list[tuple[str, Loss, tuple[Penalty, ...], float]] = [
        ("minimax", Minimax(), (), 0.0),
        ("minimax + R1 .3", Minimax(), (R1(0.3),), 0.3),
        ("minimax + R1 1", Minimax(), (R1(1.0),), 1.0),
        ("relativistic", Relativistic(), (), 0.0),
        ("relativistic + R1 .3", Relativistic(), (R1(0.3),), 0.3),
        ("relativistic + R2 .3", Relativistic(), (R2(0.3),), 0.3),
        ("relativistic + R1 .3 + R2 .3", Relativistic(), (R1(0.3), R2(0.3)), 0.6),
        ("relativistic + R1 .6", Relativistic(), (R1(0.6),), 0.6),
    ]
    out = []
    for name, loss, penalties, gamma in cases:
        root = cmath.sqrt(gamma**2 / 4 - 1 / 4)
        cells = [name]
        for a, b in ((-gamma / 2 + root, -gamma / 2 - root), eigenvalues(loss, penalties)):
            factor = abs((1 + H * a) * (1 + H * b)) ** 0.5
            cells += [f"{round(a.real, 3) + 0:.3f} ± {abs(a.imag):.3f} i", f"{factor:.4f}"]
        out.append(cells)
    return out


def every_loss() -> list[list[str]]:
    """What each loss of the library does alone, and with R1."""
    out = []
    for name, loss in LOSSES.items():
        ends = [
            radii(loss(), penalties, simultaneous=simultaneous, steps=1000)[-1]
            for penalties in ((), (R1(0.3),))
            for simultaneous in (True, False)
        ]
        out.append([f"`{name}`", *(f"{r:.3g}" for r in ends)])
    return out


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=DOCS / "results" / "dirac.md")
    args = parser.parse_args()
    page = Page("Dirac-GAN", "python benchmarks/tables/dirac.py")
    page.say(INTRODUCTION)
    heads = ["method", "simultaneous: published", "ours", "alternating: published", "ours"]
    page.say("r after 500 / 5,000 steps:", table([*heads, "expected"], published()))
    page.say(RATES, table(["game", "eigenvalues", "factor", "ours", "factor"], rates()))
    heads = ["loss", "alone, simultaneous", "alternating", "R1, simultaneous", "alternating"]
    page.say(EVERY, table(heads, every_loss()))
    page.write(args.out)


INTRODUCTION = """The smallest GAN (Mescheder, Geiger and Nowozin 2018,
[arXiv:1801.04406](https://arxiv.org/abs/1801.04406)): data at 0, one fake at theta, D(x) = psi x.
Gradient descent with h = .2 from (theta, psi) = (1, -1), G first where the players alternate; r is
the distance from the equilibrium. NS is the non-saturating loss, R1 gamma costs
gamma/2 E|grad D|², WGAN clips at 1, and the weight of WGAN-GP is .35. The library's trainer plays
with the library's losses and penalties in float64, so the numbers are the same on every machine,
and tests hold them."""
RATES = """Near the equilibrium, with simultaneous moves, the eigenvalues are
lambda = -gamma/2 ± sqrt(gamma²/4 - 1/4), since f'(0) = 1/2, and a step multiplies r by
|1 + h lambda|: sqrt(1 + h²/4) without a penalty. Ours are read from the trainer's first two steps.
Relativistic pairing alone turns as the others do, R1 and R2 hold it equally well, and both together
are R1 of twice the weight:"""
EVERY = """r after 1,000 steps for every loss of the library with its default settings, alone and
with R1 of weight .3 (1.41 at the start). D has no bias, so a target that it cannot meet at the data
(least squares) or that G meets with the fake at 0 (boundary seeking) leaves a line of resting
points:"""


if __name__ == "__main__":
    main()
