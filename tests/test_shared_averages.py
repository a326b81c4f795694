"""Averaged networks that share a module: trained, saved, resumed, loaded and forked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from helpers import tensors
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

import ganwright
from ganwright.config.settings import Settings
from ganwright.data.types import Images, Spec
from ganwright.game import Game, Player, Terms
from ganwright.run.train import resume, train


class Siblings(Game):
    """G and H draw by the same body, which G alone trains; a third network has it, too."""

    title = "Siblings"
    averaged = ("G", "H")
    image_size = 8

    @dataclass(frozen=True, kw_only=True)
    class Config(Game.Config):
        """No settings."""

    def __init__(self, cfg: Any, spec: Spec) -> None:
        super().__init__(cfg, spec)
        body = nn.Sequential(spectral_norm(nn.Linear(4, 8)), nn.BatchNorm1d(8), nn.ReLU())
        self.G = nn.Sequential(body, nn.Linear(8, 64))
        self.H = nn.ModuleDict({"trunk": body, "head": nn.Linear(8, 64)})
        self.free = nn.Sequential(body)

    def players(self) -> Iterable[Player]:
        yield Player("G", self.G, self.first)
        yield Player("H", self.H["head"], self.second)

    def first(self, batch: Images) -> Terms:
        drawn = self.G(torch.randn(len(batch.images), 4))
        return {"mse": (drawn - batch.images.flatten(1)).square().mean()}

    def second(self, batch: Images) -> Terms:
        h = self.H["trunk"](torch.randn(len(batch.images), 4))
        return {"mse": (self.H["head"](h) - batch.images.flatten(1)).square().mean()}

    def sample(self, n: int) -> Tensor:
        drawn: Tensor = self.H["head"](self.H["trunk"](torch.randn(n, 4)))
        return drawn.unflatten(1, (1, 8, 8)).clamp(-1, 1)

    def preview(self, batch: Images) -> Tensor:
        return self.sample(len(batch.images))


def settings(**changes: Any) -> Settings:
    given: dict[str, Any] = {"steps": 4, "save_every": 2, "sample_every": 2, "log_every": 1}
    given |= {"image_size": 8, "batch_size": 4, "device": "cpu", "precision": "fp32"}
    return Settings(game=Siblings.Config(), ema_half_life=20, ema_ramp=0, **(given | changes))


def test_a_run_of_them_is_saved_resumed_loaded_and_forked(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(Siblings, settings(), whole, quiet=True)
    train(Siblings, settings(steps=2), parts, quiet=True)
    resume(parts, steps=4, game=Siblings, quiet=True)
    found, again = tensors(whole), tensors(parts)
    assert found.keys() == again.keys()
    assert [k for k in found if not torch.equal(found[k], again[k])] == []
    for name in ("1.weight", "1.running_mean"):
        assert torch.equal(found[f"average.G.0.{name}"], found[f"average.H.trunk.{name}"])
        assert not torch.equal(found[f"average.G.0.{name}"], found[f"game.G.0.{name}"])
    model: Any = ganwright.load(whole, game=Siblings, device="cpu")
    assert model.game.G[0] is model.game.H["trunk"]
    assert torch.equal(model.game.G[0][1].weight, found["average.H.trunk.1.weight"])
    assert model.sample(3, seed=1).shape == (3, 1, 8, 8)
    forked = ganwright.fork(whole, tmp_path / "fork", steps=6, game=Siblings, quiet=True)
    assert forked.step == 6
    assert tensors(tmp_path / "fork").keys() == found.keys()
