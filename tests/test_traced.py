"""The objectives of networks with gradients inside are traced whole, and give the same terms."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from helpers import tiny, trainer_of

from ganwright.augment import ADA
from ganwright.observing import evaluate


@pytest.mark.parametrize("name", ["biggan", "fastgan", "r3gan", "stylegan2", "stylegan3"])
def test_every_objective_is_one_graph(name: str) -> None:
    _, settings = tiny(name)
    cfg: Any = replace(settings.game, augment_d=ADA(p=0.5, target=None))
    trainer = trainer_of(name, game=cfg)
    batch = trainer.batches.batch(0, 4)
    state = {k: v.clone() for k, v in trainer.game.state_dict().items()}
    for trained in trainer.players:
        lazy = [each.objective for each in trained.player.lazy]
        for objective in (trained.player.objective, *lazy):
            # compilations of one function are counted, and torch 2.11 takes one for another
            torch.compiler.reset()
            found = []
            traced = torch.compile(partial(evaluate, objective), backend="eager", fullgraph=True)
            for call in (partial(evaluate, objective), traced):
                trainer.game.load_state_dict(state)  # running means move with each call
                torch.manual_seed(3)
                terms, seen = call(batch)
                found.append({**terms, **dict(seen)})
            assert {k: v.item() for k, v in found[1].items()} == pytest.approx(
                {k: v.item() for k, v in found[0].items()}, rel=1e-4
            )
