"""`ganwright sample` and `ganwright report`: what a run's folder gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright.checked import Named
from ganwright.commands.flags import Parser
from ganwright.errors import RunError, SettingsError
from ganwright.ranges import Count, Whole

if TYPE_CHECKING:
    from torch import Tensor

    from ganwright.model import Model

_RUN = {"RUN": "The run's folder."}


@dataclass(frozen=True, kw_only=True)
class Weights(Named):
    """Which weights of a run are used, and where."""

    device: str = "auto"
    """cpu, cuda, mps, or auto for the best there is."""
    step: Whole | None = None
    """The checkpoint of this step; the newest when not given."""
    raw: bool = False
    """Use the weights as trained, not their moving average."""


@dataclass(frozen=True, kw_only=True)
class Sampling(Named):
    """What to draw, and where to put it."""

    n: Count | None = None
    """How many pictures; 64, or one for each label, when not given."""
    seed: Whole = 0
    """One number that determines the pictures."""
    labels: tuple[str, ...] = ()
    """Classes to draw, by number or name; repeated in turn until there are enough."""
    out: Path | None = None
    """A .png file for a grid, or a folder; RUN/sampled/seed-S.png when not given."""


def sample(argv: Sequence[str]) -> int:
    """Draw pictures from a trained run; the run's folder is all that is needed."""
    parser = Parser("sample", sample.__doc__ or "", _RUN)
    parser.add("sampling", Sampling())
    parser.add("weights", Weights())
    given, (what, weights) = parser.read(argv)
    n = what.n if what.n is not None else len(what.labels) or 64
    run = Path(str(given["RUN"]))
    images = load_run(run, weights).sample(n, seed=what.seed, labels=what.labels or None)
    out = what.out or run / "sampled" / f"seed-{what.seed}.png"
    print(_save(images, out))
    return 0


def report(argv: Sequence[str]) -> int:
    """Write RUN/report.html: settings, the curve of every term, and samples in order."""
    given, _ = Parser("report", report.__doc__ or "", _RUN).read(argv)

    from ganwright.report import write_report

    run = Path(str(given["RUN"]))
    with writing(run / "report.html"):
        print(write_report(run))
    return 0


def load_run(run: Path, weights: Weights) -> Model:
    """The model of a run's folder, imported when it is needed."""
    from ganwright.model import load

    return load(run, device=weights.device, step=weights.step, raw=weights.raw)


def _save(images: Tensor, out: Path) -> Path:
    from ganwright.report.grid import save_grid, to_pixels

    if out.suffix:
        if out.suffix.lower() != ".png":
            raise SettingsError(f"--out is {out}; name a .png file for a grid, or a folder")
        with writing(out):
            save_grid(images, out)
        return out
    if images.ndim == 2:
        raise SettingsError("points are drawn together; name a .png file as --out")
    for i, pixels in enumerate(to_pixels(images)):
        _write(pixels, out / f"{i:05}.png")
    return out


def _write(pixels: Any, path: Path) -> None:
    from PIL import Image

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A full disk or a folder without permission is a sentence, not a traceback."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} can not be written: {error.strerror or error}") from error
