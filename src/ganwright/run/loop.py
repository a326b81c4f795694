"""The loop: plays steps, agrees with the other processes, and tells callbacks."""

from __future__ import annotations

from contextlib import ExitStack

from ganwright.callbacks.callback import Run
from ganwright.callbacks.evaluation import Evaluation
from ganwright.errors import DataError, RunError
from ganwright.memory import out_of_memory, said
from ganwright.run.recovery import Recovery
from ganwright.stopping import signals


def play(run: Run) -> None:
    """Train up to the run's last step, or until it is stopped; `run` says which.

    Raises:
        NonFiniteError: a term was not finite and the run is to stop.
        RunError: the last checkpoint could not be saved, or there is no memory left.
        DataError: data cannot be read any more.
    """
    engine, settings = run.trainer.engine, run.settings
    measured = (c.every for c in run.callbacks if isinstance(c, Evaluation))
    intervals = {settings.log_every, settings.sample_every, settings.save_every, *measured}
    recovery = Recovery(run)
    with ExitStack() as closing, signals(engine.world) as stop:
        for callback in run.callbacks:  # each is closed, whatever another raises
            closing.callback(callback.closed, run)
        with engine.together():
            run.tell("started")
        while True:
            _step(run)
            due = run.last or any(run.step % every == 0 for every in intervals)
            if due and recovery.rewound():
                continue
            run.tell("stepped")
            if due and recovery.retreated():
                continue
            # All processes stop after the same step, whichever of them was told to.
            stop.agreed = engine.any(stop.asked or run.reason is not None)
            if (stop.agreed or run.last) and not recovery.rewound():
                break
        run.interrupted = engine.any(stop.asked) and not run.last
        run.tell("finished")


def _step(run: Run) -> None:
    """A step; what stops it from outside is a sentence."""
    try:
        run.trainer.play_step()
    except DataError as error:
        raise DataError(_failed(run, str(error))) from error
    except (RuntimeError, MemoryError) as error:
        why = said(error) if out_of_memory(error) else ""
        # torch tells of a killed worker by a signal, wherever this process is.
        if "DataLoader worker" in str(error):
            why = (
                "a process that reads data was killed, often because memory ran out; try fewer "
                "--workers"
            )
        if not why:
            raise
        raise RunError(_failed(run, why)) from error


def _failed(run: Run, why: str) -> str:
    return (
        f"step {run.step + 1} failed: {why}. `ganwright resume {run.folder}` continues from the "
        "last checkpoint"
    )
