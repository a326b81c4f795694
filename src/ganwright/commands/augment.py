"""`ganwright augment`: labelled samples to add to a classifier's data."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganwright.commands.flags import Parser
from ganwright.commands.sample import Weights, load_run, refuse_file
from ganwright.config.checked import Named
from ganwright.config.ranges import Count, Whole
from ganwright.config.spelling import path_of
from ganwright.metrics.features import Features

if TYPE_CHECKING:
    from ganwright.run.augment_data import ClassCount


@dataclass(frozen=True, kw_only=True)
class Augmenting(Named):
    """How many samples, which of them, and where they go."""

    per_class: Count = 100
    """Samples to keep of each class."""
    out: Path | None = None
    """A folder for one folder of images per class; RUN/augmentation if not given."""
    seed: Whole = 0
    """Random seed; it determines the samples."""
    classifier: str | None = None
    """A run that classifies; by default, a small network learns the run's own training data."""
    agree: bool = True
    """Leave out samples that the classifier takes for another class."""
    copies: bool = False
    """Keep samples that copy training images."""
    features: Features | None = None
    """Features by which copies are found, see `list features`; by default as in `evaluate`."""
    tries: Count = 20
    """Samples drawn for each that is wanted, at most."""
    overwrite: bool = False
    """Replace other images of an earlier call; none of them stays."""


def augment(argv: Sequence[str]) -> int:
    """Write samples of every class into a folder each, to add to the data of a classifier.

    Samples of wrong classes and copies of training images are left out. The same command continues
    what was interrupted.
    """
    positional = {"RUN": "The folder of a run that samples by class."}
    parser = Parser("augment", augment.__doc__ or "", positional)
    parser.add("augmenting", Augmenting())
    parser.add("weights", Weights())
    given, (what, weights) = parser.read(argv)
    run = path_of(str(given["RUN"]))
    out = what.out or run / "augmentation"
    refuse_file(what.out)

    from ganwright.run.augment_data import augment_data

    counts = augment_data(
        load_run(run, weights),
        out,
        what.per_class,
        seed=what.seed,
        classifier=what.classifier,
        agree=what.agree,
        copies=what.copies,
        features=what.features,
        tries=what.tries,
        replace=what.overwrite,
    )
    print("\n".join(_table(counts)))
    short = [count.name for count in counts if count.kept < what.per_class]
    if short:
        print(
            f"ganwright: warning: fewer than {what.per_class} samples of {', '.join(short)} "
            "passed; train longer, raise --tries, or see what --no-agree gives",
            file=sys.stderr,
        )
    print(out)
    return 0


def _table(counts: Sequence[ClassCount]) -> list[str]:
    """A row for each class."""
    head = ("class", "drawn", "kept", "other class", "copies")
    rows = [head, *((c.name, c.drawn, c.kept, c.other_class, c.copies) for c in counts)]
    width = max(len(str(row[0])) for row in rows)
    return [f"{row[0]!s:{width}}" + "".join(f"  {cell!s:>11}" for cell in row[1:]) for row in rows]
