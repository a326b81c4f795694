"""BEGAN: the controller k, the measure M and the halving it drives, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers import tiny, trainer_of
from torch import Tensor

from ganwright.data.types import Images
from ganwright.errors import SettingsError
from ganwright.families.began import BEGAN
from ganwright.families.priors import Uniform
from ganwright.optim import Adam
from ganwright.training.trainer import Trainer


def trainer(**changes: object) -> Trainer:
    """A tiny BEGAN with changed settings."""
    _, settings = tiny("began")
    return trainer_of("began", game=replace(settings.game, **changes))


def game(fake: float, **changes: object) -> BEGAN:
    """D redraws everything as mid-grey, so that L(v) is the mean of |v|."""
    played = trainer(**changes).game
    assert isinstance(played, BEGAN)
    played.D.forward = lambda x: torch.zeros_like(x)  # type: ignore[method-assign]
    played.G.forward = lambda z: torch.full((len(z), 1, 8, 8), fake)  # type: ignore[method-assign]
    return played


def step(played: BEGAN, real: float) -> dict[str, float]:
    """One round of the game without its optimizers: G's terms and observations."""
    from ganwright.observing import evaluate

    batch = Images(torch.full((4, 1, 8, 8), real))
    values: dict[str, Tensor] = {}
    with torch.no_grad():
        for player in played.players():
            terms, seen = evaluate(player.objective, batch)
            values = {**terms, **dict(seen)}
            played.after(player, values)
    return {name: value.item() for name, value in values.items()}


def test_objectives_by_hand() -> None:
    played = game(0.3)
    played.k.fill_(0.5)
    terms = played.discriminator(Images(torch.full((4, 1, 8, 8), -0.8)))
    assert terms["real"].item() == pytest.approx(0.8)
    assert terms["fake"].item() == pytest.approx(-0.5 * 0.3)
    assert played.generator(Images(torch.zeros(4, 1, 8, 8)))["fake"].item() == pytest.approx(0.3)


def test_k_follows_the_balance_and_stays_between_0_and_1() -> None:
    played = game(0.3)
    assert played.k == 0
    seen = step(played, 0.8)
    assert played.k.item() == pytest.approx(0.001 * (0.5 * 0.8 - 0.3))
    assert seen["M"] == pytest.approx(0.8 + (0.5 * 0.8 - 0.3))
    far = game(1.0)
    step(far, 0.1)
    assert far.k == 0, "samples are harder to redraw than data: k stays at 0"
    far = game(0.0, k_rate=10.0)
    step(far, 0.8)
    assert far.k == 1


def test_learning_rates_are_halved_when_m_finds_no_new_low() -> None:
    played = game(0.3, patience=3, k_rate=0.0)
    paces = []
    for real in (0.8, 0.8, 0.8, 0.8, 0.8, 0.2, 0.2):
        step(played, real)
        paces.append(played.pace.item())
    # a low at first; none in the next three steps; then, at once, a new one
    assert paces == [1, 1, 1, 0.5, 0.5, 0.5, 0.5]
    assert played.waited == 0


def test_the_pace_is_the_learning_rate() -> None:
    """Half the pace moves the weights as half the rate does."""
    adam = Adam(lr=5e-5, betas=(0.9, 0.999))
    slow, half = trainer(), trainer(optimizer_g=adam, optimizer_d=adam)
    slow.game.pace.fill_(0.5)  # type: ignore[operator]
    for each in (slow, half):
        list(each.play(2))
    for (name, a), b in zip(slow.game.named_parameters(), half.game.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-8, msg=name)
    assert slow.players[0].optimizer.param_groups[0]["lr"] == pytest.approx(5e-5)


def test_noise_is_uniform() -> None:
    z = game(0.0).noise(1000)
    assert z.shape == (1000, 4)
    assert -1 <= z.min() < -0.99 < 0.99 < z.max() <= 1


def test_bad_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"gamma is 1\.5; it must be from 0 to 1"):
        BEGAN.Config(gamma=1.5)


def test_the_default_is_the_papers() -> None:
    """arXiv:1703.10717, sections 3 and 4; Adam's betas are Adam's own."""
    cfg = BEGAN.Config()
    assert (cfg.gamma, cfg.k_rate, cfg.latent, cfg.code) == (0.5, 0.001, 64, 64)
    assert cfg.prior == Uniform(-1.0, 1.0)
    assert cfg.optimizer_d == cfg.optimizer_g == Adam(lr=1e-4, betas=(0.9, 0.999))
    assert BEGAN.batch_size == 16
