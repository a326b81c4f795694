"""Random seeds as a pure function of where a run stands: hashed, never added."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_of(*parts: int | str) -> int:
    """A 63-bit seed from any mix of numbers and names; neighbours share nothing."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def seed_torch(*parts: int | str) -> None:
    """Seed every torch generator in use, at 1 µs a device where `torch.manual_seed` takes 120."""
    seed = seed_of(*parts)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.default_generators[torch.cuda.current_device()].manual_seed(seed)
    elif torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


def seed_everything(*parts: int | str) -> None:
    """Seed the global generators of torch, NumPy and `random`, for code that draws from them."""
    seed = seed_of(*parts)
    seed_torch(*parts)
    np.random.seed(seed & 0xFFFFFFFF)
    random.seed(seed)


@contextmanager
def generators_kept() -> Iterator[None]:
    """Give the global generators back as they were, whatever is drawn or seeded inside."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    arrays, plain = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            np.random.set_state(arrays)
            random.setstate(plain)


class _Open(threading.local):
    """The numbers of rows that count in the batch that this thread computes on, if it is a part."""

    def __init__(self) -> None:
        self.counts: list[int] | None = None


_open = _Open()


def count_rows(n: int) -> None:
    """Say that n rows stand for this process's share of a batch, which may have more itself.

    For what looks at a part of the rows, or at several as one: among several processes, random
    tensors of n rows are then each process's own, too, until the objective ends.
    """
    if _open.counts is not None:
        _open.counts.append(n)


@contextmanager
def rows_counted(rows: int) -> Iterator[list[int]]:
    """Within, the numbers of rows that stand for this process's share: `rows`, then what is said.

    See `count_rows`.
    """
    before, _open.counts = _open.counts, (counts := [rows])
    try:
        yield counts
    finally:
        _open.counts = before
