"""Regularisers of G against numbers derived by hand, and what the trainer makes of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers import TINY, trainer_of
from torch import Tensor, nn

from ganwright.config.spelling import parse
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families import family
from ganwright.layers.norm import NoNorm
from ganwright.networks import MLP, ConvNet, Discriminator
from ganwright.optim import SGD
from ganwright.regularisers import (
    REGULARISERS,
    FeatureMatching,
    HistoricalAveraging,
    PullingAway,
    Regulariser,
)
from ganwright.training.guarded_step import step_or_undo


class Same(Discriminator):
    """Its features are its input."""

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x if y is None else x + y[:, None]


REAL = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
FAKE = torch.tensor([[3.0, 4.0], [0.0, 2.0]])


def cost(regulariser: Regulariser, real: Any = REAL, fake: Any = FAKE) -> float:
    G = nn.Linear(1, 1)
    return float(regulariser(G, Same(), real, fake, regulariser.memory(G)))


def test_feature_matching_by_hand() -> None:
    """The means are (2, 3) and (1.5, 3), so the square is .25."""
    assert cost(FeatureMatching()) == pytest.approx(0.25)
    assert cost(FeatureMatching(weight=4)) == pytest.approx(1.0)


def test_feature_matching_hands_labels_to_the_features() -> None:
    """Labels 1 add (1, 1) to the fakes' mean: (2.5, 4) against (2, 3) is .25 + 1."""
    zero, one = torch.zeros(2, dtype=torch.long), torch.ones(2, dtype=torch.long)
    assert cost(FeatureMatching(), (REAL, zero), (FAKE, one)) == pytest.approx(1.25)


def test_pulling_away_by_hand() -> None:
    """The cosine of (3, 4) and (0, 2) is 8 / 10, each pair counted twice of twice."""
    assert cost(PullingAway(weight=1)) == pytest.approx(0.64)
    assert cost(PullingAway()) == pytest.approx(0.064)


def test_historical_averaging_by_hand() -> None:
    """The first move compares with the start; the mean of 1, 4 and 4 is 3."""
    G = nn.Linear(1, 2, bias=False)
    G.weight.data.fill_(1.0)
    history = HistoricalAveraging(weight=0.5)
    memory = history.memory(G)
    G.weight.data.fill_(4.0)
    assert history(G, Same(), REAL, FAKE, memory).item() == pytest.approx(0.5 * (9 + 9))
    with torch.no_grad():
        history.after(G, memory)
        history.after(G, memory)
    memory_mean = dict(memory.named_buffers())["mean"]
    assert memory_mean.tolist() == pytest.approx([3.0, 3.0])
    loss = history(G, Same(), REAL, FAKE, memory)
    assert loss.item() == pytest.approx(0.5 * (1 + 1))
    loss.backward()
    assert G.weight.grad is not None
    assert G.weight.grad.flatten().tolist() == pytest.approx([1.0, 1.0]), "2 * .5 * (4 - 3)"


def test_a_moving_average_forgets() -> None:
    G = nn.Linear(1, 1, bias=False)
    G.weight.data.fill_(0.0)
    history = HistoricalAveraging(decay=0.75)
    memory = history.memory(G)
    G.weight.data.fill_(4.0)
    with torch.no_grad():
        history.after(G, memory)
        history.after(G, memory)
    assert dict(memory.named_buffers())["mean"].tolist() == pytest.approx([1.75])


def test_g_moves_down_the_regularisers_slope() -> None:
    """Without an adversarial slope, one SGD move follows feature matching's own gradient."""
    game = family("gan")(
        family("gan").Config(
            latent=1,
            networks=MLP(hidden_G=(), hidden_D=(), dropout=0.0),
            regularisers=(FeatureMatching(weight=0.5),),
        ),
        Spec(Images, (2,)),
    )
    torch.manual_seed(0)
    terms = game.generator(Images(REAL))  # type: ignore[operator]
    assert set(terms) == {"adv", "FeatureMatching"}
    weight = next(game.G.parameters())  # type: ignore[union-attr]
    (slope,) = torch.autograd.grad(terms["FeatureMatching"], weight)
    torch.manual_seed(0)
    z = torch.randn(2, 1)
    fake = game.G(z)  # type: ignore[operator]
    gap = fake.mean(0) - REAL.mean(0)
    assert slope.flatten().tolist() == pytest.approx((gap * z.mean()).tolist(), rel=1e-5)


@pytest.mark.parametrize("name", ["gan", "dcgan", "lsgan", "wgan", "cgan", "acgan", "infogan"])
def test_families_charge_every_regulariser_and_keep_its_memory(name: str) -> None:
    settings = TINY[name] | {"regularisers": tuple(kind() for kind in REGULARISERS.values())}
    trainer = trainer_of(name, game=family(name).Config(**settings))
    trainer.play_step()
    means, trouble = trainer.meter.read()
    assert trouble is None
    assert {f"G/{kind}" for kind in REGULARISERS} <= set(means)
    state = trainer.game.state_dict()
    counts = [v for k, v in state.items() if k.startswith("memories") and k.endswith("count")]
    assert [c.item() for c in counts] == [2.0], "the start and one move"


def test_a_historical_average_is_of_the_weights_that_g_had() -> None:
    settings = TINY["gan"] | {
        "regularisers": (HistoricalAveraging(),),
        "optimizer_g": SGD(lr=0.1),
    }
    trainer = trainer_of("gan", game=family("gan").Config(**settings))
    G = trainer.game.G
    past = [torch.cat([w.flatten() for w in G.parameters()]).clone()]  # type: ignore[union-attr]
    for _ in trainer.play(3):
        past.append(torch.cat([w.flatten() for w in G.parameters()]).clone())  # type: ignore[union-attr]
    mean = trainer.game.state_dict()["memories.0.mean"]
    torch.testing.assert_close(mean, torch.stack(past).mean(0))


@pytest.mark.parametrize("decay", [None, 0.75])
def test_the_mean_takes_in_no_update_that_is_undone_where_the_host_does_not_look(
    decay: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, where `after` is called for an update that was undone."""

    def unseen(optimizer: Any, finite: Tensor, _: Any = None) -> None:
        step_or_undo(optimizer, finite)

    monkeypatch.setattr("ganwright.training.trainer.guarded_step", unseen)
    settings = TINY["gan"] | {
        "regularisers": (HistoricalAveraging(decay=decay),),
        "optimizer_g": SGD(lr=0.1),
    }
    trainer = trainer_of("gan", game=family("gan").Config(**settings))
    trainer.play_step()
    memory = trainer.game.memories[0]  # type: ignore[union-attr,index,operator]
    kept = {name: t.clone() for name, t in memory.state_dict().items()}
    with monkeypatch.context() as patch:
        patch.setattr(trainer.game, "regularise", lambda _, fake: {"odd": fake.sum() * torch.nan})
        trainer.play_step()
    assert kept.keys() == {"count", "mean"}
    assert all(torch.equal(kept[name], memory.state_dict()[name]) for name in kept)
    trainer.play_step()
    assert not any(torch.equal(kept[name], memory.state_dict()[name]) for name in kept)


def test_what_can_not_combine_is_refused_in_a_sentence() -> None:
    with pytest.raises(SettingsError, match="PullingAway is given twice"):
        family("gan").Config(regularisers=(PullingAway(), PullingAway()))
    with pytest.raises(SettingsError, match="weight of FeatureMatching is -1"):
        FeatureMatching(weight=-1)
    with pytest.raises(SettingsError, match="decay of HistoricalAveraging is 1"):
        HistoricalAveraging(decay=1.0)


def test_pulling_away_shares_its_formula_with_ebgan_in_any_precision() -> None:
    codes = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    plain = cost(PullingAway(weight=1), fake=codes)
    with torch.autocast("cpu", torch.bfloat16):
        assert cost(PullingAway(weight=1), fake=codes) == plain


def test_the_command_line_spells_them() -> None:
    assert parse("HistoricalAveraging(decay=0.9)", Regulariser) == HistoricalAveraging(decay=0.9)


def test_virtual_batch_norm_and_regularisers_live_together() -> None:
    """Buffers of G are no weights: the history is of parameters alone."""
    settings = {
        "networks": ConvNet(width=4, norm_D=NoNorm(), spectral_D=True),
        "regularisers": (HistoricalAveraging(), FeatureMatching()),
    }
    trainer = trainer_of("dcgan", game=family("dcgan").Config(**settings))
    trainer.play_step()
    _, trouble = trainer.meter.read()
    assert trouble is None
