"""What a family's objectives give, and what its players update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganwright.errors import GameError
from ganwright.game import Player, Terms
from ganwright.observing import evaluate, named
from ganwright.seeds import seed_torch
from ganwright.testing.subject import Subject, ignore, listen, play
from ganwright.training.trainer import Trainer


def gives_named_scalars(subject: Subject) -> None:
    """Each objective gives finite scalars under names of their own, and no gradients.

    Their sum is what the player minimises, and each stands in the log. The trainer differentiates.
    """
    with subject.at_start() as (trainer, data):
        batch = data.batch(0, trainer.batch_size)
        for player in _players(trainer):
            for kind, objective in _objectives(player):
                seed_torch(subject.settings.seed, "contract")
                terms, seen = evaluate(objective, batch)
                try:
                    names, values = named(player.name, kind, terms, seen)
                except GameError as error:
                    raise AssertionError(str(error)) from error
                for name, value in zip(names, values, strict=True):
                    assert torch.isfinite(value), (
                        f"{player.name}'s {name} is {value.item()} on the first batch; keep its "
                        "roots, logarithms and quotients away from 0"
                    )
                held = [k for k, w in trainer.game.named_parameters() if w.grad is not None]
                assert not held, (
                    f"{player.name}'s {kind} leaves gradients on {_some(held)}; give the terms and "
                    "let the trainer differentiate them, or take torch.func.grad within"
                )


def has_no_dead_weights(subject: Subject) -> None:
    """Each weight that a player trains enters its objective.

    A weight without a gradient is never trained: a layer was made and not called, or what it gives
    is detached.
    """
    with subject.at_start() as (trainer, data):
        batch = data.batch(0, trainer.batch_size)
        for player in _players(trainer):
            weights = _weights(player)
            seed_torch(subject.settings.seed, "contract")
            terms, _ = evaluate(player.objective, batch)
            total = torch.stack(list(terms.values())).sum()
            slopes = torch.autograd.grad(total, weights, allow_unused=True)
            unused = {id(w) for w, g in zip(weights, slopes, strict=True) if g is None}
            dead = [k for k, w in trainer.game.named_parameters() if id(w) in unused]
            assert not dead, (
                f"{_some(dead)} of {player.name} does not enter its objective, so it is never "
                "trained; call it there, or leave it out of the player's networks"
            )


def moves_its_own_weights_only(subject: Subject) -> None:
    """While a player is updated, its weights change and no others do; each weight has a player.

    A game is its players' turns. What another changes on the side is in no player's optimizer.
    """
    with subject.at_start() as (trainer, _):
        named = dict(trainer.game.named_parameters())
        live = {k: w for k, w in named.items() if w.requires_grad}
        last = {k: w.detach().clone() for k, w in live.items()}
        moved: dict[str, set[str]] = {}

        def look(player: Player, terms: Terms) -> None:
            changed = {k for k, w in live.items() if not torch.equal(w, last[k])}
            moved.setdefault(player.name, set()).update(changed)
            last.update({k: live[k].detach().clone() for k in changed})

        listen(trainer.game, ignore, look)
        play(trainer)
        theirs = {p.name: {id(w) for w in _weights(p)} for p in _players(trainer)}
        for name, changed in moved.items():
            assert changed, f"{name} updates nothing; its learning rate or its gradients are 0"
            others = sorted(k for k in changed if id(live[k]) not in theirs[name])
            assert not others, (
                f"{_some(others)} changes while {name} is updated; list it among "
                f"{name}'s networks, or leave it to the player that has it"
            )
        free = [k for k, w in live.items() if not any(id(w) in own for own in theirs.values())]
        assert not free, (
            f"no player trains {_some(free)}; give it to one, or let it require no gradients"
        )


def leaves_modes_as_they_were(subject: Subject) -> None:
    """After a step, every module is in the mode, and every weight as trainable, as before.

    Modes and `requires_grad` are their owner's. `ganwright.layers.forward_state` has what changes
    them for a while and restores them.
    """
    with subject.at_start() as (trainer, _):
        game = trainer.game
        modes = {k: m.training for k, m in game.named_modules()}
        free = {k: w.requires_grad for k, w in game.named_parameters()}
        play(trainer)
        changed = [k for k, m in game.named_modules() if m.training != modes.get(k, m.training)]
        assert not changed, (
            f"{_some(changed)} is in another mode after a step; call train() or eval() once, where "
            "it is made"
        )
        changed = [k for k, w in game.named_parameters() if w.requires_grad != free.get(k)]
        assert not changed, (
            f"{_some(changed)} requires gradients otherwise after a step; set it once, where it is "
            "made: the trainer freezes what is not updated"
        )


def _players(trainer: Trainer) -> list[Player]:
    return [trained.player for trained in trainer.players]


def _objectives(player: Player) -> Iterator[tuple[str, Any]]:
    yield "objective", player.objective
    for lazy in player.lazy:
        yield "lazy objective", lazy.objective


def _weights(player: Player) -> list[Tensor]:
    """The weights of a player, each once."""
    found: Mapping[int, nn.Parameter] = {
        id(w): w for network in player.networks for w in network.parameters() if w.requires_grad
    }
    return list(found.values())


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(name or "the game" for name in names[:3]) + more
