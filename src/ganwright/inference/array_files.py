"""Outputs with more than 8 bits, or with other channels than grey and colour."""

from __future__ import annotations

import io
import struct
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from torch import Tensor

from ganwright import atomic
from ganwright.data.levels import Levels, Numbers
from ganwright.data.messages import counted
from ganwright.errors import RunError, SettingsError

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG's numbers of grey, grey with transparency, colour, and colour with transparency."""
_TIFF = (".tif", ".tiff")


def endings(levels: Levels, channels: int) -> tuple[str, ...]:
    """The files that hold such images exactly; the first is the one that is written unasked.

    PNG where it can; a fourth channel that is no transparency goes into an array.
    """
    drawn = channels in ((2, 4) if levels.alpha else (1, 3))
    png = (".png",) if drawn and levels.type in ("uint8", "uint16") else ()
    return (*png, ".npy", *(_TIFF if find_spec("tifffile") else ()))


def check_ending(suffix: str, levels: Levels, channels: int) -> None:
    """Refuse a file that cannot hold the images.

    Raises:
        SettingsError: naming those that can.
    """
    allowed = endings(levels, channels)
    if suffix.lower() not in allowed:
        raise SettingsError(
            f"images of {counted(channels, 'channel')} in {levels.type} do not fit into "
            f"{suffix} files; name one of {', '.join(allowed)}"
        )


def encoded(images: Tensor, levels: Levels, path: Path) -> bytes:
    """The content of a file of that name: an image [C, H, W] in [-1, 1] as the data's numbers."""
    numbers, suffix = levels.numbers(images), path.suffix.lower()
    if suffix == ".png":
        return png(numbers)
    return npy(numbers) if suffix == ".npy" else _tiff(numbers)


def write_numbers(images: Tensor, levels: Levels, path: Path) -> None:
    """Write what is `encoded`, whole or not at all.

    Raises:
        RunError: it cannot be written.
    """
    try:
        atomic.write(path, encoded(images, levels, path))
    except OSError as error:
        raise RunError(f"{path} cannot be written: {atomic.reason(error)}") from error


def npy(numbers: Numbers) -> bytes:
    """A .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, numbers)
    return buffer.getvalue()


def png(numbers: Numbers) -> bytes:
    """A PNG file of uint8 or uint16 [1 to 4, H, W], after the specification (ISO/IEC 15948).

    Pillow writes 16 bits in grey alone.
    """
    channels, height, width = numbers.shape
    bits = 8 * numbers.dtype.itemsize
    rows = np.moveaxis(numbers, 0, 2).astype(numbers.dtype.newbyteorder(">"))
    lines = rows.reshape(height, -1).view(np.uint8)
    unfiltered = np.concatenate([np.zeros((height, 1), np.uint8), lines], 1)
    header = struct.pack(">IIBBBBB", width, height, bits, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(unfiltered.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _tiff(numbers: Numbers) -> bytes:
    import tifffile

    buffer = io.BytesIO()
    shown = numbers[0] if len(numbers) == 1 else numbers
    kind = "rgb" if len(numbers) == 3 else "minisblack"
    plane = None if len(numbers) == 1 else "separate"
    tifffile.imwrite(buffer, shown, photometric=kind, planarconfig=plane)
    return buffer.getvalue()
