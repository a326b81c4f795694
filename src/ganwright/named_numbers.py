"""Numbers that a user's code gives by name, for rows that are written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganwright.errors import SettingsError, described


def named_numbers(told: str, values: Any) -> dict[str, float]:
    """The same as Python's own numbers; tensors and arrays of one element are numbers, too.

    Args:
        told: who gives them, for the sentence: "Spread's measure gives".
        values: what is given.

    Raises:
        SettingsError: it is no dict of numbers.
    """
    if not isinstance(values, Mapping):
        said = f"{told} {described(values)}; it must be a dict of numbers"
        raise SettingsError(f"{said}, such as {{'deviation': 0.5}}")
    return {name: _number(told, name, value) for name, value in values.items()}


def _number(told: str, name: object, value: Any) -> float:
    if not isinstance(name, str):
        raise SettingsError(f"{told} a number the name {name!r}; names must be text")
    if type(value) in (int, float):
        number: float = value
        return number
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError):
        raise SettingsError(f"{told} {described(value)} as {name!r}; it must be a number") from None
