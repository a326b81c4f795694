"""Values as text and back: how an object is spelled, and how a text becomes what a setting wants.

Files and flags are read by the same conversion, so a setting has the same spelling in both.
"""

from __future__ import annotations

import os
import shlex
import textwrap
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from subprocess import list2cmdline
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from ganwright.config import registry
from ganwright.config.calls import Call, read, word
from ganwright.config.factory import Factory, factory
from ganwright.config.hints import hints_of, ranges
from ganwright.config.ranges import Range
from ganwright.errors import SettingsError, described, nearest

T = TypeVar("T")

_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    types.NoneType: "none",
    Factory: "a function in a module, such as mine.make(width=64)",
}


def spell(value: Any, *, brief: bool = False) -> str:
    """The constructor call that makes `value`: `R1(weight=10.0, every=16)`.

    Args:
        value: an object of settings, or anything that is written as a literal.
        brief: leave out arguments that have their default: `R1(every=16)`.
    """
    if isinstance(value, tuple | list):
        inner = ", ".join(spell(item, brief=brief) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, Factory):
        arguments = ", ".join(f"{name}={spell(given)}" for name, given in value.settings)
        return f"{value.path}({arguments})"
    if is_dataclass(value) and not isinstance(value, type):
        arguments = ", ".join(
            f"{f.name}={spell(getattr(value, f.name), brief=brief)}"
            for f in fields(value)
            if f.init and not (brief and getattr(value, f.name) == f.default)
        )
        return f"{registry.name_of(type(value))}({arguments})"
    return repr(str(value) if isinstance(value, Path) else value)


def parse(text: str, base: type[T], where: str = "the setting") -> T:
    """The object that `text` spells: `Hinge`, `R1(weight=10)`, `mymodule.MyLoss(2)`.

    Args:
        text: a constructor call of literals and further calls; nothing is evaluated.
        base: the class it must derive from.
        where: what errors call the setting.

    Raises:
        SettingsError: if the text is no such call, or a name or an argument does not fit.
    """
    result = convert(text, base, where)
    assert isinstance(result, base)
    return result


def convert(value: Any, hint: Any, where: str) -> Any:
    """`value`, from Python, a file or a command line, as the type `hint` says.

    Raises:
        SettingsError: if it does not fit, or a number is out of its type's range.
    """
    kind = get_origin(hint)
    if hint is Any:
        return value
    if kind is Annotated:
        return _in_range(value, hint, where)
    if kind in (Union, types.UnionType):
        return _union(value, hint, where)
    if kind is Literal:
        return _literal(value, hint, where)
    if kind is tuple:
        return _tuple(value, hint, where)
    if hint is Factory:
        return factory(value, where)
    if hint in _WORDS:
        return _scalar(value, hint, where)
    if not isinstance(hint, type):
        raise SettingsError(
            f"{where} is of type {hint}, which cannot be written as text; use a dataclass"
        )
    return value if isinstance(value, hint) else _object(value, hint, where)


def describe(hint: Any) -> str:
    """A type in words: "a whole number or none"."""
    options = get_args(hint)
    if get_origin(hint) is Annotated:
        said = "".join(f", {limits}" for limits in ranges(hint) if limits != Range())
        return describe(options[0]) + said
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(map(describe, options))
    if get_origin(hint) is Literal:
        return " or ".join(map(str, options))
    if get_origin(hint) is tuple:
        if options[-1] is Ellipsis:
            return f"a list, each {describe(options[0])}"
        return f"{len(options)} values ({', '.join(map(describe, options))})"
    if hint in _WORDS:
        return _WORDS[hint]
    known = registry.choices(hint)
    return f"one of {', '.join(known)}" if known else f"a {hint.__name__}"


def _misfit(value: Any, hint: Any, where: str) -> SettingsError:
    text = repr(value)
    shown = described(value) if "\n" in text else textwrap.shorten(text, 200)
    shown = value.name if isinstance(value, Call) else shown
    advice = getattr(hint, "advice", None)
    more = f"; {advice}" if advice else ""
    return SettingsError(f"{where} is {shown}; it must be {describe(hint)}{more}")


def _in_range(value: Any, hint: Any, where: str) -> Any:
    try:
        found = convert(value, get_args(hint)[0], where)
    except SettingsError:
        raise _misfit(value, hint, where) from None
    for limits in ranges(hint):
        if found not in limits:
            raise SettingsError(f"{where} is {found}; it must be {limits.wanted(found)}")
    return found


def _union(value: Any, hint: Any, where: str) -> Any:
    options = [option for option in get_args(hint) if option is not types.NoneType]
    if len(options) < len(get_args(hint)) and word(value) in (None, "none", "None"):
        return None
    if len(options) == 1:
        return convert(value, options[0], where)
    for option in sorted(options, key=lambda option: option is str):
        try:
            return convert(value, option, where)
        except SettingsError:
            continue
    raise _misfit(value, hint, where)


def _literal(value: Any, hint: Any, where: str) -> Any:
    for option in get_args(hint):
        if str(word(value)) == str(option):
            return option
    raise _misfit(value, hint, where)


def _tuple(value: Any, hint: Any, where: str) -> tuple[Any, ...]:
    options = get_args(hint)
    if value is None and options[-1] is Ellipsis:
        return ()
    single = isinstance(value, Call) or not isinstance(value, list | tuple)
    if single and isinstance(value, str) and value.lstrip().startswith(("(", "[")):
        return convert(read(value, where), hint, where)  # type: ignore[no-any-return]
    items = [value] if single else value
    if options[-1] is Ellipsis:
        parts = [part for item in items for part in _several(item, options[0], where)]
        return tuple(convert(part, options[0], where) for part in parts)
    if len(items) != len(options):
        raise _misfit(value, hint, where)
    return tuple(convert(item, option, where) for item, option in zip(items, options, strict=True))


def _several(value: Any, hint: Any, where: str) -> Sequence[Any]:
    """The objects in one text: "Flip(), Rotate(10)" is two."""
    if isinstance(value, str) and isinstance(hint, type) and hint not in _WORDS:
        found = read(value, where)
        return (found,) if isinstance(found, Call) or not isinstance(found, tuple) else found
    return (value,)


def _scalar(value: Any, hint: Any, where: str) -> Any:
    value = _pythons_own(word(value))
    text_or_number = isinstance(value, int | float | str) and not isinstance(value, bool)
    if hint is bool and str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    if hint in (str, Path) and isinstance(value, str | os.PathLike):
        return path_of(os.fspath(value)) if hint is Path else os.fspath(value)
    if hint in (int, float) and text_or_number:
        try:
            return _whole(value) if hint is int else float(value)
        except (ValueError, ArithmeticError):
            pass
    raise _misfit(value, hint, where)


def path_of(value: str | Path) -> Path:
    """A path as a person writes it: a shell leaves the ~ of `--out=~/runs` to the program."""
    try:
        return Path(value).expanduser()
    except RuntimeError:  # the home of nobody, as in ~~x: a name like others
        return Path(value)


def quoted(word: str | Path) -> str:
    """A word of a command as the shell here takes it."""
    return list2cmdline([str(word)]) if os.name == "nt" else shlex.quote(str(word))


def _pythons_own(value: Any) -> Any:
    """NumPy's and torch's single numbers, and torch's device, which is not imported for it."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    kind = type(value)
    return str(value) if (kind.__module__, kind.__name__) == ("torch", "device") else value


def _whole(value: int | float | str) -> int:
    """Exact however large it is, and 1e4 is as whole as 10_000."""
    number = Decimal(str(value))
    if number % 1:
        raise ValueError
    return int(number)


def _object(value: Any, base: type, where: str) -> Any:
    call = read(value, where) if isinstance(value, str) else value
    if isinstance(value, type) and issubclass(value, base):
        kind: Any = value
        call = Call(value.__name__)
    elif not isinstance(call, Call):
        raise _misfit(value, base, where)
    else:
        try:
            kind = registry.find(call.name, base)
        except SettingsError as error:
            raise SettingsError(f"{where}: {error}") from None
    arguments = _arguments(call, kind, where)
    try:
        return kind(**arguments)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{where}: {error}") from error


def _arguments(call: Call, kind: Any, where: str) -> dict[str, Any]:
    """The arguments of a call by name, each as its field's type says."""
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise SettingsError(
            f"{where}: {call.name} is not a dataclass, so it cannot be written as text"
        )
    own = {f.name: f for f in fields(kind) if f.init}
    places = [f.name for f in own.values() if not f.kw_only]
    if len(call.positional) > len(places):
        raise SettingsError(
            f"{where}: {call.name} takes {len(places)} arguments by position, "
            f"got {len(call.positional)}; it knows {', '.join(own) or 'none'}"
        )
    given = dict(zip(places, call.positional, strict=False)) | dict(call.named)
    for name in given:
        if name not in own:
            raise SettingsError(
                f"{where}: {call.name} has no argument {name}; {_allowed(name, own)}"
            )
    for f in own.values():
        if f.name not in given and f.default is MISSING and f.default_factory is MISSING:
            raise SettingsError(f"{where}: {call.name} needs the argument {f.name}")
    hints = hints_of(kind)
    return {
        name: convert(value, hints[name], f"{where}: {name} of {call.name}")
        for name, value in given.items()
    }


def _allowed(name: str, own: Mapping[str, Any]) -> str:
    return nearest(name, own) if own else "it takes none"
