"""`ganwright restyle`: a generator that draws in the style of an example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganwright.commands.flags import Parser
from ganwright.commands.places import inputs
from ganwright.commands.sample import Weights, load_run
from ganwright.commands.train import status
from ganwright.commands.translate import Reader
from ganwright.config.checked import Named
from ganwright.config.ranges import Count, Whole
from ganwright.config.spelling import path_of
from ganwright.errors import SettingsError
from ganwright.inference.projection import Search


@dataclass(frozen=True, kw_only=True)
class Restyling(Named):
    """After what, how long, and where the new run goes."""

    example: Path | None = None
    """The example: an image, or a folder of up to some tens of images in one style."""
    out: Path | None = None
    """The new run folder; RUN-restyled if not given."""
    steps: Count = 300
    """Training steps; too many copy the example's content, too."""
    swapped: Count | None = None
    """Number of the first layer that takes other styles; half of the layers when not given."""
    search_steps: Count = 1000
    """Steps of the search for each example's latent."""
    seed: Whole = 0
    """Random seed of the search and of training."""


def restyle(argv: Sequence[str]) -> int:
    """Train a StyleGAN's generator to draw in the style of an example (JoJoGAN).

    The new run samples, and draws what `ganwright project RUN` found for photos with `ganwright
    sample NEW --latents`. Only the run folder is needed, not its data.
    """
    parser = Parser("restyle", restyle.__doc__ or "", {"RUN": "The run folder; it is not changed."})
    parser.add("restyling", Restyling())
    parser.add("weights", Weights())
    given, (what, weights) = parser.read(argv)
    run = path_of(str(given["RUN"]))
    if what.example is None:
        raise SettingsError("restyle needs an example; name an image, as in --example FILE")
    _, files = inputs(str(what.example))
    model = load_run(run, weights)

    import torch

    from ganwright.inference.image_files import read_picture
    from ganwright.run.restyle import restyle as begin

    shape = model.spec.shape
    reader = Reader(lambda path: read_picture(path, shape[0], None, None), files)
    images = torch.cat([picture.fitted(shape) for _, picture in reader] or [torch.zeros(0, *shape)])
    reader.status()
    out = what.out or run.with_name(f"{run.name}-restyled")
    search = Search(steps=what.search_steps, seed=what.seed)
    changes = {"steps": what.steps, "seed": what.seed, "swapped": what.swapped}
    return status(begin(model, images, out, search=search, device=weights.device, **changes))
