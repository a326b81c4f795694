"""What a data string asks for behind its question mark: `facades/?a=label&b=photo`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
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
    onehot: str | None = None
    """`a` if its label maps become one channel a class."""
    jitter: float = 1.0
    """Images are scaled to this multiple of the size, then cut at random (pix2pix: 1.117)."""
    low: int | None = None
    """Pairs of low resolution (this factor, bicubic with antialias) and high."""
    crop: bool = False
    """Cut images at random from their own resolution instead of scaling them."""
    stack: int | None = None
    """Random grey images as the channels of one (3: Stacked MNIST and its 1,000 modes)."""


def parse_query(text: str) -> Query:
    """What stands behind the question mark of a data string.

    Raises:
        DataError: an option is unknown or its value is not allowed.
    """
    try:
        given = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)))
    except ValueError:
        raise DataError(f'"?{text}" must read like ?a=label&b=photo') from None
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in _OPTIONS:
            raise DataError(f"unknown data option {key}; {nearest(key, _OPTIONS)}")
        allowed, convert = _OPTIONS[key]
        try:
            values[key] = convert(value)
        except ValueError:
            raise DataError(f"data option {key}={value} must be {allowed}") from None
    return Query(**values)


def check_query(query: Query, task: type[Batch]) -> None:
    """Refuse options that have no effect on this task.

    Raises:
        DataError: it asks for something of another task, or for what excludes each other.
    """
    for name in ("low", "onehot"):
        if getattr(query, name) is not None and task is not Paired:
            raise DataError(f"data option {name} is for pairs of images; leave it out")
    if (query.a or query.b) and task not in (Paired, Unpaired):
        raise DataError("data options a and b are for two domains; leave them out")
    if query.crop and query.jitter > 1:
        raise DataError("data options crop and jitter exclude each other; leave one out")


def _one_of(*names: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in names:
            raise ValueError(text)
        return text

    return convert


def _at_least(kind: type[Any], least: float) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        value = kind(text)
        if not value >= least:
            raise ValueError(text)
        return value

    return convert


_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "a": ("a subfolder's name", str),
    "b": ("a subfolder's name", str),
    "onehot": ("a, the side that is translated", _one_of("a")),
    "jitter": ("a number of at least 1, such as 1.117", _at_least(float, 1)),
    "low": ("a whole number of at least 2", _at_least(int, 2)),
    "stack": ("a whole number of at least 2", _at_least(int, 2)),
    "crop": ("random", lambda text: _one_of("random")(text) == "random"),
}
