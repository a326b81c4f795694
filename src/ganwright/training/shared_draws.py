"""What a player draws once a step for all: with its gradient for itself, a constant for others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ganwright._torch import tree_map
from ganwright.data.types import Batch
from ganwright.training.trained_player import TrainedPlayer

Drawing = Callable[[TrainedPlayer, str, int, Batch], Any]
"""(who, by which function, which microbatch, batch) -> what that draws, in the run's precision."""


class SharedDraws:
    """What was drawn of the batches that the players are shown now.

    Whoever comes before the player that draws is shown what that one will differentiate, which
    costs its graph's memory until then; whoever comes after is shown what it has differentiated.
    Where an update takes several batches no graph waits, and those before draw for themselves.
    """

    def __init__(self) -> None:
        self._graphs: defaultdict[int, dict[str, Any]] = defaultdict(dict)
        self._constants: defaultdict[int, dict[str, Any]] = defaultdict(dict)
        self._open: list[tuple[Tensor, Tensor]] = []

    def forget(self) -> None:
        """Other batches are shown from now on."""
        self._graphs.clear()
        self._constants.clear()

    def ahead(
        self, owners: Iterable[TrainedPlayer], batches: Sequence[Batch], draw: Drawing
    ) -> None:
        """Draw for players that come later in this step, and will be shown this batch."""
        if len(batches) > 1:
            return
        for owner in owners:
            names = [name for name in owner.draws if name not in self._constants[0]]
            if names:
                with owner.turn("draws"):
                    for name in names:
                        self._keep(name, 0, draw(owner, name, 0, batches[0]))

    def shown(
        self, trained: TrainedPlayer, kind: str, micro: int, batch: Batch, draw: Drawing
    ) -> Mapping[str, Any]:
        """What one player's objective is given of a batch, by the names of the functions.

        What it drew itself are leaves, so that its objective is a graph of its own, which compiles;
        `backward` carries their gradients on.
        """
        shown, self._open = dict(self._constants[micro]), []
        for name in trained.draws:
            shown.pop(name, None)
            if kind != "main":
                continue
            if name not in self._graphs[micro]:
                self._keep(name, micro, draw(trained, name, micro, batch))
            shown[name] = tree_map(self._leaf, self._graphs[micro].pop(name))
        return shown

    def backward(self) -> None:
        """From what the last objective was shown to the weights that drew it."""
        pairs = [(drawn, leaf.grad) for drawn, leaf in self._open if leaf.grad is not None]
        self._open = []
        if pairs:
            drawn, gradients = zip(*pairs, strict=True)
            torch.autograd.backward(drawn, gradients)

    def _keep(self, name: str, micro: int, drawn: Any) -> None:
        self._graphs[micro][name] = drawn
        self._constants[micro][name] = tree_map(_constant, drawn)

    def _leaf(self, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.requires_grad:
            return value
        leaf = value.detach().requires_grad_()
        self._open.append((value, leaf))
        return leaf


def owners_after(
    due: Sequence[TrainedPlayer], moves: Mapping[TrainedPlayer, int], i: int
) -> Iterator[TrainedPlayer]:
    """Those after the i-th who update on the batch of its last update: none is drawn between."""
    for j in range(i + 1, len(due)):
        if due[j].player.fresh:
            return
        if moves[due[j]]:
            yield due[j]
        if moves[due[j]] > 1:
            return


def _constant(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value
