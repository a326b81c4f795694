"""The prior of z as a setting: what it draws, and that every family draws from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers import tiny, trainer_of

from ganwright.config.registry import table
from ganwright.config.spelling import parse
from ganwright.errors import SettingsError
from ganwright.families import FAMILIES, family
from ganwright.families.began import BEGAN
from ganwright.families.priors import PRIORS, Prior, Uniform

CPU = torch.device("cpu")
DRAW_Z = sorted(
    name
    for name in FAMILIES
    if isinstance(getattr(family(name).Config(), "prior", None), Prior)
    and not name.startswith("aae")
)


@pytest.mark.parametrize("seed", range(3))
def test_uniform_fills_its_interval(seed: int) -> None:
    torch.manual_seed(seed)
    z = Uniform(-1.0, 3.0).draw(10_000, 2, CPU)
    assert z.shape == (10_000, 2)
    assert -1 <= z.min() < -0.99
    assert 2.99 < z.max() <= 3
    # of 20,000 draws: the mean has a standard error of .0082, the variance, 4/3, one of .0084
    assert z.mean().item() == pytest.approx(1.0, abs=0.05)
    assert z.var().item() == pytest.approx(16 / 12, abs=0.05)


def test_an_empty_interval_is_refused() -> None:
    with pytest.raises(SettingsError, match="Uniform needs low < high, got 1"):
        Uniform(1.0, 1.0)


def test_priors_are_spelled_like_any_setting() -> None:
    assert table("priors") == PRIORS
    assert parse("Uniform(0, 1)", Prior) == Uniform(0.0, 1.0)


def test_every_family_of_noise_has_a_prior() -> None:
    assert {"gan", "dcgan", "lsgan", "dragan", "infogan", "sgan", "ebgan", "began"} <= set(DRAW_Z)
    assert {"wgan", "wgan-gp", "bgan", "bgan-continuous", "cgan", "acgan", "sagan"} <= set(DRAW_Z)


@pytest.mark.parametrize("name", DRAW_Z)
def test_g_is_fed_from_the_prior(name: str) -> None:
    _, settings = tiny(name)
    cfg = replace(settings.game, prior=Uniform(4.0, 5.0))  # type: ignore[type-var]
    game: Any = trainer_of(name, game=cfg).game
    seen = []
    game.G.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    game.sample(6)
    z = seen[0][:, : cfg.latent]  # type: ignore[attr-defined]
    assert 4 <= z.min() <= z.max() <= 5


def test_a_prior_in_the_plane_asks_for_two_numbers() -> None:
    _, settings = tiny("gan")
    cfg = replace(settings.game, prior=PRIORS["SwissRoll"]())  # type: ignore[type-var]
    with pytest.raises(SettingsError, match="is two-dimensional, but latent is 100"):
        trainer_of("gan", game=cfg)
    trainer_of("gan", game=replace(cfg, latent=2))  # type: ignore[type-var]


def test_began_keeps_its_papers_prior() -> None:
    assert BEGAN.Config().prior == Uniform(-1.0, 1.0)
