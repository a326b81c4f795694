"""What happens around the steps of a run: logs, grids, checkpoints, interruptions, NaNs."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import yaml
from torch import Tensor

from ganwright import checkpoint
from ganwright.data import Data
from ganwright.data.batch import mapped
from ganwright.errors import NonFiniteError, RunError
from ganwright.game import Game
from ganwright.listener import Listener
from ganwright.meter import Trouble
from ganwright.report import save_grid, write_report
from ganwright.seeds import seed_torch
from ganwright.settings import Settings
from ganwright.trackers import Tracker, open_trackers
from ganwright.trainer import Trainer

ROLLBACKS = 10
"""After so many a run is hopeless and stops."""


class Loop:
    """Plays a trainer to the run's last step and writes what the run folder holds."""

    def __init__(
        self, run: Path, settings: Settings, trainer: Trainer, source: Data, listener: Listener
    ) -> None:
        self.run, self.settings, self.trainer = run, settings, trainer
        self.source, self.listener = source, listener
        self.main = trainer.engine.rank == 0
        self.trackers = self._trackers() if self.main else []
        self.initial = (
            {k: v.clone() for k, v in trainer.game.state_dict().items()}
            if settings.on_nan == "rollback"
            else {}
        )
        self._clock = time.perf_counter()
        self._counted = trainer.images, trainer.step

    def go(self) -> bool:
        """Train up to the last step.

        Returns:
            Whether it was interrupted; it has then been saved.

        Raises:
            NonFiniteError: a term was not finite and the run is to stop.
            RunError: the last checkpoint could not be saved.
        """
        self._trim_metrics()
        settings, trainer = self.settings, self.trainer
        if trainer.step == 0 and self.main:
            self._begin()
        with _signals() as stopped:
            while trainer.step < settings.steps:
                trainer.play_step()
                step, last = trainer.step, trainer.step >= settings.steps or stopped()
                self.listener.stepped(step)
                log, sample, save = (
                    last or step % every == 0
                    for every in (settings.log_every, settings.sample_every, settings.save_every)
                )
                if (log or sample or save) and self._recover(self._log(sample)):
                    continue
                last = trainer.step >= settings.steps or stopped()
                if (save or last) and self.main:
                    self._save(last)
                if last:
                    break
        return trainer.step < settings.steps

    def close(self) -> None:
        """Close what the loop opened."""
        with ExitStack() as closing:  # each is closed, whatever another raises
            for tracker in self.trackers:
                closing.callback(tracker.finish)

    def _trackers(self) -> list[Tracker]:
        if not self.settings.log:
            return []
        settings = yaml.safe_load((self.run / "config.yaml").read_text())
        return open_trackers(self.settings.log, self.run, settings)

    def _log(self, sample: bool) -> Trouble | None:
        trainer = self.trainer
        means, trouble = trainer.meter.read()
        now = time.perf_counter()
        images, step = self._counted
        seconds = max(now - self._clock, 1e-9)
        row: dict[str, Any] = {
            "step": trainer.step,
            "images": trainer.images,
            "images_per_second": round((trainer.images - images) / seconds, 1),
            "seconds_left": round(
                (self.settings.steps - trainer.step) * seconds / max(1, trainer.step - step), 1
            ),
            "memory_mb": _memory(trainer.engine.device),
            **means,
        }
        if trouble is None and sample and self.main:
            row |= self._sample()
        if self.main:
            self._write(row)
        self._clock, self._counted = time.perf_counter(), (trainer.images, trainer.step)
        return trouble

    def _write(self, row: dict[str, Any]) -> None:
        try:
            with (self.run / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            self.listener.warned(f"could not write {self.run / 'metrics.jsonl'}: {error.strerror}")
        numbers = {k: v for k, v in row.items() if isinstance(v, int | float)}
        for tracker in self.trackers:
            tracker.log(numbers, row["step"])
        self.listener.logged(row)

    @torch.no_grad()
    def _begin(self) -> None:
        """Some of the data, and what the game draws before it has learnt anything."""
        pictures, maps = self.source.preview(64)[0], self.source.spec.label_map
        if maps is not None:
            pictures = maps.shown(pictures)
        with self._inferring() as game:
            save_grid(pictures, self.run / "samples" / "data.png")
            self._preview(game)

    @torch.no_grad()
    def _sample(self) -> dict[str, float]:
        """A grid of the run's fixed latents or inputs, and what the family measures."""
        with self._inferring() as game:
            self._preview(game)
            return self._measure(game.measure, game.held_out)
        return {}

    @contextmanager
    def _inferring(self) -> Iterator[Game]:
        """The game with its averages, in evaluation mode; a file that fails is but a warning."""
        game = self.trainer.average.view(self.trainer.game)
        game.eval()
        try:
            yield game
        except OSError as error:
            self.listener.warned(f"could not write the sample grid: {error.strerror or error}")
        finally:
            self.trainer.game.train()

    def _preview(self, game: Game) -> None:
        seed_torch(self.settings.seed, "preview")
        grid = game.preview(self.source.preview(64))
        step = self.trainer.step
        path = self.run / "samples" / f"step-{step:06d}.png"
        save_grid(grid, path, columns=game.preview_columns)
        for tracker in self.trackers:
            tracker.log_images({"samples": grid}, step)

    def _measure(self, measure: Callable[[Any], Any], count: int) -> dict[str, float]:
        batch = self.source.held_out(count)
        if batch is None:
            return {}
        seed_torch(self.settings.seed, "held out")
        size = len(batch[0])
        totals: dict[str, float] = {}
        for start in range(0, size, 64):
            part = mapped(batch, partial(_rows, start=start, stop=start + 64))
            weight = len(part[0]) / size
            for name, value in measure(part).items():
                totals[name] = totals.get(name, 0.0) + weight * float(value)
        return {f"held_out/{name}": value for name, value in totals.items()}

    def _save(self, last: bool) -> None:
        trainer = self.trainer
        try:
            checkpoint.save(
                self.run / "checkpoints",
                trainer.game,
                trainer.average.networks,
                trainer.state(),
                keep=self.settings.keep,
            )
            write_report(self.run)
        except RunError as error:
            if last:
                raise
            self.listener.warned(str(error))
        except OSError as error:
            self.listener.warned(f"could not write the report: {error.strerror or error}")

    def _recover(self, trouble: Trouble | None) -> bool:
        """Nothing to do without trouble; with it, roll back if that is asked for, or stop."""
        if trouble is None:
            return False
        trainer = self.trainer
        what = f"{trouble.player}'s {trouble.term} was not finite at step {trouble.step}"
        attempt = trainer.attempt + 1
        if self.settings.on_nan == "stop" or attempt > ROLLBACKS:
            tries = f" after {ROLLBACKS} rollbacks" if attempt > ROLLBACKS else ""
            raise NonFiniteError(
                f"{what}{tries}; no update was made from it and the last good checkpoint is kept; "
                "lower the learning rate, use --precision fp32, or go on with --on-nan rollback"
            )
        found = checkpoint.load_newest(self.run / "checkpoints", warn=self.listener.warned)
        if found is None:
            trainer.game.load_state_dict(self.initial)
            trainer.restart()
        else:
            restore(trainer, found, self.run)
        trainer.attempt = attempt
        self._trim_metrics()
        self._counted = trainer.images, trainer.step
        self.listener.warned(f"{what}; back to step {trainer.step}, on with fresh randomness")
        return True

    def _trim_metrics(self) -> None:
        """Drop lines of steps that will be made again, and a line cut short by a kill."""
        path = self.run / "metrics.jsonl"
        if not self.main or not path.exists():
            return
        kept = []
        for line in path.read_text().splitlines(keepends=True):
            try:
                if line.endswith("\n") and json.loads(line)["step"] <= self.trainer.step:
                    kept.append(line)
            except ValueError:
                continue
        beside = path.with_name(".metrics.jsonl")
        beside.write_text("".join(kept))
        os.replace(beside, path)


@contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM end the loop after the step in hand; a second Ctrl-C ends it at once."""
    caught: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    try:
        before = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread, where Python allows no handlers
        before = {}
    try:
        yield lambda: bool(caught)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _rows(t: Tensor, start: int, stop: int) -> Tensor:
    return t[start:stop]


def _memory(device: torch.device) -> int | None:
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device) // 2**20


def restore(trainer: Trainer, found: checkpoint.Checkpoint, run: Path) -> None:
    """Put a trainer where a checkpoint was."""
    checkpoint.load_into(trainer.game, found.game, run)
    checkpoint.load_into(trainer.average.networks, found.average, run)
    trainer.restore(found.training)
