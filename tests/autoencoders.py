"""What the tests of the adversarial autoencoders share: linear networks, two pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from ganwright.data.types import Images, Spec
from ganwright.networks import MLP

LINEAR = MLP(hidden_G=(), hidden_D=(), dropout=0.0)
NETS = {"networks": LINEAR, "critic": LINEAR}
SPEC = Spec(Images, (2,), classes=("a", "b"), count=4)
BATCH = Images(torch.tensor([[1.0, 4.0], [-1.0, 2.0]]), torch.tensor([0, 1]))


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def zeroed(game: Any) -> Any:
    for w in game.parameters():
        torch.nn.init.zeros_(w)
    return game.requires_grad_(False)


def trained(name: str, folder: Path) -> tuple[Any, Images]:
    from recipe import train_gallery

    from ganwright.metrics.judge import opened

    model = train_gallery(name, folder)
    test = opened("digits", model.spec.shape[-1], Path("data")).held_out(1000)
    assert isinstance(test, Images)
    return model, test
