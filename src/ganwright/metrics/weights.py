"""Weights of networks that measure: given as a file, or fetched once and checked by their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ganwright.errors import SettingsError
from ganwright.weight_files import unreadable

if TYPE_CHECKING:
    from torch import nn

Net = TypeVar("Net", bound="nn.Module")


def fetched(url: str, sha256: str, what: str) -> Path:
    """The file at a URL, from torch's cache or, the first time, from the network.

    Args:
        url: where it lies.
        sha256: of the whole file.
        what: whose weights they are, for errors.

    Raises:
        SettingsError: it cannot be fetched, or is another file than expected.
    """
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=sha256, progress=False)
        except Exception as error:  # no network, no space, another file: many kinds
            raise missing(what, error, path.name) from error
    if digest(path) != sha256:
        raise SettingsError(f"{path} is not {what}'s weights: its SHA-256 differs; remove it")
    return path


def shipped(build: Callable[[], Net], path: Path) -> Net:
    """A network with the weights of a file of the package, in fp32, in evaluation mode."""
    import torch
    from safetensors.torch import load_file

    with torch.device("meta"):
        net = build()
    weights = {k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()}
    net.load_state_dict(weights, assign=True)
    return net.eval().requires_grad_(False)


def given(path: Path, what: str) -> Path:
    """A file of weights that the user named.

    Raises:
        SettingsError: there is none.
    """
    path = path.expanduser()
    if not path.is_file():
        raise SettingsError(f"there is no file {path} to read {what}'s weights from")
    return path


def missing(what: str, error: Exception, name: str) -> SettingsError:
    """The error for weights that cannot be fetched."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return SettingsError(
        f"{what}'s weights cannot be fetched ({reason}); give the file {name} with --weights, or "
        "take PhotoFeatures or DigitFeatures, which need none"
    )


def unfit(what: str, path: Path, error: Exception) -> SettingsError:
    """The error for a file that holds something else."""
    reason = unreadable(path, error)[:200]
    return SettingsError(
        f"{path} does not hold {what}'s weights ({reason}); give another --weights"
    )


def digest(path: Path) -> str:
    """The SHA-256 of a file, read again only when the file changed."""
    stat = path.stat()
    return _digest(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _digest(path: Path, _: int, __: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
