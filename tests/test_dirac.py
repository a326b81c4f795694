"""The Dirac-GAN of Mescheder, Geiger and Nowozin (2018), arXiv:1801.04406: what must converge.

The library's trainer, losses and penalties play it (benchmarks/tables/dirac.py). Beside them stands
the field of every loss and penalty, worked out by hand for D(x) = psi x, a real point at 0 and a
fake at theta: f = psi theta is the fake's logit, the real one's is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import copysign, exp, hypot, sqrt

import pytest

from dirac import ROWS, H, Row, eigenvalues, like, path, radii, rate
from ganwright.losses import (
    LOSSES,
    BoundarySeeking,
    Hinge,
    LeastSquares,
    Loss,
    Minimax,
    NonSaturating,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
)
from ganwright.penalties import DRAGAN, PENALTIES, R1, R2, GradientPenalty, Penalty, WeightClipping

# (psi, theta) -> D's slope by psi, and G's by theta.
Field = tuple[Callable[[float, float], float], Callable[[float, float], float]]


def s(t: float) -> float:
    """The logistic function."""
    return 1 / (1 + exp(-t))


LOGISTIC: Field = (lambda p, t: s(p * t) * t, lambda p, t: -s(-p * t) * p)
LINEAR: Field = (lambda p, t: t, lambda p, t: -p)

FIELDS: dict[Loss, Field] = {
    NonSaturating(): LOGISTIC,
    # smoothing adds .1 times the real logit, which is 0
    NonSaturating(smooth=0.1): LOGISTIC,
    Minimax(): (LOGISTIC[0], lambda p, t: -s(p * t) * p),
    Wasserstein(): LINEAR,
    # the hinge is open while the fake's logit is above -1; the real one's 0 is always below 1
    Hinge(): (lambda p, t: t if p * t > -1 else 0.0, LINEAR[1]),
    # D: (f - a) theta; G: (f - c) psi
    LeastSquares(): (lambda p, t: p * t * t, lambda p, t: (p * t - 1) * p),
    LeastSquares(-1, 1, 0, scale=1): (
        lambda p, t: 2 * (p * t + 1) * t,
        lambda p, t: 2 * p * p * t,
    ),
    Relativistic(): LOGISTIC,
    # both halves are the paired loss where all points of a side coincide
    RelativisticAverage(): (
        lambda p, t: 2 * LOGISTIC[0](p, t),
        lambda p, t: 2 * LOGISTIC[1](p, t),
    ),
    BoundarySeeking(): (LOGISTIC[0], lambda p, t: p * p * t),
}

# psi -> the slope of the penalty; the gradient of D by its input is psi everywhere.
SLOPES: dict[Penalty, Callable[[float], float]] = {
    R1(0.3): lambda p: 0.3 * p,
    R2(0.3): lambda p: 0.3 * p,
    GradientPenalty(0.35): lambda p: 0.7 * (abs(p) - 1) * copysign(1, p),
    GradientPenalty(0.35, target=0): lambda p: 0.7 * p,
    GradientPenalty(0.35, one_sided=True): lambda p: 0.7 * max(abs(p) - 1, 0) * copysign(1, p),
    DRAGAN(0.35): lambda p: 0.7 * (abs(p) - 1) * copysign(1, p),
    DRAGAN(0.35, variance=0.1): lambda p: 0.7 * (abs(p) - 1) * copysign(1, p),
    WeightClipping(c=0.9): lambda p: 0.0,
}


def by_hand(
    field: Field,
    slope: Callable[[float], float] = lambda p: 0.0,
    *,
    simultaneous: bool,
    steps: int,
    clip: float = float("inf"),
) -> Iterator[tuple[float, float]]:
    """(theta, psi) at (1, -1) and after each step of gradient descent on a field."""
    p, t = -1.0, 1.0
    yield t, p
    for _ in range(steps):
        moved = t - H * field[1](p, t)
        p -= H * (field[0](p, t if simultaneous else moved) + slope(p))
        p, t = max(-clip, min(clip, p)), moved
        yield t, p


def test_every_loss_and_penalty_has_a_field() -> None:
    assert {type(loss) for loss in FIELDS} == set(LOSSES.values())
    assert {type(penalty) for penalty in SLOPES} == set(PENALTIES.values())


both = pytest.mark.parametrize("simultaneous", [True, False], ids=["simultaneous", "alternating"])


@both
@pytest.mark.parametrize("loss", FIELDS, ids=str)
def test_a_loss_follows_its_field(loss: Loss, simultaneous: bool) -> None:
    played = [x for point in path(loss, simultaneous=simultaneous, steps=60) for x in point]
    expected = [
        x for point in by_hand(FIELDS[loss], simultaneous=simultaneous, steps=60) for x in point
    ]
    assert played == pytest.approx(expected, rel=1e-9, abs=1e-12)


@both
@pytest.mark.parametrize("penalty", SLOPES, ids=str)
def test_a_penalty_follows_its_slope(penalty: Penalty, simultaneous: bool) -> None:
    """A batch of two, since DRAGAN's noise is as large as the data's deviation, here 0."""
    clip = penalty.c if isinstance(penalty, WeightClipping) else float("inf")
    played = path(Wasserstein(), (penalty,), simultaneous=simultaneous, steps=60, batch=2)
    field = by_hand(LINEAR, SLOPES[penalty], simultaneous=simultaneous, steps=60, clip=clip)
    for point, expected in zip(played, field, strict=True):
        assert point == pytest.approx(expected, rel=1e-9, abs=1e-12)


def row_by_hand(row: Row, simultaneous: bool) -> list[float]:
    """r of a row of the table, without the library."""
    (penalty,) = row.penalties or (None,)
    clip = penalty.c if isinstance(penalty, WeightClipping) else float("inf")
    gamma = penalty.weight if isinstance(penalty, R1) else None
    slope = (lambda p: gamma * p) if gamma else SLOPES.get(penalty, lambda p: 0.0)  # type: ignore[arg-type]
    points = by_hand(FIELDS[row.loss], slope, simultaneous=simultaneous, steps=5000, clip=clip)
    return [hypot(*point) for point in points]


@both
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_published_radii_are_reproduced_to_every_printed_digit(
    row: Row, simultaneous: bool
) -> None:
    """After 500 steps by the trainer, which follows the field; after 5,000 by the field."""
    theirs, field = row.published(simultaneous), row_by_hand(row, simultaneous)
    ours = radii(row.loss, row.penalties, simultaneous=simultaneous)
    assert ours == pytest.approx(field[:501], rel=1e-6)
    assert [like(r, t) for r, t in zip((ours[500], field[5000]), theirs, strict=False)] == [*theirs]
    if row.expected.startswith("linear"):
        assert field[5000] < 1e-50


@pytest.mark.slow
@both
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_published_radii_are_reproduced_after_5000_steps(row: Row, simultaneous: bool) -> None:
    theirs = row.published(simultaneous)
    ours = radii(row.loss, row.penalties, simultaneous=simultaneous, steps=5000)
    assert [like(ours[n], t) for n, t in zip((500, 5000), theirs, strict=False)] == [*theirs]
    assert ours[5000] == pytest.approx(row_by_hand(row, simultaneous)[5000], rel=1e-3)


# |1 + h lambda| at lambda = ± i f'(0), which is 1/2 for the logistic losses
LOGISTIC_RATE, LINEAR_RATE = sqrt(1 + H**2 / 4), sqrt(1 + H**2)
# where each loss turns around the equilibrium; the other two have none
TURNING = {
    NonSaturating(): LOGISTIC_RATE,
    Minimax(): LOGISTIC_RATE,
    Relativistic(): LOGISTIC_RATE,
    RelativisticAverage(): LINEAR_RATE,
    Wasserstein(): LINEAR_RATE,
    Hinge(): LINEAR_RATE,
}
RESTING = (LeastSquares(), BoundarySeeking())


def test_every_loss_turns_or_rests() -> None:
    assert {type(loss) for loss in [*TURNING, *RESTING]} == set(LOSSES.values())


@pytest.mark.parametrize("loss", TURNING, ids=str)
def test_without_a_penalty_steps_lead_away_by_the_eigenvalue(loss: Loss) -> None:
    r = radii(loss, simultaneous=True, steps=100, start=(1e-6, -1e-6))
    assert rate(r, 0, 100) == pytest.approx(TURNING[loss], abs=1e-6)


@pytest.mark.parametrize("loss", TURNING, ids=str)
def test_in_turns_without_a_penalty_nothing_is_won_or_lost(loss: Loss) -> None:
    """psi² + theta² + h f' psi theta stays: alternating moves are a rotation, sheared."""
    k = sqrt(TURNING[loss] ** 2 - 1)  # h f'(0)
    points = [*path(loss, simultaneous=False, steps=100, start=(1e-6, -1e-6))]
    kept = [p * p + t * t + k * p * t for t, p in points]
    assert kept == pytest.approx([kept[0]] * 101, rel=1e-4)


def test_least_squares_rests_wherever_d_is_flat() -> None:
    """Near (0, 0), D feels nothing and G walks on; R1 stops it at theta + psi / gamma."""
    (*_, end) = path(LeastSquares(), simultaneous=True, steps=100, start=(1e-6, -1e-6))
    assert end == pytest.approx((1e-6 - 100 * H * 1e-6, -1e-6), rel=1e-4)
    (*_, end) = path(LeastSquares(), (R1(0.3),), simultaneous=True, steps=400, start=(1e-6, -1e-6))
    assert end == pytest.approx((1e-6 - 1e-6 / 0.3, 0), rel=1e-4, abs=1e-12)


def test_boundary_seeking_rests_wherever_the_fake_is_real() -> None:
    """G's step is -h psi² theta: theta shrinks by a factor, and psi stays where that left it."""
    theta, psi = zip(*path(BoundarySeeking(), simultaneous=True, steps=500), strict=True)
    assert theta[1] == pytest.approx(0.8)
    assert theta[500] < 1e-12
    assert psi[500] == pytest.approx(psi[400], rel=1e-9)
    assert psi[500] < -1


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("loss", TURNING, ids=str)
def test_r1_moves_the_eigenvalues(loss: Loss, gamma: float) -> None:
    """lambda = -gamma/2 ± sqrt(gamma²/4 - f'(0)²): their sum is -gamma, their product f'(0)²."""
    found = eigenvalues(loss, (R1(gamma),))
    slope = sqrt(TURNING[loss] ** 2 - 1) / H
    assert sum(found) == pytest.approx(-gamma, abs=1e-5)
    assert found[0] * found[1] == pytest.approx(slope**2, abs=1e-5)


@pytest.mark.parametrize(
    ("gamma", "expected"), [(0.0, sqrt(1.01)), (0.3, 0.9747), (0.6, sqrt(0.89)), (1.0, 0.9)]
)
def test_contraction_in_a_step_is_as_published(gamma: float, expected: float) -> None:
    first, second = (abs(1 + H * x) for x in eigenvalues(Minimax(), (R1(gamma),)))
    assert (first * second) ** 0.5 == pytest.approx(expected, abs=5e-5)
    r = radii(Minimax(), (R1(gamma),), simultaneous=True, start=(1e-3, -1e-3))
    assert rate(r, 100, 400) == pytest.approx(expected, abs=1e-3), "the spiral ripples"


def test_at_the_critical_gamma_nothing_rotates() -> None:
    """Eigenvalues are complex below gamma 1, so theta changes its sign again and again."""
    assert turns(R1(0.3)) == 9, "half a turn each pi / atan(.0954 / .97) = 32 steps"
    assert turns(R1(1.0)) <= 1


def turns(penalty: Penalty) -> int:
    """How often theta changes its sign in 300 steps."""
    theta = [t for t, _ in path(Minimax(), (penalty,), simultaneous=True, steps=300)]
    return sum(a * b < 0 for a, b in pairwise(theta))


@pytest.mark.parametrize("penalty", SLOPES, ids=str)
def test_only_penalties_centred_at_zero_lead_to_the_data(penalty: Penalty) -> None:
    """Those centred at one push psi away from the equilibrium; clipping lets it circle."""
    *_, (theta, psi) = path(NonSaturating(), (penalty,), simultaneous=True, steps=400, batch=2)
    if isinstance(penalty, R1 | R2) or penalty == GradientPenalty(0.35, target=0):
        assert hypot(theta, psi) < 1e-3
    else:
        assert hypot(theta, psi) > 0.3


def test_relativistic_pairing_alone_does_not_converge() -> None:
    """The real logit is 0: the field is the non-saturating game's."""
    plain = radii(NonSaturating(), simultaneous=True)
    assert radii(Relativistic(), simultaneous=True) == pytest.approx(plain, rel=1e-9)
    assert plain[500] > 0.6


def test_relativistic_pairing_converges_with_either_penalty_and_faster_with_both() -> None:
    """D is linear, so R1 and R2 are the same cost, and both together are R1 of twice the weight."""
    one = radii(Relativistic(), (R1(0.3),), simultaneous=True, steps=200)
    other = radii(Relativistic(), (R2(0.3),), simultaneous=True, steps=200)
    both = radii(Relativistic(), (R1(0.3), R2(0.3)), simultaneous=True, steps=200)
    twice = radii(Relativistic(), (R1(0.6),), simultaneous=True, steps=200)
    assert other == pytest.approx(one, rel=1e-9)
    assert both == pytest.approx(twice, rel=1e-9)
    assert both[200] < one[200] / 10
