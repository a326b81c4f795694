"""What processes that train together say to each other, and what is said when one is silent."""

from __future__ import annotations

import atexit
import importlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch.distributed as dist

from ganwright._torch import meeting_place
from ganwright.errors import RunError

GRACE = 5.0
"""Seconds after a wait in which the others notice that they wait, too."""
_SIGN = "ganwright/waited/"


def join(kind: str, timeout: float) -> None:
    """Join the processes that torchrun, or another launcher, started.

    Args:
        kind: of the device, "cpu" or "cuda".
        timeout: seconds that one waits for another.

    Raises:
        RunError: not all of them came, one ended while they met, or the place where they meet
            is not given or cannot be reached.
    """
    if dist.is_initialized():
        return
    # Its functions have the group as a default argument if it exists when torch imports them, as
    # optimizers do; it then outlives `_leave`, and its threads abort the process when they need an
    # interpreter that has ended.
    importlib.import_module("torch.distributed.nn.functional")
    # What the processes say to each other goes between hosts: no device waits for it.
    backend = "cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo"
    count, place = (os.environ.get(n, "?") for n in ("WORLD_SIZE", "MASTER_ADDR"))
    try:
        dist.init_process_group(backend, timeout=timedelta(seconds=timeout))
    except dist.DistError as error:
        raise RunError(
            f"the {count} processes of this run did not meet at {place} within {timeout:,.0f} "
            "seconds: another one has ended, was never started or cannot reach it, and its own "
            "message says why; start all of them again, or wait longer with --timeout"
        ) from error
    except ValueError as error:  # a variable is missing, or no number
        raise RunError(
            f"WORLD_SIZE is {count}, but the processes of this run cannot meet: {error}; start "
            "them with torchrun, or set MASTER_ADDR, MASTER_PORT and RANK for each"
        ) from error
    except RuntimeError as error:  # gloo, which tries five times as long
        raise RunError(
            f"the {count} processes of this run met at {place} but did not connect ({error}): "
            "another one has ended since, or this one cannot reach it, and its own message says "
            "why; start all of them again"
        ) from error
    atexit.register(_leave)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def connected() -> Iterator[None]:
    """A process that waits for one that died, or is stuck, says so, not how a socket failed.

    Raises:
        RunError: another process has ended, or did not answer in time.
    """
    begun = time.monotonic()
    try:
        yield
    except RuntimeError as error:
        if "timed out" in str(error).lower():
            raise RunError(_silence(time.monotonic() - begun)) from error
        raise RunError(
            "another process of this run has ended or cannot be reached, so this one ends too; "
            "its own message says why"
        ) from error


def _silence(seconds: float) -> str:
    rank, world = dist.get_rank(), dist.get_world_size()
    names = [f"process {r} of {world}" for r in silent(rank, world)] or ["another process"]
    return (
        f"{' and '.join(names)} did not answer process {rank} for {seconds:,.0f} seconds and may "
        "be stuck, so this one ends; resume the run, or wait longer with --timeout"
    )


def silent(rank: int, world: int) -> list[int]:
    """Which processes are not waiting, as this one is: each that waits signs where they all met.

    Where even that place does not answer, it is the first process, which keeps it, that is stuck.
    """
    found: list[int] = [0] if rank else []

    def ask() -> None:
        place = meeting_place()
        place.set(f"{_SIGN}{rank}", "")
        time.sleep(GRACE)
        found[:] = [r for r in range(world) if not place.check([f"{_SIGN}{r}"])]

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(2 * GRACE)
    return found
