"""What becomes of the memory that a step frees."""

from __future__ import annotations

import ctypes
import os
import sys

BLOCK, TOP = 2**30, 2**31 - 1
"""Bytes: larger blocks, such as whole data sets, go back to the system when they are freed, and so
does what is left over at the end of the heap."""
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # in glibc's malloc.h
_OWN = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")


def keep_freed_memory() -> None:
    """Let the process keep the memory that a step or a sample frees, for the next one.

    Otherwise glibc gives large tensors back to the system, which has to find and to clear the same
    pages again in the next step. Nothing changes on other systems, nor where the environment says
    how memory is to be kept (`MALLOC_TRIM_THRESHOLD_`, `MALLOC_MMAP_THRESHOLD_`,
    `GLIBC_TUNABLES`).
    """
    told = any(name in os.environ for name in _OWN)
    told |= "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "")
    if told or not sys.platform.startswith("linux"):
        return
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):  # musl has none
        mallopt(_MMAP_THRESHOLD, BLOCK)
        mallopt(_TRIM_THRESHOLD, TOP)
