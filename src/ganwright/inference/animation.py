"""Images in a row as one animation, in the format that a file's name asks for."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from ganwright.errors import SettingsError, missing_extra
from ganwright.report.grid import Pixels

Encoder = Callable[[Sequence[Pixels], float], bytes]


def _pillow(kind: str, unit: int, frames: Sequence[Pixels], fps: float) -> bytes:
    """By Pillow, in a format that counts time in so many milliseconds."""
    first, *others = (Image.fromarray(f[..., 0] if f.shape[2] == 1 else f) for f in frames)
    buffer, ends = (
        io.BytesIO(),
        [unit * round(1000 * i / fps / unit) for i in range(len(frames) + 1)],
    )
    shown = [after - before for before, after in pairwise(ends)]
    first.save(buffer, kind, save_all=True, append_images=others, duration=shown, loop=0)
    return buffer.getvalue()


def _mp4(frames: Sequence[Pixels], fps: float) -> bytes:
    try:
        from imageio_ffmpeg import write_frames
    except ImportError:
        raise missing_extra("writing MP4 files", "imageio-ffmpeg") from None
    height, width = (side + side % 2 for side in frames[0].shape[:2])  # H.264 halves colours
    with TemporaryDirectory(prefix="ganwright-") as folder:
        file = Path(folder) / "walk.mp4"
        writer = write_frames(str(file), (width, height), fps=fps, macro_block_size=2)
        writer.send(None)
        for frame in frames:
            colour = frame.repeat(3, 2) if frame.shape[2] == 1 else frame
            odd = [(0, height - colour.shape[0]), (0, width - colour.shape[1]), (0, 0)]
            writer.send(np.ascontiguousarray(np.pad(colour, odd, mode="edge")))
        writer.close()
        return file.read_bytes()


FORMATS: dict[str, Encoder] = {
    ".gif": partial(_pillow, "GIF", 10),
    ".webp": partial(_pillow, "WEBP", 1),
    ".png": partial(_pillow, "PNG", 1),
    ".mp4": _mp4,
}
"""File endings -> what encodes frames, uint8 [H, W, 1 or 3], at so many a second."""
_SLOWEST, _FASTEST = 1 / 60, {".gif": 50.0, ".webp": 500.0, ".png": 500.0, ".mp4": 500.0}
"""Frames a second: GIF counts in hundredths, and browsers ignore a single one."""


def encoder(path: Path, fps: float) -> Encoder:
    """What encodes a file of that name at so many frames a second.

    Raises:
        SettingsError: no format has its ending, or it is too fast or slow for it.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise SettingsError(f"--out is {path}; name a file that ends in {', '.join(FORMATS)}")
    most = _FASTEST[path.suffix.lower()]
    if not _SLOWEST <= fps <= most:
        raise SettingsError(
            f"fps is {fps:g}; {path.suffix} files show from 1/60 to {most:g} images a second"
        )
    return found
