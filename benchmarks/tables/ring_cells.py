"""The settings of the table of modes, and their training: all seeds of one are one stack."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from budget import same, spelled
from ganwright.config.schedule import Cosine
from ganwright.config.settings import Settings
from ganwright.errors import NonFiniteError
from ganwright.families.gan import GAN
from ganwright.losses import Relativistic
from ganwright.metrics.modes import MIXTURES, Modes, modes
from ganwright.optim import Adam
from ganwright.penalties import R1, R2
from ganwright.recipes import find
from ganwright.run.config_file import from_yaml, to_yaml
from ganwright.run.recovery import restore
from ganwright.seeds import seed_torch
from ganwright.training import checkpoint
from rejected import KEEP, d_alone, samples
from seed_stack import trainer_of

SAMPLES = 2500
RESULTS, REJECTED = "results.jsonl", "rejected.jsonl"

SETTINGS: dict[str, dict[str, Any]] = {
    "GAN": {"pack": 1},
    "PacGAN2": {"pack": 2},
    "PacGAN4": {"pack": 4},
    "best": {
        "pack": 1,
        "simultaneous": False,
        "loss": Relativistic(),
    },
}
HORIZON = 6000
"""The steps in which the learning rate of `best` comes down to 0: what two cores do in an hour."""
PENALTY = {"ring": 0.004, "grid": 0.03}
"""The weight of R1 and of R2 in `best`: it goes with the square of the data's scale."""
HALF_LIFE = {"best": 20_000}
"""Of G's average, in samples; 0, which is no average, for the others."""


def recipe() -> Settings:
    """PacGAN's own experiment."""
    return from_yaml(find(Path("ring-pacgan")).read_text(encoding="utf-8"))[1]


def settings_of(name: str, data: str) -> Settings:
    """The recipe's settings with those of a name."""
    settings = recipe()
    assert isinstance(settings.game, GAN.Config)
    game = replace(settings.game, **SETTINGS[name])
    if name == "best":
        adam = Adam(lr=1e-3, betas=(0.0, 0.9), schedule=Cosine(HORIZON))
        game = replace(game, penalties=(R1(PENALTY[data]), R2(PENALTY[data])))
        game = replace(game, optimizer_d=adam, optimizer_g=adam)
    return replace(settings, data=data, ema_half_life=HALF_LIFE.get(name, 0), game=game)


def changed(name: str, data: str) -> dict[str, str]:
    """What a name's settings on a data set change of the recipe, spelled, by name."""
    old, new = spelled(recipe()), spelled(settings_of(name, data))
    return {
        key.removeprefix("game."): value
        for key, value in new.items()
        if value != old[key] and key != "data"
    }


class Cell:
    """A setting on a data set, all seeds at once, resumed from its newest checkpoint.

    Raises:
        RunError: that checkpoint was trained with other settings.
    """

    def __init__(self, name: str, data: str, seeds: Sequence[int], out: Path) -> None:
        self.name, self.data, self.seeds = name, data, seeds
        self.folder = out / f"{name}-{data}"
        self.settings = settings_of(name, data)
        self.cpu = 0.0
        self.trainer = trainer_of(self.settings, seeds)
        self.config = to_yaml("gan", self.settings)
        if found := checkpoint.load_newest(self.folder):
            had = spelled(from_yaml(found.config)[1]) if found.config else {}
            same(self.folder, spelled(self.settings), had)
            restore(self.trainer, found, self.folder)
            self.cpu = found.training["cpu"]

    def train(self, steps: int) -> None:
        """Train to `steps`, save and measure."""
        began = time.process_time()
        for _ in self.trainer.play(steps):
            pass
        self.cpu += time.process_time() - began
        self.record()

    def record(self) -> None:
        """Save a checkpoint, measure, and add a line to the results.

        Raises:
            NonFiniteError: something was not finite since the last time.
        """
        trainer = self.trainer
        _, trouble = trainer.meter.read()
        if trouble is not None:
            raise NonFiniteError(
                f"{trouble.player}'s {trouble.term} was not finite at step {trouble.step} of "
                f"{self.folder.name}"
            )
        state = trainer.state_dict()
        state["training"]["cpu"] = self.cpu
        checkpoint.save(self.folder, state, keep=2, config=self.config)
        found = self.measured()
        row = {
            "name": self.name,
            "data": self.data,
            "step": trainer.step,
            "cpu": round(self.cpu),
            "seeds": list(self.seeds),
            "penalties": penalties(self.name, self.data),
            **numbers(found),
        }
        added(self.folder.parent / RESULTS, row)

    def measured(self) -> list[Modes]:
        """What each seed's averaged G, in evaluation mode, reaches in 2,500 samples."""
        cfg = self.trainer.game.cfg
        noise = []
        for seed in self.seeds:
            seed_torch("modes", seed)
            noise.append(cfg.prior.draw(SAMPLES, cfg.latent, torch.device("cpu")))
        with self.trainer.inferring() as view:
            game: Any = view
            points = game.G(torch.cat(noise)).unflatten(0, (len(self.seeds), SAMPLES))
        return [modes(p, MIXTURES[self.data]()) for p in points]


def reject(name: str, data: str, seeds: Sequence[int], out: Path, steps: int) -> None:
    """Train D of a cell alone for so many steps, measure what it keeps, and add lines."""
    cell = Cell(name, data, seeds, out)
    game = d_alone(cell.trainer, cell.settings, seeds, steps)
    for keep in KEEP:
        found = [modes(p, MIXTURES[data]()) for p in samples(game, seeds, SAMPLES, keep)]
        row = {"name": name, "data": data, "step": cell.trainer.step, "seeds": list(seeds)}
        row |= {"penalties": penalties(name, data), "alone": steps, "keep": keep}
        added(out / REJECTED, row | numbers(found))


def added(results: Path, row: dict[str, Any]) -> None:
    """Add a line to the results, and print it."""
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)


def numbers(found: Sequence[Modes]) -> dict[str, list[float]]:
    """Those of all seeds, by name."""
    return {
        "modes": [m.found for m in found],
        "high_quality": [round(m.high_quality, 4) for m in found],
        "reverse_kl": [round(m.reverse_kl, 4) for m in found],
    }


def penalties(name: str, data: str) -> str:
    """Those of a cell, spelled."""
    return changed(name, data).get("penalties", "()")
