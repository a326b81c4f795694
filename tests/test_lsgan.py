"""LSGAN: targets by hand, and no sigmoid anywhere."""

from __future__ import annotations

import pytest
import torch
from helpers import trainer_of
from torch import Tensor, nn

from ganwright.data.types import Images


class Mean(nn.Module):
    """D(x) = the mean pixel; a picture of constant 3 scores 3, which no sigmoid gives."""

    classes = 0

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).mean(1)


def test_objectives_by_hand() -> None:
    game = trainer_of("lsgan").game
    game.D = Mean()
    game.G.forward = lambda z, y=None: torch.full((len(z), 1, 8, 8), 0.25)
    batch = Images(torch.full((4, 1, 8, 8), 3.0))
    # 1/2 (3 - 1)² + 1/2 .25² and 1/2 (.25 - 1)²
    assert game.discriminator(batch)["adv"].item() == pytest.approx(2.03125)
    assert game.generator(batch)["adv"].item() == pytest.approx(0.28125)
