"""A trainer that notes where the time of its steps goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from ganwright.data.types import Batch
from ganwright.game import Phase
from ganwright.training.trained_player import Pass, TrainedPlayer
from ganwright.training.trainer import Trainer

Key = tuple[str, str]
"""Whose time it is, and for what: ("G", "backward"); data and the rest are nobody's."""

PARTS = ("data", "draws", "forward", "backward", "optimizer", "trainer")
"""`draws` is what is drawn once a step for all; `trainer` is what is left of a step."""


class TimedTrainer(Trainer):
    """Plays as a trainer does, and waits for the device where a part ends.

    Attributes:
        spent: seconds of each part, those of the parts within it excluded.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spent: dict[Key, float] = {}
        self._inside: list[Key] = []
        self._since = 0.0
        for trained in self.players:
            timed = partial(self._timed, (trained.player.name, "forward"), trained.evaluated)
            setattr(trained, "evaluated", timed)  # noqa: B010  a method of one object

    @contextmanager
    def part(self, key: Key) -> Iterator[None]:
        """Within it, time is this part's."""
        self._pass()
        self._inside.append(key)
        try:
            yield
        finally:
            self._pass()
            self._inside.pop()

    def play_step(self, most: int | None = None) -> None:
        with self.part(("", "trainer")):
            super().play_step(most)

    def _pass(self) -> None:
        if self.engine.device.type == "cuda":
            torch.cuda.synchronize(self.engine.device)
        now = time.perf_counter()
        if self._inside:
            key = self._inside[-1]
            self.spent[key] = self.spent.get(key, 0.0) + now - self._since
        self._since = now

    def _timed(self, key: Key, function: Callable[..., Any], *args: Any) -> Any:
        with self.part(key):
            return function(*args)

    def _draw(self, phase: Phase) -> Batch:
        with self.part(("", "data")):
            return super()._draw(phase)

    def _drawn(self, owner: TrainedPlayer, name: str, micro: int, batch: Batch) -> Any:
        with self.part((owner.player.name, "draws")):
            return super()._drawn(owner, name, micro, batch)

    def _differentiate(
        self,
        trained: TrainedPlayer,
        batches: Sequence[Batch],
        kind: str,
        move: int,
        weight: float = 1.0,
    ) -> Pass:
        with self.part((trained.player.name, "backward")):
            return super()._differentiate(trained, batches, kind, move, weight)

    def _apply(self, trained: TrainedPlayer, done: Pass) -> None:
        with self.part((trained.player.name, "optimizer")):
            super()._apply(trained, done)
