"""Functions as settings: what makes an object is written down, not the object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from ganwright.config.calls import Call, read, word
from ganwright.config.registry import resolved
from ganwright.errors import SettingsError, described

_ADVICE = (
    "give a function of a module of its own, such as make in mine.py, that makes it: "
    "mine.make, or mine.make(width=64) with keyword settings"
)


@dataclass(frozen=True)
class Factory:
    """A function that any process can import, and its keyword settings: `mine.make(width=64)`.

    Args:
        path: the function's dotted path.
        settings: keyword arguments, as pairs of name and value.
    """

    path: str
    settings: tuple[tuple[str, Any], ...] = ()

    def __call__(self, *arguments: Any) -> Any:
        """What the function makes of `arguments` and the settings."""
        return resolved(self.path)(*arguments, **dict(self.settings))


def factory(value: Any, where: str) -> Factory:
    """The factory that a text, a function, a class or a `functools.partial` of one stands for.

    Raises:
        SettingsError: it stands for none, or for one that no other process could find or call.
    """
    if isinstance(value, Factory):
        return value
    call = read(value, where) if isinstance(value, str) else value
    positional, named = (), {}
    if isinstance(call, Call):
        path, positional, named = call.name, call.positional, dict(call.named)
    elif isinstance(call, partial):
        path, positional, named = _path_of(call.func, where), call.args, call.keywords
    else:
        path = _path_of(call, where)
    if positional:
        raise SettingsError(f"{where}: name the settings of {path}, as in {path}(width=64)")
    made = resolved(path)
    if not callable(made):
        raise SettingsError(f"{where}: {path} is {described(made)}; {_ADVICE}")
    return Factory(
        path, tuple((k, _literal(v, f"{where}: {k} of {path}")) for k, v in named.items())
    )


def _path_of(function: Any, where: str) -> str:
    name = getattr(function, "__qualname__", None)
    if name is None:
        raise SettingsError(
            f"{where} is {described(function)}, which no other process could make again; {_ADVICE}"
        )
    path = f"{function.__module__}.{name}"
    try:
        if function.__module__ != "__main__" and resolved(path) is function:
            return path
    except SettingsError:
        pass
    raise SettingsError(
        f"{where} is {name}, which is defined in a script, a notebook or a function, so that the "
        f"run could not be loaded again; {_ADVICE}"
    )


def _literal(value: Any, where: str) -> Any:
    """A setting as a text can hold it; a bare name is a text."""
    value = word(value)
    if isinstance(value, tuple | list):
        return tuple(_literal(item, where) for item in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise SettingsError(f"{where} is {described(value)}; it must be a number, a text or a list")
