"""`ganwright translate` and `ganwright classify`: what a run makes of images from files."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from ganwright import atomic
from ganwright.commands.flags import Parser
from ganwright.commands.places import Outputs, check_filed, inputs, outputs, refuse_inputs
from ganwright.commands.reader import Reader
from ganwright.commands.sample import Weights, load_run, refuse_existing, writing
from ganwright.config.checked import Named
from ganwright.config.ranges import Count, NonNegative, Range, Whole
from ganwright.config.spelling import path_of
from ganwright.errors import DataError, RunError, SettingsError

if TYPE_CHECKING:
    from ganwright.inference.model import Model
    from ganwright.inference.pictures import Picture

    Make: TypeAlias = Callable[[list[Picture], int], tuple[list[Picture], bool]]

_INPUT = "An image, a folder of images (searched recursively), or a quoted glob."
_BLENDED = (
    "of the images were translated in blended tiles: this network depends on the whole "
    "image, so tiles can differ in tone; --tile sets their size"
)


@dataclass(frozen=True, kw_only=True)
class Translation(Named):
    """Which way to translate, how many at once, and what to do with files that exist."""

    direction: Literal["a2b", "b2a"] = "a2b"
    """Direction between the two domains; b2a only in families that learn it."""
    batch_size: Count = 1
    """Number of images of one size to translate together."""
    tile: Annotated[int, Range(16)] | None = None
    """Tile size in pixels for larger images; by default 1024."""
    max_megapixels: NonNegative | None = None
    """Millions of pixels of the largest image that is decoded; 0 for any, 179 when not given."""
    seed: Whole = 0
    """Seed of the noise, in families that use noise."""
    samples: Count = 1
    """Outputs per input, of as many seeds from --seed on; the seed is added to their names."""
    style: Path | None = None
    """A photo whose style outputs take, in families with an encoder of styles."""
    overwrite: bool = False
    """Replace existing outputs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.style is not None and self.samples > 1:
            raise SettingsError(
                f"--style gives one image per input, and --samples is {self.samples}; leave one out"
            )

    @property
    def seeds(self) -> range:
        """Those of each input's outputs."""
        return range(self.seed, self.seed + self.samples)


@dataclass(frozen=True, kw_only=True)
class Classification(Named):
    """Where labels go."""

    out: Path | None = None
    """A .csv file for file, label and probability; by default they are printed."""
    max_megapixels: NonNegative | None = None
    """Millions of pixels of the largest image that is decoded; 0 for any, 179 when not given."""
    overwrite: bool = False
    """Replace the file if it exists."""


def translate(argv: Sequence[str]) -> int:
    """Translate images. Outputs keep the names and the metadata of their inputs.

    Unreadable files are reported and skipped, and the exit status is 1.
    """
    positional = {
        "RUN": "The run folder.",
        "INPUT": _INPUT,
        "OUTPUT": "An image file if INPUT is one, otherwise a folder.",
    }
    parser = Parser("translate", translate.__doc__ or "", positional)
    parser.add("translation", Translation())
    parser.add("weights", Weights())
    given, (how, weights) = parser.read(argv)
    source = str(path_of(str(given["INPUT"])))
    model = load_run(path_of(str(given["RUN"])), weights)
    _check_channels(model, how.direction)
    levels = model.levels(how.direction, output=True)
    made_of = model.channels("a2b" if how.direction == "b2a" else "b2a")
    kind = Outputs(levels, made_of, model.drawn_map(how.direction) is not None)
    again = how.overwrite or how.samples > 1
    pairs = outputs(source, path_of(str(given["OUTPUT"])), again, kind)
    if how.samples > 1:
        _refuse_seeds(pairs, how)
    return _write(model, dict(pairs), how)


def _write(model: Model, target: Mapping[Path, Path], how: Translation) -> int:
    """Each input's outputs, as they are made; the exit status."""
    from ganwright.data.limit import allow
    from ganwright.inference.image_files import write_picture

    allow(how.max_megapixels)
    levels = model.levels(how.direction, output=True)
    reader = Reader(_reading(model, how.direction), list(target))
    blended, make = 0, _maker(model, how)
    for number, group in enumerate(_groups(reader, how.batch_size)):
        shown = [picture for _, picture in group]
        if how.samples > 1 and not number:
            _check_varied(make, shown[0], how.seeds)
        for seed in how.seeds:
            made, tiled = make(shown, seed)
            blended += len(group) if tiled else 0
            for (path, _), picture in zip(group, made, strict=True):
                out = _of_seed(target[path], seed) if how.samples > 1 else target[path]
                write_picture(picture, out, levels)
                print(out, flush=True)
    if blended:
        print(f"ganwright: {blended} {_BLENDED}", file=sys.stderr)
    return reader.status()


def classify(argv: Sequence[str]) -> int:
    """Print the class of each image and its probability.

    Unreadable files are reported and skipped, and the exit status is 1.
    """
    positional = {"RUN": "The run folder.", "INPUT": _INPUT}
    parser = Parser("classify", classify.__doc__ or "", positional)
    parser.add("classification", Classification())
    parser.add("weights", Weights())
    given, (what, weights) = parser.read(argv)
    if what.out is not None:
        if what.out.suffix.lower() != ".csv":
            raise SettingsError(f"--out is {what.out}; the labels are a table, so give a .csv file")
        refuse_existing([what.out], what.overwrite)
    _, files = inputs(str(path_of(str(given["INPUT"]))))
    model = load_run(path_of(str(given["RUN"])), weights)

    model.ability("classify")
    check_filed(model, "classify")

    from ganwright.data.limit import allow
    from ganwright.inference.image_files import read_picture

    allow(what.max_megapixels)
    names = model.spec.classes
    table = io.StringIO()
    rows = csv.writer(table if what.out else sys.stdout, lineterminator="\n")
    shape, reading = model.spec.shape, model.reading()
    reader = Reader(lambda path: read_picture(path, shape[0], None, reading), files)
    for place, (path, picture) in enumerate(reader):
        if not place:  # an error, if none can be read, stands alone
            rows.writerow(["file", "label", "probability"])
        probabilities = model.classify(picture.fitted(shape))[0]
        if model.spec.several:
            found = [(float(p), name) for p, name in zip(probabilities, names, strict=True)]
            rows.writerows([path, name, f"{p:.4f}"] for p, name in found if p > 0.5)
            continue
        probability, number = probabilities.max(0)
        label = names[int(number)] if names else int(number)
        rows.writerow([path, label, f"{probability:.4f}"])
    if what.out is not None:
        with writing(what.out):
            atomic.write(what.out, table.getvalue().encode())
    return reader.status()


def _groups(
    pictures: Iterable[tuple[Path, Picture]], most: int
) -> Iterator[list[tuple[Path, Picture]]]:
    """Runs of at most so many images of the same size."""
    group: list[tuple[Path, Picture]] = []
    for path, picture in pictures:
        if len(group) == most or (group and group[0][1].pixels.shape != picture.pixels.shape):
            yield group
            group = []
        group.append((path, picture))
    if group:
        yield group


def _of_seed(path: Path, seed: int) -> Path:
    """Where one of several outputs goes: house.png of seed 3 to house-3.png."""
    return path.with_name(f"{path.stem}-{seed}{path.suffix}")


def _refuse_seeds(pairs: Sequence[tuple[Path, Path]], how: Translation) -> None:
    """Refuse several outputs per input that exist, are inputs, or of which two have one name.

    Raises:
        RunError: there are some.
    """
    outs = [_of_seed(target, seed) for _, target in pairs for seed in how.seeds]
    refuse_inputs([file for file, _ in pairs], outs)
    twice = [out for out, count in Counter(outs).items() if count > 1]
    if twice:
        raise RunError(f"two inputs would both become {twice[0]}; rename one of them")
    refuse_existing(outs, how.overwrite)


def _reading(model: Model, direction: str) -> Callable[[Path], Picture]:
    """What reads a file as an image that the run takes; a size that it does not is a DataError."""
    from ganwright.inference.image_files import read_picture

    channels, reading = model.channels(direction), model.reading(direction)
    maps, takes = model.label_map(direction), model.footprint(direction)

    def read(path: Path) -> Picture:
        picture = read_picture(path, channels, maps, reading)
        try:
            takes.refuse(*picture.pixels.shape[1:])
        except SettingsError as error:
            raise DataError(f"{path}: {error}") from None
        return picture

    return read


def _maker(model: Model, how: Translation) -> Make:
    """What translates images of one size, and says whether that took tiles that it blended.

    Raises:
        DataError: the photo of the style cannot be read.
    """
    import torch

    from ganwright.inference.image_files import read_picture
    from ganwright.inference.tiling import TILE, tiles
    from ganwright.pixels import to_bytes

    tile, levels = how.tile or TILE, model.levels(how.direction, output=True)
    known, mask = model.footprint(how.direction), model.drawn_map(how.direction)
    options: dict[str, Any] = {"direction": how.direction, "tile": tile}
    if how.style is not None:
        shape = model.spec.target or model.spec.shape
        reading = model.reading(how.direction, output=True)
        photo = read_picture(path_of(str(how.style)), shape[0], None, reading)
        options["style"] = photo.fitted(shape)

    def make(group: list[Picture], seed: int) -> tuple[list[Picture], bool]:
        pixels = torch.stack([picture.pixels for picture in group])
        rows = model.strips(pixels, seed=seed, **options)
        made = torch.cat([strip if levels else to_bytes(strip) for strip in rows], 2)
        height, width = pixels.shape[2:]
        blended = known.radius is None and tiles(height, width, known, tile) > 1
        return [p.with_pixels(x, mask) for p, x in zip(group, made, strict=True)], blended

    return make


def _check_varied(make: Make, picture: Picture, seeds: range) -> None:
    """Refuse to write one image several times.

    Raises:
        SettingsError: the first two seeds give the same.
    """
    first, second = (make([picture], seed)[0][0].pixels for seed in seeds[:2])
    if first.equal(second):
        raise SettingsError(
            f"this run makes one image of each input, whatever the seed, and --samples is "
            f"{len(seeds)}; leave it out"
        )


def _check_channels(model: Model, direction: str) -> None:
    spec = model.spec
    here = (spec.shape, spec.levels, model.label_map(direction))
    there = (spec.target or spec.shape, spec.target_levels, model.drawn_map(direction))
    for shape, levels, maps in (here, there):
        known = maps is not None or levels is not None
        if len(shape) != 3 or (shape[0] not in (1, 3) and not known):
            raise SettingsError(
                f"this run's images have the shape {shape}, and files hold 1 or 3 channels; "
                "translate tensors from Python instead"
            )
