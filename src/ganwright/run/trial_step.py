"""One step before the first one, thrown away: what can fail fails before anything is written."""

from __future__ import annotations

import traceback
from pathlib import Path

import torch

from ganwright import memory
from ganwright.callbacks.evaluation import numbers_of
from ganwright.data import RunData
from ganwright.data.types import rows
from ganwright.errors import GanwrightError, SettingsError
from ganwright.report.grid import to_pixels
from ganwright.run import shortage
from ganwright.training.trainer import Trainer
from ganwright.training.trial_step import trial

FEW = 16
"""Items that are previewed and measured."""
_ADVICE = {
    "more than 1 value per channel": "BatchNorm needs at least two images in each process's batch; "
    "raise --batch-size",
    "Kernel size can't be greater": "these networks need larger images; raise --image-size",
    "Output size is too small": "these networks need larger images; raise --image-size",
}
_OTHERS = (Path(torch.__file__).parent, Path(__file__).parents[1])


def try_first_step(trainer: Trainer, source: RunData) -> None:
    """Update every player once in every phase, preview and measure, then undo it all.

    The trainer must be at its first step, and is there again afterwards, bit for bit; compiled
    objectives stay compiled. Processes do not wait for each other.

    Raises:
        GanwrightError: a step cannot be made with these settings.
    """
    try:
        with trial(trainer):
            if trainer.engine.rank == 0:
                _look(trainer, source)
    except GanwrightError:
        raise
    except Exception as error:
        short = memory.out_of_memory(error)
        why = shortage.at_first(trainer, error) if short else said(error)
        raise SettingsError(f"the first step fails with these settings: {why}") from error


def said(error: Exception) -> str:
    """What went wrong, where if it was in a user's own code, and what helps if that is known."""
    text = str(error)
    for sign, advice in _ADVICE.items():
        if sign in text:
            return f"{text.splitlines()[0]}; {advice}"
    first = f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and not any(path.is_relative_to(other) for other in _OTHERS):
            return f"{first} ({path.name}, line {frame.lineno})"
    return first


def _look(trainer: Trainer, source: RunData) -> None:
    with trainer.inferring() as game:
        grid = game.preview(rows(source.preview(64), 0, FEW))
        if grid.ndim != 2 and len(source.spec.shape) != 2:  # neither points nor signals
            to_pixels(grid)
        held_out = source.held_out(game.held_out)
        if held_out is not None:
            numbers_of(game, rows(held_out, 0, FEW))
