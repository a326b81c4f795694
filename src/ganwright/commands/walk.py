"""`ganwright walk`, `directions` and `mix`: what lies between samples, and around one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ganwright import atomic
from ganwright.commands.flags import Parser
from ganwright.commands.sample import Truncated, load_run, refuse_existing, writing
from ganwright.config.checked import Named
from ganwright.config.ranges import Count, Positive, Range, Whole
from ganwright.config.spelling import path_of
from ganwright.errors import SettingsError

if TYPE_CHECKING:
    from ganwright.inference.model import Model

_RUN = {"RUN": "The run folder."}
_LEAST = 64


@dataclass(frozen=True, kw_only=True)
class Walking(Named):
    """Where a walk goes, and how fast."""

    seeds: tuple[Whole, ...] = (0, 1, 2, 3)
    """Seeds that it visits in this order; each stands for its first sample."""
    labels: tuple[str, ...] = ()
    """Classes by number or name, each for an equal share of the walk; by default the first."""
    frames: Count = 30
    """Images from each seed to the next."""
    fps: Positive = 15.0
    """Images per second."""
    loop: bool = True
    """Return to the first seed."""
    out: Path | None = None
    """A .gif, .webp, .png or .mp4 file (imageio-ffmpeg); RUN/sampled/walk.gif if not given."""
    overwrite: bool = False
    """Replace an existing file."""


@dataclass(frozen=True, kw_only=True)
class Directing(Named):
    """Which directions are shown, and how far."""

    count: Count = 8
    """Number of directions, one per row."""
    span: Positive = 3.0
    """How far from the sample to go both ways, in latent space."""
    steps: Annotated[int, Range(3)] = 7
    """Images per row, an odd number: the sample itself is in the middle."""
    seed: Whole = 0
    """Seed of the sample in the middle."""
    labels: tuple[str, ...] = ()
    """The class of the sample, by number or name."""
    out: Path | None = None
    """A .png file; RUN/sampled/directions.png if not given."""
    overwrite: bool = False
    """Replace an existing file."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.steps % 2:
            raise SettingsError(
                f"--steps is {self.steps}, which has no middle for the sample; give an odd number, "
                f"such as {self.steps + 1}"
            )


@dataclass(frozen=True, kw_only=True)
class Mixing(Named):
    """Whose styles are mixed, and where."""

    rows: tuple[Whole, ...] = (0, 1, 2, 3)
    """Seeds whose samples give the coarse styles, one per row."""
    columns: tuple[Whole, ...] = (4, 5, 6, 7, 8, 9)
    """Seeds whose samples give the fine styles, one per column."""
    layer: Count | None = None
    """First layer, from 1, that has the column's style; by default half of the layers."""
    labels: tuple[str, ...] = ()
    """The class of all samples, by number or name."""
    out: Path | None = None
    """A .png file; RUN/sampled/mixed.png if not given."""
    overwrite: bool = False
    """Replace an existing file."""


def walk(argv: Sequence[str]) -> int:
    """Write a moving image that goes through latent space from seed to seed."""
    parser = Parser("walk", walk.__doc__ or "", _RUN)
    parser.add("walk", Walking())
    parser.add("weights", Truncated())
    given, (what, weights) = parser.read(argv)
    run = path_of(str(given["RUN"]))
    out = what.out or run / "sampled" / "walk.gif"

    from ganwright.inference.animation import encoder
    from ganwright.inference.walk import along, route
    from ganwright.report.grid import to_pixels

    encode = encoder(out, what.fps)
    refuse_existing([out], what.overwrite)
    model = load_run(run, weights)
    _check_images(model)
    latents = route(model, what.seeds, frames=what.frames, loop=what.loop)
    frames = [f for part in along(model, latents, what.labels) for f in to_pixels(part)]
    factor = max(1, math.ceil(_LEAST / max(frames[0].shape[:2])))
    larger = [frame.repeat(factor, 0).repeat(factor, 1) for frame in frames]
    with writing(out):
        atomic.write(out, encode(larger, what.fps))
    print(out)
    return 0


def directions(argv: Sequence[str]) -> int:
    """Draw a sample changed along the directions that the first layer of G stretches most.

    One direction per row; the sample itself is in the middle. Where G has styles, all its layers'
    maps from the style are taken together.
    """
    parser = Parser("directions", directions.__doc__ or "", _RUN)
    parser.add("directions", Directing())
    parser.add("weights", Truncated())
    given, (what, weights) = parser.read(argv)
    run = path_of(str(given["RUN"]))
    out = what.out or run / "sampled" / "directions.png"
    if out.suffix.lower() != ".png":
        raise SettingsError(f"--out is {out}; name a .png file")
    refuse_existing([out], what.overwrite)

    import torch

    from ganwright.inference import walk as ways
    from ganwright.report.grid import save_grid

    model = load_run(run, weights)
    _check_images(model)
    found = ways.directions(model, what.count)
    steps = torch.linspace(-what.span, what.span, what.steps)
    images = ways.shifted(model, found, steps, seed=what.seed, labels=what.labels)
    with writing(out):
        save_grid(images.flatten(0, 1), out, what.steps)
    print(out)
    return 0


def _check_images(model: Model) -> None:
    """Refuse runs whose samples are shown together, as points are, and not one by one.

    Raises:
        SettingsError: they are no images.
    """
    model.ability("sample")
    if len(model.spec.shape) != 3:
        raise SettingsError(
            f"this run's samples have the shape {list(model.spec.shape)} and are no images, which "
            "this command shows; take what ganwright.inference.walk gives in Python"
        )


def mix(argv: Sequence[str]) -> int:
    """Draw a grid of samples with the coarse styles of its rows and the fine styles of its columns.

    The first column and the first row show the samples that the styles are from.
    """
    parser = Parser("mix", mix.__doc__ or "", _RUN)
    parser.add("mix", Mixing())
    parser.add("weights", Truncated())
    given, (what, weights) = parser.read(argv)
    run = path_of(str(given["RUN"]))
    out = what.out or run / "sampled" / "mixed.png"
    if out.suffix.lower() != ".png":
        raise SettingsError(f"--out is {out}; name a .png file")
    refuse_existing([out], what.overwrite)

    from ganwright.inference import mixing
    from ganwright.report.grid import save_grid

    model = load_run(run, weights)
    labels = what.labels or None
    grid = mixing.mix(model, what.rows, what.columns, layer=what.layer, labels=labels)
    with writing(out):
        save_grid(grid.flatten(0, 1), out, 1 + len(what.columns))
    print(out)
    return 0
