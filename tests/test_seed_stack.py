"""Seeds that are trained as one stack of networks are the runs that the trainer makes of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from ganwright.config.settings import Settings
from ganwright.errors import SettingsError
from ganwright.families.gan import GAN
from ganwright.layers.activation import Maxout, ReLU
from ganwright.layers.norm import BatchNorm, VirtualBatchNorm
from ganwright.losses import Relativistic, RelativisticAverage, Wasserstein
from ganwright.networks import MLP
from ganwright.optim import Adam
from ganwright.penalties import DRAGAN, R1, R2, WeightClipping
from ganwright.run.train import assemble, resolved
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer
from seed_stack import StackedGAN, stacked, trainer_of

SEEDS = (3, 11)
SMALL = MLP(
    hidden_G=(6, 6),
    hidden_D=(5,),
    activation_G=ReLU(),
    activation_D=Maxout(3),
    norm_G=BatchNorm(momentum=0.05),
    dropout=0.0,
)


def settings(**game: Any) -> Settings:
    """PacGAN's protocol with small networks; average of a half-life of 50 samples."""
    adam = Adam(lr=1e-2, betas=(0.8, 0.999))
    cfg = GAN.Config(
        **{"latent": 2, "networks": SMALL, "optimizer_d": adam, "optimizer_g": adam} | game
    )
    return Settings(data="ring", batch_size=8, precision="fp32", ema_half_life=50, game=cfg)


def single(chosen: Settings, seed: int) -> Trainer:
    """The trainer of `ganwright train gan --seed SEED`."""
    cpu = Engine(torch.device("cpu"))
    return assemble(GAN, resolved(GAN, replace(chosen, seed=seed)), cpu)[0]


def tensors(trainer: Trainer) -> dict[str, torch.Tensor]:
    """All weights, statistics and averages."""
    return {
        **trainer.game.state_dict(),
        **{f"average.{n}": t for n, t in trainer.average.networks.state_dict().items()},
    }


@pytest.mark.parametrize(
    "game",
    [
        {},
        {"pack": 2},
        {"simultaneous": True},
        {"loss": Relativistic(), "penalties": (R1(0.5), R2(0.2))},
        {"loss": Wasserstein(), "penalties": (WeightClipping(c=0.2),)},
    ],
    ids=str,
)
def test_a_stacked_seed_is_the_run_of_that_seed(game: dict[str, Any]) -> None:
    """Five steps; weights, BatchNorm's statistics and the averages of every seed."""
    chosen = settings(**game)
    together = trainer_of(chosen, SEEDS)
    apart = [single(chosen, seed) for seed in SEEDS]
    for trainer in (together, *apart):
        for _ in trainer.play(5):
            pass
    stack = tensors(together)
    for i, trainer in enumerate(apart):
        for name, expected in tensors(trainer).items():
            found = stack[name][i]
            if expected.ndim == 2:
                found = found.T
            torch.testing.assert_close(
                found.reshape(expected.shape), expected, rtol=1e-3, atol=1e-5, msg=name
            )
    assert not torch.equal(stack["D.head.linear.weight"][0], stack["D.head.linear.weight"][1])


def test_a_stack_resumes(tmp_path: Any) -> None:
    chosen = settings()
    unbroken, first, second = (trainer_of(chosen, SEEDS) for _ in range(3))
    list(unbroken.play(4))
    list(first.play(2))
    second.load_state_dict(first.state_dict())
    list(second.play(4))
    for name, tensor in unbroken.game.state_dict().items():
        assert torch.equal(second.game.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    "game",
    [
        {"loss": RelativisticAverage()},
        {"penalties": (DRAGAN(),)},
        {"penalties": (R1(every=4),)},
        {"d_moves": 2},
        {"noise": 0.1},
    ],
    ids=str,
)
def test_what_mixes_seeds_is_refused(game: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="train each seed by itself"):
        trainer_of(settings(**game), SEEDS)


def test_layers_that_mix_rows_are_refused() -> None:
    networks = replace(SMALL, norm_G=VirtualBatchNorm(count=4))
    with pytest.raises(SettingsError, match="cannot be stacked through"):
        trainer_of(settings(networks=networks), SEEDS)


def test_one_network_of_a_stack_computes_alone() -> None:
    """In evaluation mode, which takes BatchNorm's running statistics."""
    games = [single(settings(), seed).game for seed in SEEDS]
    z = torch.randn(2, 4, 2)
    together = stacked([game.G for game in games]).eval()(z.flatten(0, 1)).view(2, 4, 2)
    for i, game in enumerate(games):
        torch.testing.assert_close(together[i], game.G.eval()(z[i]))
    assert StackedGAN(games).count == 2  # type: ignore[arg-type]
