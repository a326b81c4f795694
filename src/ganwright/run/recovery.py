"""What is done about a NaN, or a run that fails: it stops, or goes back to a checkpoint.

No callback: a step that did not happen must not be seen by any of them.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ganwright import atomic
from ganwright.callbacks.callback import Run
from ganwright.config.settings import Settings
from ganwright.config.spelling import quoted
from ganwright.errors import NonFiniteError, RunError
from ganwright.game import Game
from ganwright.training import checkpoint
from ganwright.training.meter import Trouble
from ganwright.training.trainer import Trainer

ROLLBACKS = 10
"""After so many a run is hopeless and stops."""


class Recovery:
    """Reads the meter, logs what it holds, and acts on what was not finite."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.initial = run.initial
        if not run.step:
            self.initial = beginning(run.game, run.settings)

    def rewound(self) -> bool:
        """Log the means since the last reading; after trouble, go back.

        Trouble on one process is trouble on all.

        Returns:
            Whether the run went back.

        Raises:
            NonFiniteError: there was trouble, and the run is to stop.
        """
        means, found = self.run.trainer.meter.read()
        trouble = next((t for t in self.run.trainer.engine.gathered(found) if t), None)
        if trouble is not None:
            self._go_back(trouble)
            return True
        self.run.log(means)
        self.run.row_due = self.run.row_due or bool(means)
        return False

    def retreated(self) -> bool:
        """Go back if a callback asked for it on any process, once too often: stop.

        Returns:
            Whether the run went back.
        """
        run, trainer = self.run, self.run.trainer
        asked = next((a for a in trainer.engine.gathered(run.back) if a), None)
        run.back = None
        if asked is None:
            return False
        reason, step = asked
        if trainer.attempt >= ROLLBACKS:
            run.stop(f"{reason}, after {ROLLBACKS} rollbacks")
            return False
        if not trainer.engine.gathered(self._held(step))[0]:
            run.stop(
                f"{reason}, and no checkpoint of step {step:,} or before is left to go back to; "
                "--keep more"
            )
            return False
        self._back(reason, at_most=step)
        return True

    def _held(self, step: int) -> bool:
        """Whether there is something to go back to: its beginning only where none was yet saved."""
        kept = checkpoint.steps(self.run.folder / "checkpoints")
        early = any(checkpoint.step_of(path) <= step for path in kept)
        return early or (bool(self.initial) and step < self.run.settings.save_every)

    def _go_back(self, trouble: Trouble) -> None:
        run, trainer = self.run, self.run.trainer
        what = f"{trouble.player}'s {trouble.term} was not finite at step {trouble.step}"
        hopeless = trainer.attempt >= ROLLBACKS
        if run.settings.on_nan == "stop" or hopeless:
            tries = f" after {ROLLBACKS} rollbacks" if hopeless else ""
            run.tell("diverged", f"{what}{tries}")
            raise NonFiniteError(
                f"{what}{tries}; the update was skipped and the last good checkpoint is kept; "
                "lower the learning rate, use --precision fp32, or continue with `ganwright fork "
                f"{quoted(run.folder)} --on-nan rollback`"
            )
        self._back(what)
        run.tell("diverged", what)

    def _back(self, what: str, at_most: int | None = None) -> None:
        """To the newest checkpoint, or the newest at such a step; later ones are removed."""
        run, trainer = self.run, self.run.trainer
        folder, attempt = run.folder / "checkpoints", trainer.attempt + 1
        with trainer.engine.together():
            if at_most is not None and run.main:
                for late in checkpoint.steps(folder):
                    if checkpoint.step_of(late) > at_most:
                        atomic.remove(late)
        with trainer.engine.together():
            found = checkpoint.load_newest(folder, warn=run.warn)
            if found is None and not self.initial:
                raise RunError(f"{what}, and {folder} holds no checkpoint to go back to")
            if found is None:
                trainer.game.load_state_dict(self.initial)
                trainer.restart()
            else:
                restore(trainer, found, run.folder)
        same_step(trainer, run.folder)
        trainer.attempt = attempt
        # who asked to stop for a row that is undone may ask again
        run.pending, run.row_due, run.reason = {}, False, None
        run.tell("rewound")
        run.warn(f"{what}; back to step {run.step}, continuing with new random numbers")


def beginning(game: Game, settings: Settings) -> dict[str, Tensor]:
    """A copy of all tensors of a game at its first step, if the run may have to go back there."""
    if "rollback" not in (settings.on_nan, settings.on_collapse):
        return {}
    return {name: t.clone() for name, t in game.state_dict().items()}


def same_step(trainer: Trainer, run: Path) -> None:
    """See that all processes stand at one step.

    Raises:
        RunError: they do not, since each looks into a folder of its own.
    """
    steps = trainer.engine.gathered(trainer.step)
    if len(set(steps)) > 1:
        raise RunError(
            f"the processes found {run} at steps {', '.join(map(str, steps))}; it must be in a "
            "folder that all of them share"
        )


def restore(trainer: Trainer, found: checkpoint.Checkpoint, run: Path) -> None:
    """Put a trainer where a checkpoint was; without training state, optimizers stay fresh."""
    draws = found.counts.get("draws", found.step)
    # Format 1 does not repeat its counts: as if each step had drawn one batch.
    counts = {
        "step": found.step,
        "draws": draws,
        "images": found.counts.get("images", draws * trainer.batch_size),
        "attempt": found.counts.get("attempt", 0),
    }
    trainer.load_state_dict(
        {"game": found.game, "average": found.average, "training": found.training or counts},
        what=f"the checkpoint in {run}",
    )
