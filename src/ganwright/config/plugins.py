"""Rows that installed packages add to the library's tables, by entry points."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

PREFIX = "ganwright."
"""A package adds a row to a table by an entry point in the group ganwright.<table>."""


@cache
def rows(topic: str) -> Mapping[str, EntryPoint]:
    """The entry points of a table by name, none of them loaded."""
    return {point.name: point for point in _installed().select(group=PREFIX + topic)}


@cache
def loaded(topic: str) -> Mapping[str, Any]:
    """What the entry points of a table stand for; one that fails is named and skipped."""
    found = ((name, load(topic, name)) for name in rows(topic))
    return {name: member for name, member in found if member is not None}


@cache
def classes(topic: str) -> Mapping[str, type]:
    """Those of `loaded` that are classes; what is none is named and skipped."""
    found = loaded(topic)
    for name, member in found.items():
        if not isinstance(member, type):
            warnings.warn(
                f"{name} of {package(topic, name)}, one of {topic}, is no class and is skipped",
                stacklevel=2,
            )
    return {name: member for name, member in found.items() if isinstance(member, type)}


@cache
def load(topic: str, name: str) -> Any:
    """What one entry point stands for; None, with a warning, where it cannot be loaded."""
    point = rows(topic)[name]
    try:
        return point.load()
    except Exception as error:  # a plug-in's import runs its own code
        reason = " ".join(str(error).split()) or type(error).__name__
        warnings.warn(
            f"{name} of {package(topic, name)}, one of {topic}, cannot be loaded ({reason}) and "
            "is skipped",
            stacklevel=2,
        )
        return None


def package(topic: str, name: str) -> str:
    """The installed package that adds a row."""
    point = rows(topic)[name]
    return point.dist.name if point.dist else "an installed package"


@cache
def _installed() -> Any:
    return entry_points()
