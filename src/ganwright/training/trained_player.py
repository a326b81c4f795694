"""A player in training: its optimizer, what its updates may change, and the update itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from ganwright.data.types import Batch
from ganwright.errors import GameError
from ganwright.game import Draw, Game, Lazy, Objective, Player
from ganwright.layers.forward_state import Memory, constant, self_moving, spectral, still
from ganwright.observing import evaluate, evaluate_watched, named
from ganwright.precision import wide
from ganwright.training.engine import Engine

F = TypeVar("F", bound=Callable[[Any], Any])
Found = TypeVar("Found")


@dataclass
class Pass:
    """What one backward pass left behind: gradients, named values, and the gradient's name.

    It is not `charged` where it is lazy, and schedules make nothing of all its terms.
    """

    gradients: list[Tensor | None]
    names: list[str]
    values: Tensor
    gradient: str
    charged: bool = True


class TrainedPlayer:
    """A player with its optimizer, its evaluators, and what stays still during its updates."""

    def __init__(self, player: Player, engine: Engine, game: Game) -> None:
        self.player, self.engine = player, engine
        unique = {id(w): w for net in player.networks for w in net.parameters()}
        self.weights = [w for w in unique.values() if w.requires_grad]
        called = {id(w): name for name, w in game.named_parameters()}
        self.names = [called[id(w)] for w in self.weights]
        mine = {id(w) for w in self.weights}
        self.others = [w for w in game.parameters() if id(w) not in mine]
        self.restart()
        self.evaluators = {"main": _evaluator(evaluate, player.objective, engine)} | {
            f"lazy{i}": _evaluator(evaluate, lazy.objective, engine)
            for i, lazy in enumerate(player.lazy)
        }
        draws = cast(Sequence[Draw], player.draws)
        self.draws = {draw.__name__: _compiled(draw, engine) for draw in draws}
        self._iterated = False
        self.watching = _evaluator(evaluate_watched, player.objective, engine)
        own = {id(m) for net in player.networks for m in net.modules()}
        self.held = [m for m in self_moving(game) if id(m) not in own]
        self.spectral = [(m, iterate) for m, iterate in spectral(game) if id(m) in own]
        self.memories = [m for m in game.modules() if isinstance(m, Memory)]
        self._named: dict[str, str] = {}

    def restart(self) -> None:
        """The optimizer, and fp16's loss scale, as they are before the first step."""
        self.optimizer = self.player.optimizer.build(self.weights, self.correction(0))
        self.scaler = self.engine.scaler()

    def correction(self, step: int) -> float:
        """StyleGAN2's correction of lr and betas for the passes that lazy objectives add."""
        return 1 / (1 + sum(1 / self.updates(lazy, step) for lazy in self.player.lazy))

    def follow_schedules(self, step: int) -> None:
        """Give the optimizer the numbers of this step."""
        numbers = self.player.optimizer.at(step, self.correction(step))
        for group in self.optimizer.param_groups:
            group.update(numbers)

    def updates(self, lazy: Lazy, step: int) -> int:
        """Its main updates from one pass of a lazy objective, in this step or before, to the next.

        So often a term would count that is charged in all of them.
        """
        every = math.lcm(lazy.every, self.player.every)
        first = step - step % every
        return sum(map(self.player.moves_at, range(first, first + every))) or 1

    def charged(self, terms: Sequence[str], step: int) -> bool:
        """Whether the schedules leave anything of one of these terms at this step."""
        factors = self.player.factors_at(step)
        return any(factors.get(name, 1.0) for name in terms)

    @contextmanager
    def turn(self, kind: str) -> Iterator[None]:
        """Within, others' weights are constants and their statistics stay.

        Gradients begin from nothing, and are gone afterwards. Spectral norm iterates once, before
        anything is computed, so that real and fake meet the same weights: Miyato et al. (2018),
        arXiv:1802.05957, algorithm 1.
        """
        self.clear()
        if not self._iterated:
            with torch.no_grad():
                for _, iterate in self.spectral:
                    iterate()
        # what it draws ahead of its update is a part of that
        self._iterated = kind == "draws"
        held = [*self.held, *(part for part, _ in self.spectral)]
        # what is drawn ahead is no second look at a batch, unlike the pass of a lazy objective
        held += [] if kind in ("main", "draws") else self.memories
        with constant(self.others), still(held):
            try:
                yield
            finally:
                self.clear()

    def named_gradients(self, gradients: Sequence[Tensor | None]) -> dict[str, Tensor]:
        """The gradients that there are, by "player/gradients/weight"."""
        pairs = zip(self.names, gradients, strict=True)
        return {f"{self.player.name}/gradients/{n}": g for n, g in pairs if g is not None}

    def averaged(self, gradients: Sequence[Tensor | None], values: Tensor) -> list[Tensor | None]:
        """Averages over all processes, the values' in place; None for what is None in all."""
        # a weight that had no gradient here may have one elsewhere: ranks send the same shapes
        sent = [
            torch.zeros_like(w) if g is None and w.requires_grad else g
            for w, g in zip(self.weights, gradients, strict=True)
        ]
        had = torch.tensor([g is not None for g in gradients]).to(values)
        self.engine.average([*(g for g in sent if g is not None), values, had])
        if all(g is not None for g in gradients):
            return sent
        # a gradient of zeros would let momentum move what one process leaves alone
        return [g if somewhere else None for g, somewhere in zip(sent, had.tolist(), strict=True)]

    def clear(self) -> None:
        """Forget the gradients."""
        for w in self.weights:
            w.grad = None

    def evaluated(
        self, kind: str, batch: Batch, watched: dict[str, Tensor] | None = None
    ) -> tuple[list[str], list[str], list[Tensor]]:
        """Evaluate the "main" objective, or the "lazy0", "lazy1" ...

        Args:
            watched: gets all values, such as D's scores, that the main objective shows, by
                "player/name".

        Returns:
            The names of its terms; these and what it observed by name; the values of both.

        Raises:
            GameError: it does not give named scalars, or names what another objective names.
        """
        who = "objective" if kind == "main" else "lazy objective"
        if watched is None or kind != "main":
            terms, seen = self.evaluators[kind](batch)
        else:
            terms, seen, shown = self.watching(batch)
            watched |= {f"{self.player.name}/{name}": values for name, values in shown.items()}
        names, values = named(self.player.name, who, terms, seen)
        for name in names:
            if self._named.setdefault(name, kind) != kind:
                raise GameError(
                    f"{self.player.name}'s {who} names {name!r}, and so does another objective of "
                    f"{self.player.name}; choose another name"
                )
        return list(terms), names, values

    def weighed(self, names: Sequence[str], values: Sequence[Tensor], step: int) -> Tensor:
        """Named values in one vector, each times its schedule's factor at this step."""
        factors = self.player.factors_at(step)
        return torch.stack(
            [
                wide(v) * factors.get(n, 1.0) if factors else wide(v)
                for n, v in zip(names, values, strict=True)
            ]
        )


def _evaluator(
    evaluate: Callable[[Objective, Batch], Found], objective: Objective, engine: Engine
) -> Callable[[Batch], Found]:
    def call(batch: Batch) -> Found:
        return evaluate(objective, batch)

    return _compiled(call, engine)


def _compiled(function: F, engine: Engine) -> F:
    """The function as the engine runs it."""

    def call(batch: Batch) -> Any:
        return function(batch)

    # torch counts compilations by code object and gives up at some number: each has its own
    call.__code__ = call.__code__.replace()
    return cast(F, engine.compiled(call))
