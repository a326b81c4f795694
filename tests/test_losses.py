"""Each loss against numbers derived by hand."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from ganwright.errors import SettingsError
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

REAL, FAKE = torch.tensor([1.0, 3.0]), torch.tensor([-2.0, 0.0])

RATIO = (NonSaturating, Minimax, BoundarySeeking, LeastSquares, Relativistic)
"""The losses whose best D tells the ratio of densities."""


def sp(t: float) -> float:
    """softplus, -log sigmoid(-t)"""
    return log(1 + exp(t))


# D is the identity, so the scores are REAL and FAKE themselves.
EXPECTED: list[tuple[Loss, float, float]] = [
    (NonSaturating(), (sp(-1) + sp(-3)) / 2 + (sp(-2) + sp(0)) / 2, (sp(2) + sp(0)) / 2),
    # target .9: -.9 log s(r) - .1 log(1 - s(r))
    (
        NonSaturating(smooth=0.1),
        (0.9 * sp(-1) + 0.1 * sp(1) + 0.9 * sp(-3) + 0.1 * sp(3)) / 2 + (sp(-2) + sp(0)) / 2,
        (sp(2) + sp(0)) / 2,
    ),
    # G: E log(1 - s(f)) = -E softplus(f)
    (Minimax(), (sp(-1) + sp(-3)) / 2 + (sp(-2) + sp(0)) / 2, -(sp(-2) + sp(0)) / 2),
    # D: 1/2 [(0² + 2²)/2 + (2² + 0)/2] = 2; G: 1/2 (3² + 1²)/2 = 2.5
    (LeastSquares(), 2.0, 2.5),
    # D: 1/2 [(0 + 4)/2 + ((-2+1)² + 1)/2] = 1.5; G: 1/2 (4 + 0)/2 = 1
    (LeastSquares(a=-1, b=1, c=0), 1.5, 1.0),
    (LeastSquares(scale=1.0), 4.0, 5.0),
    (Wasserstein(), -1.0 - 2.0, 1.0),
    # D: relu(1-1)=0, relu(1-3)=0; relu(1-2)=0, relu(1+0)=1 -> 1/2
    (Hinge(), 0.5, 1.0),
    (Relativistic(), (sp(-3) + sp(-3)) / 2, (sp(3) + sp(3)) / 2),
    # means: real 2, fake -1. D: r - (-1) = 2, 4; f - 2 = -4, -2
    (
        RelativisticAverage(),
        (sp(-2) + sp(-4)) / 2 + (sp(-4) + sp(-2)) / 2,
        (sp(4) + sp(2)) / 2 + (sp(2) + sp(4)) / 2,
    ),
    # G: 1/2 mean(4, 0)
    (BoundarySeeking(), (sp(-1) + sp(-3)) / 2 + (sp(-2) + sp(0)) / 2, 1.0),
]


@pytest.mark.parametrize(("loss", "d", "g"), EXPECTED, ids=[str(e[0]) for e in EXPECTED])
def test_both_columns_match_the_numbers(loss: Loss, d: float, g: float) -> None:
    identity = torch.nn.Identity()
    assert loss.discriminator(identity, REAL, FAKE).item() == pytest.approx(d, abs=1e-6)
    assert loss.generator(identity, REAL, FAKE).item() == pytest.approx(g, abs=1e-6)


def test_every_loss_has_a_derived_number() -> None:
    assert {type(e[0]) for e in EXPECTED} == set(LOSSES.values())


@pytest.mark.parametrize("loss", LOSSES.values())
def test_gradients_push_the_right_way(loss: type[Loss]) -> None:
    """Lowering D's loss parts the scores; lowering G's raises those of fakes below the boundary."""
    real, fake = torch.tensor([0.5], requires_grad=True), torch.tensor([0.25], requires_grad=True)
    identity = torch.nn.Identity()
    r, f = torch.autograd.grad(loss().discriminator(identity, real, fake), (real, fake))
    assert r < 0 < f
    fake = torch.tensor([-0.5], requires_grad=True)
    (g,) = torch.autograd.grad(loss().generator(identity, real, fake), fake)
    assert g < 0


@pytest.mark.parametrize("loss", LOSSES.values())
def test_arguments_may_be_tuples_and_scores_maps(loss: type[Loss]) -> None:
    D = lambda x, y: x * y.view(-1, 1, 1, 1)  # noqa: E731
    x, y = torch.randn(4, 1, 3, 3), torch.ones(4)
    one, other = loss(), torch.randn(4, 1, 3, 3)
    assert one.discriminator(D, (x, y), (other, y)).shape == ()
    assert torch.equal(
        one.generator(D, (x, y), (other, y)), one.generator(torch.nn.Identity(), x, other)
    )


def test_extreme_scores_stay_finite() -> None:
    huge = torch.tensor([1e4, -1e4])
    for loss in LOSSES.values():
        for column in (loss().discriminator, loss().generator):
            assert torch.isfinite(column(torch.nn.Identity(), huge, huge.flip(0)))


@pytest.mark.parametrize("loss", [e[0] for e in EXPECTED if type(e[0]) in RATIO], ids=str)
def test_the_best_d_tells_the_ratio_of_densities(loss: Loss) -> None:
    """On three points with p = (1/2, 1/4, 1/4) and q = (1/4, 1/2, 1/4), all pairs of samples."""
    pairs = torch.cartesian_prod(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 1, 2]))
    D = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    lbfgs = torch.optim.LBFGS([D], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> float:
        lbfgs.zero_grad()
        value = loss.discriminator(lambda x: D[x], *pairs.unbind(1))
        value.backward()
        return float(value.detach())

    lbfgs.step(closure)
    found = loss.log_ratio(D.detach())
    assert (found - found[2]).tolist() == pytest.approx([log(2), -log(2), 0], abs=1e-4)


def test_a_critic_tells_no_ratio() -> None:
    for loss in (Wasserstein(), Hinge(), RelativisticAverage()):
        with pytest.raises(SettingsError, match=f"{type(loss).__name__} does not tell how likely"):
            loss.log_ratio(torch.zeros(1))
