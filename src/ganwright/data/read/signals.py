"""Arrays of signals: which they are, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganwright.data.sides import Stack
from ganwright.data.signal import signal_of
from ganwright.errors import DataError


@dataclass(frozen=True)
class Signals:
    """Says that an array holds signals; one of three axes is taken for grey images otherwise.

    Args:
        numbers: a tensor or an array [n, L], or [n, C, L] of C channels.
    """

    numbers: Any


def marked(given: Any) -> Any:
    """What a file holds, an array or one with labels, as signals."""
    if isinstance(given, tuple):
        numbers, labels = given
        return Signals(numbers), labels
    return Signals(given)


def are_points(numbers: Tensor) -> bool:
    """Whether it is points in the plane: floats [n, 2]."""
    return numbers.ndim == 2 and numbers.shape[1] == 2 and numbers.is_floating_point()


def are_signals(numbers: Tensor) -> bool:
    """Whether an array is signals without being marked as such: [n, L], and no points."""
    return numbers.ndim == 2 and not are_points(numbers)


def stack_of(numbers: Tensor) -> Stack:
    """Signals [n, L] or [n, C, L], each channel standardised.

    Raises:
        DataError: the shape or the numbers are none of signals.
    """
    shape = tuple(numbers.shape)
    if numbers.ndim not in (2, 3) or shape[-1] < 2 or not numbers.numel():
        raise DataError(
            f"signals of shape {shape} cannot be read; give numbers [n, L], or [n, C, L] of C "
            "channels, with at least 2 times L"
        )
    if numbers.is_complex():
        raise DataError("signals are complex; give their real and imaginary parts as channels")
    numbers = numbers.reshape(shape[0], -1, shape[-1])
    if not bool(torch.isfinite(numbers).all()):
        raise DataError("signals hold NaN or infinite numbers; remove or replace them")
    signal = signal_of(numbers)
    return Stack(signal.standardised(numbers), signal=signal)
