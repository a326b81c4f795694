"""`ganwright restyle`: a generator that draws in the style of an example, or of a few images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganwright.commands.flags import Parser
from ganwright.commands.places import inputs
from ganwright.commands.reader import Reader
from ganwright.commands.sample import Weights, load_run
from ganwright.config.checked import Named
from ganwright.config.ranges import Count, NonNegative, Whole
from ganwright.config.spelling import path_of
from ganwright.errors import SettingsError
from ganwright.inference.projection import Search


@dataclass(frozen=True, kw_only=True)
class Restyling(Named):
    """After what, how long, and where the new run goes."""

    example: Path | None = None
    """The example: an image, or a folder of up to some tens of images in one style."""
    data: str | None = None
    """A few images of the new kind instead, as for `train --data`: learned by cdc."""
    out: Path | None = None
    """The new run folder; RUN-restyled if not given."""
    steps: Count | None = None
    """Training steps: 300 after an example, and more copy its content, too; 1,000 on data."""
    swapped: Count | None = None
    """Number of the first layer that takes other styles; half of the layers when not given."""
    search_steps: Count = 1000
    """Steps of the search for each example's latent."""
    max_megapixels: NonNegative | None = None
    """Millions of pixels of the largest image that is decoded; 0 for any, 179 when not given."""
    seed: Whole = 0
    """Random seed of the search and of training."""


def restyle(argv: Sequence[str]) -> int:
    """Train a StyleGAN's generator to draw like an example (JoJoGAN) or a few images (CDC).

    The new run samples, and draws what `ganwright project RUN` found for photos with `ganwright
    sample NEW --latents`. Only the run folder is needed, not its data.
    """
    parser = Parser("restyle", restyle.__doc__ or "", {"RUN": "The run folder; it is not changed."})
    parser.add("restyling", Restyling())
    parser.add("weights", Weights())
    given, (what, weights) = parser.read(argv)
    run = path_of(str(given["RUN"]))
    if (what.example is None) == (what.data is None):
        raise SettingsError(
            "restyle takes an example, as in --example FILE, or a few images, as in --data FOLDER; "
            f"it got {'neither' if what.data is None else 'both'}"
        )
    whole = run.resolve()  # "." has no name
    out = what.out or whole.with_name(f"{whole.name}-restyled")
    changes = {"seed": what.seed, "device": weights.device}
    given_too = {"steps": what.steps, "max_megapixels": what.max_megapixels}
    changes |= {name: value for name, value in given_too.items() if value is not None}
    if what.data is not None:
        _adapt(run, what, weights, out, changes)
        return 0
    _, files = inputs(str(what.example))
    model = load_run(run, weights)

    import torch

    from ganwright.data.limit import allow
    from ganwright.inference.image_files import read_picture
    from ganwright.run.restyle import restyle as begin

    allow(what.max_megapixels)
    shape = model.spec.shape
    reader = Reader(lambda path: read_picture(path, shape[0], None, model.reading()), files)
    images = torch.cat([picture.fitted(shape) for _, picture in reader] or [torch.zeros(0, *shape)])
    reader.status()
    search = Search(steps=what.search_steps, seed=what.seed)
    begin(model, images, out, search=search, swapped=what.swapped, **changes)
    return 0


def _adapt(
    run: Path, what: Restyling, weights: Weights, out: Path, changes: dict[str, Any]
) -> None:
    """Refuse what belongs to an example alone, and train."""
    from ganwright.run.restyle import adapt

    for name in ("swapped", "search_steps"):
        if getattr(what, name) != getattr(Restyling(), name):
            flag = name.replace("_", "-")
            raise SettingsError(f"--{flag} belongs to --example; leave it out with --data")
    adapt(load_run(run, weights), what.data, out, **changes)
