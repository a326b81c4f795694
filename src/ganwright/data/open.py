"""The table of sources: what a data string, or what a Python caller passes, stands for."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ganwright.config import plugins
from ganwright.data.batches import Data
from ganwright.data.fingerprint import fingerprint
from ganwright.data.hold_out import hold_out
from ganwright.data.iterated import Iterated
from ganwright.data.options import DataOptions
from ganwright.data.own_batches import OwnBatches
from ganwright.data.plan import settle, words
from ganwright.data.query import Query, check_query, parse_query
from ganwright.data.read.combine import joined, stacked
from ganwright.data.read.files import open_files
from ganwright.data.read.folders import open_images
from ganwright.data.read.objects import one_by_one, source_of
from ganwright.data.read.pairs import open_sides
from ganwright.data.read.torchvision_sets import SETS, open_set
from ganwright.data.sides import Source
from ganwright.data.types import Batch, Images, Paired, RunData, Spec, Unpaired
from ganwright.errors import DataError, SettingsError, nearest
from ganwright.precision import default_type

EMBEDDED = {
    "digits": "embedded:digits",
    "digits-paired": "embedded:digits_paired",
    "digits-unpaired": "embedded:digits_unpaired",
    "digits-domains": "embedded:digits_domains",
    "ring": "embedded:ring",
    "grid": "embedded:grid",
    "glyphs": "glyphs:glyphs",
    "glyphs-masked": "glyphs:glyphs",
    "glyphs-paired": "glyphs:glyphs_paired",
    "glyphs-unpaired": "glyphs:glyphs_unpaired",
    "glyphs-domains": "glyphs:glyphs_domains",
    "glyphs-lowres": "glyphs:glyphs_lowres",
}
"""Sets that need no download: name -> module:function of the image size."""

# What an embedded set turns into for tasks that its plain form cannot serve.
_VARIANTS: dict[type[Batch], str] = {Paired: "-paired", Unpaired: "-unpaired"}


def known_sets() -> tuple[str, ...]:
    """The names that `--data` knows: embedded sets, torchvision's, those of installed packages."""
    return (*EMBEDDED, *SETS, *plugins.rows("data"))


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
        options: how it is opened and served. Where they name an image_size, the shorter side of
            each image is scaled to it with antialiasing, and the middle is cut out.
        device: where batches arrive; the CPU when not given.

    Raises:
        DataError: the data is missing, broken, or does not suit the task.
        SettingsError: options contradict each other.
    """
    options, device = options or DataOptions(), device or torch.device("cpu")
    if isinstance(source, str | os.PathLike):
        text = os.fspath(source)
        if options.cache:
            raise SettingsError(
                "cache is for a Dataset given in Python; data with a name stays in memory wherever "
                "it fits, so leave cache out"
            )
        found, kind = resolve(text, task, options), _kind(text)
    elif isinstance(getattr(source, "spec", None), Spec):
        _refuse(options, "an object that makes its batches itself")
        return OwnBatches(source, task, device)
    elif (items := one_by_one(source)) is not None:
        _check_iterable(task, options)
        return Iterated(items, options, device)
    else:
        found, kind = source_of(source, task, options.channels), "given"
    # Some parts of a source are dropped or brought to size below.
    marks = fingerprint(found, kind)
    parted = hold_out(found, options, drawn=kind == "embedded")
    if parted.notes:
        marks["held_out"] = [len(side) for side in parted.source.test or ()]
    settled = settle(parted.source, task, options)
    return Data(settled, options, device, marks, notes=parted.notes)


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
    for name in ("cache", "labels_per_class", "held_out", "augment"):
        if getattr(options, name) not in (False, None, "auto", ()):
            raise SettingsError(f"{name} has no effect with {given}; leave it out")


def absolute(text: str) -> str:
    """A data string that means the same from every folder."""
    text, mark, query = text.partition("?")
    return "->".join(map(_absolute, text.split("->"))) + mark + query


def _absolute(name: str) -> str:
    name = name.strip()
    return name if _kind(name) != "files" else os.path.abspath(os.path.expanduser(name))


def there(text: str) -> bool:
    """Whether all folders and zip files of a data string exist."""
    names = text.partition("?")[0].split("->")
    return all(_kind(name) != "files" or os.path.exists(name) for name in names)


def _kind(text: str) -> str:
    """What a fingerprint takes from a data string."""
    names = [name.strip() for name in text.partition("?")[0].split("->")]
    if all(name in EMBEDDED for name in names):
        return "embedded"
    known = known_sets()
    public = all(name in known or name.startswith("hf:") for name in names)
    return "named" if public else "files"


def resolve(text: str, task: type[Batch], options: DataOptions) -> Source:
    """What a data string stands for.

    `name?key=value&key=value` asks for variants; `A->B` makes two domains of two sets.
    """
    text, _, asked = text.partition("?")
    query = parse_query(asked)
    check_query(query, task)
    if "->" in text:
        parts = [part.strip() for part in text.split("->")]
        if len(parts) != 2 or not all(parts):
            raise DataError(f'"{text}" must name two sets, as in "mnist->usps"')
        sides = [_named(part, Images, options, query) for part in parts]
        return replace(joined(text, *sides), query=query)
    found = _named(text, task, options, query)
    return found if query.stack is None else stacked(found, query.stack)


def _named(name: str, task: type[Batch], options: DataOptions, query: Query) -> Source:
    path = Path(os.path.expanduser(name))
    if name in EMBEDDED:
        return _embedded(name, task, options.image_size, query)
    if name in SETS:
        return replace(open_set(name, options), query=query)
    if name in plugins.rows("data"):
        return _plugged(name, task, options, query)
    if name.startswith("hf:"):
        from ganwright.data.read.hub import open_hub

        return replace(open_hub(name.removeprefix("hf:")), query=query)
    if not path.exists():
        raise _unknown(name)
    tree = open_files(path, skip=options.skip)
    if task is Unpaired or (task is Paired and query.low is None):
        return open_sides(tree, task, query)
    return open_images(tree, query)


def _embedded(name: str, task: type[Batch], image_size: int | None, query: Query) -> Source:
    variant = name + _VARIANTS.get(task, "")
    if variant in EMBEDDED and query.low is None:
        name = variant
    module, function = EMBEDDED[name].split(":")
    build = getattr(import_module(f"ganwright.data.read.{module}"), function)
    with default_type(torch.float32):  # a set is the same whatever type its caller computes in
        source: Source = build(image_size)
    if query.low is None:
        query = replace(query, low=source.query.low)
    return replace(source, name=name, query=query)


def _plugged(name: str, task: type[Batch], options: DataOptions, query: Query) -> Source:
    """A set that an installed package adds: a function of the image size, or None for its own."""
    read = plugins.load("data", name)
    if read is None:
        raise DataError(f"the data set {name} cannot be loaded; see the warning above")
    found = source_of(read(options.image_size), task, options.channels)
    return replace(found, name=name, query=query)


def _unknown(name: str) -> DataError:
    if any(mark in name for mark in "/\\.~"):
        return DataError(f"there is no folder or zip file {name}; check the path")
    return DataError(
        f"no data set or folder is called {name}; {nearest(name, known_sets())} "
        "or give the path of a folder, a zip file, or hf:owner/name"
    )
