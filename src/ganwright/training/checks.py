"""What a game and its objectives must be; one sentence where they are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ganwright.errors import GameError, described
from ganwright.game import Game, Player

GRADIENT = "gradient"
"""What the log calls the norm of a player's gradient."""


def players_of(game: Game) -> list[Player]:
    """A game's players, in the order of their turns.

    Raises:
        GameError: there are none, two share a name, one has nothing to train, or the game's phases
            or averages name what is not there.
    """
    kind = type(game).__name__
    given: Any = game.players()
    if given is not None and (isinstance(given, Player) or not isinstance(given, Iterable)):
        raise GameError(
            f"{kind}'s players() gives {described(given)}; it must give a sequence of Players, "
            "or yield them"
        )
    players = list(given or ())
    for player in players:
        if not isinstance(player, Player):
            raise GameError(
                f"{kind}'s players() gives {described(player)} among its players; it must give "
                "Players only"
            )
    if not players:
        raise GameError(f"{kind} has no players; its players() must yield one or more")
    names = [player.name for player in players]
    for name in names:
        if names.count(name) > 1:
            raise GameError(f"{kind} has two players called {name!r}; give each its own name")
    _check_weights(game, players)
    _check_names(game, names)
    return players


def _check_weights(game: Game, players: Sequence[Player]) -> None:
    own = {id(w) for w in game.parameters()}
    for player in players:
        weights = [w for network in player.networks for w in network.parameters()]
        if not any(w.requires_grad for w in weights):
            why = (
                "all its parameters are frozen; freeze fewer of its submodules"
                if weights
                else "its networks have no parameters"
                if player.networks
                else "it has no networks"
            )
            raise GameError(f"{player.name} has nothing to train: {why}")
        if not all(id(w) in own for w in weights):
            raise GameError(
                f"{player.name} trains weights outside the game, which checkpoints would miss; "
                "make its networks attributes of the game, or put them into an nn.ModuleDict"
            )


def _check_names(game: Game, players: Sequence[str]) -> None:
    """What phases and averages refer to is there."""
    kind, phases = type(game).__name__, list(game.phases())
    if not phases:
        raise GameError(f"{kind}'s phases() gives none; a game has one Phase or more")
    for phase in phases:
        for name in phase.players or ():
            if name not in players:
                raise GameError(
                    f"{kind}'s phase {phase.name!r} names the player {name!r}, and the players are "
                    f"{', '.join(players)}"
                )
    for name in game.averaged:
        if not isinstance(getattr(game, name, None), nn.Module):
            raise GameError(
                f"{kind} averages {name!r}, which is not one of its networks; they are "
                f"{', '.join(n for n, _ in game.named_children())}"
            )


def named(
    player: str, kind: str, terms: Any, seen: Sequence[tuple[Any, Any]]
) -> tuple[list[str], list[Tensor]]:
    """The names and values of an objective's terms, then of what it observed.

    Args:
        player: whose objective it is.
        kind: "objective", or what else the sentence is to call it.
        terms: what it gave.
        seen: what it observed, as (name, value).

    Raises:
        GameError: they are not named scalar tensors, or two have one name.
    """
    who = f"{player}'s {kind}"
    if not isinstance(terms, Mapping):
        raise GameError(
            f"{who} gives {described(terms)}; it must give a dict of named terms, such as "
            "{'adv': loss}"
        )
    if not terms:
        raise GameError(f"{who} gives no terms; it must give one or more to minimise")
    names = list(terms)
    for name, _ in seen:
        if name in terms:
            raise GameError(
                f"{who} observes {name!r}, which is one of its terms; choose another name"
            )
        if name in names:
            raise GameError(f"{who} observes {name!r} twice; separate them with `with scope(...):`")
        names.append(name)
    for name, value in terms.items():
        _check_name(f"{who} names a term", name)
        if not _scalar(value):
            raise GameError(
                f"{player}'s term {name!r} is {described(value)}; a term is {_wanted(value)}"
            )
    for name, value in seen:
        _check_name(f"{who} observes", name)
        if not _scalar(value):
            raise GameError(
                f"{who} observes {name!r} as {described(value)}; it must be {_wanted(value)}"
            )
    return names, [*terms.values(), *(value for _, value in seen)]


def _check_name(what: str, name: object) -> None:
    if not isinstance(name, str):
        raise GameError(f"{what} {name!r}, but a name must be a string")
    if name == GRADIENT:
        raise GameError(
            f"{what} {name!r}, which is what the log calls the norm of the whole gradient; choose "
            "another name"
        )


def _scalar(value: object) -> bool:
    return isinstance(value, Tensor) and not value.ndim


def _wanted(value: object) -> str:
    return "a tensor of shape ()" + (
        ": take its mean or sum" if isinstance(value, Tensor) else ", such as a mean"
    )


def constant(player: str, terms: Iterable[str]) -> GameError:
    """The error for an objective into which none of the player's weights enters."""
    return GameError(
        f"{player}'s terms ({', '.join(terms)}) do not depend on the weights that it trains, so "
        "there is nothing to learn from; log other values with observe()"
    )
