"""Opening data: what a string, or what a Python caller passes, becomes."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ganwright.data.batches import Data
from ganwright.data.cached import cached
from ganwright.data.describe import Description, describe
from ganwright.data.fingerprint import fingerprint
from ganwright.data.hold_out import Parted, hold_out
from ganwright.data.iterated import Iterated
from ganwright.data.messages import UnreadableError, unreadable
from ganwright.data.named import kind_of, resolve
from ganwright.data.options import DataOptions
from ganwright.data.own_batches import OwnBatches
from ganwright.data.plan import Settled, settle, words
from ganwright.data.read.objects import one_by_one, source_of
from ganwright.data.read.shards import open_stream, streams
from ganwright.data.serve.load import load, resident
from ganwright.data.sides import Source
from ganwright.data.types import Batch, Images, Paired, RunData, Spec
from ganwright.errors import DataError, SettingsError


def open_data(
    source: str | os.PathLike[str] | Tensor | tuple[Any, ...] | Dataset[Any] | Any,
    *,
    task: type[Batch],
    options: DataOptions | None = None,
    device: torch.device | None = None,
) -> RunData:
    """Open a data set for a task.

    Args:
        source: the `--data` string; or uint8 [n, H, W(, C)] or [n, C, H, W], float [-1, 1]
            images or points [n, 2], as tensor or array; (images, labels); for two-sided tasks
            (a, b); a `Dataset` of (image[, label]), map-style or iterable, or a `DataLoader` of
            one; a data set of Hugging Face's; or an object with `spec` and `batch`.
        task: the batch type that the family takes.
        options: how it is opened and served. Where they name an image_size, each image is scaled
            with antialiasing until it just covers it, and the middle is cut out.
        device: where batches arrive; the CPU when not given.

    Raises:
        DataError: the data is missing, broken, or does not suit the task.
        SettingsError: options contradict each other.
    """
    options, device = options or DataOptions(), device or torch.device("cpu")
    if isinstance(source, str | os.PathLike):
        if streams(text := os.fspath(source)):
            _check_iterable(task, options)
            return Iterated(open_stream(text, options.seed), options, device)
    else:
        if isinstance(getattr(source, "spec", None), Spec):
            _refuse(options, "an object that makes its batches itself")
            return OwnBatches(source, task, device)
        if (items := one_by_one(source)) is not None:
            _check_iterable(task, options)
            return Iterated(items, options, device)
    try:
        ready = prepared(source, task, options)
    except UnreadableError as error:
        names = dict.fromkeys((*error.names, *_other_names(source, task, options, device)))
        raise unreadable(list(names)) from error
    # Some parts of a source are dropped or brought to size later.
    marks = dict(ready.found.marks or fingerprint(ready.found, ready.kind))
    if ready.parted.notes:
        marks["held_out"] = [len(side) for side in ready.parted.source.test or ()]
    about = ready.description
    return Data(ready.settled, options, device, marks, notes=about.head, few=about.few)


@dataclass(frozen=True)
class Prepared:
    """A source of which all is known that can be known before its images are read.

    Args:
        found: as it was found.
        kind: what a fingerprint takes from it.
        parted: less what is held out.
        settled: in shape.
    """

    found: Source
    kind: str
    parted: Parted
    settled: Settled

    @property
    def description(self) -> Description:
        """What it is taken for."""
        drawn = self.kind == "embedded"
        return describe(self.found, self.settled, self.parted.notes, drawn=drawn)


def prepared(source: Any, task: type[Batch], options: DataOptions) -> Prepared:
    """Find a source whose items can be asked for, and settle what its batches look like.

    Args:
        source, task, options: as for `open_data`.

    Raises:
        DataError: the data is missing, broken, or does not suit the task.
        SettingsError: options contradict each other.
    """
    return shaped(*located(source, task, options), task, options)


def located(source: Any, task: type[Batch], options: DataOptions) -> tuple[Source, str]:
    """A source before sizes are settled, and what a fingerprint takes from it.

    Raises:
        DataError: the data is missing, broken, or does not suit the task.
        SettingsError: options contradict each other.
    """
    if not isinstance(source, str | os.PathLike):
        return source_of(source, task, options.channels, options.reading), "given"
    text = os.fspath(source)
    read = cached if options.cache else resolve
    return read(text, task, options), kind_of(text)


def shaped(found: Source, kind: str, task: type[Batch], options: DataOptions) -> Prepared:
    """What `located` found, as its batches look.

    Raises:
        DataError: the source cannot serve the task, or its sizes do not allow it.
        SettingsError: options contradict each other.
    """
    parted = hold_out(found, options, drawn=kind == "embedded")
    return Prepared(found, kind, parted, settle(parted.source, task, options))


def _other_names(
    source: Any, task: type[Batch], options: DataOptions, device: torch.device
) -> tuple[str, ...]:
    """What else is bad of images that are kept in memory, where some are bad from the start.

    They would be decoded anyhow before training; those that are streamed may take hours.
    """
    options = replace(options, on_bad_file="skip", cache=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is named already
            settled = prepared(source, task, options).settled
        if resident(settled.train, device, cache=False):
            load(settled.train, device, skip=False, together=task is Paired)
    except UnreadableError as error:
        return error.names
    except DataError:  # of the others, once the bad ones are gone
        return ()
    return ()


def _check_iterable(task: type[Any], options: DataOptions) -> None:
    """Refuse what needs items that can be asked for."""
    if task is not Images:
        raise DataError(
            f"an iterable gives single images as they come, and {words(task)} are needed; pass "
            "data sets with a length and random access"
        )
    _refuse(options, "an iterable, which has no random access")


def _refuse(options: DataOptions, given: str) -> None:
    """Refuse what needs items that can be asked for.

    Raises:
        SettingsError: naming the option.
    """
    for name in ("cache", "balance", "labels_per_class", "held_out", "augment"):
        if getattr(options, name) not in (False, None, "auto", ()):
            raise SettingsError(f"{name} has no effect with {given}; leave it out")
