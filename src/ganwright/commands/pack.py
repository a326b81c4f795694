"""`ganwright pack`: decoded, scaled images in one file that training starts from at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ganwright.commands.flags import Parser
from ganwright.commands.sample import refuse_existing
from ganwright.config.checked import Named
from ganwright.config.sizes import Size
from ganwright.config.spelling import path_of


@dataclass(frozen=True, kw_only=True)
class Packing(Named):
    """What a pack is for."""

    family: str = "dcgan"
    """The family that will be trained on it: it says what the data is read as."""
    image_size: Size | None = None
    """Height and width of the images, as 64 or 64x32; the family's choice when not given."""
    channels: Literal[1, 3] | None = None
    """Turn images grey (1) or colour (3); what the data has when not given."""
    on_bad_file: Literal["refuse", "skip"] = "refuse"
    """What to do with a file that cannot be read: refuse, or pass over it with a warning."""
    overwrite: bool = False
    """Replace a pack that exists."""


def pack(argv: Sequence[str]) -> int:
    """Decode and scale a folder or zip once, into one file that is data of its own."""
    positional = {"DATA": "A folder or a zip file, as --data has it.", "FILE": "The pack."}
    parser = Parser("pack", pack.__doc__ or "", positional)
    parser.add("packing", Packing())
    given, (how,) = parser.read(argv)
    file = path_of(str(given["FILE"]))
    refuse_existing([file], how.overwrite)

    from ganwright.data import DataOptions
    from ganwright.data.cached import pack as write
    from ganwright.families import family

    cls = family(how.family)
    size = how.image_size or cls.image_size
    options = DataOptions(image_size=size, channels=how.channels, on_bad_file=how.on_bad_file)
    write(str(given["DATA"]), file, task=cls.task, options=options)
    return 0
