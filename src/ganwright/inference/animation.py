"""Images in a row as one animation, in the format that a file's name asks for."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from ganwright.errors import SettingsError, missing_extra
from ganwright.report.grid import Pixels

Encoder = Callable[[Sequence[Pixels], float], bytes]


def _pillow(kind: str, frames: Sequence[Pixels], fps: float) -> bytes:
    first, *others = (Image.fromarray(f[..., 0] if f.shape[2] == 1 else f) for f in frames)
    buffer = io.BytesIO()
    first.save(
        buffer, kind, save_all=True, append_images=others, duration=round(1000 / fps), loop=0
    )
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
    ".gif": partial(_pillow, "GIF"),
    ".webp": partial(_pillow, "WEBP"),
    ".png": partial(_pillow, "PNG"),
    ".mp4": _mp4,
}
"""File endings -> what encodes frames, uint8 [H, W, 1 or 3], at so many a second."""


def encoder(path: Path) -> Encoder:
    """What encodes a file of that name.

    Raises:
        SettingsError: no format has its ending.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise SettingsError(f"--out is {path}; name a file that ends in {', '.join(FORMATS)}")
    return found
