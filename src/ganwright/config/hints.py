"""The types of settings: what a dataclass's fields are declared to be."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from ganwright.config.ranges import Range
from ganwright.errors import SettingsError


def hints_of(kind: type) -> Mapping[str, Any]:
    """The types of a dataclass's fields that can be set, with their ranges.

    A field that a subclass declares again keeps its base's range, unless it states its own.

    Raises:
        SettingsError: a type names what its module does not have.
    """
    return _hints_of(kind)


@cache
def _hints_of(kind: Any) -> Mapping[str, Any]:
    try:
        found = get_type_hints(kind, include_extras=True)
        bases = [base for base in kind.__mro__[1:] if is_dataclass(base)]
        inherited = [get_type_hints(base, include_extras=True) for base in bases]
    except (NameError, AttributeError, TypeError) as error:
        raise SettingsError(
            f"the types of {kind.__name__}'s fields cannot be read ({error}); write types that its "
            "module has"
        ) from error
    for name, hint in found.items():
        same = [h[name] for h in inherited if name in h and bare(h[name]) == bare(hint)]
        found[name] = next((h for h in (hint, *same) if ranges(h)), hint)
    return {f.name: found[f.name] for f in fields(kind) if f.init}


def bare(hint: Any) -> Any:
    """A type without the ranges of its numbers."""
    if get_origin(hint) is Annotated:
        return bare(get_args(hint)[0])
    options = tuple(map(bare, get_args(hint)))
    if get_origin(hint) in (Union, types.UnionType):
        return reduce(or_, options)
    return types.GenericAlias(tuple, options) if get_origin(hint) is tuple else hint


def ranges(hint: Any) -> list[Range]:
    """The ranges of a type's numbers, in the order in which it names them."""
    if get_origin(hint) is Annotated:
        return [extra for extra in get_args(hint)[1:] if isinstance(extra, Range)]
    return [found for option in get_args(hint) for found in ranges(option)]


def is_spelled(hint: Any) -> bool:
    """Whether there is a text for each value of a type."""
    if get_origin(hint) in (Union, types.UnionType, tuple):
        return all(map(is_spelled, get_args(hint)))
    return get_origin(hint) in (Annotated, Literal) or hint in (Any, ...) or isinstance(hint, type)
