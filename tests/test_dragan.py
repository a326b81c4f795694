"""DRAGAN: a penalty around real data that reaches D's weights and crosses no BatchNorm."""

from __future__ import annotations

import pytest
import torch
from helpers import trainer_of
from torch import Tensor, nn

from ganwright.families.dragan import DRAGAN
from ganwright.layers.forward_state import BATCH_NORMS
from ganwright.optim import Adam
from ganwright.penalties import PENALTIES


class Slope(nn.Module):
    """D(x) = w times the sum of a picture's 64 pixels: the norm of its slope is 8 |w|."""

    classes = 0

    def __init__(self, w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, x: Tensor) -> Tensor:
        return self.w * x.flatten(1).sum(1)


def test_the_term_and_its_gradient_by_hand() -> None:
    trainer = trainer_of("dragan")
    game, batch = trainer.game, trainer.batches.batch(0, 4)
    game.D = Slope(0.5)
    terms = game.discriminator(batch)
    assert terms["DRAGAN"].item() == pytest.approx(10 * (4 - 1) ** 2)
    (gradient,) = torch.autograd.grad(terms["DRAGAN"], game.D.w)
    assert gradient.item() == pytest.approx(10 * 2 * (4 - 1) * 8)


def test_the_penalty_does_not_look_at_fakes() -> None:
    trainer = trainer_of("dragan")
    game, (x, _) = trainer.game, trainer.batches.batch(0, 4)
    penalty = PENALTIES["DRAGAN"](weight=10.0)
    costs = []
    for fake in (torch.zeros_like(x), torch.randn_like(x)):
        torch.manual_seed(3)
        costs.append(penalty(game.D, x, fake).item())
    assert costs[0] == costs[1] > 0


def test_d_has_no_batch_norm_by_default() -> None:
    D = DRAGAN.Config().networks.discriminator((1, 32, 32))
    assert not any(isinstance(m, BATCH_NORMS) for m in D.modules())


def test_the_default_is_that_of_the_authors_notebook() -> None:
    """DRAGAN.ipynb of github.com/kodalinaveen3/DRAGAN."""
    cfg = DRAGAN.Config()
    assert cfg.optimizer_d == cfg.optimizer_g == Adam(lr=1e-4, betas=(0.5, 0.9))
    assert DRAGAN.batch_size == 128
    (slope,) = cfg.penalties
    assert slope.weight == 10  # their lambda
