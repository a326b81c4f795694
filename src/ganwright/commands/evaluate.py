"""`ganwright evaluate`: how good samples are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from ganwright.commands.flags import Parser
from ganwright.commands.sample import Weights
from ganwright.config.checked import Named
from ganwright.config.ranges import Count, Part, Range, Whole
from ganwright.config.settings import Settings
from ganwright.config.sizes import Size
from ganwright.metrics.features import Features
from ganwright.metrics.metric import Metric

Samples: TypeAlias = Annotated[int, Range(1, 10_000_000)]
"""How many samples can be asked for."""


@dataclass(frozen=True, kw_only=True)
class Measuring(Named):
    """What is measured, and against what."""

    metrics: tuple[Metric, ...] = ()
    """Metrics, see `list metrics`; by default FID, precision, recall, density, coverage."""
    against: str | None = None
    """Reference: data, a folder, or a run, whose samples are used; by default the run's data."""
    n: Samples = 10_000
    """Number of samples, and maximum number of real images."""
    features: Features | None = None
    """Features that images are compared by, see `list features`; by default PhotoFeatures for
    colour and DigitFeatures for others."""
    weights: Path | None = None
    """A file with the weights of the features, instead of downloading them."""
    split: Literal["train", "test"] | None = None
    """The split of the real images; by default the test split, if there is one."""
    seed: Whole = 0
    """One number that determines the samples."""
    keep: Part | None = None
    """Keep this share of what the run's G draws, by D's scores, and draw the rest again."""
    data_root: Path = field(default_factory=lambda: Path("data"))
    """Folder that holds torchvision data sets."""
    image_size: Size | None = None
    """The size to which folders are brought, as 64 or 64x32; the run's when not given."""
    channels: Count | None = None
    """Convert images in folders to greyscale (1) or colour (3)."""
    on_bad_file: Literal["refuse", "skip"] = "refuse"
    """What to do with a file that cannot be read: refuse it, or skip it with a warning."""


def evaluate(argv: Sequence[str]) -> int:
    """Measure the samples of a run, or images in a folder, against real images."""
    help_text = "A run folder; or a folder, a zip file or a data set of images."
    parser = Parser("evaluate", evaluate.__doc__ or "", {"TARGET": help_text})
    parser.add("measuring", Measuring())
    parser.add("weights of a run", Weights())
    given, (what, weights) = parser.read(argv)

    from ganwright.metrics.evaluation import table
    from ganwright.run.chosen_features import settings_of
    from ganwright.run.evaluation import Choice
    from ganwright.run.evaluation import evaluate as measured

    names = ("data_root", "image_size", "channels", "on_bad_file")
    how = Settings(**{name: getattr(what, name) for name in names})
    results = measured(
        str(given["TARGET"]),
        what.metrics,
        against=what.against,
        features=settings_of(what.weights, what.features),
        choice=Choice(what.n, what.seed, what.split, how, weights.device, what.keep),
        step=weights.step,
        raw=weights.raw,
        best=weights.best,
    )
    print(table(results))
    return 0
