"""The recipes of the tutorial and of parts: what they build, and what parts learn."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from ganwright.config.settings import Settings
from ganwright.data.types import Images, Spec
from ganwright.families import family
from ganwright.families.gan import GAN
from ganwright.layers.attention import SelfAttention
from ganwright.layers.blocks import BottleneckBlock, DenseBlock, ResidualBlock
from ganwright.layers.minibatch import Discriminate, Spread
from ganwright.layers.norm import Virtual
from ganwright.optim import Adam
from ganwright.recipes import find, recipes
from ganwright.run.config_file import from_yaml

PARTS = sorted(name for name in recipes() if name.startswith("gallery/part-"))


def built(recipe: str, shape: tuple[int, ...]) -> tuple[Any, Settings]:
    """The game that a recipe makes for data of this shape, and its settings."""
    name, settings = from_yaml(find(Path(recipe)).read_text(encoding="utf-8"))
    return family(name)(settings.game, Spec(Images, shape, classes=tuple("0123456789"))), settings


def sizes(network: nn.Module) -> list[int]:
    """Inputs of the first linear layer, then the outputs of each."""
    linear = [m for m in network.modules() if isinstance(m, nn.Linear)]
    assert all(a.out_features == b.in_features for a, b in pairwise(linear))
    return [linear[0].in_features, *(m.out_features for m in linear)]


def test_first_gan_is_the_tutorials() -> None:
    game, settings = built("first-gan", (1, 28, 28))
    assert sizes(game.G) == [64, 256, 512, 784]
    assert sizes(game.D) == [784, 256, 128, 1]
    slopes = {m.negative_slope for m in game.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.1}
    assert any(isinstance(m, nn.Tanh) for m in game.G.modules())
    assert not any(isinstance(m, nn.Dropout) for m in game.modules())
    assert {game.cfg.optimizer_d, game.cfg.optimizer_g} == {Adam(lr=3e-4, betas=(0.9, 0.999))}
    epochs = settings.steps * 64 / 60_000
    assert (settings.batch_size, epochs, settings.flip) == (64, 100, False)
    assert [s * 64 / 60_000 for s in (0, settings.sample_every, settings.steps)] == [0, 50, 100]


def test_ring_pacgan_has_its_papers_networks() -> None:
    game, _ = built("ring-pacgan", (2,))
    assert sizes(game.G) == [2, 400, 400, 400, 400, 2]
    assert sum(isinstance(m, nn.BatchNorm1d) for m in game.G.modules()) == 4
    linear = [m for m in game.D.modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [
        (4, 200 * 5),
        (200, 200 * 5),
        (200, 200 * 5),
        (200, 1),
    ]


def test_every_part_is_in_the_gallery() -> None:
    """A part counts when a setting trains it there."""
    games: list[GAN] = [built(name, (1, 16, 16))[0] for name in PARTS]
    layers = {type(m) for game in games for m in game.modules()}
    wanted = {Discriminate, Spread, Virtual, SelfAttention}
    assert wanted | {ResidualBlock, BottleneckBlock, DenseBlock} <= layers
    assert any(is_parametrized(m) for game in games for m in game.G.modules())
    assert any(is_parametrized(m) for game in games for m in game.D.modules())
    assert {r.name for game in games for r in game.cfg.regularisers} == {
        "FeatureMatching",
        "HistoricalAveraging",
        "PullingAway",
    }
    assert max(game.cfg.pack for game in games) > 1
    assert max(game.cfg.unroll for game in games) > 0
    assert max(game.cfg.noise for game in games) > 0
    assert max(getattr(game.cfg.loss, "smooth", 0) for game in games) > 0
    assert len(PARTS) <= 6


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_parts_learn_digits(name: str, tmp_path: Path) -> None:
    """Of 400 samples a judge of digits is sure of most, and sees nearly all ten."""
    from recipe import train_gallery

    from ganwright.metrics.judge import judge

    model = train_gallery(name.removeprefix("gallery/"), tmp_path)
    verdict = judge(model.sample(400), "digits")
    assert verdict.confident > (0.35 if model.game.cfg.pack > 1 else 0.55)
    assert len(verdict.seen) >= 9


@pytest.mark.slow
def test_unrolling_covers_the_ring_where_the_plain_game_leaps_about() -> None:
    """Mean reverse KL over the second half of training; one mode alone has log 8 = 2.08."""
    from ganwright.metrics.modes import modes, ring
    from ganwright.run.assembly import assemble, resolved
    from ganwright.training.engine import Engine

    name, settings = from_yaml(find(Path("ring-unrolled")).read_text(encoding="utf-8"))

    def divergence(unroll: int) -> float:
        changed = replace(settings.game, unroll=unroll)
        chosen = resolved(family(name), replace(settings, game=changed, device="cpu"))
        trainer, _ = assemble(family(name), chosen, Engine.pick("cpu", "fp32"))
        seen = []
        for step in trainer.play(chosen.steps):
            if step % 50 == 0 and step > chosen.steps // 2:
                with torch.no_grad():
                    seen.append(modes(trainer.game.sample(2500), ring()).reverse_kl)  # type: ignore[operator]
        return sum(seen) / len(seen)

    plain, unrolled = divergence(0), divergence(settings.game.unroll)
    print(f"reverse KL {plain:.3f} without, {unrolled:.3f} with {settings.game.unroll} moves")
    assert plain > 1
    assert unrolled < plain / 5
