"""What a data string asks for behind its question mark: `facades/?a=label&b=photo`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Literal
from urllib.parse import parse_qsl

from ganwright.data.types import Batch, Paired, Unpaired
from ganwright.errors import DataError, nearest


@dataclass(frozen=True)
class Query:
    """What a data string asks for behind its question mark."""

    a: str | None = None
    """Name of the subfolder (or `left`, `right`) that is domain a."""
    b: str | None = None
    """Name of the subfolder that is domain b."""
    a_kind: str | None = None
    """`mask` if the pixels of domain a are class numbers, `image` if they are not (`?a:mask`)."""
    b_kind: str | None = None
    """The same of domain b."""
    splits: bool | None = None
    """Whether folders called train, val and test are splits; None where their names decide."""
    onehot: str | None = None
    """The side, `a` or `b`, whose label maps become one channel a class."""
    instances: str | None = None
    """`a` if its label maps hold ids of instances, whose edges are one channel more."""
    jitter: float = 1.0
    """Images are scaled to this multiple of the size, then cut at random (pix2pix: 1.117)."""
    low: int | Literal["own"] | None = None
    """Pairs of low resolution (this factor, bicubic with antialias) and high; `own` for files."""
    label: str | None = None
    """Name of a table's column that is the class."""
    crop: bool = False
    """Cut images at random from their own resolution instead of scaling them."""
    signals: bool = False
    """Take an array [n, C, L] for signals of C channels instead of grey images."""
    stack: int | None = None
    """Random grey images as the channels of one (3: Stacked MNIST and its 1,000 modes)."""

    def kind(self, side: str) -> str | None:
        """What was said of side a or b: `mask`, `image`, or nothing."""
        return self.a_kind if side == "a" else self.b_kind


def parse_query(text: str) -> Query:
    """What stands behind the question mark of a data string.

    Raises:
        DataError: an option is unknown or given twice, or its value is not allowed.
    """
    # `a:mask` is short for `a_kind=mask`.
    text = re.sub(r"(^|&)([^&=:]*):([^&=]*)(?=&|$)", r"\1\2_kind=\3", text)
    try:
        given = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError:
        raise DataError(f'"?{text}" must read like ?a=label&b=photo') from None
    _check_once(given)
    values: dict[str, Any] = {}
    for key, value in given:
        if key not in _OPTIONS:
            name = key.replace("_kind", ":") if key.endswith("_kind") else key
            raise DataError(f"unknown data option {name}; {nearest(name, _OPTIONS)}")
        allowed, convert = _OPTIONS[key]
        try:
            values[key] = convert(value)
        except ValueError:
            raise DataError(f"data option {_shown(key, value)} must be {allowed}") from None
    return Query(**values)


def _check_once(given: Sequence[tuple[str, str]]) -> None:
    """Refuse an option of two values, of which one would go unheard.

    Raises:
        DataError: naming both.
    """
    often = Counter(key for key, _ in given)
    for name in (key for key, count in often.items() if count > 1):
        both = " and ".join(_shown(key, value) for key, value in given if key == name)
        raise DataError(f"a data option is given more than once, as {both}; give it once")


def _shown(key: str, value: str) -> str:
    """An option as the string has it."""
    return f"{key}={value}".replace("_kind=", ":")


def check_query(query: Query, task: type[Batch]) -> None:
    """Refuse options that have no effect on this task.

    Raises:
        DataError: it asks for something of another task, or for what excludes each other.
    """
    for name in ("low", "onehot", "instances"):
        if getattr(query, name) is not None and task is not Paired:
            raise DataError(f"data option {name} is for pairs of images; leave it out")
    if query.instances is not None and query.onehot != query.instances:
        raise DataError(
            f"data option instances={query.instances} adds a channel to those of the classes; add "
            f"onehot={query.instances}, or leave it out"
        )
    if (query.a or query.b) and task not in (Paired, Unpaired):
        raise DataError("data options a and b are for two domains; leave them out")
    if (query.a or query.b) and isinstance(query.low, int):
        raise DataError(
            f"data options a and b are for two domains, and low={query.low} makes both of one "
            "image; leave them out, or low"
        )
    if query.a and query.a == query.b:
        raise DataError(f"data options a and b are both {query.a}; name two folders")
    for key in "ab":
        if query.kind(key) and task is not Paired:
            raise DataError(
                f"data option {key}:{query.kind(key)} is for pairs of images; leave it out"
            )
    check_exclusive(query)


def check_exclusive(query: Query) -> None:
    """Refuse options of which one would go unheard.

    Raises:
        DataError: naming both.
    """
    low = None if query.low is None else f"low={query.low}"
    if query.crop and query.jitter > 1:
        raise DataError("data options crop and jitter exclude each other; leave one out")
    if low and query.jitter > 1:
        raise DataError(
            f"data options {low} and jitter exclude each other, since pairs of low and high "
            "resolution are cut and never scaled; leave one out"
        )
    mask = next((f"{key}:mask" for key in "ab" if query.kind(key) == "mask"), None)
    if low and mask:
        raise DataError(
            f"data options {low} and {mask} exclude each other, since class numbers have no low "
            "resolution; leave one out"
        )


def check_folders_alone(query: Query, name: str) -> None:
    """Refuse what only a folder or a zip file can answer.

    Args:
        query: what the string asked for.
        name: what is neither.

    Raises:
        DataError: it asks for a subfolder, for splits or for masks.
    """
    asked = {
        "a": query.a,
        "b": query.b,
        "splits": query.splits,
        **{f"{key}:{query.kind(key)}": query.kind(key) for key in "ab"},
    }
    option = next((option for option, value in asked.items() if value is not None), None)
    if option is not None:
        raise DataError(
            f"data option {option} is for one folder or zip file of images, not {name}; leave it "
            "out"
        )


def _one_of(*names: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in names:
            raise ValueError(text)
        return text

    return convert


def _at_least(kind: type[Any], least: float, most: float = inf) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        value = kind(text)
        if not least <= value <= most:
            raise ValueError(text)
        return value

    return convert


def _low(text: str) -> int | str:
    return "own" if text == "own" else int(_at_least(int, 2)(text))


_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "a": ("a subfolder's name", str),
    "b": ("a subfolder's name", str),
    "a_kind": ("mask or image, as in ?a:mask", _one_of("mask", "image")),
    "b_kind": ("mask or image, as in ?b:mask", _one_of("mask", "image")),
    "splits": ("yes or no", lambda text: _one_of("yes", "no")(text) == "yes"),
    "onehot": ("a or b, a side of label maps", _one_of("a", "b")),
    "instances": ("a, the side that is translated", _one_of("a")),
    "jitter": ("a number from 1 to 100, such as 1.117", _at_least(float, 1, 100)),
    "low": ("a whole number of at least 2, or own", _low),
    "stack": ("a whole number of at least 2", _at_least(int, 2)),
    "label": ("a column's name", str),
    "signals": ("yes", lambda text: _one_of("yes")(text) == "yes"),
    "crop": ("random", lambda text: _one_of("random")(text) == "random"),
}
