"""Files of latents, as `--latents` names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from ganwright import atomic
from ganwright.config.spelling import path_of
from ganwright.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray
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
        with path_of(str(path)).open("rb") as file:
            rows = np.load(file, allow_pickle=False)
            if isinstance(rows, np.lib.npyio.NpzFile):
                rows = dict(rows)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise SettingsError(f"--latents {path} {_reason(error)}") from error
    if isinstance(rows, dict):
        return _named(path, {name: torch.from_numpy(_real(path, rows[name])) for name in rows}, n)
    found = torch.from_numpy(_real(path, rows)).float()
    if found.ndim != 2 or not len(found) or len(found) < (n or 0):
        raise SettingsError(
            f"--latents {path} holds an array {list(found.shape)}; it must be [n, length of z] "
            f"with {n or 'one'} rows or more"
        )
    return found[:n]


def _reason(error: Exception) -> str:
    """Why a file has no latents; numpy's own advice, to run what it holds, is left out."""
    if isinstance(error, OSError):
        return f"cannot be read: {atomic.reason(error)}"
    return (
        "is no .npy or .npz file of numbers, or is cut off; name one that --save-latents or "
        "project wrote"
    )


def _real(path: Path, rows: NDArray[Any]) -> NDArray[Any]:
    """An array as torch takes it, if it holds real numbers.

    Raises:
        SettingsError: it does not.
    """
    import numpy as np

    if rows.dtype.kind not in "iuf":
        raise SettingsError(f"--latents {path} holds {rows.dtype}; it must hold real numbers")
    with np.errstate(over="ignore"):  # infinity is refused where it is used
        return rows.astype(np.float32 if rows.dtype.kind == "f" else np.int64)


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
