"""What a data string stands for: the table of names, and which reader opens what."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from ganwright.config import plugins
from ganwright.config.spelling import quoted
from ganwright.data.options import DataOptions
from ganwright.data.query import (
    Query,
    check_exclusive,
    check_folders_alone,
    check_query,
    parse_query,
)
from ganwright.data.read.combine import joined, stacked
from ganwright.data.read.deep import ARRAYS, arrays_in
from ganwright.data.read.files import open_files
from ganwright.data.read.folders import open_images
from ganwright.data.read.left_over import left_over
from ganwright.data.read.objects import source_of
from ganwright.data.read.packed import is_pack, open_pack, packed_size
from ganwright.data.read.pairs import open_sides
from ganwright.data.read.signals import marked
from ganwright.data.read.tables import ENDINGS, open_table
from ganwright.data.read.torchvision_sets import SETS, open_set
from ganwright.data.sides import Source
from ganwright.data.types import Batch, Images, Paired, Unpaired
from ganwright.errors import DataError, nearest
from ganwright.precision import default_type

EMBEDDED = {
    "digits": "embedded:digits",
    "digits-paired": "embedded:digits_paired",
    "digits-unpaired": "embedded:digits_unpaired",
    "digits-domains": "embedded:digits_domains",
    "ring": "embedded:ring",
    "grid": "embedded:grid",
    "sines": "embedded:sines",
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


def absolute(text: str) -> str:
    """A data string that means the same from every folder."""
    text, mark, query = text.partition("?")
    return "->".join(map(_absolute, text.split("->"))) + mark + query


def _absolute(name: str) -> str:
    name = name.strip()
    if name.startswith("tar:") and "://" not in name:
        return f"tar:{os.path.abspath(os.path.expanduser(name.removeprefix('tar:')))}"
    return name if kind_of(name) != "files" else os.path.abspath(os.path.expanduser(name))


def there(text: str) -> bool:
    """Whether all folders and zip files of a data string exist."""
    names = text.partition("?")[0].split("->")
    return all(kind_of(name) != "files" or os.path.exists(name) for name in names)


def kind_of(text: str) -> str:
    """What a fingerprint takes from a data string."""
    names = [name.strip() for name in text.partition("?")[0].split("->")]
    if all(name in EMBEDDED for name in names):
        return "embedded"
    known = known_sets()
    public = all(name in known or name.startswith(("hf:", "tar:")) for name in names)
    return "named" if public else "files"


def resolve(text: str, task: type[Batch], options: DataOptions) -> Source:
    """What a data string stands for.

    `name?key=value&key=value` asks for variants; `A->B` makes two domains of two sets.
    """
    text, _, asked = text.partition("?")
    if (asked or "->" in text) and any(map(is_packed, names_of(text))):
        raise DataError(
            f"{text} is a pack, whose options and domains were settled when it was packed; give "
            f'its name alone, or pack again, as in `ganwright pack "A->B" {names_of(text)[0]}`'
        )
    query = parse_query(asked)
    check_query(query, task)
    if "->" in text:
        parts = [part.strip() for part in text.split("->")]
        if len(parts) != 2 or not all(parts):
            raise DataError(f'"{text}" must name two sets, as in "mnist->usps"')
        check_folders_alone(replace(query, splits=None), text)
        sides = [_named(part, Images, options, query) for part in parts]
        return replace(joined(text, *sides), query=query)
    found = _named(text, task, options, query)
    side, maps = query.onehot, dict(zip("ab", (s.label_map for s in found.train), strict=False))
    if side is not None and maps.get(side) is None:
        raise DataError(
            f"data option onehot is for label maps, and side {side} of {text} has none; leave it "
            "out"
        )
    return found if query.stack is None else stacked(found, query.stack)


def _named(name: str, task: type[Batch], options: DataOptions, query: Query) -> Source:
    if not name:
        raise DataError(
            "the name of the data is empty, as of a variable that is not set; give a name, such as "
            "digits, or a folder"
        )
    path = Path(os.path.expanduser(name))
    array = path.suffix.lower() in ARRAYS and path.is_file()
    if query.signals and not array:
        raise DataError(f"data option signals is for a .npy or .npz file, not {name}; leave it out")
    table = path.suffix.lower() in ENDINGS and path.is_file()
    if query.label is not None and not table:
        raise DataError(
            f"{name} is no table, and data option label names a column of a table; leave it out"
        )
    if array or table or name in known_sets() or name.startswith("hf:"):
        check_folders_alone(query, name)
    if name in EMBEDDED:
        return _embedded(name, task, options, query)
    if name in SETS:
        return replace(open_set(name, options), query=query)
    if name in plugins.rows("data"):
        return _plugged(name, task, options, query)
    if name.startswith("hf:"):
        from ganwright.data.read.hub import open_hub

        return replace(open_hub(name.removeprefix("hf:"), options.reading), query=query)
    if not path.exists():
        raise _unknown(name)
    _check_no_run(path)
    if array:
        given = marked(arrays_in(path)) if query.signals else arrays_in(path)
        found = source_of(given, task, reading=options.reading, files=True)
        return replace(found, name=name, query=query)
    if table:
        return replace(open_table(path, query), name=name)
    return open_pack(path, options) if is_pack(path) else _of_files(path, task, options, query)


def _check_no_run(path: Path) -> None:
    """Refuse a run's folder, whose grids and plots would be taken for images to learn from.

    Raises:
        DataError: it is one.
    """
    if all((path / name).exists() for name in ("config.yaml", "spec.json", "checkpoints")):
        raise DataError(
            f"{path} is a run folder, whose images are grids and plots; name the data that it was "
            f"trained on, or write samples into a folder with `ganwright sample {quoted(path)} "
            "-n 100 --out FOLDER`"
        )


def _of_files(path: Path, task: type[Batch], options: DataOptions, query: Query) -> Source:
    """A folder or a zip file of images."""
    limit = options.max_megapixels
    tree = open_files(path, options.skip, options.reading, query.splits, limit)
    if task is Unpaired or (task is Paired and query.low in (None, "own")):
        found = open_sides(tree, task, query, options.channels)
    else:
        found = open_images(tree, query)
    return replace(found, passed=(*tree.passed, *left_over(tree, found)))


def _embedded(name: str, task: type[Batch], options: DataOptions, query: Query) -> Source:
    variant = name + _VARIANTS.get(task, "")
    if variant in EMBEDDED and query.low is None:
        name = variant
    module, function = EMBEDDED[name].split(":")
    build = getattr(import_module(f"ganwright.data.read.{module}"), function)
    with default_type(torch.float32):  # a set is the same whatever type its caller computes in
        source: Source = build(_square(options))
    if query.low == "own":
        raise DataError(f"{name} is drawn by the library; low=own is for two folders of your own")
    if query.low is None:
        query = replace(query, low=source.query.low)
        check_exclusive(query)
    return replace(source, name=name, query=query)


def _square(options: DataOptions) -> int | None:
    """The size of square images that the wanted ones are cut from."""
    return None if options.size is None else max(options.size)


def _plugged(name: str, task: type[Batch], options: DataOptions, query: Query) -> Source:
    """A set that an installed package adds: a function of the image size, or None for its own."""
    read = plugins.load("data", name)
    if read is None:
        raise DataError(f"the data set {name} cannot be loaded; see the warning above")
    found = source_of(read(_square(options)), task, options.channels, options.reading)
    return replace(found, name=name, query=query)


def _unknown(name: str) -> DataError:
    if any(mark in name for mark in "/\\.~"):
        return DataError(f"there is no folder or zip file {name}; check the path")
    return DataError(
        f"no data set or folder is called {name}; {nearest(name, known_sets())} "
        "or give the path of a folder, a zip file, or hf:owner/name"
    )


def names_of(text: str) -> list[str]:
    """The names in a data string: one, or those of two domains."""
    return [name.strip() for name in text.partition("?")[0].split("->")]


def as_packed(source: Any, options: DataOptions) -> DataOptions:
    """The same with the image size of a pack, where they name none.

    Raises:
        DataError: the pack is damaged.
    """
    if options.image_size is not None or not is_packed(source):
        return options
    return replace(options, image_size=packed_size(Path(os.path.expanduser(source))))


def is_packed(source: Any) -> bool:
    """Whether it names a pack."""
    return isinstance(source, str | os.PathLike) and is_pack(Path(os.path.expanduser(source)))
