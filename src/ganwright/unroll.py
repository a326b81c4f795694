"""Unrolled D: Metz, Poole, Pfau and Sohl-Dickstein (2017), arXiv:1611.02163, eqs. 6 to 10.

    psi^0     = psi                                     D's weights as they are
    psi^(k+1) = psi^k - lr df_D(theta, psi^k) / dpsi^k
    G minimises  f_G(theta, psi^K(theta, psi))

G's gradient runs through all K updates, so G sees how D would answer. D itself stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganwright.game import Terms
from ganwright.losses import Scorer
from ganwright.observing import recording

Weights = dict[str, Tensor]


def unrolled(
    D: nn.Module,
    objective: Callable[[Scorer], Terms],
    moves: int,
    lr: float,
    names: Collection[str] | None = None,
) -> Scorer:
    """D as it would score after some updates by gradient descent, differentiable through them.

    Args:
        D: a network; neither its weights nor its buffers change.
        objective: what D minimises, given how it scores; it may take gradients by the inputs.
        moves: how many updates (K).
        lr: their length.
        names: of the parameters that they change; all of D's if not given.
    """

    def scorer(weights: Weights) -> Scorer:
        def score(*args: Any) -> Tensor:
            buffers = {name: b.clone() for name, b in D.named_buffers()}
            with torch.autocast(device, enabled=False):
                result: Tensor = functional_call(D, {**weights, **buffers}, args)
            return result

        return score

    def cost(weights: Weights) -> Tensor:
        return torch.stack(list(objective(scorer(weights)).values())).sum()

    device = next(D.parameters()).device.type
    weights: Weights = {k: w for k, w in D.named_parameters() if names is None or k in names}
    with recording():  # and forgotten: D does not really move
        for _ in range(moves):
            slopes = torch.func.grad(cost)(weights)
            weights = {name: w - lr * slopes[name] for name, w in weights.items()}
    return scorer(weights)
