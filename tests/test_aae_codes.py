"""The autoencoders with two codes, by hand; slow: few labels suffice, clusters are digits."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from autoencoders import BATCH, NETS, SPEC, softplus, trained, zeroed
from helpers import trainer_of

from ganwright.data.types import Images, SemiSupervised
from ganwright.errors import SettingsError
from ganwright.families.aae_codes import AAEClusters, AAESemi

FEW = SemiSupervised(torch.tensor([[1.0, 0], [0, 0]]), torch.tensor([1, 0]), BATCH.images)


def semi(**changes: Any) -> AAESemi:
    """Q(x) has logits (0, log 3) and z = x1; P(y, z) = (y_b, z); D_y = 2 y_a, D_z = z."""
    game: AAESemi = zeroed(AAESemi(AAESemi.Config(latent=1, noise=0.0, **NETS, **changes), SPEC))
    game.Q.encoder.head.bias.copy_(torch.tensor([0.0, math.log(3), 0]))
    game.Q.encoder.head.weight[2, 0] = 1
    game.P.stack[1].weight.copy_(torch.tensor([[0.0, 1, 0], [0, 0, 1]]))
    game.D_y.head.linear.weight.copy_(torch.tensor([[2.0, 0]]))
    game.D_z.head.linear.weight.fill_(1)
    return game


def test_the_semi_supervised_objectives() -> None:
    game = semi()
    # y = (1/4, 3/4), so P gives (.75, 1) for (1, 4) and (.75, -1) for (-1, 2)
    error = (0.25**2 + 3**2 + 1.75**2 + 3**2) / 4
    assert game.autoencoder(FEW)["reconstruction"].item() == pytest.approx(error, rel=1e-6)
    assert game.classifier(FEW)["labelled"].item() == pytest.approx(
        (-math.log(0.75) - math.log(0.25)) / 2, rel=1e-6
    )
    terms = game.encoder(FEW)
    assert terms["adv_y"].item() == pytest.approx(softplus(-0.5), rel=1e-6)
    assert terms["adv_z"].item() == pytest.approx((softplus(-1) + softplus(1)) / 2, rel=1e-6)
    torch.manual_seed(1)
    drawn = game.pair_y(FEW)[0]
    torch.manual_seed(1)
    adv = game.discriminator_y(FEW)["adv"].item()
    real = sum(softplus(-2) if a else softplus(0) for a, _ in drawn.tolist()) / 2
    assert adv == pytest.approx(real + softplus(0.5), rel=1e-6)
    torch.manual_seed(2)
    z = game.pair_z(FEW)[0]
    torch.manual_seed(2)
    adv = game.discriminator_z(FEW)["adv"].item()
    real = sum(softplus(-v) for v in z.flatten().tolist()) / 2
    assert adv == pytest.approx(real + (softplus(1) + softplus(-1)) / 2, rel=1e-5)


def test_the_semi_supervised_players_share_an_encoder() -> None:
    names = [trained.player.name for trained in trainer_of("aae-semi").players]
    assert names == ["autoencoder", "D_y", "D_z", "encoder", "classifier"]


def test_places_of_clusters_are_pushed_apart() -> None:
    config = AAEClusters.Config(clusters=3, latent=2, apart=2.0, **NETS)
    game: AAEClusters = zeroed(AAEClusters(config, SPEC))
    assert game.W is not None
    assert game.averaged == ("Q", "P", "W")
    game.W.weight.copy_(torch.tensor([[0.0, 1, 0], [0, 0, 5]]))
    # of the distances 1, 5 and sqrt 26 only the first is below 2
    assert game.autoencoder(BATCH)["apart"].item() == pytest.approx(1)
    y, z = torch.tensor([[0.0, 1, 0]]), torch.tensor([[0.5, 0.25]])
    assert game.join(y, z).tolist() == [[1.5, 0.25]]
    assert game.encode(BATCH.images).shape == (2, 2)


def test_sharp_logits_forget_no_value() -> None:
    """A logit that is far below the others everywhere is as likely as they are."""
    for sharpness, least, most in ((0.0, 0.0, 1e-6), (3.0, 0.1, 0.5)):
        game = AAEClusters(AAEClusters.Config(clusters=4, sharpness=sharpness, **NETS), SPEC)
        with torch.no_grad():
            game.Q.encoder.head.bias[2] = -50.0
        y = game.cluster(torch.randn(4000, 2))
        assert least <= y[:, 2].mean().item() <= most


def test_clusters_are_evenly_wanted() -> None:
    game = AAEClusters(AAEClusters.Config(clusters=4, **NETS), SPEC)
    wanted, y = game.pair_y(Images(torch.zeros(4000, 2)))
    assert wanted.sum(0).tolist() == pytest.approx([1000] * 4, abs=120)
    torch.testing.assert_close(y.sum(1), torch.ones(4000))


@pytest.mark.parametrize(
    "wrong", [{"clusters": 1}, {"latent": 0}, {"apart": -1.0}, {"noise": -0.1}]
)
def test_clusters_refuse_what_does_not_fit(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=f"{next(iter(wrong))} is .*at least"):
        AAEClusters.Config(**wrong)


@pytest.mark.slow
def test_ten_labels_a_class_are_enough(tmp_path: Path) -> None:
    """Held-out error under 15 %."""
    trained("aae-semi", tmp_path)
    last = (tmp_path / "aae-semi" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(last)["held_out/error"] < 0.15


@pytest.mark.slow
def test_clusters_are_digits(tmp_path: Path) -> None:
    """Named by the class of its surest training digit, clusters are right of 70 % held-out ones."""
    from ganwright.metrics.judge import opened

    model, test = trained("aae-clusters", tmp_path)
    train = opened("digits", model.spec.shape[-1], Path("data")).batch(0, 1617)
    assert isinstance(train, Images)
    assert train.labels is not None
    with torch.no_grad():
        surest = model.game.cluster(train.images).argmax(0)
        found = model.game.cluster(test.images).argmax(1)
    assert (train.labels[surest][found] == test.labels).float().mean() >= 0.7
