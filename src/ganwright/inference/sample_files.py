"""Samples as the files of a folder, written as they are drawn; what was interrupted continues."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganwright import atomic
from ganwright.data.levels import Levels
from ganwright.data.messages import counted
from ganwright.errors import RunError, SettingsError
from ganwright.inference.array_files import encoded, endings
from ganwright.inference.chunks import Latents
from ganwright.inference.model import Model
from ganwright.report.grid import Pixels, to_pixels

_ENDINGS = (".png", ".npy", ".tif")
UNFINISHED = "unfinished.json"
"""Lies in the folder until all are there: whose samples these are, and how many are whole."""


def write_samples(
    model: Model,
    out: Path,
    n: int,
    *,
    seed: int = 0,
    labels: Sequence[int | str] | None = None,
    latents: Latents | None = None,
    replace: bool = False,
) -> Iterator[int]:
    """Write samples 0 to n - 1 as PNG files, a chunk at a time; memory does not depend on n.

    Where the folder holds the beginning of the same samples, they are kept and it continues after
    them.

    Args:
        model: what draws them.
        out: the folder.
        n: how many.
        seed: as in `Model.sample`.
        labels: as in `Model.sample`.
        latents: as in `Model.sample`.
        replace: other files in their places are replaced.

    Yields:
        How many are there, after each chunk.

    Raises:
        RunError: a file is in the way, would be taken for one of these, or cannot be written.
        SettingsError: the family draws no images, or not by label.
    """
    if len(model.spec.shape) != 3:
        raise SettingsError(
            "points are plotted together, and rows and signals stand in one file; give a .png file "
            "as --out, a .csv file for rows of a table, or a .npy file for signals"
        )
    levels, count = model.levels(), model.spec.shape[0]
    ending = endings(levels, count)[0] if levels else ".png"
    marks: dict[str, Any] = {"weights": _digest(model), "seed": seed, "labels": list(labels or ())}
    marks["keep"] = model.keep
    if hasattr(model.game.cfg, "truncation"):
        marks["truncation"] = model.truncation
    if latents is not None:
        marks["latents"] = _hash(latents)
    done, replace = _begun(out, marks, n, replace, ending)
    if replace:
        _refuse_others(out, n, ending)
    for images in model.samples(n, seed=seed, labels=labels, start=done, latents=latents):
        _note(out, {**marks, "whole": done, "replace": replace})
        for i, image in enumerate(images, done):
            write_image(image, name_of(out, i, ending), levels, replace)
        done += len(images)
        yield done
    (out / UNFINISHED).unlink(missing_ok=True)


def name_of(out: Path, number: int, ending: str = ".png") -> Path:
    """The file of a sample."""
    return out / f"{number:05}{ending}"


def numbered(out: Path) -> dict[Path, int]:
    """The files of a folder that are called as samples are, with their numbers."""
    files = (path for path in out.glob("*") if path.suffix in _ENDINGS and path.stem.isdecimal())
    found = {path: int(path.stem) for path in files}
    return {path: i for path, i in found.items() if path == name_of(out, i, path.suffix)}


def _refuse_others(out: Path, n: int, ending: str) -> None:
    """Refuse files that are called as samples are, and that none of n samples would replace.

    They may be samples of before, which would be taken for some of these, or images of the user's.

    Raises:
        RunError: there are some.
    """
    others = sorted(
        path for path, number in numbered(out).items() if number >= n or path.suffix != ending
    )
    if others:
        raise RunError(
            f"{out} holds {counted(len(others), 'file')} named as samples, such as "
            f"{others[0].name}, that these would not replace; remove them, or name another folder"
        )


def _begun(
    out: Path, marks: dict[str, Any], n: int, replace: bool, ending: str
) -> tuple[int, bool]:
    """How many samples are there already, and whether other files are replaced.

    Raises:
        RunError: those that were begun are others.
    """
    file = out / UNFINISHED
    if not file.is_file():
        return 0, replace
    try:
        was = json.loads(file.read_text(encoding="utf-8"))
        other = [key for key, value in marks.items() if was[key] != value]
        whole, replaced = int(was["whole"]), bool(was["replace"])
    except (OSError, ValueError, KeyError, TypeError):
        other, whole, replaced = ["kind"], 0, False
    if other and not replace:
        raise RunError(
            f"{out} holds unfinished samples of other {' and '.join(other)}; name another folder, "
            "or add --overwrite to replace them"
        )
    if other:
        return 0, True
    missing = (i for i in range(min(whole, n)) if not name_of(out, i, ending).is_file())
    return next(missing, min(whole, n)), replace or replaced


def _note(out: Path, marks: dict[str, Any]) -> None:
    _stored(out / UNFINISHED, json.dumps(marks))


def write_image(image: Tensor, path: Path, levels: Levels | None, replace: bool) -> None:
    """Write an image [C, H, W] in [-1, 1], as a PNG or as the numbers that the data had.

    Raises:
        RunError: another image is in its place, or it cannot be written.
    """
    data = encoded(image, levels, path) if levels else _png(to_pixels(image[None])[0])
    if not replace and path.exists():
        if path.read_bytes() != data:
            raise RunError(f"{path} is another image; remove it, or add --overwrite")
        return
    _stored(path, data)


def _png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _stored(path: Path, data: bytes | str) -> None:
    try:
        atomic.write(path, data)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {atomic.reason(error)}") from error


def _hash(latents: Latents) -> str:
    parts = [*latents.values()] if isinstance(latents, Mapping) else [latents]
    found = hashlib.sha256()
    for part in parts:
        found.update(part.double().numpy().tobytes())
    return found.hexdigest()


def _digest(model: Model) -> str:
    """A hash of all weights."""
    found = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.game.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return found.hexdigest()
