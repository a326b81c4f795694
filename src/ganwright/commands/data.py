"""`ganwright data`: what data is taken for."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ganwright import atomic
from ganwright.commands.flags import Parser
from ganwright.commands.sample import refuse_existing, writing
from ganwright.config.checked import Named
from ganwright.config.ranges import BelowOne, NonNegative
from ganwright.config.sizes import Size
from ganwright.errors import DataError, SettingsError

if TYPE_CHECKING:
    from ganwright.data.open import Prepared
    from ganwright.data.options import DataOptions
    from ganwright.run.look import Look


@dataclass(frozen=True, kw_only=True)
class Looking(Named):
    """Whose view it is, and what is done besides saying it."""

    family: str | None = None
    """The family that is to learn from it: its task and image size; pairs are recognised else."""
    sheet: Path | None = None
    """A .png file for one contact sheet: one row per class or side, with its name."""
    check: bool = False
    """Decode every image and list those that cannot be read; the exit status is 2 if any."""
    pack: Path | None = None
    """A file into which the images are packed, decoded and scaled, as by `ganwright pack`."""
    overwrite: bool = False
    """Replace the sheet or the pack if it exists."""


@dataclass(frozen=True, kw_only=True)
class Opening(Named):
    """How the data is opened, as in `train`."""

    image_size: Size | None = None
    """Height and width to which images are brought, as 64 or 64x32; the family's, or their own."""
    channels: Literal[1, 3] | None = None
    """Turn images grey (1) or colour (3); what the data has when not given."""
    held_out: Literal["auto"] | BelowOne = "auto"
    """Share of the images kept from training for evaluation, where the data has no test split."""
    on_bad_file: Literal["refuse", "skip"] = "refuse"
    """What to do with a file that cannot be read: refuse it, or skip it with a warning."""
    max_megapixels: NonNegative | None = None
    """Millions of pixels of the largest image that is decoded; 0 for any, 179 when not given."""
    data_root: Path = field(default_factory=lambda: Path("data"))
    """Folder that holds torchvision data sets."""
    download: bool = False
    """Download the data set into the data root where it is missing."""


def data(argv: Sequence[str]) -> int:
    """Say what data is taken for: counts, splits, classes, sizes, sides, and what is skipped.

    What could be read otherwise is named with the switch that decides it.
    """
    positional = {"DATA": "As --data of `train`: a name, a folder, a zip, with ?options."}
    parser = Parser("data", data.__doc__ or "", positional)
    parser.add("look", Looking())
    parser.add("opening", Opening())
    given, (what, how) = parser.read(argv)
    if what.sheet is not None and what.sheet.suffix.lower() != ".png":
        raise SettingsError(f"--sheet is {what.sheet}; the sheet is an image, so name a .png")
    refuse_existing([path for path in (what.sheet, what.pack) if path], what.overwrite)

    from ganwright.data.options import DataOptions
    from ganwright.run.look import described, understood

    source = str(given["DATA"])
    options = DataOptions(**{f.name: getattr(how, f.name) for f in fields(how)})
    read = _checked if what.check else understood
    ready = read(source, what.family, options)
    seen = described(ready, what.family)
    print(seen.text)
    if what.check:
        print("all of it can be read")
    if what.sheet is not None:
        _save(seen, what.sheet)
    if what.pack is not None:
        _pack(source, what, ready, options)
    return 0


def _checked(source: str, family: str | None, options: DataOptions) -> Prepared:
    """The source, once every image was decoded.

    Raises:
        DataError: some cannot be read, each of which is printed.
    """
    from ganwright.data.messages import counted
    from ganwright.run.check import check

    found = check(source, family, options)
    for name in found.bad:
        print(name)
    if found.rest is not None:
        raise DataError(
            f"{counted(len(found.bad), 'image')} of {source} cannot be used, listed above; "
            f"without {'it' if len(found.bad) == 1 else 'them'}, {found.rest}"
        )
    if found.bad:
        raise DataError(
            f"{len(found.bad):,} of {counted(found.count, 'image')} of {source} cannot be used, "
            "listed above; fix or remove them, or train with --on-bad-file skip"
        )
    assert found.ready is not None
    return found.ready


def _save(seen: Look, sheet: Path) -> None:
    buffer = io.BytesIO()
    seen.sheet.save(buffer, "PNG")
    with writing(sheet):
        atomic.write(sheet, buffer.getvalue())
    print(sheet)


def _pack(source: str, what: Looking, ready: Prepared | Look, options: DataOptions) -> None:
    """Pack the source for what it was taken for."""
    from ganwright.data.cached import pack
    from ganwright.data.open import Prepared
    from ganwright.families import family

    if not isinstance(ready, Prepared):
        raise DataError(f"{source} is read as it comes; pack a folder or a zip file")
    if what.family is not None:
        size = options.image_size or family(what.family).image_size
        options = replace(options, image_size=size)
    assert what.pack is not None
    pack(source, what.pack, task=ready.settled.spec.task, options=options)
