"""`ganwright sample`, `ganwright translate` and `ganwright report`: what a run's folder gives."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ganwright.commands.flags import Parser
from ganwright.errors import DataError, RunError, SettingsError

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
_RUN = {"RUN": "The run's folder."}


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Which weights of a run are used, and where."""

    device: str = "auto"
    """cpu, cuda, mps, or auto for the best there is."""
    step: int | None = None
    """The checkpoint of this step; the newest when not given."""
    raw: bool = False
    """Use the weights as trained, not their moving average."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What to draw, and where to put it."""

    n: int | None = None
    """How many pictures; 64, or one for each label, when not given."""
    seed: int = 0
    """One number that determines the pictures."""
    labels: tuple[str, ...] = ()
    """Classes to draw, by number or name; repeated in turn until there are enough."""
    out: Path | None = None
    """A .png file for a grid, or a folder; RUN/sampled/seed-S.png when not given."""


@dataclass(frozen=True, kw_only=True)
class Translation:
    """Which way to translate, and what to do with files that exist."""

    direction: Literal["a2b", "b2a"] = "a2b"
    """From the first domain to the second, or back where the family can."""
    overwrite: bool = False
    """Replace outputs that exist."""


def sample(argv: Sequence[str]) -> int:
    """Draw pictures from a trained run; the run's folder is all that is needed."""
    parser = Parser("sample", sample.__doc__ or "", _RUN)
    parser.add("sampling", Sampling())
    parser.add("weights", Weights())
    given, (what, weights) = parser.read(argv)
    n = what.n if what.n is not None else len(what.labels) or 64
    run = Path(str(given["RUN"]))
    images = _load(run, weights).sample(n, seed=what.seed, labels=what.labels or None)
    out = what.out or run / "sampled" / f"seed-{what.seed}.png"
    print(_save(images, out))
    return 0


def translate(argv: Sequence[str]) -> int:
    """Turn pictures into pictures: one output for each input, named after it."""
    positional = {
        "INPUT": "A picture, a folder of pictures (searched to the bottom), or a quoted glob.",
        "OUTPUT": "A picture where INPUT is one, else a folder.",
    }
    parser = Parser("translate", translate.__doc__ or "", _RUN | positional)
    parser.add("translation", Translation())
    parser.add("weights", Weights())
    given, (how, weights) = parser.read(argv)
    pairs = outputs(str(given["INPUT"]), Path(str(given["OUTPUT"])), how.overwrite)
    model = _load(Path(str(given["RUN"])), weights)

    from ganwright.report.grid import to_pixels

    for source, target in pairs:
        image = read_picture(source, _channels(model.spec, how.direction))
        _write(to_pixels(model.translate(image[None], direction=how.direction))[0], target)
        print(target)
    return 0


def report(argv: Sequence[str]) -> int:
    """Write RUN/report.html: settings, the curve of every term, and samples in order."""
    given, _ = Parser("report", report.__doc__ or "", _RUN).read(argv)

    from ganwright.report import write_report

    run = Path(str(given["RUN"]))
    with _writing(run / "report.html"):
        print(write_report(run))
    return 0


def outputs(source: str, target: Path, overwrite: bool) -> list[tuple[Path, Path]]:
    """Each input with its output; nothing is read or written yet.

    Raises:
        DataError: if there is no input.
        RunError: if two inputs share an output, or outputs exist and may not be replaced.
    """
    path = Path(source)
    if path.is_file() and target.suffix.lower() in SUFFIXES:
        pairs = [(path, target)]
    else:
        root, found = _inputs(path, source)
        pairs = [(file, target / file.relative_to(root).with_suffix(".png")) for file in found]
    owner: dict[Path, Path] = {}
    for file, out in pairs:
        if owner.setdefault(out, file) != file:
            raise RunError(f"{owner[out]} and {file} would both become {out}; rename one of them")
    existing = [out for _, out in pairs if out.exists()]
    if existing and not overwrite:
        raise RunError(
            f"{len(existing)} of the outputs exist, the first is {existing[0]}; "
            "add --overwrite to replace them"
        )
    return pairs


def _inputs(path: Path, pattern: str) -> tuple[Path, list[Path]]:
    """The pictures that INPUT names, and the folder that their outputs' names start from."""
    if path.is_dir():
        root, candidates = path, list(path.rglob("*"))
    elif path.is_file():
        return path.parent, [path]
    else:
        root, candidates = _fixed(path), [Path(p) for p in glob.glob(pattern, recursive=True)]
    found = sorted(p for p in candidates if p.is_file() and p.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f"{pattern} has no pictures; looked for {', '.join(SUFFIXES)}")
    return root, found


def _fixed(pattern: Path) -> Path:
    """The part of a glob before its first wildcard."""
    fixed = Path(pattern.anchor)
    for part in pattern.parent.parts[bool(pattern.anchor) :]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed


def read_picture(path: Path, channels: int) -> Tensor:
    """A file as float32 [channels, H, W] in [-1, 1], upright.

    Raises:
        DataError: if it can not be read as a picture.
    """
    import numpy as np
    import torch
    from PIL import Image

    from ganwright.data.pictures import UNREADABLE, plain

    try:
        with Image.open(path) as file:
            picture = plain(file).convert("L" if channels == 1 else "RGB")
    except UNREADABLE as error:
        raise DataError(f"{path} can not be read as a picture: {error}") from error
    pixels = torch.from_numpy(np.array(picture)).float().div(127.5).sub(1)
    return pixels[None] if channels == 1 else pixels.permute(2, 0, 1)


def _channels(spec: Any, direction: str) -> int:
    shape: tuple[int, ...] = spec.shape if direction == "a2b" else spec.target or spec.shape
    return shape[0]


def _load(run: Path, weights: Weights) -> Any:
    from ganwright.model import load

    return load(run, device=weights.device, step=weights.step, raw=weights.raw)


def _save(images: Tensor, out: Path) -> Path:
    from ganwright.report.grid import save_grid, to_pixels

    if out.suffix:
        if out.suffix.lower() != ".png":
            raise SettingsError(f"--out is {out}; name a .png file for a grid, or a folder")
        with _writing(out):
            save_grid(images, out)
        return out
    if images.ndim == 2:
        raise SettingsError("points are drawn together; name a .png file as --out")
    for i, pixels in enumerate(to_pixels(images)):
        _write(pixels, out / f"{i:05}.png")
    return out


def _write(pixels: Any, path: Path) -> None:
    from PIL import Image

    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A full disk or a folder without permission is a sentence, not a traceback."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} can not be written: {error.strerror or error}") from error
