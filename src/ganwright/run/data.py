"""The data of a run: its settings say how it is opened, and what it knows of it is checked."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields, replace
from math import prod
from typing import Any

from ganwright.config.settings import Settings
from ganwright.config.sizes import sides, size_of
from ganwright.data.fingerprint import begins_otherwise, differences
from ganwright.data.levels import Reading
from ganwright.data.named import as_packed, is_packed
from ganwright.data.options import DataOptions
from ganwright.data.read.loaders import batch_size_of
from ganwright.errors import RunError, SettingsError
from ganwright.memory import check


def data_options(settings: Settings) -> DataOptions:
    """The settings that affect data; they have the names of the options."""
    return DataOptions(**{f.name: getattr(settings, f.name) for f in fields(DataOptions)})


@dataclass(frozen=True, kw_only=True)
class NextToRun(DataOptions):
    """Options of data next to a run's, whose numbers mean what those of the run's data do."""

    learned: Any = Reading()
    """How the run reads its own files, a `Reading`: no setting, since nobody spells it."""

    @property
    def reading(self) -> Reading:
        """As the run reads its own; a range that is asked for holds instead."""
        asked = super().reading
        other = self.range not in ((), self.learned.range)
        return asked if other else replace(asked, known=self.learned.known)


def beside(
    source: Any,
    options: DataOptions,
    shape: tuple[int, ...],
    own: Settings | None = None,
    learned: Reading | None = None,
) -> DataOptions:
    """Options of data next to a run's: of its size, and read as it reads its own.

    What the options name holds, and a pack keeps the size that it was made with.

    Args:
        source: the data.
        options: what is asked for.
        shape: (C, H, W) of the run's images; () where there is no run.
        own: the run's settings. Of the numbers in files, its range, depth and transparency hold:
            others would be other images to it.
        learned: how the run reads its files, of which what it found out itself holds, too.
    """
    if is_packed(source):
        options = as_packed(source, options)
    elif options.image_size is None and len(shape) == 3:
        options = replace(options, image_size=size_of(*shape[1:]))
    if own is None:
        return options
    usual = DataOptions()
    names = [n for n in ("range", "depth", "alpha") if getattr(options, n) == getattr(usual, n)]
    values = vars(options) | {name: getattr(own, name) for name in names}
    return NextToRun(**values, learned=learned or Reading())


def check_batch_fits(settings: Settings) -> None:
    """See that a batch fits into the host's memory, before the data is opened.

    Raises:
        SettingsError: it does not.
    """
    size, shape = settings.batch_size or 1, sides(settings.image_size) or (1, 1)
    what = f"a batch of {size} images of {shape[0]}x{shape[1]} pixels"
    check(4 * size * prod(shape), f"{what}; lower --batch-size or --image-size")


def check_batch_size(settings: Settings, data: Any) -> None:
    """See that a DataLoader and the run speak of the same batches.

    Raises:
        SettingsError: they do not.
    """
    size = batch_size_of(data)
    if size not in (None, settings.batch_size):
        raise SettingsError(
            f"the DataLoader makes batches of {size}, and batch_size is {settings.batch_size}; "
            "make them the same, or leave batch_size out"
        )


def check_same(then: dict[str, Any], now: dict[str, Any]) -> None:
    """See by their fingerprints that a run continues with its own data.

    Of an iterable that begins with other items it is said that the run is not continued exactly.

    Raises:
        RunError: it is other data; each difference is named.
    """
    try:
        changed = differences(then, now)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RunError(
            f"the run's data.json does not say what its data was ({error!r}); remove it to resume "
            "without checking that the data is the run's"
        ) from error
    if changed:
        raise RunError(
            f"this is not the data that the run was trained on: {'; '.join(changed)}; restore "
            "the data as it was, or train a new run"
        )
    if begins_otherwise(then, now):
        warnings.warn(
            "the iterable starts with other items than when the run started, so the result differs "
            "from an uninterrupted run: it continues with other data",
            stacklevel=3,
        )
