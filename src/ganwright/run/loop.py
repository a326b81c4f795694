"""The loop: plays steps, agrees with the other processes, and tells callbacks."""

from __future__ import annotations

from contextlib import ExitStack

from ganwright.callbacks.callback import Run
from ganwright.callbacks.evaluation import Evaluation
from ganwright.config.spelling import quoted
from ganwright.errors import DataError, RunError
from ganwright.memory import WORKER_KILLED, out_of_memory, said
from ganwright.run import shortage
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
            _tell(run, "started")
        while True:
            _step(run)
            due = run.last or any(run.step % every == 0 for every in intervals)
            if due and recovery.rewound():
                continue
            _tell(run, "stepped")
            if due and recovery.retreated():
                continue
            # All processes stop after the same step, whichever of them was told to.
            stop.agreed = engine.any(stop.asked or run.reason is not None)
            if (stop.agreed or run.last) and not recovery.rewound():
                break
        run.interrupted = engine.any(stop.asked) and not run.last
        _tell(run, "finished")


def _step(run: Run) -> None:
    """A step; what stops it from outside is a sentence."""
    what = f"step {run.step + 1}"
    try:
        run.trainer.play_step()
    except DataError as error:
        raise DataError(_failed(run, what, str(error))) from error
    except (RuntimeError, MemoryError) as error:
        fork = ""
        if short := out_of_memory(error):
            flags = shortage.less(run.trainer)
            fork = (
                f", and `ganwright fork {quoted(run.folder)} {flags}` with less memory"
                if flags
                else ""
            )
        why = shortage.within(run.trainer, error) if short else _killed(error)
        if not why:
            raise
        raise RunError(_failed(run, what, why) + fork) from error


def _tell(run: Run, hook: str) -> None:
    """What happens around steps; samples and metrics need memory, too."""
    try:
        run.tell(hook)
    except (RuntimeError, MemoryError) as error:
        helps = "resume without --metrics, with a larger --sample-every, or on another --device"
        why = said(error, helps) if out_of_memory(error) else _killed(error)
        if not why:
            raise
        what = f"sampling, measuring or saving after step {run.step}"
        raise RunError(_failed(run, what, why)) from error


def _killed(error: BaseException) -> str:
    """torch tells of a killed worker by a signal, wherever this process is."""
    return WORKER_KILLED if "DataLoader worker" in str(error) else ""


def _failed(run: Run, what: str, why: str) -> str:
    on = f"`ganwright resume {quoted(run.folder)}`"
    return f"{what} failed: {why}. {on} continues from the last checkpoint"
