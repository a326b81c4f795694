"""A look at data before training: what it is taken for, in words and as one image."""

from __future__ import annotations

import base64
import io
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganwright.config.settings import Settings
from ganwright.config.sizes import whole
from ganwright.data.describe import Description, sides_of
from ganwright.data.fitted import Fitted
from ganwright.data.image import UNREADABLE
from ganwright.data.messages import MixedSizesError
from ganwright.data.named import as_packed
from ganwright.data.open import Prepared, located, open_data, shaped
from ganwright.data.options import DataOptions, options_of
from ganwright.data.plan import words
from ganwright.data.query import parse_query
from ganwright.data.read.shards import streams
from ganwright.data.serve.order import shuffled
from ganwright.data.serve.resident import cut
from ganwright.data.sides import Rows, Side, Source, Stack
from ganwright.data.types import Batch, Images, Paired, Unpaired, leading
from ganwright.errors import DataError, SettingsError
from ganwright.pixels import from_bytes
from ganwright.report.contact_sheet import contact_sheet
from ganwright.run.advice import few_images
from ganwright.run.config_file import defaults, game_class
from ganwright.seeds import seed_of

_MEASURED = 64
_SHOWN = 64
_IN_A_ROW, _MOST_ROWS = 10, 24


@dataclass(frozen=True)
class Look:
    """What data is taken for: `print` it, show it in a notebook, or save its `sheet`.

    Args:
        description: in words.
        rows: names and images [n, C, H, W] in [-1, 1] of the contact sheet.
        palette: the colours of label maps, with the class numbers.
    """

    description: Description
    rows: tuple[tuple[str, Tensor], ...] = ()
    palette: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @property
    def text(self) -> str:
        """What the data is taken for, a line each."""
        return str(self.description)

    @cached_property
    def sheet(self) -> Image.Image:
        """The contact sheet: one row per class or side.

        Raises:
            DataError: the data is no images.
        """
        if not self.rows:
            raise DataError("only images of 1 or 3 channels can be drawn; leave the sheet out")
        return contact_sheet(self.rows, self.palette)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        lines = [*self.description.rows, *(("note", note) for note in self.description.notes)]
        cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in lines)
        if not self.rows:
            return f"<table>{cells}</table>"
        buffer = io.BytesIO()
        self.sheet.save(buffer, "PNG")
        data = base64.b64encode(buffer.getvalue()).decode()
        return f'<table>{cells}</table><img alt="" src="data:image/png;base64,{data}">'


def look(data: Any, family: str | None = None, **options: Any) -> Look:
    """Say what data is taken for, without training on it.

    Args:
        data: what `train` takes as `data`.
        family: whose view it is, with its task and image size; where none is named, pairs and
            domains are taken for such wherever files lie so.
        **options: fields of `DataOptions`, such as image_size, channels and on_bad_file.

    Raises:
        DataError: the data cannot be read, or does not suit the family.
        SettingsError: options contradict each other, or there is none of such a name.
    """
    return described(understood(data, family, options_of(options)), family)


def understood(data: Any, family: str | None, options: DataOptions) -> Prepared | Look:
    """The source as a family sees it, or as its files say; a look where items only come by.

    Args:
        data, family: as for `look`.
        options: how it is opened; an image size that they leave open is the family's, or that of
            a pack.

    Raises:
        DataError: the data cannot be read, or does not suit the family.
        SettingsError: options contradict each other.
    """
    if family is None:
        return _guessed(data, as_packed(data, options))
    cls = game_class(family)
    return _ready(data, cls.task, replace(options, image_size=options.image_size or cls.image_size))


def described(
    ready: Prepared | Look, family: str | None = None, settings: Settings | None = None
) -> Look:
    """A source in words and images.

    Args:
        ready: the source.
        family: which is to learn from it, if that is known: the advice is for that one.
        settings: of the run to come; the family's defaults when not given.
    """
    if isinstance(ready, Look):
        return ready
    about, cls = ready.description, None if family is None else game_class(family)
    if settings is None:
        settings = Settings() if cls is None else defaults(cls)
    values = [_values(key, side) for key, side in zip("ab", ready.settled.train, strict=False)]
    alone = len(ready.settled.train) == 1
    ranges = (("values" if alone else row[0], row[1]) for row in values if row)
    advice = few_images(about.few, cls, settings)
    return Look(replace(about, rows=(*about.rows, *ranges), advice=advice), *_drawn(ready))


def _ready(data: Any, task: type[Batch], options: DataOptions) -> Prepared | Look:
    """The source, where its items can be asked for; else what its batches say."""
    if isinstance(data, str | os.PathLike) and not streams(os.fspath(data)):
        return _sized(data, task, options)
    try:
        return _sized(data, task, options)
    except DataError:
        source = open_data(data, task=task, options=replace(options, held_out=0.0))
    shape = "x".join(map(str, source.spec.shape))
    rows = (("read as", "batches as they come"), ("shape", shape))
    images = leading(source.preview(_IN_A_ROW))
    drawn = (("the first", images),) if images.ndim == 4 and images.shape[1] in (1, 3) else ()
    return Look(Description(rows, source.notes), drawn)


def _sized(data: Any, task: type[Batch], options: DataOptions) -> Prepared:
    """The source; images of several sizes are brought to one, which is said."""
    found, kind = located(data, task, options)
    try:
        return shaped(found, kind, task, options)
    except MixedSizesError:
        size = _fitting(found)
        ready = shaped(found, kind, task, replace(options, image_size=size))
    doubt = (
        f"images differ in size and are shown at {size}x{size}; a family brings them to its "
        "own size, or --image-size to another"
    )
    return _doubting(ready, doubt)


def _fitting(found: Source) -> int:
    """The size to show images of several sizes at; where windows are cut, all hold one."""
    if found.enlarged == 1 and not found.query.crop:
        return _SHOWN
    return whole(min(_SHOWN, found.smallest), found.enlarged)


def _doubting(ready: Prepared, doubt: str) -> Prepared:
    return replace(ready, found=replace(ready.found, doubts=(*ready.found.doubts, doubt)))


def _guessed(data: Any, options: DataOptions) -> Prepared | Look:
    """Pairs where files have partners, two domains where folders say so, else images.

    Raises:
        DataError: it is none of these.
    """
    error: DataError | None = None
    for task in _tasks(data):
        try:
            found = _ready(data, task, options)
        except DataError as problem:
            error = error or problem
            continue
        if task is not Images or not isinstance(data, str | os.PathLike):
            return found
        return _as_sides(data, options) or found
    assert error is not None
    raise error


def _tasks(data: Any) -> tuple[type[Batch], ...]:
    """What data may be taken for, the likeliest first."""
    name, _, asked = os.fspath(data).partition("?") if isinstance(data, str) else ("", "", "")
    if "->" in name:
        return (Unpaired,)
    query = parse_query(asked)
    if query.low is not None or query.a or query.b:
        return (Paired, Unpaired)
    return (Images, Paired, Unpaired)


def _as_sides(data: str | os.PathLike[str], options: DataOptions) -> Prepared | None:
    """The pairs or the domains that a folder holds, where its files or names say so."""
    text = os.fspath(data)
    if not os.path.exists(os.path.expanduser(text.partition("?")[0])):
        return None
    for task in (Paired, Unpaired):
        try:
            found = _sized(data, task, options)
        except (DataError, SettingsError):
            continue
        if task is Paired or _named_domains(found):
            return _doubting(
                found,
                f"the files lie as {words(task)} do; families of single images take the same "
                "files for images: --family NAME shows what one family takes it for",
            )
    return None


def _named_domains(found: Prepared) -> bool:
    """Whether the folders are called trainA and trainB."""
    names = [side.side.names[0] for side in found.settled.train if isinstance(side.side, Rows)]
    folders = [os.path.basename(os.path.dirname(name)).lower() for name in names]
    return folders == ["traina", "trainb"]


def _values(key: str, fitted: Fitted) -> tuple[str, str] | None:
    """The range of values as they are stored, from a few images."""
    side = fitted.side
    few = shuffled(len(side), seed_of("look"))[:_MEASURED].tolist()
    if isinstance(side, Stack):
        part = side.pictures[torch.tensor(few)]
        part = part if side.signal is None else side.signal.numbers(part)
        low, high = part.min().item(), part.max().item()
    else:
        found = [(float(x.min()), float(x.max())) for x in _read(side, few)]
        if not found:
            return None
        low, high = min(x for x, _ in found), max(x for _, x in found)
    return f"{key} values", f"{low:g} to {high:g} in {len(few):,} of them"


def _read(side: Rows, numbers: list[int]) -> list[np.ndarray[Any, Any]]:
    pictures = []
    for number in numbers:
        with suppress(*UNREADABLE):
            pictures.append(np.asarray(side.look(number)))
    return pictures


def _drawn(
    ready: Prepared,
) -> tuple[tuple[tuple[str, Tensor], ...], tuple[tuple[str, tuple[int, ...]], ...]]:
    """The rows of the contact sheet and its palette."""
    sides, rows, palette = ready.settled.train, [], []
    order = shuffled(len(sides[0]), seed_of("look"))
    for name, fitted in sides_of(ready.settled):
        if not fitted.window:
            return (), ()
        paired = ready.settled.spec.task is Paired
        own = order if paired else shuffled(len(fitted), seed_of("look"))
        rows += [
            (f"{name}: {title}" if name else title, images)
            for title, chosen in _groups(fitted.side, own)
            if (images := _pictures(fitted, chosen)) is not None
        ]
        if (maps := fitted.fit.label_map) is not None:
            colours = maps.palette().tolist()
            palette += [(t, tuple(c)) for t, c in zip(maps.titles, colours, strict=False)]
            palette += [] if maps.ignore is None else [(str(maps.ignore), tuple(colours[-1]))]
    shown = rows[:_MOST_ROWS]
    if len(rows) > len(shown):
        shown[-1] = (f"{shown[-1][0]}; {len(rows) - len(shown):,} more are not shown", shown[-1][1])
    return tuple(shown), tuple(palette)


def _groups(side: Side, order: Tensor) -> list[tuple[str, list[int]]]:
    """A name and the numbers of images: those of each class, or of all."""
    if side.labels is None:
        return [(f"{len(side):,} images", order[:_IN_A_ROW].tolist())]
    labels = side.labels.cpu()[order]
    groups = []
    for number, name in enumerate(side.classes):
        members = order[labels[:, number] > 0 if labels.ndim == 2 else labels == number]
        if len(members):
            groups.append((f"{name} ({len(members):,})", members[:_IN_A_ROW].tolist()))
    return groups


def _pictures(fitted: Fitted, numbers: list[int]) -> Tensor | None:
    """Images in shape, [n, C, H, W] in [-1, 1]; label maps in their colours."""
    read = [x for x in fitted.read(numbers) if isinstance(x, Tensor)]
    if not read:
        return None
    pictures = torch.stack([cut(x, fitted) for x in read])
    maps = fitted.fit.label_map
    if maps is not None and maps.onehot:
        return maps.shown(from_bytes(maps.channelled(pictures)))
    return from_bytes(pictures) if pictures.dtype == torch.uint8 else pictures.float()
