"""Each loss against numbers derived by hand."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

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
