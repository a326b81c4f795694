"""Images whose latents were found: what `ganwright restyle` writes, and `jojogan` reads."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from ganwright import atomic
from ganwright.errors import SettingsError
from ganwright.precision import wide


@dataclass(frozen=True)
class Examples:
    """k images and the styles that make them.

    Args:
        images: float [k, C, H, W] in [-1, 1].
        w: float [k, styles].
    """

    images: Tensor
    w: Tensor

    def to(self, device: torch.device) -> Examples:
        """The same on a device."""
        return Examples(self.images.to(device), self.w.to(device))

    def of(self, x: Tensor) -> Tensor:
        """The styles [n, styles] of images x [n, C, H, W]: those of the nearest example."""
        rows = wide(x.flatten(1))
        apart = torch.cdist(rows, self.images.flatten(1).to(rows.dtype))
        return self.w[apart.argmin(1)]

    def write(self, path: Path) -> None:
        """Write them into an .npz file."""
        buffer = io.BytesIO()
        np.savez(buffer, images=self.images.cpu().numpy(), w=self.w.cpu().numpy())
        atomic.write(path, buffer.getvalue())


def read_examples(path: Path, shape: tuple[int, ...], styles: int) -> Examples:
    """The examples in a file.

    Args:
        path: what `Examples.write` wrote.
        shape: of the images.
        styles: length of w.

    Raises:
        SettingsError: it cannot be read, or holds something else.
    """
    mend = "write it by ganwright restyle"
    try:
        with np.load(path, allow_pickle=False) as found:
            images, w = (torch.from_numpy(found[name]) for name in ("images", "w"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
        reason = atomic.reason(error)
        raise SettingsError(f"the examples {path} cannot be read ({reason}); {mend}") from error
    if tuple(images.shape[1:]) != shape or w.shape != (len(images), styles) or not len(images):
        raise SettingsError(
            f"the examples {path} are images {list(images.shape)} with styles {list(w.shape)}, and "
            f"this run needs [k, {', '.join(map(str, shape))}] and [k, {styles}]; {mend}"
        )
    if images.dtype != torch.float32 or w.dtype != torch.float32:
        raise SettingsError(f"the examples {path} are no numbers of float32; {mend}")
    return Examples(images, w)
