"""What surrounds a training: the folder's one writer before it, the model after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from ganwright.callbacks.callback import Run
from ganwright.inference.model import Model
from ganwright.run import lock
from ganwright.run.loop import play
from ganwright.training.engine import Engine


@contextmanager
def writing(run: Path, engine: Engine) -> Iterator[None]:
    """The first process is the folder's one writer; the others learn whether it may be."""
    with ExitStack() as stack:
        with engine.together():
            if engine.rank == 0:
                stack.enter_context(lock.writing(run))
        yield


def played(run: Run) -> Model:
    """The model, once the run has been trained up to its last step or is stopped."""
    with closing(run.data):
        play(run)
    game = run.trainer.average.view(run.game)
    game.requires_grad_(False).eval()
    return Model(run.family, game, run.data.spec, run.step, run.folder, interrupted=run.interrupted)
