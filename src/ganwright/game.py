"""The game: players take turns lowering their own objectives over shared networks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MethodType
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from ganwright.config.checked import Named
from ganwright.config.schedule import Schedule
from ganwright.data.types import Batch, Images, Spec
from ganwright.errors import GameError, SettingsError, described
from ganwright.function import Function
from ganwright.optim import Adam, Optimizer

Terms: TypeAlias = Mapping[str, Tensor]
Objective: TypeAlias = Callable[[Any], Terms]
Draw: TypeAlias = Callable[[Any], Any]
Switches: TypeAlias = Sequence[tuple[str, str | tuple[str, ...]]]


@dataclass(frozen=True)
class Lazy:
    """An objective charged every `every`-th step, in a pass of its own, `every` times as heavy.

    Where its player makes several updates in a step, it is so many times as heavy again: as if it
    were charged in each. A pass all of whose terms have a schedule's factor of 0 moves nothing.

    Karras et al. (2020), arXiv:1912.04958, appendix B ("lazy regularization").
    """

    objective: Objective
    every: int

    def __post_init__(self) -> None:
        if not callable(self.objective):
            raise GameError(
                f"a lazy objective is {described(self.objective)}; it must be a function from a "
                "batch to named terms"
            )
        _check_count("a lazy objective's every", self.every)


@dataclass(frozen=True)
class Player:
    """One player: which networks it trains, what it minimises, and when.

    What its networks have that requires no gradient is not moved.

    Args:
        name: unique in its game; it labels the terms in every log.
        networks: the modules whose parameters it updates, or the only one; they may be shared.
        objective: batch -> named scalar terms, whose sum it minimises.
        optimizer: how it updates them.
        moves: updates per step, each on new data; a function of the step where the paper's schedule
            needs one (WGAN's 100 updates at the start).
        every: it plays only in steps that `every` divides.
        accumulate: batches whose gradients are averaged into one update (BigGAN).
        lazy: further objectives with intervals of their own, or the only one.
        clip: largest norm of the whole gradient, or None.
        draws: functions from a batch to what it draws once a step for all players, who get it by
            `Game.once`; or the only one.
        schedules: factors on terms, by their names; a term without one counts as it is.
        fresh: it gets new data in its first update of a step, too, instead of what the player
            before it saw.

    Raises:
        GameError: one of them cannot be so.
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
    draws: Sequence[Draw] | Draw = ()
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    fresh: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise GameError(f"a player's name is {self.name!r}; it must be a single word")
        _as_tuple(self, "networks", nn.Module, "networks")
        _as_tuple(self, "lazy", Lazy, "lazy objectives")
        if not callable(self.objective):
            raise GameError(
                f"{self.name}'s objective is {described(self.objective)}; it must be a function "
                "from a batch to named terms"
            )
        if not isinstance(self.optimizer, Optimizer):
            raise GameError(
                f"{self.name}'s optimizer is {described(self.optimizer)}; it must be one of "
                "ganwright.optim's with its settings, such as Adam(lr=2e-4)"
            )
        if not callable(self.moves):
            _check_count(f"{self.name}'s moves", self.moves, least=0)
        _check_count(f"{self.name}'s every", self.every)
        _check_count(f"{self.name}'s accumulate", self.accumulate)
        if self.clip is not None and not self.clip > 0:
            raise GameError(f"{self.name}'s clip is {self.clip}; it must be above 0, or None")
        given: Any = (self.draws,) if callable(self.draws) else self.draws
        if not isinstance(given, Sequence) or not all(hasattr(d, "__name__") for d in given):
            raise GameError(
                f"{self.name}'s draws are {described(self.draws)}; they must be named functions "
                "from a batch to what is drawn"
            )
        object.__setattr__(self, "draws", tuple(given))

    def factors_at(self, step: int) -> dict[str, float]:
        """What each term that has a schedule is multiplied by in this step."""
        return {name: schedule.factor(step) for name, schedule in self.schedules.items()}

    def moves_at(self, step: int) -> int:
        """How many updates it makes in this step, its interval considered.

        Raises:
            GameError: `moves` gives no whole number for this step.
        """
        if step % self.every:
            return 0
        if not callable(self.moves):
            return self.moves
        moves = self.moves(step)
        _check_count(f"{self.name}'s moves", moves, least=0, where=f" at step {step}")
        return moves


def _as_tuple(player: Player, name: str, kind: type, what: str) -> None:
    """A single object may stand for a sequence of one."""
    given = getattr(player, name)
    given = (given,) if isinstance(given, kind) else given
    wanted = f"list objects of {kind.__name__}"
    if not isinstance(given, Iterable):
        raise GameError(f"{player.name}'s {what} are {described(given)}; {wanted}")
    given = tuple(given)
    for item in given:
        if not isinstance(item, kind):
            raise GameError(f"{player.name}'s {what} hold {described(item)}; {wanted}")
    object.__setattr__(player, name, given)


def _check_count(what: str, value: object, *, least: int = 1, where: str = "") -> None:
    if not isinstance(value, int) or value < least:
        raise GameError(f"{what} is {value!r}{where}; it must be a whole number from {least} up")


@dataclass(frozen=True)
class Phase:
    """A stretch of a game with its own players, image size and batch (SRGAN, growing).

    Args:
        name: what the log calls it.
        steps: how long it lasts; None for the rest of the run.
        players: the names of those who play; None for all.
        image_size: images are resized to it; None leaves them.
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
    several_labels: bool = False
    """Whether an image may have several labels, where labels are asked for."""
    data: str = "digits"
    """The embedded data it trains on when none is named."""
    image_size: int | None = None
    """The default image size; None keeps that of the data."""
    batch_size: int = 64
    """Default images per batch; a trainer sets how many a step's updates use, over all ranks."""
    averaged: tuple[str, ...] = ()
    """The children whose moving average is kept for inference."""
    averaged_buffers: tuple[str, ...] = ("running_mean", "running_var")
    """The buffers that are averaged, too, by their last names; an average copies all others."""
    adapts: str = ""
    """The command that trains it from a run, if it adapts a trained generator to a few images."""
    filled_by: tuple[tuple[str, str], ...] = ()
    """Settings that say where a child gets constant weights, each with the child; a fork with
    another one takes the new weights."""
    held_out: int = 256
    """Held-out items that `measure` is given, in all."""
    larger_is_better: tuple[str, ...] = ()
    """The numbers of `measure` of which this holds; of the others, smaller ones are better."""
    simultaneous: bool = False
    """All players' gradients first, then all updates; else one player after the other."""

    @property
    def device(self) -> torch.device:
        """Where its weights live; the CPU where it has none."""
        first = next(self.parameters(), None)
        return torch.device("cpu") if first is None else first.device

    @dataclass(frozen=True, kw_only=True)
    class Config(Named):
        """Settings of the family; subclasses declare theirs."""

        switches: ClassVar[Switches] = ()
        """Settings without effect while another one, or each of several, is 0 or None: a setting's
        name with that of its switch, or with theirs."""

    def __init__(self, cfg: Any, spec: Spec) -> None:
        super().__init__()
        self.cfg = cfg
        self.spec = spec
        self._drawn_once: dict[str, Any] = {}

    def before_training(self) -> None:
        """Make what only training needs; called once, before `players`, the game on its device.

        A network that is large or far away, such as VGG, belongs here, so that a trained run
        samples without it. It must not enter checkpoints, which are loaded without it: keep its
        weights in buffers that are not persistent.
        """

    def carried(self, fresh: Collection[str]) -> None:
        """Called in a fork that has a checkpoint's tensors; `fresh` names those it lacks."""

    def players(self) -> Iterable[Player]:
        """Who plays, in the order of their turns."""
        raise GameError(f"{type(self).__name__} has no players; define a method `players`")

    def phases(self) -> Sequence[Phase]:
        """The stretches of the game; the last one may be endless."""
        return (Phase(),)

    def before_step(self, step: int) -> None:
        """Called before the first update of each step, counted from 0: numbers on a schedule."""

    def after(self, player: Player, terms: Terms) -> None:
        """Called, without gradients, once `player` has moved: clip weights, update BEGAN's k.

        `terms` holds its detached terms and observations.
        """

    def preview(self, batch: Any) -> Tensor:
        """A grid's worth of images that show how training goes: [n, C, H, W] in [-1, 1].

        Called in evaluation mode with the same batch and the same seed every time.
        """
        raise NotImplementedError

    def function(self, direction: str = "a2b") -> Function:
        """The one function that it is used by: what is exported, and what latents go through.

        Args:
            direction: of translation; families that do not translate ignore it.

        Raises:
            SettingsError: it has none; the sentence says why.
        """
        name = type(self).__name__
        raise SettingsError(f"{name} does not say what is exported; give it a method `function`")

    def measure(self, batch: Any) -> Terms:
        """Numbers on a batch of held-out data, logged with each sample grid; none by default.

        Called in evaluation mode without gradients; the batches' means are logged.
        """
        return {}

    def once(self, draw: Draw, batch: Any) -> Any:
        """What a player `draws` of this batch: once a step for all, and a constant for others.

        Where the trainer has drawn nothing of this batch, it is drawn here.
        """
        # torch 2.11's compiler takes a method's own __name__ for something else
        name = (draw.__func__ if isinstance(draw, MethodType) else draw).__name__
        return self._drawn_once[name] if name in self._drawn_once else draw(batch)

    def in_turn(self, n: int, most: int | None = None) -> Tensor:
        """Labels of n samples, int64 [n]: the classes that the data has, one after another.

        Args:
            most: keep to the first so many classes.
        """
        asked = torch.tensor(self.spec.asked[:most], device=self.device)
        return asked[torch.arange(n, device=self.device) % len(asked)]

    @property
    def filled(self) -> tuple[str, ...]:
        """The children whose weights `before_training` sets; `init` leaves them out."""
        return ()

    @property
    def preview_columns(self) -> int | None:
        """Images in a row of the preview's grid; None lets the grid be square."""
        return None


@contextmanager
def showing(game: Game, drawn: Mapping[str, Any]) -> Iterator[None]:
    """Within it, `game.once` gives these, by the names of the functions that draw them."""
    game._drawn_once = dict(drawn)
    try:
        yield
    finally:
        game._drawn_once = {}
