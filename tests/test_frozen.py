"""Whoever hands over a network keeps the say over its mode and over what of it is trained."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganwright.callbacks.console import Quiet
from ganwright.config.settings import Settings
from ganwright.data.types import Images, Spec
from ganwright.game import Game, Lazy, Player, Terms
from ganwright.layers.forward_state import self_moving
from ganwright.optim import SGD
from ganwright.run import train as runs
from ganwright.training.checkpoint import load_newest
from ganwright.training.ema import EMA
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer

SPEC = Spec(Images, (1, 8, 8))
SPECTRAL = nn.utils.parametrizations.spectral_norm
MEANS = (-5.08, 3.0)


def pretrained() -> nn.Sequential:
    """A network with everything that moves by itself, in evaluation mode, as it was downloaded."""
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.BatchNorm2d(2, affine=False),
        SPECTRAL(nn.Conv2d(2, 2, 3)),
        nn.utils.spectral_norm(nn.Conv2d(2, 2, 1)),
        nn.InstanceNorm2d(2, track_running_stats=True),
        nn.Dropout(0.5),
    )
    norm = net[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    norm.running_mean.copy_(torch.tensor(MEANS))
    return net.eval()


class Judged(Game):
    """G draws; D, whose lower layers are frozen, judges; a pretrained network gives the content."""

    averaged = ("G",)

    def __init__(self, cfg: Any = None, spec: Spec = SPEC) -> None:
        super().__init__(cfg, spec)
        self.G = nn.Sequential(nn.Linear(3, 64), nn.BatchNorm1d(64), nn.Unflatten(1, (1, 8, 8)))
        self.D = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64, 4).requires_grad_(False),
            nn.BatchNorm1d(4).requires_grad_(False).eval(),
            nn.Linear(4, 1),
        )
        self.D[1].bias.requires_grad_(True)  # type: ignore[union-attr]
        self.net = pretrained()
        self.seen: list[Tensor] = []

    def players(self) -> Iterable[Player]:
        rare = Lazy(lambda b: {"rare": self.D(b.images).square().mean()}, 2)
        yield Player("D", [self.D], self.judge, SGD(lr=0.1, momentum=0.9), lazy=(rare,))
        yield Player("G", [self.G], self.deceive, SGD(lr=0.1))

    def fake(self, batch: Images) -> Tensor:
        fake: Tensor = self.G(torch.randn(len(batch.images), 3))
        return fake

    def judge(self, batch: Images) -> Terms:
        return {"adv": (self.D(self.fake(batch)) - self.D(batch.images)).mean()}

    def deceive(self, batch: Images) -> Terms:
        fake = self.fake(batch)
        mean = self.net[1](torch.zeros(4, 2, 1, 1))
        self.seen.append(mean.detach())
        return {"adv": -self.D(fake).mean(), "content": self.net(fake).square().mean()}

    def preview(self, batch: Any) -> Tensor:
        assert not any(m.training for m in self.modules())
        assert not torch.is_grad_enabled()
        return self.fake(Images(torch.zeros(4, 1, 8, 8))).clamp(-1, 1)

    def measure(self, batch: Any) -> Terms:
        assert not any(m.training for m in self.modules())
        return {"content": self.net(batch.images).mean()}

    def sample(self, n: int) -> Tensor:
        images: Tensor = self.G(torch.randn(n, 3))
        return images


class Source:
    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Images:
        return Images(torch.full((size, 1, 8, 8), float(draw % 3)))


def trainer_of(game: Game, **keywords: Any) -> Trainer:
    return Trainer(game, Source(), Engine(torch.device("cpu")), batch_size=4, **keywords)


def standing(game: nn.Module) -> tuple[dict[str, bool], dict[str, bool]]:
    """Every module's mode, and what every parameter requires."""
    modes = {k: m.training for k, m in game.named_modules()}
    return modes, {k: w.requires_grad for k, w in game.named_parameters()}


def frozen(game: nn.Module) -> dict[str, Tensor]:
    """The tensors that no one may move, cloned."""
    still = ("net.", "D.1.weight", "D.2.")
    return {k: v.clone() for k, v in game.state_dict().items() if k.startswith(still)}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("compiled", [False, True])
def test_training_leaves_modes_and_requirements_as_the_owner_gave_them(compiled: bool) -> None:
    game = Judged()
    before, given = frozen(game), standing(game)
    keywords: dict[str, Any] = {"batch_size": 4}
    trainer = Trainer(game, Source(), Engine(torch.device("cpu"), compile=compiled), **keywords)
    assert standing(game) == given
    for _ in trainer.play(3):
        assert standing(game) == given
        assert all(w.grad is None for w in game.parameters())
    assert same(frozen(game), before)


def test_a_pretrained_network_computes_with_its_own_statistics() -> None:
    """Zeros, normalised by the means that it came with: 5.08 and -3 (deviation 1, eps 1e-5)."""
    game = Judged()
    trainer_of(game).play_step()
    expected = -torch.tensor(MEANS)[None, :, None, None].expand(4, 2, 1, 1)
    torch.testing.assert_close(game.seen[0], expected, rtol=1e-4, atol=0)


def test_frozen_parts_of_a_player_are_not_optimised() -> None:
    game = Judged()
    trainer = trainer_of(game)
    moved = {
        k for k, w in game.named_parameters() if any(w is v for v in trainer.players[0].weights)
    }
    assert moved == {"D.1.bias", "D.3.weight", "D.3.bias"}
    before = copy.deepcopy(game.state_dict())
    list(trainer.play(2))
    assert not torch.equal(before["D.3.weight"], game.state_dict()["D.3.weight"])
    assert torch.equal(before["D.1.weight"], game.state_dict()["D.1.weight"])


def test_what_is_frozen_later_stays_frozen() -> None:
    game = Judged()
    trainer = trainer_of(game)
    trainer.play_step()
    game.G[0].requires_grad_(False)  # type: ignore[union-attr,operator]
    game.net.train()
    given = standing(game)
    weight = game.G[0].weight.clone()  # type: ignore[union-attr,operator]
    trainer.play_step()
    assert standing(game) == given
    assert torch.equal(weight, game.G[0].weight)  # type: ignore[union-attr,arg-type]


def test_a_frozen_network_in_training_mode_does_not_move_its_statistics_either() -> None:
    game = Judged()
    game.net.train().requires_grad_(False)
    kinds = {type(m).__name__ for m in self_moving(game.net)}
    assert kinds == {"BatchNorm2d", "InstanceNorm2d", "_SpectralNorm", "Conv2d"}
    before, given = frozen(game), standing(game)
    list(trainer_of(game).play(3))
    assert same(frozen(game), before)
    assert standing(game) == given


def test_an_objective_that_fails_leaves_everything_as_it_was() -> None:
    game = Judged()

    def fail(_: Images) -> Terms:
        raise KeyError("mine")

    game.players = lambda: [Player("D", [game.D], fail)]  # type: ignore[method-assign]
    given = standing(game)
    trainer = trainer_of(game)
    with pytest.raises(KeyError, match="mine"):
        trainer.play_step()
    assert standing(game) == given


def test_gradients_from_between_moves_do_not_count() -> None:
    """A loop of one's own may differentiate the game; the next move begins from nothing."""
    results = []
    for disturb in (False, True):
        torch.manual_seed(0)
        game = Judged()
        trainer = trainer_of(game)
        for _ in trainer.play(2):
            if disturb:
                game.sample(4).sum().backward()
        results.append(game.state_dict()["G.0.weight"])
    assert torch.equal(*results)


def test_inference_in_a_loop_of_ones_own_restores_every_mode() -> None:
    game = Judged()
    trainer = trainer_of(game)
    given, before = standing(game), frozen(game)
    for _ in trainer.play(2):
        with trainer.inferring() as view:
            assert view.sample(2).shape == (2, 1, 8, 8)  # type: ignore[operator]
            assert view.G is trainer.average.networks["G"]
            view.preview(None)
        assert standing(game) == given
    with pytest.raises(KeyError), trainer.inferring():
        raise KeyError
    assert standing(game) == given
    assert same(frozen(game), before)


def test_the_average_takes_nothing_from_the_game() -> None:
    game = Judged()
    game.averaged = ("G", "D", "net")  # type: ignore[misc]
    given = standing(game)
    average = EMA(game, 0)
    average.update(4, 4)
    assert standing(game) == given
    assert same(frozen(average.networks), frozen(game))


class TwoHeads(Game):
    """A and B share a body; A's head is B's too, under another name."""

    averaged = ("A", "B")

    def __init__(self) -> None:
        super().__init__(None, SPEC)
        body = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4))
        head = nn.Linear(4, 1)
        self.A = nn.Sequential(body, head)
        self.B = nn.ModuleDict({"trunk": body, "first": head, "second": nn.Linear(4, 2)})


def test_averaged_networks_may_share_modules() -> None:
    game = TwoHeads()
    average = EMA(game, half_life=1.0, ramp=1.0)
    A, B = average.networks["A"], average.networks["B"]
    assert A[0] is B["trunk"]  # type: ignore[index]
    assert A[1] is B["first"]  # type: ignore[index]
    before = A[1].weight.clone()  # type: ignore[index,union-attr,operator]
    with torch.no_grad():
        game.A[1].weight.add_(2.0)  # type: ignore[union-attr,operator,arg-type]
    average.update(1, 1)
    torch.testing.assert_close(A[1].weight, before + 1)  # type: ignore[index,union-attr]
    twin = EMA(TwoHeads(), 0)
    twin.networks.load_state_dict(average.networks.state_dict())
    view = average.view(game)
    assert view.A is A
    assert view.B is B


@pytest.mark.parametrize("on_nan", ["stop", "rollback"])
def test_a_run_keeps_them_through_previews_rollback_and_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_nan: Any
) -> None:
    """One network in, the same out: its tensors in the checkpoint are those that it came with."""
    games: list[Judged] = []
    made: list[tuple[dict[str, bool], dict[str, bool]]] = []
    before: list[dict[str, Tensor]] = []
    build = Judged.__init__

    def watched(self: Judged, cfg: Any = None, spec: Spec = SPEC) -> None:
        build(self, cfg, spec)
        games.append(self)
        made.append(standing(self))
        before.append({k: v for k, v in frozen(self).items() if k.startswith("net.")})

    monkeypatch.setattr(Judged, "__init__", watched)
    bad = {"left": 1 if on_nan == "rollback" else 0}
    deceive = Judged.deceive

    def unlucky(self: Judged, batch: Images) -> Terms:
        terms = deceive(self, batch)
        if len(self.seen) == 4 and bad["left"]:
            bad["left"] -= 1
            return {k: v * torch.nan for k, v in terms.items()}
        return terms

    monkeypatch.setattr(Judged, "deceive", unlucky)
    steps: list[tuple[dict[str, bool], dict[str, bool]]] = []
    play_step = Trainer.play_step

    def watch_step(self: Trainer, **how: Any) -> None:
        steps.append(standing(self.game))
        play_step(self, **how)
        steps.append(standing(self.game))

    monkeypatch.setattr(Trainer, "play_step", watch_step)
    settings = Settings(
        steps=4, batch_size=4, image_size=8, log_every=1, sample_every=1, save_every=2,
        device="cpu", precision="fp32", on_nan=on_nan,
    )  # fmt: skip
    warnings: list[str] = []
    monkeypatch.setattr(Quiet, "warned", lambda self, run, text: warnings.append(text))
    runs.train(Judged, settings, tmp_path / "run", quiet=True)
    runs.resume(tmp_path / "run", {"steps": 6}, quiet=True)
    assert bad["left"] == 0
    assert len(warnings) == (on_nan == "rollback")
    assert all(s == made[0] for s in steps)
    found = load_newest(tmp_path / "run" / "checkpoints")
    assert found is not None
    assert found.step == 6
    kept = {k: v for k, v in found.game.items() if k.startswith("net.")}
    assert same(kept, before[0])


def test_restoring_keeps_modes() -> None:
    game = Judged()
    trainer = trainer_of(game)
    given = standing(game)
    state = copy.deepcopy(trainer.state_dict())
    trainer.play_step()
    trainer.load_state_dict(state)
    trainer.restart()
    assert standing(game) == given
    trainer.play_step()
    assert standing(game) == given


def test_training_builds_what_only_training_needs() -> None:
    """`before_training` is called once, when the game is on its device, before `players`."""
    calls: list[str] = []

    class Late(Judged):
        def before_training(self) -> None:
            calls.append("before")
            self.late = pretrained()

        def players(self) -> Iterable[Player]:
            calls.append("players")
            return super().players()

    game = Late()
    trainer_of(game).play_step()
    assert calls == ["before", "players"]
    assert not game.late.training
