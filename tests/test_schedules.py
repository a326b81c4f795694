"""Schedules: their factors at steps worked out by hand, and each player follows its own."""

from __future__ import annotations

import math

import pytest
from helpers import FULL, trainer_of

from ganwright.families.gan import GAN
from ganwright.optim import Adam, Cosine, Linear, LinearDecay, Schedule, WarmUp


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (Cosine(8), {0: 1, 2: (1 + math.sqrt(0.5)) / 2, 4: 0.5, 8: 0, 99: 0}),
        (Cosine(8, floor=0.2), {0: 1, 4: 0.6, 8: 0.2, 99: 0.2}),
        (WarmUp(4), {0: 0.25, 1: 0.5, 3: 1, 4: 1, 99: 1}),
        (WarmUp(4, then=Cosine(4)), {0: 0.25, 2: 0.75 * 0.5, 4: 0}),
        (LinearDecay(2, 6), {0: 1, 2: 1, 3: 0.75, 6: 0, 9: 0}),
        (Linear(3, 4), {0: 1, 2: 2, 4: 3, 9: 3}),
    ],
)
def test_factors(schedule: Schedule, factors: dict[int, float]) -> None:
    found = {step: schedule.factor(step) for step in factors}
    assert found == pytest.approx(factors, abs=1e-12)


def test_each_player_follows_its_own_schedule() -> None:
    cfg = GAN.Config(
        networks=FULL,
        optimizer_d=Adam(lr=0.4, schedule=WarmUp(4)),
        optimizer_g=Adam(lr=0.1, schedule=Cosine(4)),
    )
    trainer = trainer_of("gan", game=cfg)
    rates = []
    for _ in trainer.play(3):
        rates.append([trained.optimizer.param_groups[0]["lr"] for trained in trainer.players])
    # what each step was made with, D's first
    expected = [[0.1, 0.1], [0.2, 0.1 * (1 + math.sqrt(0.5)) / 2], [0.3, 0.05]]
    assert rates == [pytest.approx(row) for row in expected]
