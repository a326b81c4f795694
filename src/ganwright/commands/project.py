"""`ganwright project`: the latents whose images are nearest to images from files."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright import atomic
from ganwright.commands.flags import Parser
from ganwright.commands.places import check_filed, inputs, refuse_inside
from ganwright.commands.reader import Reader
from ganwright.commands.sample import Weights, load_run, refuse_existing, refuse_file, writing
from ganwright.config.checked import Named
from ganwright.config.ranges import NonNegative
from ganwright.config.spelling import path_of, spell
from ganwright.errors import RunError
from ganwright.inference.labels import one_class
from ganwright.inference.projection import Projection, Search

if TYPE_CHECKING:
    from torch import Tensor


ERRORS = "projected.json"


@dataclass(frozen=True, kw_only=True)
class Projecting(Named):
    """What the images show, and where the latents go."""

    labels: tuple[str, ...] = ()
    """The class of the images, by number or name, in conditional runs; by default the first."""
    out: Path | None = None
    """A folder; RUN/projected if not given."""
    max_megapixels: NonNegative | None = None
    """Millions of pixels of the largest image that is decoded; 0 for any, 179 when not given."""
    overwrite: bool = False
    """Replace existing outputs."""


def project(argv: Sequence[str]) -> int:
    """Search for the latents of images. `ganwright sample --latents` draws what was found.

    For each image, the folder gets its latents, and a .png file that shows the image, scaled as for
    training, and next to it what the generator makes of the latents. `projected.json` holds the
    errors. Unreadable files are reported and skipped, and the exit status is 1.
    """
    positional = {
        "RUN": "The run folder.",
        "INPUT": "An image, a folder of images (searched recursively), or a quoted glob.",
    }
    parser = Parser("project", project.__doc__ or "", positional)
    parser.add("projection", Projecting())
    parser.add("search", Search())
    parser.add("weights", Weights())
    given, (what, search, weights) = parser.read(argv)
    run = path_of(str(given["RUN"]))
    out = what.out or run / "projected"
    refuse_file(what.out)
    source = path_of(str(given["INPUT"]))
    root, files = inputs(str(source))
    if source.is_dir() or "**" in source.parts:
        refuse_inside(root, out)
    model = load_run(run, weights)
    model.ability("sample")
    model.game.function()
    check_filed(model, "project")
    one_class(what.labels)
    several = hasattr(model.game, "by_style") or len(model.game.function().arguments) > 1
    ending = ".npz" if several else ".npy"
    places = _places(root, files, out, ending)
    shown = [place.with_suffix(".png") for place in places.values()]
    refuse_existing([*places.values(), *shown, out / ERRORS], what.overwrite)

    from ganwright.data.limit import allow
    from ganwright.inference import projection
    from ganwright.inference.image_files import read_picture

    allow(what.max_megapixels)
    shape, reading = model.spec.shape, model.reading()
    reader = Reader(lambda path: read_picture(path, shape[0], None, reading), files)
    rows: list[dict[str, Any]] = []
    for path, picture in reader:
        image = picture.fitted(shape)
        found = projection.project(model, image, labels=what.labels or None, search=search)
        _write(image, found, places[path])
        rows.append(_row(path, places[path], found, search, shape))
        print(_told(rows[-1]), flush=True)
        with writing(out / ERRORS):
            atomic.write(out / ERRORS, json.dumps(rows, indent=2) + "\n")
    return reader.status()


def _places(root: Path, files: Sequence[Path], out: Path, ending: str) -> dict[Path, Path]:
    """Where the latents of each file go.

    Raises:
        RunError: two files share a place, or an output would replace an image.
    """
    places = {file: (out / file.relative_to(root)).with_suffix(ending) for file in files}
    owner: dict[Path, Path] = {}
    known = {file.resolve() for file in files}
    for file, place in places.items():
        if known & {place.resolve(), place.with_suffix(".png").resolve()}:
            raise RunError(f"--out {out} is the folder of the images; choose another")
        if owner.setdefault(place, file) != file:
            raise RunError(f"{owner[place]} and {file} would both become {place}; rename one")
    return places


def _write(image: Tensor, found: Projection, place: Path) -> None:
    """The latents, and the image next to what is made of them."""
    import numpy as np
    import torch

    from ganwright.pixels import as_floats
    from ganwright.report.grid import save_grid

    buffer = io.BytesIO()
    arrays: dict[str, Any] = {name: x.numpy() for name, x in found.latents.items()}
    if place.suffix == ".npy":
        np.save(buffer, next(iter(arrays.values())))
    else:
        np.savez(buffer, **arrays)
    with writing(place):
        atomic.write(place, buffer.getvalue())
        save_grid(torch.cat([as_floats(image), found.images]), place.with_suffix(".png"), 2)


def _row(
    path: Path, place: Path, found: Projection, search: Search, shape: tuple[int, ...]
) -> dict[str, Any]:
    """The errors of one image."""
    return {
        "file": str(path),
        "latents": str(place),
        "distance": float(found.distance),
        "distance_of_mean": float(found.start),
        "psnr": float(found.psnr),
        "steps": search.steps,
        "seed": search.seed,
        "features": spell(search.content(shape), brief=True),
    }


def _told(row: dict[str, Any]) -> str:
    return (
        f"{row['latents']}  PSNR {row['psnr']:.1f} dB, distance {row['distance']:.4f} "
        f"(mean latent {row['distance_of_mean']:.4f})"
    )
