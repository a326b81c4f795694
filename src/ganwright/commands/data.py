"""`ganwright data`: what data is taken for."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from ganwright import atomic
from ganwright.commands.flags import Parser
from ganwright.commands.sample import refuse_existing, writing
from ganwright.config.checked import Named
from ganwright.config.ranges import BelowOne, Count, NonNegative
from ganwright.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Looking(Named):
    """Whose view it is, and what is drawn."""

    family: str | None = None
    """The family that is to learn from it: its task and image size; pairs are recognised else."""
    sheet: Path | None = None
    """A .png file for one contact sheet: one row per class or side, with its name."""
    overwrite: bool = False
    """Replace the sheet if it exists."""


@dataclass(frozen=True, kw_only=True)
class Opening(Named):
    """How the data is opened, as in `train`."""

    image_size: Count | None = None
    """Height and width to which images are brought; the family's, or their own."""
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
    if what.sheet is not None:
        if what.sheet.suffix.lower() != ".png":
            raise SettingsError(f"--sheet is {what.sheet}; the sheet is an image, so name a .png")
        refuse_existing([what.sheet], what.overwrite)

    from ganwright.run.look import look

    options = {f.name: getattr(how, f.name) for f in fields(how)}
    seen = look(str(given["DATA"]), what.family, **options)
    print(seen.text)
    if what.sheet is not None:
        buffer = io.BytesIO()
        seen.sheet.save(buffer, "PNG")
        with writing(what.sheet):
            atomic.write(what.sheet, buffer.getvalue())
        print(what.sheet)
    return 0
