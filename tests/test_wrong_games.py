"""Games, players and objectives that are wrong: one sentence each, before anything moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from test_trainer import Toy, _trainer
from torch import Tensor, nn

from ganwright.errors import GameError, GanwrightError
from ganwright.game import Game, Lazy, Phase, Player, Terms
from ganwright.optim import SGD, Adam
from ganwright.training.trainer import Trainer


def _said(play: Callable[[], object]) -> str:
    with pytest.raises(GameError) as caught:
        play()
    text = str(caught.value)
    assert isinstance(caught.value, GanwrightError)
    assert "\n" not in text
    return text


def _detached(game: Toy) -> Tensor:
    return game.a.weight.detach().sum()


WRONG: dict[str, tuple[Callable[[Toy], Any], str]] = {
    "int": (lambda g: 3, "D's objective gives an int; it must give a dict of named terms"),
    "none": (lambda g: None, "D's objective gives None; it must give a dict of named terms"),
    "tensor": (
        lambda g: g.a.weight.sum(),
        "D's objective gives a tensor of shape (); it must give",
    ),
    "tuple": (lambda g: (1, 2), "D's objective gives a tuple; it must give a dict"),
    "empty": (lambda g: {}, "D's objective gives no terms"),
    "number": (lambda g: {"adv": 3}, "D's term 'adv' is an int; a term is a tensor of shape ()"),
    "vector": (
        lambda g: {"adv": g.a.weight.expand(4, 1)},
        "D's term 'adv' is a tensor of shape (4, 1); a term is a tensor of shape (): take its mean",
    ),
    "name": (
        lambda g: {1: g.a.weight.sum()},
        "D's objective names a term 1, but a name must be a str",
    ),
    "reserved": (
        lambda g: {"gradient": g.a.weight.sum()},
        "D's objective names a term 'gradient', which is what the log calls",
    ),
    "constant": (lambda g: {"adv": _detached(g)}, "D's terms (adv) do not depend on the weights"),
    "others": (lambda g: {"adv": g.b.weight.sum()}, "D's terms (adv) do not depend on the weights"),
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("kind", WRONG)
def test_an_objective_that_is_wrong(kind: str, lazy: bool) -> None:
    give, sentence = WRONG[kind]
    game = Toy()

    def wrong(_: Any) -> Any:
        return give(game)

    def right(_: Any) -> Terms:
        return {"right": game.a.weight.sum()}

    player = Player("D", [game.a], right, lazy=(Lazy(wrong, 2),)) if lazy else None
    game.given = (player or Player("D", [game.a], wrong),)
    trainer = _trainer(game)
    before = {k: v.clone() for k, v in game.state_dict().items()}
    said = _said(trainer.play_step)
    if lazy:
        sentence = sentence.replace("D's objective", "D's lazy objective")
    assert said.startswith(sentence), said
    if not lazy:
        assert all(torch.equal(before[k], v) for k, v in game.state_dict().items())
    assert all(w.requires_grad and w.grad is None for w in game.parameters())


def test_a_term_may_be_a_constant_beside_others_that_are_not() -> None:
    game = Toy()
    terms = lambda _: {"adv": game.a.weight.sum(), "off": torch.zeros(())}  # noqa: E731
    game.given = (Player("D", [game.a], terms, SGD(lr=0.5)),)
    _trainer(game).play_step()
    assert game.a.weight.item() == 0.5


def _play(game: Toy) -> Callable[[], Trainer]:
    return lambda: _trainer(game)


def _right(game: Toy, name: str = "D", **changes: Any) -> Player:
    values = {"networks": [game.a], "objective": lambda _: {"x": game.a.weight.sum()}} | changes
    return Player(name, **values)


def test_a_game_without_players() -> None:
    for given in ((), None):
        game = Toy()
        game.given = given  # type: ignore[assignment]
        assert _said(_play(game)).startswith("Toy has no players; ")


def test_players_that_are_none() -> None:
    game = Toy()
    game.given = _right(game)  # type: ignore[assignment]
    assert _said(_play(game)).startswith("Toy's players() gives a Player; it must give a sequence")
    game.given = (_right(game), "G")  # type: ignore[assignment]
    assert _said(_play(game)).startswith("Toy's players() gives a str among its players")


def test_two_players_of_one_name() -> None:
    game = Toy()
    game.given = (_right(game), _right(game))
    assert _said(_play(game)).startswith("Toy has two players called 'D'")


def test_a_player_with_nothing_to_move() -> None:
    game = Toy()
    game.given = (_right(game, networks=[nn.ReLU()]),)
    assert _said(_play(game)).startswith("D has nothing to train: its networks have no parameters")
    game.given = (_right(game, networks=[]),)
    assert _said(_play(game)).startswith("D has nothing to train: it has no networks")
    game.given = (_right(game),)
    game.a.requires_grad_(False)
    assert _said(_play(game)).startswith("D has nothing to train: all its parameters are frozen")


def test_a_player_whose_networks_are_not_the_games() -> None:
    game = Toy()
    game.given = (_right(game, networks=[game.a, nn.Linear(1, 1)]),)
    said = _said(_play(game))
    assert said.startswith("D trains weights outside the game, which checkpoints would miss")


def test_phases_that_name_no_one() -> None:
    game = Toy()
    game.given = (_right(game),)
    game.phases = lambda: (Phase("late", players=("D", "G")),)  # type: ignore[method-assign]
    assert _said(_play(game)).startswith("Toy's phase 'late' names the player 'G'")
    game.phases = lambda: ()  # type: ignore[method-assign]
    assert _said(_play(game)).startswith("Toy's phases() gives none")


def test_an_average_of_what_is_not_there() -> None:
    game = Toy(averaged=("a", "c"))
    game.given = (_right(game),)
    assert _said(_play(game)).startswith("Toy averages 'c', which is not one of its networks")


def test_one_network_or_one_lazy_objective_needs_no_brackets() -> None:
    game = Toy()
    rare = Lazy(lambda _: {"rare": game.a.weight.sum()}, 2)
    player = _right(game, networks=game.a, lazy=rare)
    assert tuple(player.networks) == (game.a,)
    assert player.lazy == (rare,)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "a player's name is ''; "),
        ({"name": 3}, "a player's name is 3; "),
        ({"networks": [3]}, "D's networks hold an int; "),
        ({"networks": None}, "D's networks are None; "),
        ({"objective": {"x": 1}}, "D's objective is a dict; "),
        ({"optimizer": "Adam"}, "D's optimizer is a str; "),
        ({"optimizer": torch.optim.Adam}, "D's optimizer is the class Adam; "),
        ({"optimizer": Adam}, "D's optimizer is the class Adam; "),
        ({"moves": -1}, "D's moves is -1; "),
        ({"moves": 1.5}, "D's moves is 1.5; "),
        ({"every": 0}, "D's every is 0; "),
        ({"accumulate": 0}, "D's accumulate is 0; "),
        ({"clip": 0.0}, "D's clip is 0.0; "),
        ({"clip": float("nan")}, "D's clip is nan; "),
        ({"lazy": (3,)}, "D's lazy objectives hold an int; "),
    ],
)
def test_a_player_that_is_wrong(changes: dict[str, Any], sentence: str) -> None:
    game = Toy()
    assert _said(lambda: _right(game, **({"name": "D"} | changes))).startswith(sentence)


def test_moves_that_are_no_number_at_some_step() -> None:
    game = Toy()
    game.given = (_right(game, moves=lambda step: 1 if step == 0 else 0.5),)
    trainer = _trainer(game)
    trainer.play_step()
    assert _said(trainer.play_step).startswith("D's moves is 0.5 at step 1; ")


def test_a_lazy_objective_that_is_wrong() -> None:
    assert _said(lambda: Lazy(lambda _: {}, 0)).startswith("a lazy objective's every is 0; ")
    assert _said(lambda: Lazy(3, 2)).startswith("a lazy objective is an int; ")  # type: ignore[arg-type]


def test_a_game_may_not_forget_its_players() -> None:
    class Empty(Game):
        pass

    with pytest.raises(GameError, match="Empty has no players; define a method"):
        list(Empty(None, Toy().spec).players())
