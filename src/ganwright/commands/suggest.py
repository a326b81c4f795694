"""`ganwright suggest`: what to train on given data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from ganwright import atomic
from ganwright.commands.flags import Parser
from ganwright.commands.sample import refuse_existing, writing
from ganwright.config.checked import Named
from ganwright.config.ranges import Positive
from ganwright.config.sizes import Size
from ganwright.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Means(Named):
    """What there is to train with, and where the configuration goes."""

    hours: Positive = 8.0
    """Hours that the run may take."""
    device: str = "auto"
    """cpu, cuda, mps, or auto for the best available."""
    seconds: Positive = 3.0
    """Seconds to measure training steps, at least."""
    out: Path | None = None
    """A .yaml file for the configuration, to train with `--config`."""
    overwrite: bool = False
    """Replace the configuration if it exists."""


@dataclass(frozen=True, kw_only=True)
class Opening(Named):
    """How the data is opened, as in `train`."""

    image_size: Size | None = None
    """Height and width to train at, as 64 or 64x32; what suits images and machine if not given."""
    channels: Literal[1, 3] | None = None
    """Turn images grey (1) or colour (3); what the data has when not given."""
    on_bad_file: Literal["refuse", "skip"] = "refuse"
    """What to do with a file that cannot be read: refuse it, or skip it with a warning."""
    data_root: Path = field(default_factory=lambda: Path("data"))
    """Folder that holds torchvision data sets."""
    download: bool = False
    """Download the data set into the data root where it is missing."""


def suggest(argv: Sequence[str]) -> int:
    """Look at data, and name a family and settings for it, what they cost, and a trial.

    A few steps are measured on this machine and thrown away.
    """
    positional = {"DATA": "As --data of `train`: a name, a folder, a zip, with ?options."}
    parser = Parser("suggest", suggest.__doc__ or "", positional)
    parser.add("means", Means())
    parser.add("opening", Opening())
    given, (means, opening) = parser.read(argv)
    if means.out is not None and means.out.suffix.lower() not in (".yaml", ".yml"):
        raise SettingsError(f"--out is {means.out}; a configuration is a .yaml file")
    refuse_existing([path for path in (means.out,) if path], means.overwrite)

    from ganwright.run.config_file import to_yaml
    from ganwright.run.suggest import suggest as suggested

    options = {f.name: getattr(opening, f.name) for f in fields(opening)}
    found = suggested(
        str(given["DATA"]),
        hours=means.hours,
        device=means.device,
        seconds=means.seconds,
        **options,
    )
    print(found)
    if means.out is not None:
        with writing(means.out):
            atomic.write(means.out, to_yaml(found.family, found.settings))
        print(means.out)
    return 0
