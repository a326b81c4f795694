"""How data is opened and served, whatever it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ganwright.config.transform import Transform


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How data is opened and served; what is asked of one set alone is the string's `Query`.

    A run's settings of these names become these options, see `run/data.py`.
    """

    data_root: Path = field(default_factory=lambda: Path("data"))
    """Folder that holds torchvision data sets."""
    download: bool = False
    """Download the data set into the data root where it is missing."""
    image_size: int | None = None
    """Height and width to which images are brought; their own when not given."""
    channels: Literal[1, 3] | None = None
    """Convert images to greyscale (1) or colour (3); by default as in the data."""
    flip: bool = False
    """Mirror training images at random."""
    augment: tuple[Transform, ...] = ()
    """Random changes of training images, one after the other."""
    labels_per_class: int | None = None
    """Keep this many labels per class and treat all other images as unlabelled."""
    held_out: float | Literal["auto"] = 0.0
    """Share of the images held out where there is no test split, see `hold_out.py`."""
    on_bad_file: Literal["refuse", "skip"] = "refuse"
    """Whether a file that cannot be read is refused, or skipped with a warning."""
    cache: bool = False
    """Read each item of a Dataset once and keep it, instead of reading it again."""
    workers: int = 2
    """Processes that read what does not stay in memory."""
    seed: int = 0
    """Determines the order of the images, where they are cut and which are mirrored."""

    @property
    def skip(self) -> bool:
        """Whether what cannot be read is skipped."""
        return self.on_bad_file == "skip"
