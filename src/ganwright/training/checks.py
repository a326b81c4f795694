"""What a game must be to be trained; one sentence where it is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from torch import nn

from ganwright.errors import GameError, described
from ganwright.game import Draw, Game, Player


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
    drawn = [draw.__name__ for player in players for draw in cast(Sequence[Draw], player.draws)]
    for name in drawn:
        if drawn.count(name) > 1:
            raise GameError(f"{kind} has two draws called {name!r}; give each its own name")
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
