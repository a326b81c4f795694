"""Checkpoints, at intervals and at the run's end."""

from __future__ import annotations

from pathlib import Path

from ganwright.callbacks.callback import Periodic, Run
from ganwright.errors import RunError
from ganwright.training import checkpoint


class Checkpoints(Periodic):
    """Saves the run, with a copy of its configuration.

    Within the run a checkpoint that fails is a warning, since the next one may work; at its end it
    is an error.
    """

    def started(self, run: Run) -> None:
        # Read once: an edit made while the run goes on is none that it was trained with.
        self._config = (run.folder / "config.yaml").read_text(encoding="utf-8") if run.main else ""

    def act(self, run: Run) -> None:
        try:
            self._save(run)
        except RunError as error:
            self._done = -1
            run.warn(str(error))

    def finished(self, run: Run) -> None:
        with run.trainer.engine.together():
            if self._done != run.step:
                self._save(run)

    def _save(self, run: Run) -> None:
        if not run.main:
            return
        path = save(run, run.folder / "checkpoints", self._config, keep=run.settings.keep)
        run.tell("saved", path)


def save(run: Run, folder: Path, config: str, keep: int) -> Path:
    """Write a checkpoint of the run as it stands; returns its path.

    Raises:
        RunError: it cannot be written.
    """
    state = run.trainer.state_dict()
    return checkpoint.save(folder, state, keep=keep, config=config, warn=run.warn)
