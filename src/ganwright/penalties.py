"""Penalties on the discriminator, eager or compiled: norms of its gradient in fp32.

Each is called like a loss's discriminator column, with D, real and fake, and gives a weighted
scalar. The inner gradient is `torch.func.grad`, which `torch.compile` traces: a compiled
`torch.autograd.grad(create_graph=True)` fails, or drops the penalty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count, NonNegative, Positive
from ganwright.config.schedule import Constant, Schedule
from ganwright.errors import SettingsError
from ganwright.game import Lazy, Objective
from ganwright.layers.forward_state import BATCH_NORMS
from ganwright.losses import Inputs, Scorer
from ganwright.precision import wide


class _Call(nn.Module):
    """A method of a module, callable as a module, so that `functional_call` reaches its buffers."""

    def __init__(self, owner: nn.Module, method: Scorer) -> None:
        super().__init__()
        self.owner = owner
        self.method = method

    def forward(self, *args: Any) -> Tensor:
        return self.method(*args)


def _pure(D: Scorer) -> Scorer:
    """D with its BatchNorm statistics left alone: they are written to copies.

    `torch.func.grad` refuses their in-place update, and a penalty's points, which are neither real
    nor fake, should not enter them.
    """
    owner = getattr(D, "__self__", None)
    module = D if isinstance(D, nn.Module) else owner
    if not isinstance(module, nn.Module):
        return D
    norms = [(name, m) for name, m in module.named_modules() if isinstance(m, BATCH_NORMS)]
    if not norms:
        return D
    called, where = (D, "") if isinstance(D, nn.Module) else (_Call(module, D), "owner.")

    def call(*args: Any) -> Tensor:
        statistics = {
            where + f"{n}.{k}".lstrip("."): b.clone()
            for n, m in norms
            for k, b in m.named_buffers()
        }
        result: Tensor = functional_call(called, statistics, args)
        return result

    return call


def input_gradient(D: Scorer, x: Inputs) -> Tensor:
    """The gradient of D's score of each sample by its first argument, flattened: [n, pixels].

    A map of patch scores counts by its mean, as it does in the losses.
    """
    first, *rest = x if isinstance(x, tuple) else (x,)
    D = _pure(D)

    def total(u: Tensor) -> Tensor:
        scores = wide(D(u, *rest))
        return scores.flatten(1).mean(1).sum() if scores.ndim > 1 else scores.sum()

    with _precision(first.device.type):
        gradient: Tensor = torch.func.grad(total)(wide(first))
    return gradient.flatten(1)


def _precision(device: str) -> torch.autocast:
    """D's own precision, but fp32 instead of fp16, whose range needs a scale of its own here.

    Weights that autocast keeps cast from D's other calls are of no use: the gradient is of D's
    weights too, and those within `torch.func.grad` are not to outlive it.
    """
    dtype = torch.get_autocast_dtype(device)
    on = torch.is_autocast_enabled(device) and dtype == torch.bfloat16
    return torch.autocast(device, dtype, enabled=on, cache_enabled=False)


def between(real: Inputs, fake: Inputs) -> Inputs:
    """Points uniform on the segments from real to fake, with fake's other arguments."""
    x, *_ = real if isinstance(real, tuple) else (real,)
    g, *rest = fake if isinstance(fake, tuple) else (fake,)
    t = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device)
    u = wide(x).lerp(wide(g), t)
    return (u, *rest) if rest else u


@dataclass(frozen=True)
class Penalty(Checked):
    """Base of the penalties on D.

    Args:
        weight: factor on the cost.
        every: lazy regularisation: charged every `every`-th step, as heavy as in all updates of D
            from there to the next.
        schedule: the factor on the weight at each step.
    """

    weight: NonNegative = 10.0
    every: Count = 1
    schedule: Schedule = field(default=Constant(), kw_only=True)

    @property
    def name(self) -> str:
        """What its term is called."""
        return type(self).__name__

    def __call__(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        """The weighted penalty, a scalar."""
        return self.weight * self.cost(D, real, fake)

    def cost(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        """The cost before its weight."""
        raise NotImplementedError

    def after(self, D: nn.Module) -> None:
        """Called without gradients once D has moved, for constraints that are not a cost."""


@dataclass(frozen=True)
class GradientPenalty(Penalty):
    """Gulrajani et al. (2017), arXiv:1704.00028, eq. 3: E(|grad_u D(u)| - target)².

        weight E[(|∇D(u)| - target)²]     u = x + t (G(z) - x), t ~ U[0, 1]

    u is uniform on segments from real to fake; the norm is over all pixels of a sample.

    Args:
        target: 1 in the paper; 0 is the zero-centred penalty (Thanh-Tung et al., 2019).
        one_sided: only norms above the target cost (section 4 of the paper; WGAN-LP).
    """

    target: NonNegative = 1.0
    one_sided: bool = False

    def cost(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        gradient = input_gradient(D, between(real, fake))
        if self.target == 0:  # no root, whose slope at zero is infinite
            return gradient.square().sum(1).mean()
        excess = gradient.norm(dim=1) - self.target
        excess = excess.relu() if self.one_sided else excess
        cost: Tensor = excess.square().mean()
        return cost


@dataclass(frozen=True)
class DRAGAN(Penalty):
    """Kodali et al. (2017), arXiv:1705.07215, eq. 1: E(|grad D(x + delta)| - 1)² around real data.

        weight E[(|∇D(x + δ)| - 1)²]

    Args:
        scale: the authors' code: x + t * scale * std(x) * U[0, 1], t uniform per sample.
        variance: the paper's noise instead: x + N(0, variance); images span [-1, 1].
    """

    scale: NonNegative = 0.5
    variance: NonNegative | None = None

    def cost(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        x, *rest = real if isinstance(real, tuple) else (real,)
        if self.variance is not None:
            u = x + self.variance**0.5 * torch.randn_like(x)
        else:
            t = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device)
            u = x + t * self.scale * x.std() * torch.rand_like(x)
        gradient = input_gradient(D, (u, *rest))
        cost: Tensor = (gradient.norm(dim=1) - 1).square().mean()
        return cost


@dataclass(frozen=True)
class R1(Penalty):
    """Mescheder et al. (2018), arXiv:1801.04406, eq. 9: weight/2 E|grad D(x)|² on real data.

        weight/2 E[|∇D(x)|²]

    ∇D(x) is the gradient of D's score by all pixels of a real image.
    """

    def cost(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        return 0.5 * input_gradient(D, real).square().sum(1).mean()


@dataclass(frozen=True)
class R2(Penalty):
    """Mescheder et al. (2018), arXiv:1801.04406, eq. 10: weight/2 E|grad D(G(z))|² on fakes.

        weight/2 E[|∇D(G(z))|²]

    ∇D(G(z)) is the gradient of D's score by all pixels of a sample.
    """

    def cost(self, D: Scorer, real: Inputs, fake: Inputs) -> Tensor:
        return 0.5 * input_gradient(D, fake).square().sum(1).mean()


@dataclass(frozen=True)
class WeightClipping(Penalty):
    """Arjovsky et al. (2017), arXiv:1701.07875, Algorithm 1: D's weights stay in [-c, c].

        w <- min(max(w, -c), c)     after each update, for every weight w of D

    A constraint, not a cost: it adds no term, and has no weight, interval or schedule.

    Args:
        c: the bound.

    Raises:
        SettingsError: `weight`, `every` or `schedule` is given.
    """

    weight: NonNegative = 0.0
    c: Positive = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.weight, self.every, self.schedule) != (0.0, 1, Constant()):
            raise SettingsError(
                f"WeightClipping has weight={self.weight}, every={self.every} and "
                f"schedule={self.schedule}; it clips after each update, so give its bound alone: "
                "WeightClipping(c=0.01)"
            )

    def after(self, D: nn.Module) -> None:
        for w in D.parameters():
            if w.requires_grad:  # what is frozen stays as it is
                w.clamp_(-self.c, self.c)


def path_lengths(synthesis: Callable[[Tensor], Tensor], w: Tensor) -> Tensor:
    """|J^T y| of each sample at styles `w` [n, layers, styles], J = d image / d w: [n].

    Karras et al. (2020), arXiv:1912.04958, eq. 4: y ~ N(0, I) / sqrt pixels. The square is summed
    over a style and averaged over layers, as in the authors' code.
    """

    def projected(u: Tensor) -> Tensor:
        images = wide(synthesis(u))
        y = torch.randn_like(images) / images[0, 0].numel() ** 0.5
        total: Tensor = (images * y).sum()
        return total

    with torch.autocast(w.device.type, enabled=False):
        gradient: Tensor = torch.func.grad(projected)(wide(w))
    return gradient.square().sum(2).mean(1).sqrt()


def charge(
    penalties: Sequence[Penalty], D: Scorer, real: Inputs, fake: Inputs
) -> dict[str, Tensor]:
    """The terms of those penalties that are charged at every step."""
    return {p.name: p(D, real, fake) for p in penalties if p.every == 1 and p.weight}


def lazies(
    penalties: Sequence[Penalty], D: Scorer, pair: Callable[[Any], tuple[Inputs, Inputs]]
) -> tuple[Lazy, ...]:
    """Objectives for those that are charged now and then.

    Args:
        pair: batch -> (real, fake), D's arguments.
    """

    def objective(penalty: Penalty) -> Objective:
        return lambda batch: {penalty.name: penalty(D, *pair(batch))}

    return tuple(Lazy(objective(p), p.every) for p in penalties if p.every > 1 and p.weight)


def schedules(penalties: Sequence[Penalty]) -> Mapping[str, Schedule]:
    """The schedules of the player that is charged: of each term that has one, by its name."""
    return {p.name: p.schedule for p in penalties if not isinstance(p.schedule, Constant)}


def refuse_twins(penalties: Sequence[Penalty]) -> None:
    """Two penalties of one class would share a term's name.

    Raises:
        SettingsError: naming the class.
    """
    names = [p.name for p in penalties]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"{name} is given twice; give one, with the sum of the weights")


PENALTIES: dict[str, type[Penalty]] = {
    "GradientPenalty": GradientPenalty,
    "DRAGAN": DRAGAN,
    "R1": R1,
    "R2": R2,
    "WeightClipping": WeightClipping,
}
