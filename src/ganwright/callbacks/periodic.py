"""What is done every so many steps, and once more at the end."""

from __future__ import annotations

from ganwright.callbacks.callback import Callback, Run


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
