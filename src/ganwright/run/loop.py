"""What happens around the steps of a run: logs, grids, checkpoints, interruptions, NaNs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from ganwright import atomic
from ganwright.callbacks.listener import Listener
from ganwright.callbacks.trackers import Tracker, open_trackers
from ganwright.config.settings import Settings
from ganwright.data import Data
from ganwright.data.types import mapped
from ganwright.errors import NonFiniteError, RunError
from ganwright.game import Game
from ganwright.report import save_grid, write_report
from ganwright.run import metrics_log
from ganwright.run.rehearsal import out_of_memory, said
from ganwright.seeds import seed_torch
from ganwright.stopping import signals
from ganwright.training import checkpoint
from ganwright.training.meter import Trouble
from ganwright.training.trainer import Trainer

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
        self.config = (run / "config.yaml").read_text(encoding="utf-8") if self.main else ""
        self.initial = (
            {k: v.clone() for k, v in trainer.game.state_dict().items()}
            if settings.on_nan == "rollback"
            else {}
        )
        self._clock = time.perf_counter()
        self._counted = trainer.images, trainer.step
        self.trackers = self._trackers() if self.main else []

    def go(self) -> bool:
        """Train up to the last step.

        Returns:
            Whether it was interrupted; it has then been saved.

        Raises:
            NonFiniteError: a term was not finite and the run is to stop.
            RunError: the last checkpoint could not be saved, a process that reads data was killed,
                or there is no memory left.
        """
        settings, trainer = self.settings, self.trainer
        with trainer.engine.together():
            self._trim()
            if trainer.step == 0 and self.main:
                self._begin()
        with signals(trainer.engine.world) as stop:
            while trainer.step < settings.steps:
                self._play()
                # All processes stop after the same step, whichever of them was told to.
                stop.agreed = trainer.engine.any(stop.asked)
                step, last = trainer.step, stop.agreed or trainer.step >= settings.steps
                self.listener.stepped(step)
                log, sample, save = (
                    last or step % every == 0
                    for every in (settings.log_every, settings.sample_every, settings.save_every)
                )
                if (log or sample or save) and self._recover(self._log(sample)):
                    continue
                if last:
                    with trainer.engine.together():
                        self._save(last)
                    break
                if save:
                    self._save(last)
        return trainer.step < settings.steps

    def _play(self) -> None:
        """A step; what stops it from outside is a sentence."""
        try:
            self.trainer.play_step()
        except (RuntimeError, MemoryError) as error:
            why = said(error) if out_of_memory(error) else ""
            if "DataLoader worker" in str(error):
                why = (
                    "a process that reads data was killed, often because memory ran out; try "
                    "fewer --workers"
                )
            if not why:
                raise
            raise RunError(
                f"step {self.trainer.step + 1} failed: {why}. `ganwright resume {self.run}` goes "
                "on from the last checkpoint"
            ) from error

    def close(self) -> None:
        """Close what the loop opened."""
        with ExitStack() as closing:  # each is closed, whatever another raises
            for tracker in self.trackers:
                closing.callback(tracker.finish)

    def _trackers(self) -> list[Tracker]:
        if not self.settings.log:
            return []
        return open_trackers(self.settings.log, self.run, yaml.safe_load(self.config))

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
        path = self.run / "metrics.jsonl"
        try:
            metrics_log.append(path, row)
        except OSError as error:
            self.listener.warned(f"could not write {path}: {atomic.reason(error)}")
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
        try:
            with self.trainer.inferring() as game:
                yield game
        except OSError as error:
            self.listener.warned(f"could not write the sample grid: {atomic.reason(error)}")

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
        if not self.main:
            return
        try:
            checkpoint.save(
                self.run / "checkpoints",
                trainer.game,
                trainer.average.networks,
                trainer.state() | {"world": trainer.engine.world},
                keep=self.settings.keep,
                config=self.config,
                warn=self.listener.warned,
            )
            write_report(self.run)
        except RunError as error:
            if last:
                raise
            self.listener.warned(str(error))
        except OSError as error:
            self.listener.warned(f"could not write the report: {atomic.reason(error)}")

    def _recover(self, trouble: Trouble | None) -> bool:
        """Nothing to do without trouble; with it, roll back if that is asked for, or stop.

        Trouble on one process is trouble on all.
        """
        trainer = self.trainer
        trouble = next((found for found in trainer.engine.gathered(trouble) if found), None)
        if trouble is None:
            return False
        what = f"{trouble.player}'s {trouble.term} was not finite at step {trouble.step}"
        attempt = trainer.attempt + 1
        if self.settings.on_nan == "stop" or attempt > ROLLBACKS:
            tries = f" after {ROLLBACKS} rollbacks" if attempt > ROLLBACKS else ""
            raise NonFiniteError(
                f"{what}{tries}; no update was made from it and the last good checkpoint is kept; "
                "lower the learning rate, use --precision fp32, or go on with --on-nan rollback"
            )
        with trainer.engine.together():
            self._roll_back()
        same_step(trainer, self.run)
        trainer.attempt = attempt
        self._trim()
        self._counted = trainer.images, trainer.step
        if self.main:
            self.listener.warned(f"{what}; back to step {trainer.step}, on with fresh randomness")
        return True

    def _trim(self) -> None:
        """Drop the lines of steps that will be made again."""
        if self.main:
            path = self.run / "metrics.jsonl"
            metrics_log.trim(path, self.trainer.step, warn=self.listener.warned)

    def _roll_back(self) -> None:
        trainer = self.trainer
        warn = self.listener.warned if self.main else _unsaid
        found = checkpoint.load_newest(self.run / "checkpoints", warn=warn)
        if found is None:
            trainer.game.load_state_dict(self.initial)
            trainer.restart()
        else:
            restore(trainer, found, self.run)


def same_step(trainer: Trainer, run: Path) -> None:
    """See that all processes stand at one step.

    Raises:
        RunError: they do not, since each looks into a folder of its own.
    """
    steps = trainer.engine.gathered(trainer.step)
    if len(set(steps)) > 1:
        raise RunError(
            f"the processes found {run} at steps {', '.join(map(str, steps))}; it must lie where "
            "all of them see it"
        )


def _unsaid(_: str) -> None:
    """The first process has said it."""


def _rows(t: Tensor, start: int, stop: int) -> Tensor:
    return t[start:stop]


def _memory(device: torch.device) -> int | None:
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device) // 2**20


def restore(trainer: Trainer, found: checkpoint.Checkpoint, run: Path) -> None:
    """Put a trainer where a checkpoint was; without training state, optimizers stay fresh."""
    checkpoint.load_into(trainer.game, found.game, run)
    checkpoint.load_into(trainer.average.networks, found.average, run)
    if found.training:
        trainer.restore(found.training)
        return
    trainer.step = found.step
    # Format 1 does not repeat its counts: as if each step had drawn one batch.
    trainer.draws = found.counts.get("draws", found.step)
    trainer.images = found.counts.get("images", trainer.draws * trainer.batch_size)
    trainer.attempt = found.counts.get("attempt", 0)
