"""Memory that runs out during training, and the batch that fits."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import torch

from ganwright import memory
from ganwright.training.trainer import Trainer
from ganwright.training.trial_step import trial


def at_first(trainer: Trainer, error: BaseException) -> str:
    """What is said if a step before the first one has too little memory.

    It is tried again with half of the batch, and half of that, until it has enough. The trainer is
    of no use afterwards.
    """
    traceback.clear_frames(error.__traceback__)  # they hold what filled the memory
    size = next((size for size in _smaller(trainer) if _fits(trainer, size)), None)
    helps = "lower --image-size or choose smaller networks"
    if size is not None:
        helps = f"{_flags(trainer, size)} fits, with as many images per update"
    return memory.said(error, helps + _precision(trainer))


def within(trainer: Trainer, error: BaseException) -> str:
    """What is said if a later step has too little memory."""
    helps = "lower --batch-size or --image-size, or choose smaller networks"
    return memory.said(error, helps + _precision(trainer))


def less(trainer: Trainer) -> str:
    """The flags of half the batch, with as many images per update; none if it has no half."""
    return next((_flags(trainer, size) for size in _smaller(trainer)), "")


def _smaller(trainer: Trainer) -> Iterator[int]:
    """Half of the batch, half of that ... as long as it divides among the processes."""
    size = trainer.batch_size
    while size % (2 * trainer.engine.world) == 0:
        size //= 2
        yield size


def _flags(trainer: Trainer, size: int) -> str:
    times = trainer.accumulate * (trainer.batch_size // size)
    return f"--batch-size {size} --accumulate {times}"


def _fits(trainer: Trainer, size: int) -> bool:
    own = trainer.batch_size
    trainer.batch_size = size
    if trainer.engine.device.type == "cuda":
        torch.cuda.empty_cache()
    try:
        with trial(trainer):
            return True
    except Exception as error:  # too little memory, or too few images for a layer
        traceback.clear_frames(error.__traceback__)
        return False
    finally:
        trainer.batch_size = own


def _precision(trainer: Trainer) -> str:
    engine = trainer.engine
    wide = engine.device.type != "cpu" and engine.precision == "fp32"
    return ", or use --precision bf16" if wide else ""
