"""Files of latents, as `--latents` names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from ganwright.config.spelling import path_of
from ganwright.errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor

    from ganwright.inference.chunks import Latents


def rows_in(z: Latents) -> int:
    """How many latents there are."""
    return len(next(iter(z.values()))) if isinstance(z, Mapping) else len(z)


def read_latents(path: Path, n: int | None) -> Latents:
    """The first n rows of a file, or all: an array of z, or arrays by name.

    Raises:
        SettingsError: it cannot be read, or has too few.
    """
    import numpy as np
    import torch

    try:
        rows = np.load(path_of(str(path)), allow_pickle=False)
        if isinstance(rows, np.lib.npyio.NpzFile):
            with rows:
                return _named(path, {name: torch.from_numpy(rows[name]) for name in rows}, n)
        found = torch.from_numpy(np.asarray(rows, np.float32))
    except (OSError, ValueError, EOFError, TypeError, BadZipFile) as error:
        raise SettingsError(f"--latents {path} cannot be read as .npy: {error}") from error
    if found.ndim != 2 or not len(found) or len(found) < (n or 0):
        raise SettingsError(
            f"--latents {path} holds an array {list(found.shape)}; it must be [n, length of z] "
            f"with {n or 'one'} rows or more"
        )
    return found[:n]


def _named(path: Path, arrays: Mapping[str, Tensor], n: int | None) -> Latents:
    """The first n rows of each array.

    Raises:
        SettingsError: there are no arrays, or they have different numbers of rows, or too few.
    """
    counts = {len(x) if x.ndim else 0 for x in arrays.values()}
    if len(counts) != 1 or 0 in counts or counts.pop() < (n or 0):
        raise SettingsError(
            f"--latents {path} holds {', '.join(f'{k} {list(x.shape)}' for k, x in arrays.items())}"
            f"; each must have the same number of rows, {n or 'one'} or more"
        )
    return {name: x[:n] for name, x in arrays.items()}
