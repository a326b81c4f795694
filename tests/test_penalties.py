"""Penalties: derived values, non-zero gradients, eager and compiled, BatchNorm left alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganwright.errors import SettingsError
from ganwright.losses import Inputs
from ganwright.optim import Delayed
from ganwright.penalties import (
    DRAGAN,
    PENALTIES,
    R1,
    R2,
    GradientPenalty,
    Penalty,
    WeightClipping,
    between,
    charge,
    input_gradient,
    lazies,
    refuse_twins,
)

COSTS: list[Penalty] = [
    GradientPenalty(10.0),
    GradientPenalty(10.0, one_sided=True, target=0.1),
    GradientPenalty(10.0, target=0.0),
    DRAGAN(10.0),
    DRAGAN(10.0, variance=0.1),
    R1(10.0),
    R2(10.0),
]


Wrap = Callable[[Callable[[], tuple[Tensor, Tensor]]], Callable[[], tuple[Tensor, Tensor]]]


class Linear(nn.Module):
    """D(x) = w x over two pixels, whose input gradient is w everywhere."""

    def __init__(self, w: tuple[float, float]) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.w


def test_values_by_hand() -> None:
    D, x = Linear((3.0, 4.0)), torch.randn(5, 1, 1, 2)  # |grad| = 5
    assert GradientPenalty(10.0)(D, x, -x).item() == pytest.approx(10 * 16)
    assert GradientPenalty(1.0, target=7.0)(D, x, -x).item() == pytest.approx(4)
    assert GradientPenalty(1.0, target=7.0, one_sided=True)(D, x, -x).item() == 0
    assert GradientPenalty(2.0, target=0.0)(D, x, -x).item() == pytest.approx(2 * 25)
    assert DRAGAN(10.0)(D, x, x).item() == pytest.approx(160)
    assert R1(10.0)(D, x, x).item() == pytest.approx(10 / 2 * 25)
    assert R2(4.0)(D, x, x).item() == pytest.approx(4 / 2 * 25)


def test_the_norm_is_per_sample_over_all_pixels() -> None:
    def D(x: Tensor) -> Tensor:
        return 0.5 * x.flatten(1).square().sum(1)  # gradient x itself

    x = torch.tensor([[3.0, 4.0], [0.0, 1.0]]).view(2, 2, 1, 1)
    assert R1(2.0)(D, x, x).item() == pytest.approx((25 + 1) / 2)
    # per sample norms 5 and 1; over channels or the whole batch it would be another number
    assert GradientPenalty(1.0)(D, x, x).item() == pytest.approx((16 + 0) / 2)


def test_points_of_the_gradient_penalty_lie_between() -> None:
    real, fake = torch.zeros(1000, 1, 2, 2), torch.ones(1000, 1, 2, 2)
    u = between(real, fake)
    assert isinstance(u, Tensor)
    u = u.flatten(1)
    assert (u == u[:, :1]).all(), "one weight a sample"
    assert 0 <= u.min() < 0.05
    assert 0.95 < u.max() <= 1
    assert u.mean().item() == pytest.approx(0.5, abs=0.05)


def _network(norm: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    spectral = nn.utils.parametrizations.spectral_norm
    return nn.Sequential(
        spectral(nn.Conv2d(1, 4, 3, 2, 1)),
        nn.BatchNorm2d(4) if norm else nn.Identity(),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(64, 1),
        nn.Flatten(0),
    )


def _gradients(penalty: Penalty, D: nn.Module, compiled: bool) -> list[Tensor]:
    call = torch.compile(penalty, fullgraph=True) if compiled else penalty
    real, fake = torch.randn(6, 1, 8, 8), torch.randn(6, 1, 8, 8)
    torch.manual_seed(1)
    return list(torch.autograd.grad(call(D, real, fake), list(D.parameters()), allow_unused=True))


@pytest.mark.parametrize("penalty", COSTS, ids=str)
def test_weight_gradients_are_not_zero_and_statistics_stay(penalty: Penalty) -> None:
    D = _network()
    before = D[1].running_mean.clone()
    gradients = _gradients(penalty, D, compiled=False)
    assert sum(g.abs().sum() for g in gradients if g is not None) > 0
    assert torch.equal(D[1].running_mean, before)


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("penalty", [R1(10.0), R2(10.0, every=4)], ids=str)
def test_compiled_gradients_equal_eager_ones(penalty: Penalty) -> None:
    torch.manual_seed(2)
    eager = _gradients(penalty, _network(norm=True), compiled=False)
    torch.manual_seed(2)
    compiled = _gradients(penalty, _network(norm=True), compiled=True)
    for a, b in zip(eager, compiled, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("compiler")
@pytest.mark.slow
@pytest.mark.parametrize("penalty", COSTS, ids=str)
def test_all_compile_with_gradients(penalty: Penalty) -> None:
    gradients = _gradients(penalty, _network(), compiled=True)
    assert sum(g.abs().sum() for g in gradients if g is not None) > 0


def convolutional() -> nn.Module:
    torch.manual_seed(3)
    layers = (nn.Conv2d(1, 8, 3), nn.LeakyReLU(0.2), nn.Conv2d(8, 8, 3), nn.LeakyReLU(0.2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 1, bias=False))


def in_precision(penalty: Penalty, dtype: torch.dtype | None, function: Wrap) -> list[Tensor]:
    """A penalty's value and the gradients of matrices, where D was called before."""
    D = convolutional()
    torch.manual_seed(4)
    real, fake = torch.randn(2, 6, 1, 8, 8)

    def objective() -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", dtype, enabled=dtype is not None):
            return D(fake).float().mean() - D(real).float().mean(), penalty(D, real, fake)

    score, cost = function(objective)()
    assert cost.dtype == torch.float32
    (score + cost).backward()
    return [cost.detach(), *(w.grad for w in D.parameters() if w.grad is not None and w.ndim > 1)]


@pytest.mark.parametrize("penalty", [R1(10.0), R2(10.0)], ids=str)
def test_in_bf16_D_computes_in_bf16(penalty: Penalty) -> None:
    check_bf16(penalty, lambda objective: objective)


@pytest.mark.usefixtures("traced")
def test_in_bf16_D_computes_in_bf16_compiled() -> None:
    check_bf16(R1(10.0), partial(torch.compile, fullgraph=True))


def check_bf16(penalty: Penalty, function: Wrap) -> None:
    """Eight bits are left: all is within a tenth of fp32, and not the same."""
    exact = in_precision(penalty, None, function)
    near = in_precision(penalty, torch.bfloat16, function)
    assert len(near) == len(exact) == 4
    for a, b in zip(exact, near, strict=True):
        assert not torch.equal(a, b)
        assert (a - b).norm() < 0.1 * a.norm()


def test_in_fp16_D_computes_in_fp32() -> None:
    """The penalty of the same D alone, whatever it is called in beside."""
    penalty = R1(10.0)
    exact = in_precision(penalty, None, lambda objective: objective)
    near = in_precision(penalty, torch.float16, lambda objective: objective)
    assert torch.equal(exact[0], near[0])


def test_gradient_matches_autograd() -> None:
    D, x = _network(norm=False).eval(), torch.randn(3, 1, 8, 8)
    x_live = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(D(x_live).sum(), x_live)
    torch.testing.assert_close(input_gradient(D, x), expected.flatten(1))


def test_bound_methods_with_batch_norm_work() -> None:
    class Headed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = _network()

        def score(self, x: Tensor) -> Tensor:
            return self.body(x)

    D = Headed()
    x = torch.randn(6, 1, 8, 8)
    assert R1()(D.score, x, x) > 0
    assert D.body[1].num_batches_tracked == 0


def test_only_the_first_argument_is_differentiated() -> None:
    def D(x: Tensor, y: Tensor) -> Tensor:
        return (x * y).flatten(1).sum(1)

    x, y = torch.randn(2, 3), torch.tensor([[2.0], [3.0]])
    inputs: Inputs = (x, y)
    assert R1(2.0)(D, inputs, inputs).item() == pytest.approx((3 * 4 + 3 * 9) / 2)


def test_clipping() -> None:
    D = Linear((0.5, -0.004))
    with torch.no_grad():
        WeightClipping(c=0.01).after(D)
    assert torch.allclose(D.w, torch.tensor([0.01, -0.004]))
    assert charge([WeightClipping()], D, torch.zeros(1, 2), torch.zeros(1, 2)) == {}


@pytest.mark.parametrize(
    "given", [{"weight": 0.01}, {"every": 2}, {"schedule": Delayed(5)}], ids=["w", "e", "s"]
)
def test_clipping_has_a_bound_alone(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"so give its bound alone: WeightClipping\(c=0.01\)"):
        WeightClipping(**given)
    with pytest.raises(SettingsError, match=r"WeightClipping has weight=0\.01, every=1 and"):
        WeightClipping(0.01)


def test_lazy_penalties_become_objectives_of_their_own() -> None:
    D, x = Linear((3.0, 4.0)), torch.randn(5, 2)
    penalties = (R1(2.0), R2(2.0, every=16))
    assert list(charge(penalties, D, x, x)) == ["R1"]
    (lazy,) = lazies(penalties, D, lambda batch: (batch, batch))
    assert lazy.every == 16
    assert lazy.objective(x)["R2"].item() == pytest.approx(25)


def test_twins_and_bad_numbers_are_refused() -> None:
    with pytest.raises(SettingsError, match="R1 is given twice"):
        refuse_twins([R1(1.0), R1(2.0)])
    with pytest.raises(SettingsError, match="every of R1 is 0; it must be at least 1"):
        R1(every=0)


def test_every_penalty_is_tested() -> None:
    assert {type(p) for p in COSTS} | {WeightClipping} == set(PENALTIES.values())
