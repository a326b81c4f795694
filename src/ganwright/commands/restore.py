"""`ganwright restore`: what a run of `restore` makes of old images, next to what they were."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ganwright.commands.flags import Parser
from ganwright.commands.places import Outputs, outputs, refuse_inputs
from ganwright.commands.reader import Reader
from ganwright.commands.sample import Weights, load_run, refuse_existing, writing
from ganwright.config.checked import Named
from ganwright.config.ranges import NonNegative
from ganwright.config.spelling import path_of
from ganwright.errors import RunError, SettingsError

if TYPE_CHECKING:
    from torch import Tensor

    from ganwright.inference.model import Model
    from ganwright.inference.pictures import Picture

    Pair: TypeAlias = tuple[Picture, Tensor, Tensor]
    Restore: TypeAlias = Callable[[Picture], Pair]


@dataclass(frozen=True, kw_only=True)
class Restoring(Named):
    """Where restored images go, and at which size large ones are restored."""

    out: Path | None = None
    """A folder, or an image file if INPUT is one; RUN/restored if not given."""
    tiles: bool = False
    """Restore images at their own size in tiles of the training size, instead of scaling them."""
    compare: bool = True
    """Also write each image before and after, side by side, to NAME-compared.png."""
    max_megapixels: NonNegative | None = None
    """Millions of pixels of the largest image that is decoded; 0 for any, 179 when not given."""
    overwrite: bool = False
    """Replace existing outputs."""


def restore(argv: Sequence[str]) -> int:
    """Restore old images: faint, noisy, small, with JPEG blocks. Grey ones get colours.

    With a prior, the middle of each image is scaled to the size of the training images, unless
    --tiles is given; a run without one restores images of any size. Unreadable files are reported
    and skipped, and the exit status is 1.
    """
    positional = {
        "RUN": "The folder of a run of restore.",
        "INPUT": "An image, a folder of images (searched recursively), or a quoted glob.",
    }
    parser = Parser("restore", restore.__doc__ or "", positional)
    parser.add("restoring", Restoring())
    parser.add("weights", Weights())
    given, (how, weights) = parser.read(argv)
    run = path_of(str(given["RUN"]))
    model = load_run(run, weights)
    _check(model, how)
    levels, channels = model.levels(), model.spec.shape[0]
    kind = Outputs(levels, channels)
    target = how.out or run / "restored"
    pairs = outputs(str(path_of(str(given["INPUT"]))), target, how.overwrite, kind)
    compared = {out: out.with_name(f"{out.stem}-compared.png") for _, out in pairs}
    if how.compare:
        refuse_inputs([file for file, _ in pairs], compared.values())
        _refuse(compared, how)

    from ganwright.data.limit import allow
    from ganwright.inference.image_files import read_picture, write_picture
    from ganwright.report.grid import save_grid

    allow(how.max_megapixels)
    target_of, restored, reading = dict(pairs), _restorer(model, how), model.reading()
    reader = Reader(lambda path: read_picture(path, channels, None, reading), list(target_of))
    for path, picture in reader:
        out = target_of[path]
        made, before, after = restored(picture)
        write_picture(made, out, levels)
        if how.compare:
            import torch

            with writing(compared[out]):
                save_grid(torch.cat([before, after]), compared[out], 2)
        print(out, flush=True)
    return reader.status()


def _check(model: Model, how: Restoring) -> None:
    """Refuse runs that restore nothing, or whose images files do not hold.

    Raises:
        SettingsError: the sentence says which.
    """
    shape = model.spec.shape
    if not hasattr(model.game, "restore"):
        raise SettingsError(
            f"{model.run} is a run of {model.family}, which restores nothing; take a run of restore"
        )
    if shape[0] not in (1, 3) and model.levels() is None:
        raise SettingsError(
            f"this run's images have {shape[0]} channels, and files hold 1 or 3; restore tensors "
            "from Python instead, by model.translate"
        )
    if how.tiles and shape[1] != shape[2]:
        raise SettingsError(
            f"--tiles needs square tiles, and this run's images are {shape[2]}x{shape[1]}; leave "
            "it out"
        )


def _refuse(compared: dict[Path, Path], how: Restoring) -> None:
    """Refuse comparisons that exist, or that would replace a restored image.

    Raises:
        RunError: there are some.
    """
    places = list(compared.values())
    for place in places:
        if place in compared or places.count(place) > 1:
            raise RunError(f"two outputs would be {place}; add --no-compare, or rename an input")
    refuse_existing(places, how.overwrite)


def _restorer(model: Model, how: Restoring) -> Restore:
    """What gives a restored image, and the images before and after, float [1, C, H, W]."""
    import torch

    from ganwright.inference.tiling import TILE, Footprint, strips
    from ganwright.pixels import as_floats, to_bytes

    known, way, shape = model.footprint(), model.ability("translate"), model.spec.shape
    fits = known.only is not None and not how.tiles
    tile = max(shape[1:]) if known.only else TILE
    known = Footprint(1, tile, 1, None) if how.tiles and known.only else known

    @torch.no_grad()
    def restored(picture: Picture) -> Pair:
        before = as_floats(picture.fitted(shape) if fits else picture.pixels[None])
        rows = strips(lambda x: way(x.to(model.game.device)).float().cpu(), before, known, tile)
        after = torch.cat(list(rows), 2)
        plain = dataclasses.replace(picture, alpha=None) if fits else picture
        pixels = after if model.levels() else to_bytes(after)
        return plain.with_pixels(pixels[0]), before, after

    return restored
