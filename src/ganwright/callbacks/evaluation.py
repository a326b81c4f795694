"""Numbers on held-out data, and metrics of samples, during training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ganwright import atomic
from ganwright.callbacks.callback import Periodic, Run
from ganwright.data import RunData
from ganwright.data.types import Batch, leading, rows
from ganwright.game import Game
from ganwright.metrics.evaluation import Result, evaluate
from ganwright.metrics.image_set import ImageSet, of_data, of_game, translated
from ganwright.metrics.metric import Metric
from ganwright.named_numbers import named_numbers
from ganwright.report.protocols import TRAINING, of_training
from ganwright.report.records import HELD_OUT
from ganwright.seeds import seed_torch

AT_ONCE = 64
"""Held-out items that are measured at a time."""
REFERENCE = 10_000
"""Real images that samples are compared with, at most, as `ganwright evaluate` takes."""


class Evaluation(Periodic):
    """Logs what the family measures on held-out data, with the averaged networks, and metrics.

    A run that is stopped between two intervals is not measured: its last row is written already.

    Args:
        every: steps between two measurements.
        metrics: measured on samples, in addition to what the family measures.
        samples: how many.
    """

    def __init__(self, every: int, metrics: Sequence[Metric] = (), samples: int = 1000) -> None:
        super().__init__(every)
        self.metrics, self.samples = metrics, samples
        self.larger: dict[str, bool] = {}
        """What was measured, and whether larger is better."""
        self.tried = False
        self._sets: dict[str, ImageSet] = {}
        self._protocols: dict[str, dict[str, Any]] = {}

    def try_out(self, game: Game, data: RunData, seed: int) -> None:
        """Measure once before the run: what does not fit is said before anything is written.

        Raises:
            GanwrightError: a metric cannot be measured.
        """
        self._measure(game, data, seed)
        self.tried = True

    def started(self, run: Run) -> None:
        for images in self._sets.values():
            images.store = run.folder / "statistics"

    def finished(self, run: Run) -> None:
        pass

    def act(self, run: Run) -> None:
        if not run.main:
            return
        with run.averaged() as game:
            values = self._measure(game, run.data, run.settings.seed)
        self._keep_protocols(run)
        if values:
            run.larger |= self.larger
            run.log(values)
            run.tell("evaluated", values)

    def _measure(self, game: Game, data: RunData, seed: int) -> dict[str, float]:
        values = _measured(game, data, seed)
        rising = game.larger_is_better
        self.larger |= {name: name.removeprefix(f"{HELD_OUT}/") in rising for name in values}
        if not self.metrics:
            return values
        fake = _made(game, data, self.samples, seed)
        about = {"seed": seed, "weights": "average"}
        results = evaluate(self.metrics, lambda split: self._real(data, split), fake, **about)
        self.larger |= {result.name: result.larger for result in results}
        self._protocols = {result.name: dict(result.protocol) for result in results}
        return values | _row(results)

    def _keep_protocols(self, run: Run) -> None:
        """Write how metrics are measured, where that is not what the run says already."""
        if not self._protocols or of_training(run.folder) == self._protocols:
            return
        path = run.folder / TRAINING
        try:
            atomic.write(path, json.dumps(self._protocols, indent=1))
        except OSError as error:
            run.warn(f"could not write {path}: {atomic.reason(error)}")

    def _real(self, data: RunData, split: str | None) -> ImageSet:
        split = split or ("test" if "test" in data.splits() else "train")
        if split not in self._sets:
            name = str(data.fingerprint["name"] or "the data")
            self._sets[split] = of_data(data, split, REFERENCE, name)
        return self._sets[split]


def _row(results: Sequence[Result]) -> dict[str, float]:
    """Numbers and their spreads by name."""
    row = {result.name: result.value for result in results}
    spreads = {f"{r.name} spread": r.spread for r in results if r.spread is not None}
    return row | spreads


def _made(game: Game, data: RunData, count: int, seed: int) -> ImageSet:
    """Samples; of a game that translates, translations of held-out images."""
    if hasattr(game, "sample") or not hasattr(game, "translate"):
        return of_game(game, count, seed, "this family")
    split = "test" if "test" in data.splits() else "train"
    return translated(game, data, split, count, seed)


def numbers_of(game: Game, part: Batch) -> dict[str, float]:
    """What a game measures on a part of the held-out data.

    Raises:
        SettingsError: that is no dict of numbers.
    """
    return named_numbers(f"{type(game).__name__}'s measure gives", game.measure(part))


def _measured(game: Game, data: RunData, seed: int) -> dict[str, float]:
    batch = data.held_out(game.held_out)
    if batch is None:
        return {}
    seed_torch(seed, "held out")
    size = len(leading(batch))
    totals: dict[str, float] = {}
    for start in range(0, size, AT_ONCE):
        part = rows(batch, start, start + AT_ONCE)
        weight = len(leading(part)) / size
        for name, value in numbers_of(game, part).items():
            totals[name] = totals.get(name, 0.0) + weight * value
    return {f"{HELD_OUT}/{name}": value for name, value in totals.items()}
