"""What is drawn once a step: for whom with gradients, when anew, and as a loop by hand would."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from helpers import TINY, tiny, trainer_of
from torch import Tensor, nn

from ganwright.data.types import Images, Spec
from ganwright.errors import GameError
from ganwright.game import Game, Lazy, Player, Terms, showing
from ganwright.layers.forward_state import Memory
from ganwright.networks import Networks, ResNetTranslator
from ganwright.optim import SGD
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer

RATE = 0.1


class Source:
    """Batches of standard normal vectors, the same for the same draw."""

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Images:
        generator = torch.Generator().manual_seed(draw)
        return Images(torch.randn(size, 3, generator=generator))


class Pair(Game):
    """G moves x, D tells the moved from the given; `order` is the order of turns."""

    def __init__(
        self, order: str = "DG", moves: int = 1, accumulate: int = 1, *, lazy: bool = False
    ) -> None:
        super().__init__(None, Spec(Images, (3,)))
        self.order, self.moves, self.accumulate, self.lazy = order, moves, accumulate, lazy
        self.G, self.D = nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        self.drawn: list[Tensor] = []

    def players(self) -> Iterator[Player]:
        lazy = (Lazy(self.penalty, 1),) if self.lazy else ()
        made = {
            "D": Player("D", [self.D], self.d, SGD(lr=RATE), moves=self.moves, lazy=lazy),
            "G": Player("G", [self.G], self.g, SGD(lr=RATE), draws=self.fakes),
        }
        for name in self.order:
            object.__setattr__(made[name], "accumulate", self.accumulate)
            yield made[name]

    def fakes(self, batch: Images) -> Tensor:
        fake: Tensor = self.G(batch.images + torch.randn_like(batch.images))
        self.drawn.append(fake.detach().clone())
        return fake

    def d(self, batch: Images) -> Terms:
        return {"d": self.D(self.once(self.fakes, batch)).mean() - self.D(batch.images).mean()}

    def g(self, batch: Images) -> Terms:
        return {"g": -self.D(self.once(self.fakes, batch)).mean()}

    def penalty(self, batch: Images) -> Terms:
        fake = self.once(self.fakes, batch)
        assert not fake.requires_grad
        return {"lazy": self.D(fake).square().mean()}


def trainer(game: Game, size: int = 4) -> Trainer:
    engine = Engine(torch.device("cpu"))
    return Trainer(game, Source(), engine, batch_size=size, ema_half_life=0)


@pytest.mark.parametrize("order", ["DG", "GD"])
def test_a_step_is_that_of_a_loop_which_shares_fakes(order: str) -> None:
    """D is shown G's fakes as constants, and G differentiates the same through D as D is now."""
    game = Pair(order)
    G, D = copy.deepcopy(game.G), copy.deepcopy(game.D)
    trainer(game).play_step()
    (fake,) = game.drawn
    x = Source().batch(0, 4).images
    noise = torch.linalg.solve(G.weight, (fake - G.bias).T).T.detach()  # what G was given
    drawn = G(noise)
    for name in order:
        net = {"D": D, "G": G}[name]
        loss = D(drawn.detach()).mean() - D(x).mean() if name == "D" else -D(drawn).mean()
        gradients = torch.autograd.grad(loss, list(net.parameters()))
        with torch.no_grad():
            for w, g in zip(net.parameters(), gradients, strict=True):
                w -= RATE * g
    for mine, other in ((game.G, G), (game.D, D)):
        for a, b in zip(mine.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("game", "calls"),
    [
        (Pair("DG"), 1),
        (Pair("GD"), 1),
        (Pair("DG", moves=3), 3),  # G is shown what D's last update was shown
        (Pair("GD", moves=3), 3),
        (Pair("DG", accumulate=2), 4),  # no two graphs wait at once
        (Pair("GD", accumulate=2), 2),
        (Pair("DG", lazy=True), 1),
    ],
)
def test_g_draws_so_often(game: Pair, calls: int) -> None:
    trainer(game).play_step()
    assert len(game.drawn) == calls
    assert len(torch.stack(game.drawn).unique(dim=0)) == calls, "no two are the same"


def test_players_that_move_together_share_a_draw_too() -> None:
    game = Pair("DG")
    game.simultaneous = True
    before = copy.deepcopy(game.state_dict())
    trainer(game).play_step()
    assert len(game.drawn) == 1
    assert all(
        not torch.equal(w, before[k]) for k, w in game.state_dict().items() if "2.b" not in k
    )


def test_draws_are_the_same_for_one_seed_and_others_in_each_step() -> None:
    first, second = Pair(), Pair()
    second.load_state_dict(first.state_dict())
    list(trainer(first).play(3))
    list(trainer(second).play(3))
    assert all(torch.equal(a, b) for a, b in zip(first.drawn, second.drawn, strict=True))
    assert len(torch.stack(first.drawn).unique(dim=0)) == 3


def test_outside_a_step_a_game_draws_when_it_is_asked() -> None:
    game = Pair()
    list(trainer(game).play(2))
    batch = Source().batch(0, 4)
    assert not torch.equal(game.once(game.fakes, batch), game.once(game.fakes, batch))


def test_what_draws_must_be_a_function() -> None:
    with pytest.raises(
        GameError, match=r"G's draws are .*; they must be named functions from a batch"
    ):
        Player("G", [nn.Linear(1, 1)], lambda batch: {}, draws=3)  # type: ignore[arg-type]


def test_two_draws_of_one_name_are_refused() -> None:
    class Twice(Pair):
        def players(self) -> Iterator[Player]:
            both = (lambda batch: 1, lambda batch: 2)
            yield Player("G", [self.G], self.g, draws=both)

    with pytest.raises(GameError, match="Twice has two draws called '<lambda>'; give each its own"):
        trainer(Twice())


class Normed(Pair):
    """G has a norm with running statistics, and a spectral norm."""

    def __init__(self) -> None:
        super().__init__("DG")
        spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3))
        self.G = nn.Sequential(spectral, nn.BatchNorm1d(3))  # type: ignore[assignment]


def test_statistics_and_vectors_of_the_one_that_draws_move_once_a_step() -> None:
    game = Normed()
    (norm,) = game.G[0].parametrizations.weight  # type: ignore[index]
    once = copy.deepcopy(game.G[0])  # type: ignore[index]
    list(trainer(game).play(1))
    assert int(game.G[1].num_batches_tracked) == 1  # type: ignore[index]
    with torch.no_grad():
        once.parametrizations.weight.train()
        once.weight  # noqa: B018  one iteration
    torch.testing.assert_close(norm._u, once.parametrizations.weight[0]._u)


class Counter(Memory):
    """Hands on what it is given, and counts how often it takes something in."""

    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if not self.held:
            self.count += 1
        return x


@pytest.mark.parametrize("order", ["DG", "GD"])
def test_memories_of_the_one_that_draws_take_in_each_draw_once(order: str) -> None:
    """Three steps draw three times; what the penalty looks at again is not counted again."""
    game = Pair(order, lazy=True)
    counter = Counter()
    game.G = nn.Sequential(nn.Linear(3, 3), counter)  # type: ignore[assignment]
    list(trainer(game).play(3))
    assert len(game.drawn) == 3
    assert int(counter.count) == 3


@pytest.mark.parametrize(
    ("net", "statistic", "fresh"),
    [
        (TINY["stylegan2"]["networks"], "mean", 0.0),
        (TINY["stylegan3"]["networks"], "power", 1.0),
    ],
)
def test_shared_fakes_move_the_running_statistics_of_g(
    net: Networks, statistic: str, fresh: float
) -> None:
    cls, _ = tiny("dcgan")
    game = cls.Config(networks=net, latent=8, share_fakes=True)
    playing = trainer_of("dcgan", game=game)
    playing.play_step()
    found = [t for name, t in playing.game.G.named_buffers() if name.endswith(f".{statistic}")]
    assert found
    assert all((t != fresh).any() for t in found)


@pytest.mark.parametrize(
    ("name", "net", "changes", "calls"),
    [
        ("cyclegan", "AB", {}, 3),  # of a, of fake_a and, for the identity term, of b
        ("dualgan", "AB", {"d_moves": 1}, 2),
        ("dualgan", "AB", {"d_moves": 3}, 4),  # D_B's first two updates have their own
        ("pix2pix", "G", {}, 1),
        ("gan", "G", {}, 2),
        ("gan", "G", {"share_fakes": True}, 1),
        ("cgan", "G", {"share_fakes": True}, 1),
        ("acgan", "G", {"share_fakes": True}, 1),
        ("infogan", "G", {"share_fakes": True}, 1),
        ("wgan-gp", "G", {"share_fakes": True, "d_moves": 2}, 2),
    ],
)
def test_families_draw_so_often_in_a_step(
    name: str, net: str, changes: dict[str, Any], calls: int
) -> None:
    cls, _ = tiny(name)
    game = cls.Config(**TINY.get(name, {}) | changes)
    playing = trainer_of(name, game=game)
    called = []
    getattr(playing.game, net).register_forward_hook(lambda *_: called.append(1))
    playing.play_step()
    assert len(called) == calls


def test_a_traced_objective_takes_what_was_drawn() -> None:
    """And draws by itself where nothing was, which is traced anew."""
    trainer = trainer_of("gan")
    game, batch = trainer.game, trainer.batches.batch(0, 4)
    drawn = torch.full_like(batch.images, 0.25)
    traced = torch.compile(lambda given: game.once(game.fakes, given), backend="eager")
    with showing(game, {"fakes": drawn}):
        assert torch.equal(traced(batch), drawn)
    assert not torch.equal(traced(batch), drawn)


def test_compiled_draws_give_what_eager_ones_give(compiler: None, traced: None) -> None:
    """One step, in which D_A and D_B are shown what G drew before it moved."""
    cls, _ = tiny("cyclegan")
    small: dict[str, Any] = {"translator": ResNetTranslator(width=4, blocks=0), "identity": 0.0}
    small |= {"pool": 0}  # which draws other numbers when compiled
    game = cls.Config(**TINY["cyclegan"] | small)
    terms = []
    for compiled in (False, True):
        made = trainer_of("cyclegan", game=game)
        engine = Engine.pick("cpu", "fp32", compile=compiled)
        playing = Trainer(made.game, made.batches, engine, batch_size=4)
        list(playing.play(1))
        terms.append(playing.meter.read()[0])
    assert terms[1] == pytest.approx(terms[0], rel=1e-3, abs=1e-4)
