"""Settings changed by names, compared, and as YAML holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ganwright.config.hints import hints_of
from ganwright.config.settings import Settings
from ganwright.config.spelling import convert, spell
from ganwright.errors import GanwrightError, SettingsError, nearest

S = TypeVar("S")


def change(
    settings: S, values: Mapping[str, Any], label: Callable[[str], str] = str, prefix: str = ""
) -> S:
    """A copy of `settings` in which `values`, as read from a file or a command line, hold.

    Args:
        settings: a dataclass instance; a nested mapping changes a field that is one itself.
        values: raw values by field name.
        label: how an error names a setting, given its dotted path.
        prefix: the dotted path of `settings` itself, with its dot.

    Raises:
        SettingsError: if a name is unknown, or a value does not fit.
    """
    assert is_dataclass(settings)
    hints = hints_of(type(settings))
    known = {f.name for f in fields(settings) if f.init}
    changed = {}
    for name, value in values.items():
        where = label(prefix + str(name))
        if name not in known:
            raise SettingsError(f"unknown setting {where}; {nearest(str(name), known)}")
        now = getattr(settings, name)
        if isinstance(value, Mapping) and is_dataclass(now):
            changed[name] = change(now, value, label, f"{prefix}{name}.")
        else:
            changed[name] = convert(value, hints[name], where)
    try:
        result: S = replace(settings, **changed)  # type: ignore[type-var]
    except (ValueError, TypeError) as error:
        if isinstance(error, GanwrightError) and prefix in ("", "game."):
            raise
        raise SettingsError(f"{label(prefix.rstrip('.'))}: {error}") from error
    return result


def keywords(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """A copy of `settings` in which keywords from Python hold, both the family's and all others.

    Raises:
        SettingsError: if a name is unknown, or a value does not fit.
    """
    ours = {f.name for f in fields(settings)} - {"game"}
    theirs = {f.name for f in fields(settings.game) if f.init}
    for name in values:
        if name not in ours | theirs | {"game"}:
            raise SettingsError(f"unknown setting {name}; {nearest(name, ours | theirs)}")
    own = {name: value for name, value in values.items() if name in theirs}
    nested = {name: value for name, value in values.items() if name not in theirs or name in ours}
    if own:
        nested["game"] = own
    return change(settings, nested, label=lambda path: path.removeprefix("game."))


def differences(a: Settings, b: Settings) -> list[str]:
    """Each setting that differs, as `game.loss: Hinge() -> Wasserstein()`."""
    old, new = dict(leaves(a)), dict(leaves(b))
    texts = (
        (name, *(spell(side[name], brief=True) if name in side else "-" for side in (old, new)))
        for name in old | new
        if name not in old or name not in new or old[name] != new[name]
    )
    return [f"{name}: {before} -> {after}" for name, before, after in texts if before != after]


def leaves(settings: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of each setting, the family's after `game.`."""
    for f in fields(settings):
        value = getattr(settings, f.name)
        if f.name == "game" and value is not None:
            yield from leaves(value, "game.")
        else:
            yield prefix + f.name, value


def as_yaml(value: Any) -> Any:
    """A value as YAML has it: scalars stay, lists are lists, all else is spelled."""
    if isinstance(value, tuple | list):
        return [as_yaml(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value) if isinstance(value, Path) else spell(value)


def flag_of(path: str) -> str:
    """The flag of a field: `game.optimizer_d` is `--game.optimizer-d`, `n` is `-n`."""
    return ("-" if len(path) == 1 else "--") + path.replace("_", "-")
