"""What surrounds a training: the folder's one writer before it, the model after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from ganwright import atomic
from ganwright.callbacks.callback import Run
from ganwright.inference.model import Model
from ganwright.run import lock
from ganwright.run.loop import play
from ganwright.training.engine import Engine

ENDED = "ended.json"
"""At which step training ended, and why, if a callback stopped it."""


@contextmanager
def writing(run: Path, engine: Engine) -> Iterator[None]:
    """The first process is the folder's one writer; the others learn whether it may be."""
    with ExitStack() as stack:
        with engine.together():
            if engine.rank == 0:
                stack.enter_context(lock.writing(run))
        yield


def played(run: Run) -> Model:
    """The model, once the run has been trained up to its last step or a callback stopped it.

    Raises:
        KeyboardInterrupt: a signal stopped it, and it is saved; a script must not continue as if
            this training were done.
    """
    with closing(run.data):
        play(run)
    if run.main:
        _keep_end(run)
    if run.interrupted:
        raise KeyboardInterrupt(
            f"{run.folder} is saved at step {run.step}; ganwright.resume continues it, and "
            "ganwright.load gives the model so far"
        )
    game = run.trainer.average.view(run.game)
    game.requires_grad_(False).eval()
    return Model(run.family, game, run.data.spec, run.step, run.folder)


def stopped_at(run: Path) -> int | None:
    """The step at which a callback stopped a run the last time that it ended, if one did."""
    try:
        known: Any = json.loads((run / ENDED).read_text(encoding="utf-8"))
        return int(known["step"]) if known["reason"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep_end(run: Run) -> None:
    # A callback may have stopped it on another process than this one, which has no reason then.
    stopped = not run.last and not run.interrupted
    reason = (run.reason or "a callback stopped it") if stopped else None
    with suppress(OSError):  # the run is saved; without this file a sweep would continue it
        atomic.write(run.folder / ENDED, json.dumps({"step": run.step, "reason": reason}))
