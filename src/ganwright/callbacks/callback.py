"""The hooks around the steps of a run, the run that they get, and what is done at intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright.named_numbers import named_numbers

if TYPE_CHECKING:
    from torch import Tensor

    from ganwright.config.settings import Settings
    from ganwright.data import RunData
    from ganwright.game import Game
    from ganwright.training.trainer import Trainer


class Callback:
    """Base of everything that happens around the steps of a run; every hook may be left out.

    Hooks are called on every process; `run.main` is true on the one that writes files. A hook may
    read the run, log to it and stop it. It must not change the game or draw from torch's generators
    without putting them back, or a resumed run differs from an uninterrupted one.
    """

    def started(self, run: Run) -> None:
        """Training begins, or continues, at `run.step`."""

    def stepped(self, run: Run) -> None:
        """A step is done. Every step calls this, so nothing here may wait for the device."""

    def sampled(self, run: Run, images: Mapping[str, Tensor]) -> None:
        """Samples were drawn: [n, C, H, W] in [-1, 1], or points [n, 2], by name."""

    def evaluated(self, run: Run, values: Mapping[str, float]) -> None:
        """Numbers were measured on held-out data; the next row of metrics has them too."""

    def logged(self, run: Run, row: Mapping[str, Any]) -> None:
        """A row of metrics is complete: terms' means since the last one, and what was logged."""

    def saved(self, run: Run, checkpoint: Path) -> None:
        """A checkpoint was written, on the process that writes."""

    def warned(self, run: Run, sentence: str) -> None:
        """There is something that the user should know."""

    def rewound(self, run: Run) -> None:
        """The run went back to `run.step`, as after a NaN; what came later did not happen."""

    def diverged(self, run: Run, what: str) -> None:
        """A number was not finite, as `what` says: the run has gone back, or is about to end."""

    def finished(self, run: Run) -> None:
        """Training ended at `run.step`: it is done, was stopped or was interrupted."""

    def closed(self, run: Run) -> None:
        """The run is over, whatever happened, an error included: close what you opened."""


class Run:
    """A training in progress, as callbacks see it.

    Args:
        folder: the run folder.
        family: the family's name.
        settings: all that determines the run.
        trainer: plays the game.
        data: where batches come from, and what they look like (`data.spec`).
        callbacks: what to call, in this order.
        notes: sentences on how the run began, such as what fitted of another run's weights.
    """

    def __init__(
        self,
        folder: Path,
        family: str,
        settings: Settings,
        trainer: Trainer,
        data: RunData,
        callbacks: Sequence[Callback] = (),
        *,
        notes: Sequence[str] = (),
    ) -> None:
        self.folder, self.family, self.settings = folder, family, settings
        self.notes = (*data.notes, *notes)
        self.trainer, self.data = trainer, data
        self.callbacks = tuple(callbacks)
        self.main = trainer.engine.rank == 0
        """Whether this is the process that writes files."""
        self.reason: str | None = None
        """Why a callback stopped the run, if one did."""
        self.back: tuple[str, int] | None = None
        """Why the run is to go back, and to which step at most, if a callback asked for it."""
        self.initial: Mapping[str, Tensor] = {}
        """The game's tensors at step 0, where a resumed run may have to go back there."""
        self.interrupted = False
        """Whether the run was stopped from outside before its last step."""
        self.pending: dict[str, float] = {}
        """What the next row of metrics will hold besides its counts."""
        self.row_due = False
        """Whether a row of metrics is to be written after this step."""
        self.larger: dict[str, bool] = {}
        """What was measured so far, by name, and whether a larger number is better."""

    def _repr_html_(self) -> str:
        from ganwright.report.card import card, newest_grid

        steps = f"{self.step:,} of {self.settings.steps:,}"
        facts = {"steps": steps, "data": self.settings.data, "run": self.folder}
        return card(self.family, facts, newest_grid(self.folder))

    @property
    def step(self) -> int:
        """How many steps are done."""
        return self.trainer.step

    @property
    def game(self) -> Game:
        """The game with its networks as they are trained."""
        return self.trainer.game

    @property
    def last(self) -> bool:
        """Whether all steps of the run are done."""
        return self.step >= self.settings.steps

    def averaged(self) -> AbstractContextManager[Game]:
        """The game with its averaged networks, in evaluation mode and without gradients."""
        return self.trainer.inferring()

    def log(self, values: Mapping[str, float]) -> None:
        """Add numbers to the next row of metrics.

        Raises:
            SettingsError: they are no dict of numbers.
        """
        self.pending |= named_numbers("run.log is given", values)

    def log_images(self, images: Mapping[str, Tensor]) -> None:
        """Hand images to whoever shows them: [n, C, H, W] in [-1, 1], or points [n, 2], by name."""
        self.tell("sampled", images)

    def warn(self, sentence: str) -> None:
        """Tell the user something, once, on the process that writes."""
        if self.main:
            self.tell("warned", sentence)

    def stop(self, reason: str) -> None:
        """End the run after this step, saved as at its last step; the other processes stop too.

        A run that goes back instead, as after a NaN, continues.
        """
        self.reason = self.reason or reason

    def go_back(self, reason: str, step: int) -> None:
        """Go back to the last checkpoint at `step` or before, and on with new random numbers.

        To be asked for while a row of metrics is logged.
        """
        self.back = self.back or (reason, step)

    def tell(self, hook: str, *details: Any) -> None:
        """Call one hook of every callback, in order."""
        for callback in self.callbacks:
            getattr(callback, hook)(self, *details)


class Periodic(Callback):
    """Calls `act` every `every` steps and at the run's end, never twice at one step.

    Args:
        every: steps between two calls.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self._done = -1

    def act(self, run: Run) -> None:
        """What is to be done."""
        raise NotImplementedError

    def stepped(self, run: Run) -> None:
        if run.step % self.every == 0 or run.last:
            self._act(run)

    def finished(self, run: Run) -> None:
        if self._done != run.step:
            self._act(run)

    def rewound(self, run: Run) -> None:
        self._done = -1

    def _act(self, run: Run) -> None:
        self._done = run.step
        self.act(run)
