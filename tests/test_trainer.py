"""Turn-taking: who moves when, what stays still, seeds, laziness, phases, NaNs."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganwright.config.schedule import CONSTANT, Schedule
from ganwright.data.types import Images, Spec
from ganwright.game import Game, Lazy, Phase, Player, Terms
from ganwright.losses import NonSaturating
from ganwright.observing import observe
from ganwright.optim import SGD, Adam, Delayed, Linear, LinearDecay, RMSprop
from ganwright.training.engine import Engine
from ganwright.training.guarded_step import step_or_undo
from ganwright.training.meter import Meter
from ganwright.training.trainer import Trainer

CPU = Engine(torch.device("cpu"))


class Source:
    """Batches of one-pixel pictures that hold the number of the draw."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Images:
        self.sizes.append(size)
        return Images(torch.full((size, 1, 8, 8), float(draw)))


class Toy(Game):
    """Two scalars a and b and whatever players a test wants."""

    averaged = ("a",)

    def __init__(self, *players: Player, **attributes: Any) -> None:
        super().__init__(None, Spec(Images, (1, 1, 1)))
        self.a, self.b = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        for w in self.parameters():
            nn.init.ones_(w)
        self.given = players
        self.after_calls: list[tuple[str, dict[str, float]]] = []
        for name, value in attributes.items():
            setattr(self, name, value)

    def players(self) -> Iterable[Player]:
        return self.given

    def after(self, player: Player, terms: Terms) -> None:
        self.after_calls.append((player.name, {k: float(v) for k, v in terms.items()}))


def _trainer(game: Game, **keywords: Any) -> Trainer:
    return Trainer(game, Source(), CPU, batch_size=4, ema_half_life=0, **keywords)


def test_fresh_data_for_each_move_and_the_last_batch_for_the_opponent() -> None:
    seen: list[tuple[str, float]] = []

    def objective(name: str, net: nn.Linear) -> Any:
        def compute(batch: Images) -> Terms:
            seen.append((name, float(batch.images[0, 0, 0, 0])))
            return {"x": net.weight.sum()}

        return compute

    game = Toy()
    game.given = (
        Player("D", [game.a], objective("D", game.a), moves=3),
        Player("G", [game.b], objective("G", game.b), every=2),
    )
    trainer = _trainer(game)
    assert list(trainer.play(2)) == [1, 2]
    assert seen == [("D", 0), ("D", 1), ("D", 2), ("G", 2), ("D", 3), ("D", 4), ("D", 5)]
    assert trainer.images == 6 * 4


def test_moves_may_depend_on_the_step() -> None:
    game = Toy()
    game.given = (
        Player(
            "D",
            [game.a],
            lambda b: {"x": game.a.weight.sum()},
            SGD(lr=1.0),
            moves=lambda step: 3 if step == 0 else step % 2,
        ),
    )
    trainer = _trainer(game)
    list(trainer.play(4))
    assert game.a.weight.item() == 1 - (3 + 1 + 0 + 1)


def test_alternating_and_simultaneous_play_by_hand() -> None:
    """a lowers a b, b lowers -a b, from (1, 1) with rate .1: b sees a's move only in turns."""
    for simultaneous, b in ((False, 1.09), (True, 1.1)):
        game = Toy(simultaneous=simultaneous)
        u, v = game.a.weight, game.b.weight
        game.given = (
            Player("a", [game.a], lambda _, u=u, v=v: {"x": (u * v).sum()}, SGD(0.1)),
            Player("b", [game.b], lambda _, u=u, v=v: {"x": -(u * v).sum()}, SGD(0.1)),
        )
        trainer = _trainer(game)
        trainer.play_step()
        assert game.a.weight.item() == pytest.approx(0.9)
        assert game.b.weight.item() == pytest.approx(b)


def test_only_the_movers_weights_require_gradients() -> None:
    asked: list[tuple[bool, bool]] = []
    game = Toy()

    def look(_: Images) -> Terms:
        asked.append((game.a.weight.requires_grad, game.b.weight.requires_grad))
        return {"x": (game.a.weight * game.b.weight).sum()}

    game.given = (Player("a", [game.a], look), Player("b", [game.b], look))
    _trainer(game).play_step()
    assert asked == [(True, False), (False, True)]
    assert all(w.requires_grad and w.grad is None for w in game.parameters())


class Norms(Game):
    """A and B with BatchNorm and spectral norm; each player uses both networks."""

    def __init__(self) -> None:
        super().__init__(None, Spec(Images, (1, 8, 8)))
        spectral = nn.utils.parametrizations.spectral_norm
        for name in ("A", "B"):
            net = nn.Sequential(
                nn.Flatten(), nn.BatchNorm1d(64), spectral(nn.Linear(64, 64)), nn.Linear(64, 64)
            )
            setattr(self, name, net)

    def players(self) -> Iterable[Player]:
        both = lambda b: {"x": (self.B(self.A(torch.rand_like(b.images)))).mean()}  # noqa: E731
        yield Player("A", [self.A], both)
        yield Player("B", [self.B], both)


def test_only_the_movers_networks_move_their_statistics() -> None:
    game = Norms()
    trainer = _trainer(game)
    before = {k: v.clone() for k, v in game.state_dict().items()}
    for trained, still in ((trainer.players[0], "B."), (trainer.players[1], "A.")):
        batch = [trainer.batches.batch(0, 4)]
        state = {k: v.clone() for k, v in game.state_dict().items()}
        trainer._differentiate(trained, batch, "main", 0)
        for k, v in game.state_dict().items():
            buffer = "running" in k or "num_batches" in k or k.endswith(("._u", "._v"))
            assert torch.equal(v, state[k]) == (k.startswith(still) or not buffer), k
    assert int(before["A.1.num_batches_tracked"]) == 0
    assert int(game.state_dict()["A.1.num_batches_tracked"]) == 1


class Spectral(Game):
    """D with torch's newer and older spectral norm, shown two things a move; G has one, too."""

    def __init__(self, lazy: bool = False) -> None:
        super().__init__(None, Spec(Images, (1, 8, 8)))
        torch.manual_seed(2)
        new, old = nn.utils.parametrizations.spectral_norm, nn.utils.spectral_norm
        self.D = nn.Sequential(nn.Flatten(), new(nn.Linear(64, 6)), old(nn.Linear(6, 5)))
        self.G = nn.Sequential(new(nn.Linear(3, 64)), nn.Unflatten(1, (1, 8, 8)))
        self.lazy = (Lazy(self.judge_rarely, 2),) if lazy else ()
        self.used: list[Tensor] = []

    def players(self) -> Iterable[Player]:
        yield Player("D", [self.D], self.judge, SGD(lr=0.1), lazy=self.lazy, accumulate=2)
        yield Player("G", [self.G], self.deceive, SGD(lr=0.1))

    def judge(self, batch: Images) -> Terms:
        terms = []
        for x in (batch.images, self.G(torch.ones(4, 3))):
            terms.append(self.D(x).mean())
            self.used.append(self.D[1].weight.detach().clone())  # type: ignore[union-attr,operator]
            self.used.append(self.D[2].weight.detach().clone())  # type: ignore[union-attr,operator]
        return {"adv": terms[1] - terms[0]}

    def judge_rarely(self, batch: Images) -> Terms:
        return {"rare": self.D(batch.images).square().mean()}

    def deceive(self, batch: Images) -> Terms:
        return {"adv": -self.D(self.G(torch.ones(4, 3))).mean()}


def _vectors(layer: Any) -> tuple[Tensor, Tensor]:
    """Spectral norm's u after none and after one more iteration, with the weights as they are."""
    if hasattr(layer, "parametrizations"):
        W, part = layer.parametrizations.weight.original, layer.parametrizations.weight[0]
        u, v = part._u, part._v
    else:  # it begins with the other vector
        W, u = layer.weight_orig, layer.weight_u
        v = nn.functional.normalize(W.T @ u, dim=0, eps=1e-12)
    after = nn.functional.normalize(W @ v, dim=0, eps=1e-12)
    return u.detach().clone(), after.detach()


def test_spectral_norm_iterates_once_a_move_and_real_and_fake_meet_the_same_weights() -> None:
    """Miyato et al. (2018), algorithm 1: one power iteration an update, however many scores."""
    game = Spectral()
    trainer = _trainer(game)
    D, G = trainer.players
    batches = [trainer.batches.batch(i, 4) for i in range(2)]
    for trained, mine, others in (
        (D, (game.D[1], game.D[2]), (game.G[0],)),
        (G, (game.G[0],), (game.D[1], game.D[2])),
    ):
        expected = [_vectors(layer)[1] for layer in mine]
        still = [_vectors(layer)[0] for layer in others]
        trainer._differentiate(trained, batches, "main", 0)
        for layer, u in zip(mine, expected, strict=True):
            torch.testing.assert_close(_vectors(layer)[0], u)
        assert all(torch.equal(_vectors(m)[0], u) for m, u in zip(others, still, strict=True))
    for layer in (0, 1):  # two batches, real and fake
        assert all(torch.equal(w, game.used[layer]) for w in game.used[layer::2])
    assert len(game.used) == 8
    assert all(m.training for m in game.modules())


def test_spectral_norm_iterates_in_a_lazy_pass_too_and_not_in_evaluation_mode() -> None:
    game = Spectral(lazy=True)
    game.G.eval()
    trainer = _trainer(game)
    before = _vectors(game.G[0])[0]
    list(trainer.play(2))
    assert torch.equal(_vectors(game.G[0])[0], before), "its owner gave it in evaluation mode"
    expected = _vectors(game.D[1])[1]
    trainer._differentiate(trainer.players[0], [trainer.batches.batch(0, 4)], "lazy0", 0)
    torch.testing.assert_close(_vectors(game.D[1])[0], expected)


def test_lazy_objectives_step_by_themselves_with_corrected_rates() -> None:
    """Main gradient 1 each step; lazy gradient 1 every 4th, charged 4 times: c = 4/5."""
    game = Toy()
    w = game.a.weight
    game.given = (
        Player(
            "a",
            [game.a],
            lambda _: {"main": w.sum()},
            SGD(lr=0.1),
            lazy=(Lazy(lambda _: {"rare": w.sum()}, every=4),),
        ),
    )
    trainer = _trainer(game)
    list(trainer.play(5))
    # steps 0 to 4: five main steps and two lazy ones, each times lr c
    assert w.item() == pytest.approx(1 - 0.1 * 4 / 5 * (5 + 2 * 4), abs=1e-6)


def lazily(moves: Any, schedule: Schedule = CONSTANT, **changes: Any) -> tuple[Toy, Player]:
    """A player of gradient 1, and of gradient 1 by a lazy term in every 4th step."""
    game = Toy()
    w = game.a.weight
    player = Player(
        "a",
        [game.a],
        lambda _: {"main": w.sum()},
        lazy=(Lazy(lambda _: {"rare": w.sum()}, every=4),),
        moves=moves,
        schedules={"rare": schedule},
        **{"optimizer": SGD(lr=0.1), **changes},
    )
    game.given = (player,)
    return game, player


@pytest.mark.parametrize(
    ("moves", "every", "updates"),
    [
        (1, 1, 4),
        (5, 1, 20),
        (lambda step: 3 if step == 0 else 2, 1, 9),
        (1, 2, 2),  # it plays in steps 0 and 2
        (3, 6, 6),  # and here in 0 and 6, of 12 from one lazy pass to the next
    ],
)
def test_a_lazy_term_weighs_as_if_it_were_in_all_updates(
    moves: Any, every: int, updates: int
) -> None:
    """After the first lazy pass, of weight u, for u updates: each is shortened to u / (u + 1)."""
    game, player = lazily(moves, every=every)
    trainer = _trainer(game)
    trainer.play_step()
    first = player.moves_at(0)
    assert game.a.weight.item() == pytest.approx(
        1 - 0.1 * updates / (updates + 1) * (first + updates), abs=1e-5
    )


def test_the_correction_follows_the_updates_of_each_stretch() -> None:
    """10 updates in steps 0 to 3, then 4: c = 10/11, then 4/5; betas and alpha to its power."""
    for optimizer, name, numbers in (
        (Adam(lr=0.1, betas=(0.5, 0.9)), "betas", (0.5, 0.9)),
        (RMSprop(lr=0.1, alpha=0.9), "alpha", (0.9,)),
    ):
        game, _ = lazily(lambda step: 7 if step == 0 else 1, optimizer=optimizer)
        trainer = _trainer(game)
        for step in trainer.play(5):
            c = 10 / 11 if step <= 4 else 4 / 5
            group = trainer.players[0].optimizer.param_groups[0]
            assert group["lr"] == pytest.approx(0.1 * c)
            found = group[name] if name == "betas" else (group[name],)
            assert found == pytest.approx([number**c for number in numbers])


@pytest.mark.parametrize(("start", "moved"), [(1, 0), (0, 1)])
def test_a_lazy_pass_of_nothing_makes_no_update(start: int, moved: int) -> None:
    """With momentum a gradient of 0 would move the weight, and it is no move for the game."""
    game, _ = lazily(1, Delayed(start), optimizer=SGD(lr=0.1, momentum=0.9))
    trainer = _trainer(game)
    trainer.play_step()
    assert [set(terms) for _, terms in game.after_calls] == [{"main"}, {"rare"}][: 1 + moved]
    # c = 4/5; momentum .9 of the main gradient 1, and 4 times the lazy one
    further = (0.9 + 4) if moved else 0
    assert game.a.weight.item() == pytest.approx(1 - 0.08 * (1 + further))
    assert trainer.meter.read()[0]["a/rare"] == pytest.approx(moved * 0.92)


def test_lazy_correction_of_betas() -> None:
    w = [nn.Parameter(torch.zeros(1))]
    group = Adam(lr=1.0, betas=(0.5, 0.99)).build(w, lazy=16 / 17).param_groups[0]
    assert group["lr"] == pytest.approx(16 / 17)
    assert group["betas"] == pytest.approx((0.5 ** (16 / 17), 0.99 ** (16 / 17)))


def test_accumulation_averages_gradients() -> None:
    """Gradient of a by mean(x a) over draws 0 and 1 is 1/2."""
    game = Toy()
    game.given = (
        Player(
            "a",
            [game.a],
            lambda b: {"x": (b.images * game.a.weight).mean()},
            SGD(lr=1.0),
            accumulate=2,
        ),
    )
    trainer = _trainer(game)
    trainer.play_step()
    assert game.a.weight.item() == pytest.approx(0.5)
    assert trainer.draws == 2


def test_clipping_bounds_the_whole_gradient() -> None:
    game = Toy()
    game.given = (
        Player("a", [game.a], lambda _: {"x": 30 * game.a.weight.sum()}, SGD(lr=1.0), clip=0.5),
    )
    _trainer(game).play_step()
    assert game.a.weight.item() == pytest.approx(0.5, abs=1e-5)


def test_observations_are_not_minimised_and_reach_after() -> None:
    game = Toy()

    def objective(_: Images) -> Terms:
        observe("watched", 100 * game.a.weight.sum())
        return {"x": game.a.weight.sum()}

    game.given = (Player("a", [game.a], objective, SGD(lr=0.5)),)
    trainer = _trainer(game)
    trainer.play_step()
    assert game.a.weight.item() == 0.5
    assert game.after_calls == [("a", {"x": 1.0, "watched": 100.0})]
    means, trouble = trainer.meter.read()
    assert means == {"a/x": 1.0, "a/watched": 100.0, "a/gradient": 1.0}
    assert trouble is None


def test_phases_change_players_size_and_batch() -> None:
    sizes: list[tuple[str, tuple[int, ...]]] = []
    game = Toy()

    def objective(name: str) -> Any:
        def compute(batch: Images) -> Terms:
            sizes.append((name, tuple(batch.images.shape)))
            return {"x": game.a.weight.sum()}

        return compute

    game.given = (Player("a", [game.a], objective("a")), Player("b", [game.a], objective("b")))
    phases = (Phase("small", 2, ("a",), image_size=4, batch_size=2), Phase("large"))
    game.phases = lambda: phases  # type: ignore[method-assign]
    known: list[int] = []
    game.after = lambda *_: known.append(game.batch_size)  # type: ignore[method-assign]
    list(_trainer(game).play(3))
    assert known == [2, 2, 4, 4], "images of an update, by which ADA's p moves"
    assert sizes == [
        ("a", (2, 1, 4, 4)),
        ("a", (2, 1, 4, 4)),
        ("a", (4, 1, 8, 8)),
        ("b", (4, 1, 8, 8)),
    ]


def test_a_phase_s_batches_are_accumulated_like_any_other() -> None:
    game = Toy()
    game.given = (Player("a", [game.a], lambda _: {"x": game.a.weight.sum()}),)
    phases = (Phase("small", 1, batch_size=2), Phase("large"))
    game.phases = lambda: phases  # type: ignore[method-assign]
    trainer = _trainer(game, accumulate=3)
    assert [game.batch_size for _ in trainer.play(2)] == [6, 12]
    assert trainer.images == 6 + 12


def test_schedules_have_their_own_horizon() -> None:
    game = Toy()
    rate = SGD(lr=1.0, schedule=LinearDecay(hold=1, horizon=3))
    game.given = (Player("a", [game.a], lambda _: {"x": game.a.weight.sum()}, rate),)
    list(_trainer(game).play(10))
    assert game.a.weight.item() == pytest.approx(1 - (1 + 1 + 0.5))


def test_momentum_may_have_a_schedule() -> None:
    """Momenta of .5, .75 and 1: velocities of 1, 1 + .75 and 1 + 1.75 times the learning rate."""
    game = Toy()
    momentum = SGD(lr=0.1, momentum=0.5, momentum_schedule=Linear(to=2.0, horizon=2))
    game.given = (Player("a", [game.a], lambda _: {"x": game.a.weight.sum()}, momentum),)
    list(_trainer(game).play(3))
    assert game.a.weight.item() == pytest.approx(1 - 0.1 * (1 + 1.75 + 2.75))
    assert momentum.at(9) == {"lr": 0.1, "momentum": 1.0}


def test_nothing_moves_from_a_nan_and_it_is_named() -> None:
    game = Toy()

    def objective(batch: Images) -> Terms:
        bad = float("nan") if float(batch.images[0, 0, 0, 0]) == 1 else 1.0
        return {"fine": game.a.weight.sum(), "odd": bad * game.a.weight.sum()}

    game.given = (Player("a", [game.a], objective, SGD(lr=0.1)),)
    trainer = _trainer(game)
    list(trainer.play(3))
    assert game.a.weight.item() == pytest.approx(1 - 2 * 0.2)
    assert len(game.after_calls) == 2
    _, trouble = trainer.meter.read()
    assert trouble is not None
    assert (trouble.player, trouble.term, trouble.step) == ("a", "odd, gradient", 1)


@pytest.mark.parametrize(
    "kind", [Adam(lr=0.1), RMSprop(lr=0.1), SGD(lr=0.1, momentum=0.9)], ids=str
)
def test_step_or_undo_puts_weights_and_state_back(kind: Any) -> None:
    w = nn.Parameter(torch.ones(3))
    optimizer = kind.build([w])
    for finite in (False, True, False, True):
        before = copy.deepcopy((w.detach(), optimizer.state_dict()["state"]))
        w.grad = torch.ones(3) if finite else torch.full((3,), float("nan"))
        step_or_undo(optimizer, torch.tensor(finite))
        assert torch.isfinite(w).all()
        assert torch.equal(w, before[0]) == (not finite)
    other = nn.Parameter(torch.ones(3))
    plain = kind.build([other])
    for _ in range(2):
        other.grad = torch.ones(3)
        plain.step()
    assert torch.equal(w, other), "skipped steps leave no trace"


@pytest.mark.parametrize("kind", [Adam(lr=0.1), RMSprop(lr=0.1)], ids=str)
def test_step_or_undo_knows_the_state_of_a_weight_that_moves_later(kind: Any) -> None:
    """The first weight gets its first gradient after the second one has a state."""
    first, second = (nn.Parameter(torch.full((2, 3), float(i))) for i in (1, 2))
    optimizer = kind.build([first, second])
    second.grad = torch.ones(2, 3)
    step_or_undo(optimizer, torch.tensor(True))
    kept = copy.deepcopy(optimizer.state[second])
    at = second.detach().clone()
    first.grad, second.grad = torch.full((2, 3), float("nan")), torch.ones(2, 3)
    step_or_undo(optimizer, torch.tensor(False))
    assert torch.equal(first, torch.ones(2, 3))
    assert torch.equal(second, at)
    assert optimizer.state[second].keys() == kept.keys()
    assert all(torch.equal(t, kept[key]) for key, t in optimizer.state[second].items())
    assert not any(t.any() for t in optimizer.state[first].values())


@pytest.mark.usefixtures("compiler")
def test_compiled_objectives_play_like_eager_ones() -> None:
    def make() -> Norms:
        torch.manual_seed(0)
        return Norms()

    weights = []
    for compiled in (False, True):
        trainer = Trainer(make(), Source(), Engine(torch.device("cpu"), compile=compiled))
        list(trainer.play(2))
        weights.append(trainer.game.A[3].weight.clone())  # type: ignore[union-attr,index,operator]
    # compiled noise differs from eager noise, so only the size of the move is compared
    assert not torch.equal(*weights)
    torch.testing.assert_close(*weights, atol=2e-3, rtol=0)


class Pair(Game):
    def __init__(self) -> None:
        super().__init__(None, Spec(Images, (1, 8, 8)))
        torch.manual_seed(0)
        self.G = nn.Sequential(nn.Linear(3, 64), nn.Unflatten(1, (1, 8, 8)))
        self.D = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))

    def players(self) -> Iterable[Player]:
        yield Player("D", [self.D], self.judge, moves=2)
        yield Player("G", [self.G], self.deceive)

    def fake(self, batch: Images) -> Tensor:
        return self.G(torch.randn(len(batch.images), 3))

    def judge(self, batch: Images) -> Terms:
        return {"adv": NonSaturating().discriminator(self.D, batch.images, self.fake(batch))}

    def deceive(self, batch: Images) -> Terms:
        return {"adv": NonSaturating().generator(self.D, batch.images, self.fake(batch))}


def test_what_happens_outside_leaves_a_run_as_it_is() -> None:
    """Random numbers are seeded for each move: drawing some in between changes nothing."""
    results = []
    for disturb in (False, True):
        trainer = _trainer(Pair())
        for _ in trainer.play(3):
            if disturb:
                torch.randn(7)
        results.append(torch.cat([w.flatten() for w in trainer.game.parameters()]))
    assert torch.equal(*results)


def test_seeds_differ_by_run_and_attempt() -> None:
    results = []
    for seed, attempt in ((0, 0), (1, 0), (0, 1)):
        trainer = _trainer(Pair(), seed=seed)
        trainer.attempt = attempt
        list(trainer.play(1))
        results.append(torch.cat([w.flatten() for w in trainer.game.parameters()]))
    assert not any(torch.equal(results[0], other) for other in results[1:])


def test_a_term_is_a_mean_over_all_its_steps_whatever_stands_next_to_it() -> None:
    """adv is 1 alone, then 4 and 7 with another term: 4 on average, and extra is 2 in its steps."""
    meter, one = Meter(torch.device("cpu")), torch.tensor(1.0)
    meter.add("G", ["adv", "gradient"], torch.tensor([1.0]), one, one.bool(), 0)
    for step, value in ((1, 4.0), (2, 7.0)):
        values = torch.tensor([value, 2.0])
        meter.add("G", ["adv", "extra", "gradient"], values, one, one.bool(), step)
    means, trouble = meter.read()
    assert means == {"G/adv": 4.0, "G/gradient": 1.0, "G/extra": 2.0}
    assert trouble is None
