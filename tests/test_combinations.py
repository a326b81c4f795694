"""Losses, penalties, regularisers, conditioning and networks combine: two finite steps each."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import trainer_of

from ganwright.families import family
from ganwright.layers.norm import BatchNorm
from ganwright.losses import LOSSES
from ganwright.networks import MLP, ConvNet, Networks, ResNet
from ganwright.penalties import PENALTIES
from ganwright.regularisers import REGULARISERS

NETWORKS: dict[str, Networks] = {
    "MLP": MLP(hidden_G=(8,), hidden_D=(8,), norm_G=BatchNorm()),
    "ConvNet": ConvNet(width=4),
    "ResNet": ResNet(width_G=4, width_D=4, plain=0),
}


def plays_on(family_name: str = "gan", **settings: Any) -> set[str]:
    """Play two steps; the names of what was logged of the second."""
    trainer = trainer_of(family_name, game=family(family_name).Config(**settings))
    for _ in trainer.play(2):
        means, trouble = trainer.meter.read()
        assert trouble is None
    return set(means)


def test_nothing_registered_is_left_out() -> None:
    assert len(LOSSES) * len(PENALTIES) * len(NETWORKS) >= 120


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_any_loss_with_any_penalty_and_network(loss: str, penalty: str, network: str) -> None:
    chosen = PENALTIES[penalty]()
    logged = plays_on(loss=LOSSES[loss](), penalties=(chosen,), networks=NETWORKS[network])
    assert {"D/adv", "G/adv"} <= logged
    assert (f"D/{penalty}" in logged) == (chosen.weight > 0)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("conditional", [False, True], ids=["plain", "conditional"])
def test_every_part_at_once_with_any_network(network: str, conditional: bool) -> None:
    """Every regulariser and gradient penalty, one lazy, noise, and packing where it fits."""
    penalties = [kind(every=2 if kind.__name__ == "R1" else 1) for kind in PENALTIES.values()]
    logged = plays_on(
        loss=LOSSES["Relativistic"](),
        penalties=tuple(penalties),
        regularisers=tuple(kind() for kind in REGULARISERS.values()),
        networks=NETWORKS[network],
        conditional=conditional,
        noise=0.1,
        pack=1 if conditional else 2,
    )
    assert {f"G/{name}" for name in REGULARISERS} <= logged
    assert {"D/R2", "D/GradientPenalty", "D/DRAGAN"} <= logged


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("loss", LOSSES)
def test_any_loss_unrolls_with_any_network(loss: str, network: str) -> None:
    settings = {"penalties": (PENALTIES["R1"](),), "unroll": 1, "unroll_lr": 0.01}
    assert "G/adv" in plays_on(loss=LOSSES[loss](), networks=NETWORKS[network], **settings)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ["acgan", "infogan"])
def test_families_with_further_heads_take_any_network(name: str, network: str) -> None:
    assert "G/FeatureMatching" in plays_on(
        name, networks=NETWORKS[network], regularisers=(REGULARISERS["FeatureMatching"](),)
    )
