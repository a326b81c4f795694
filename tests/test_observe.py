"""What is watched: each value under its own name, of the objective that watched it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from helpers import trainer_of as family_trainer
from test_trainer import Source, Toy, _trainer
from torch import Tensor

from ganwright.data.types import Images
from ganwright.errors import GameError
from ganwright.game import Game, Lazy, Player, Terms
from ganwright.losses import NonSaturating
from ganwright.observing import evaluate, observe, scope
from ganwright.optim import SGD
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer
from ganwright.unroll import unrolled

BATCH = Images(torch.zeros(4, 1, 8, 8))


def number(x: float) -> Tensor:
    return torch.tensor(x)


def test_a_scope_ends_every_name_within() -> None:
    def objective(_: Images) -> Terms:
        observe("mean", number(1))
        with scope("A"):
            observe("mean", number(2))
            with scope("low"):
                observe("mean", number(3))
            observe("other", number(4))
        observe("last", number(5))
        return {}

    _, seen = evaluate(objective, BATCH)
    assert {k: float(v) for k, v in seen} == {
        "mean": 1, "mean_A": 2, "mean_A_low": 3, "other_A": 4, "last": 5,
    }  # fmt: skip


def test_a_scope_ends_when_its_objective_fails() -> None:
    def fail(_: Images) -> Terms:
        with scope("A"):
            raise KeyError

    with pytest.raises(KeyError):
        evaluate(fail, BATCH)
    _, seen = evaluate(lambda _: observe("x", number(1)) or {}, BATCH)  # type: ignore[func-returns-value]
    assert [k for k, _ in seen] == ["x"]


def test_an_evaluation_within_another_keeps_to_itself() -> None:
    def inner(_: Images) -> Terms:
        observe("x", number(7))
        return {}

    def outer(batch: Images) -> Terms:
        observe("x", number(1))
        with scope("A"):
            assert [k for k, _ in evaluate(inner, batch)[1]] == ["x"]
            observe("y", number(2))
        return {}

    _, seen = evaluate(outer, BATCH)
    assert {k: float(v) for k, v in seen} == {"x": 1, "y_A": 2}


def test_outside_an_objective_nothing_is_kept() -> None:
    observe("x", number(1))
    with scope("A"):
        observe("x", number(1))
    assert evaluate(lambda _: {}, BATCH) == ({}, [])


def test_threads_do_not_mix() -> None:
    """Two objectives observe in turns, each in a thread of its own."""
    turns, results = threading.Barrier(2, timeout=20), {}

    def play(who: str) -> None:
        def objective(_: Images) -> Terms:
            for i in range(3):
                turns.wait()
                observe(f"{who}{i}", number(i))
            return {}

        results[who] = [k for k, _ in evaluate(objective, BATCH)[1]]

    threads = [threading.Thread(target=play, args=(who,)) for who in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {w: [f"{w}{i}" for i in range(3)] for w in "ab"}


def test_what_unrolled_moves_observe_is_dropped() -> None:
    D = torch.nn.Linear(1, 1)

    def objective(_: Images) -> Terms:
        observe("before", number(1))
        real, fake = torch.ones(2, 1), torch.zeros(2, 1)
        unrolled(D, lambda s: {"x": NonSaturating().discriminator(s, real, fake)}, 2, 0.1)
        observe("after", number(2))
        return {}

    assert [k for k, _ in evaluate(objective, BATCH)[1]] == ["before", "after"]


class Twice(Toy):
    """One player against two judges, or against one judge twice under one name."""

    def __init__(self, *scopes: str) -> None:
        super().__init__()
        self.given = (Player("D", [self.a], self.judge, SGD(lr=0.1)),)
        self.scopes = scopes

    def judge(self, batch: Images) -> Terms:
        total = self.a.weight.sum() * 0
        for i, name in enumerate(self.scopes):
            with scope(name):
                score = lambda x, i=i: x * (i + 1) * self.a.weight.sum()  # noqa: E731
                one = torch.ones(2)
                total = total + NonSaturating().discriminator(score, one, 10 * one)
        return {"adv": total}


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("compiled", [False, True])
def test_each_judges_scores_are_logged(compiled: bool) -> None:
    engine = Engine(torch.device("cpu"), compile=compiled)
    trainer = Trainer(Twice("A", "B"), Source(), engine, batch_size=4)
    for _ in range(2):
        weight = trainer.game.a.weight.item()  # type: ignore[operator,union-attr]
        trainer.play_step()
        means, _ = trainer.meter.read()
        wanted = {"real_A": weight, "fake_A": 10 * weight}
        wanted |= {"real_B": 2 * weight, "fake_B": 20 * weight}
        assert {k: means[f"D/{k}"] for k in wanted} == pytest.approx(wanted)
        assert set(means) == {f"D/{k}" for k in wanted} | {"D/adv", "D/gradient"}


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("compiled", [False, True])
def test_a_name_observed_twice_is_an_error(compiled: bool) -> None:
    engine = Engine(torch.device("cpu"), compile=compiled)
    trainer = Trainer(Twice("A", "A"), Source(), engine, batch_size=4)
    with pytest.raises(GameError, match=r"D's objective observes 'real_A' twice; .*scope"):
        trainer.play_step()


@pytest.mark.usefixtures("traced")
def test_many_games_compile_in_one_process() -> None:
    """Compiled code is kept apart for each objective: torch gives up on a ninth."""
    engine = Engine(torch.device("cpu"), compile=True)
    for i in range(10):
        Trainer(Twice(f"A{i}"), Source(), engine, batch_size=4).play_step()


def _wrong(observed: Any) -> str:
    game = Toy()

    def objective(_: Images) -> Terms:
        observe(*observed)
        return {"adv": game.a.weight.sum()}

    game.given = (Player("D", [game.a], objective),)
    with pytest.raises(GameError) as caught:
        _trainer(game).play_step()
    return str(caught.value)


@pytest.mark.parametrize(
    ("observed", "sentence"),
    [
        (("adv", number(1)), "D's objective observes 'adv', which is one of its terms"),
        (("gradient", number(1)), "D's objective observes 'gradient', which is what the log calls"),
        (("x", torch.zeros(3)), r"D's objective observes 'x' as a tensor of shape \(3,\)"),
        (("x", 3.0), "D's objective observes 'x' as a float"),
        ((3, number(1)), "D's objective observes 3, but a name must be a string"),
    ],
)
def test_an_observation_that_is_wrong(observed: Any, sentence: str) -> None:
    import re

    assert re.match(sentence, _wrong(observed))


def test_a_lazy_objective_has_names_of_its_own() -> None:
    game = Toy()
    w = game.a.weight
    lazy = Lazy(lambda _: {"adv": w.square().sum()}, 2)
    game.given = (Player("D", [game.a], lambda _: {"adv": w.sum()}, lazy=(lazy,)),)
    with pytest.raises(GameError, match="D's lazy objective names 'adv', and so does another"):
        _trainer(game).play_step()


def test_a_lazy_objectives_gradient_is_logged_beside_the_main_ones() -> None:
    """Main gradient 1; lazy gradient 2 w = 1.8 after a step of .1 * 2/3, charged twice: 3.73."""
    game = Toy()
    w = game.a.weight
    lazy = Lazy(lambda _: {"rare": w.square().sum()}, 2)
    game.given = (Player("D", [game.a], lambda _: {"adv": w.sum()}, SGD(lr=0.1), lazy=(lazy,)),)
    trainer = _trainer(game)
    trainer.play_step()
    means, _ = trainer.meter.read()
    moved = 1 - 0.1 * 2 / 3
    assert means == pytest.approx(
        {"D/adv": 1, "D/gradient": 1, "D/rare": moved**2, "D/gradient_rare": 2 * 2 * moved}
    )


def _logged(trainer: Trainer) -> set[str]:
    trainer.play_step()
    return set(trainer.meter.read()[0])


def test_discogan_logs_both_discriminators() -> None:
    logged = _logged(family_trainer("discogan"))
    assert {f"D/{k}_{x}" for k in ("real", "fake") for x in "AB"} <= logged
    assert not {"D/real", "D/fake"} & logged


def test_ccgan_logs_the_scores_of_filled_and_of_whole_pictures() -> None:
    logged = _logged(family_trainer("ccgan"))
    assert {"D/real", "D/fake", "D/fake_whole"} <= logged


def test_names_logged_are_those_of_terms_and_observations_alone() -> None:
    assert isinstance(Twice("A"), Game)
    assert _logged(_trainer(Twice("A"))) == {"D/adv", "D/real_A", "D/fake_A", "D/gradient"}
