"""The game: players take turns lowering their own objectives over shared networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ganwright.checked import Named
from ganwright.data.batch import Batch, Images, Spec
from ganwright.optim import Adam, Optimizer

Terms: TypeAlias = Mapping[str, Tensor]
Objective: TypeAlias = Callable[[Any], Terms]

_observed: dict[str, Tensor] = {}


def observe(name: str, value: Tensor) -> None:
    """Record a scalar that is watched but not minimised, within an objective.

    The trainer logs it, averages it over processes and hands it to `Game.after` with the terms.
    Losses and penalties may call it too.
    """
    _observed[name] = value.detach()


def evaluate(objective: Objective, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Call an objective; return its terms and what it observed. Compiles as a whole."""
    _observed.clear()
    terms = dict(objective(batch))
    return terms, dict(_observed)


@dataclass(frozen=True)
class Lazy:
    """An objective charged every `every`-th step, in a pass of its own, `every` times as heavy.

    Karras et al. (2020), arXiv:1912.04958, appendix B ("lazy regularization").
    """

    objective: Objective
    every: int


@dataclass(frozen=True)
class Player:
    """One player: which networks it moves, what it minimises, and when.

    Args:
        name: unique in its game; it labels the terms in every log.
        networks: the modules whose parameters it moves; a player's alone or shared.
        objective: batch -> named scalar terms, whose sum it minimises.
        optimizer: how it moves.
        moves: moves a step, each on fresh data; a function of the step where the paper's schedule
            needs one (WGAN's 100 moves at the start).
        every: it plays only in steps that `every` divides.
        accumulate: batches whose gradients are averaged into one move (BigGAN).
        lazy: further objectives with intervals of their own.
        clip: largest norm of the whole gradient, or None.
    """

    name: str
    networks: Sequence[nn.Module]
    objective: Objective
    optimizer: Optimizer = field(default_factory=Adam)
    moves: int | Callable[[int], int] = 1
    every: int = 1
    accumulate: int = 1
    lazy: tuple[Lazy, ...] = ()
    clip: float | None = None

    def moves_at(self, step: int) -> int:
        """How many moves it makes in this step, its interval considered."""
        if step % self.every:
            return 0
        return self.moves(step) if callable(self.moves) else self.moves


@dataclass(frozen=True)
class Phase:
    """A stretch of a game with its own players, picture size and batch (SRGAN, growing).

    Args:
        name: what the log calls it.
        steps: how long it lasts; None for the rest of the run.
        players: the names of those who play; None for all.
        image_size: pictures are resized to it; None leaves them.
        batch_size: None keeps the run's.
    """

    name: str = ""
    steps: int | None = None
    players: tuple[str, ...] | None = None
    image_size: int | None = None
    batch_size: int | None = None


class Game(nn.Module):
    """Base class of every family.

    A family's constructor takes its `Config` and the data's `Spec` and makes its networks.
    State other than weights (replay pools, BEGAN's k) is a buffer, written in place.
    """

    title: str = ""
    """The name people know it by, with the year: "DCGAN (2015)"."""
    paper: str = ""
    """The paper's arXiv number."""
    task: type[Batch] = Images
    """What its objectives are handed."""
    needs_labels: bool = False
    data: str = "digits"
    """The embedded data it trains on when none is named."""
    image_size: int | None = None
    """The size to which it brings pictures unless told; None keeps the data's."""
    batch_size: int = 64
    averaged: tuple[str, ...] = ()
    """The children whose moving average is kept for inference."""
    held_out: int = 256
    """Held-out items that `measure` is given, in all."""
    simultaneous: bool = False
    """All players' gradients first, then all steps; else each moves in its turn."""

    @property
    def device(self) -> torch.device:
        """Where its weights live."""
        return next(self.parameters()).device

    @dataclass(frozen=True, kw_only=True)
    class Config(Named):
        """Settings of the family; subclasses declare theirs."""

    def __init__(self, cfg: Any, spec: Spec) -> None:
        super().__init__()
        self.cfg = cfg
        self.spec = spec

    def players(self) -> Iterable[Player]:
        """Who plays, in the order of their turns."""
        raise NotImplementedError

    def phases(self) -> Sequence[Phase]:
        """The stretches of the game; the last one may be endless."""
        return (Phase(),)

    def after(self, player: Player, terms: Terms) -> None:
        """Called, without gradients, once `player` has moved: clip weights, update BEGAN's k.

        `terms` holds its detached terms and observations.
        """

    def preview(self, batch: Any) -> Tensor:
        """A grid's worth of pictures that show how training goes: [n, C, H, W] in [-1, 1].

        Called in evaluation mode with the same batch and the same seed every time.
        """
        raise NotImplementedError

    def measure(self, batch: Any) -> Terms:
        """Numbers on a batch of held-out data, logged with each sample grid; none by default.

        Called in evaluation mode without gradients; the batches' means are logged.
        """
        return {}

    @property
    def preview_columns(self) -> int | None:
        """Pictures in a row of the preview's grid; None lets the grid be square."""
        return None
