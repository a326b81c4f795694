"""Whether a run's settings come back from its config.yaml, seen before anything is trained."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from ganwright.config.changes import as_yaml
from ganwright.config.factory import Factory
from ganwright.config.hints import hints_of
from ganwright.config.registry import choices, imported, name_of, resolved
from ganwright.config.settings import Settings
from ganwright.config.spelling import convert
from ganwright.config.trust import owners
from ganwright.errors import SettingsError


def read_back(settings: Settings) -> None:
    """Write each setting as config.yaml does, read it as any process would, and compare.

    Raises:
        SettingsError: naming the first setting that would not come back, and why.
    """
    for owner, prefix in ((settings, ""), (settings.game, "game.")):
        for name, hint in hints_of(type(owner)).items():
            if prefix + name != "game":
                _see(getattr(owner, name), hint, prefix + name)


def _see(value: Any, hint: Any, where: str) -> None:
    for kind in classes(value):
        whole(kind, where)
        _importable(kind, where)
    try:
        again = convert(yaml.safe_load(yaml.safe_dump(as_yaml(value))), hint, where)
    except (SettingsError, yaml.YAMLError) as error:
        raise _lost(value, where) from error
    if not same(again, value):
        raise _lost(value, where)


def whole(kind: type, where: str) -> None:
    """See that a class is none of the library's bases, which do nothing by themselves.

    Raises:
        SettingsError: it is one; the sentence has those to choose from.
    """
    known = choices(kind)
    if known and kind not in known.values() and kind.__module__.startswith("ganwright."):
        names = ", ".join(sorted(known))
        raise SettingsError(f"{where} is a bare {kind.__name__}; choose one of {names}")


def _importable(kind: type, where: str) -> None:
    """Another process must find the class under its name."""
    path = f"{kind.__module__}.{kind.__qualname__}"
    here = "a script or a notebook" if kind.__module__ == "__main__" else "a function"
    if kind.__module__ != "__main__" and "<locals>" not in path:
        if name_of(kind) != path:
            return
        try:
            if imported(path, object) is kind:
                return
        except SettingsError:
            pass
        here = f"{kind.__module__}, where no other process finds it"
    raise SettingsError(
        f"{where} is made by the class {kind.__name__}, which is defined in {here}, so that the "
        "run could not be loaded again; put the class into a module of its own, such as mine.py, "
        "and import it from there"
    )


def _lost(value: Any, where: str) -> SettingsError:
    return SettingsError(
        f"{where} is {textwrap.shorten(repr(value), 120)}, which cannot be restored from the "
        "run's config.yaml; settings are numbers, text, and frozen dataclasses of these whose "
        "fields have a type"
    )


def classes(value: Any) -> Iterator[type]:
    """The settings classes that a value is made of."""
    if isinstance(value, tuple | list):
        for item in value:
            yield from classes(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield type(value)
        for f in fields(value):
            yield from classes(getattr(value, f.name))


def modules(value: Any) -> Iterator[str]:
    """The modules whose code a value is made of."""
    if isinstance(value, Factory):
        yield from owners(value.path, resolved(value.path))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from modules(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield type(value).__module__
        for f in fields(value):
            yield from modules(getattr(value, f.name))


def same(again: Any, value: Any) -> bool:
    """Whether what was read is what was written, in all that it holds; NaN is the same as NaN."""
    if type(again) is not type(value):
        return isinstance(again, Path) and again == value
    if isinstance(value, tuple | list):
        return len(again) == len(value) and all(map(same, again, value))
    if is_dataclass(value):
        held = vars(again) if hasattr(again, "__dict__") else {f.name for f in fields(again)}
        return all(same(getattr(again, name), getattr(value, name, None)) for name in held)
    return bool(again == value) or (again != again and value != value)
