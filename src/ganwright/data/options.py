"""How data is opened and served, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ganwright.config.checked import Named
from ganwright.config.ranges import BelowOne, Count, NonNegative, Real, Whole
from ganwright.config.sizes import Size, sides, size_of
from ganwright.config.transform import Transform
from ganwright.data.levels import Reading
from ganwright.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class DataOptions(Named):
    """How data is opened and served; what is asked of one set alone is the string's `Query`.

    A run's settings of these names become these options, see `run/data.py`.

    Raises:
        SettingsError: a value does not fit its field's type or range.
    """

    data_root: Path = field(default_factory=lambda: Path("data"))
    """Folder that holds torchvision data sets."""
    download: bool = False
    """Download the data set into the data root where it is missing."""
    image_size: Size | None = None
    """The size to which images are brought, such as 64 or "64x32"; their own when not given."""
    channels: Count | None = None
    """Turn images grey (1) or colour (3), or ask that they have so many; None for any."""
    range: tuple[Real, ...] = ()
    """The two numbers in files or arrays that become -1 and 1; those of their type if empty."""
    depth: Literal["keep", 8] = "keep"
    """Keep more than 8 bits where the data has them, or bring all to 8."""
    alpha: Literal["keep", "white", "drop"] = "white"
    """Whether transparency is a channel, shows white, or is left out."""
    flip: bool = False
    """Mirror training images at random."""
    augment: tuple[Transform, ...] = ()
    """Random changes of training images, one after the other."""
    balance: bool = False
    """Draw each class equally often, however many images it has."""
    labels_per_class: Count | None = None
    """Keep this many labels per class and treat all other images as unlabelled."""
    held_out: Literal["auto"] | BelowOne = 0.0
    """Share of the images held out where there is no test split, see `hold_out.py`."""
    on_bad_file: Literal["refuse", "skip"] = "refuse"
    """Whether a file that cannot be read is refused, or skipped with a warning."""
    max_megapixels: NonNegative | None = None
    """Millions of pixels of the largest image that is decoded; 0 for any, None for 179."""
    cache: bool = False
    """Keep decoded images: of a folder or zip in the user's cache, of a Dataset in memory."""
    workers: Whole = 2
    """Processes that read what does not stay in memory."""
    seed: Whole = 0
    """Determines the order of the images, where they are cut and which are mirrored."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.range and not (len(self.range) == 2 and self.range[0] < self.range[1]):
            raise SettingsError(
                f"range is {' '.join(f'{x:g}' for x in self.range)}; give two numbers, the lower "
                "one first, as in --range 0 4095"
            )
        if (both := sides(self.image_size)) is not None:
            object.__setattr__(self, "image_size", size_of(*both))

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width to which images are brought; None for their own."""
        return sides(self.image_size)

    @property
    def reading(self) -> Reading:
        """What is said of the numbers in files."""
        return Reading(self.range, self.depth, self.alpha)

    @property
    def skip(self) -> bool:
        """Whether what cannot be read is skipped."""
        return self.on_bad_file == "skip"


def options_of(given: Mapping[str, Any]) -> DataOptions:
    """Options by name; images are held out where there is no test split, if they do not say.

    Raises:
        SettingsError: there is none of such a name.
    """
    if unknown := given.keys() - vars(DataOptions()).keys():
        raise SettingsError(
            f"there is no option {sorted(unknown)[0]}; there are {', '.join(vars(DataOptions()))}"
        )
    return DataOptions(**{"held_out": "auto", **given})
