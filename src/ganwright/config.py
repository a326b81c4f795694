"""Settings as a whole: changed by names, written to config.yaml, read back and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from ganwright import __version__, registry
from ganwright.errors import GanwrightError, RunError, SettingsError, nearest
from ganwright.settings import Settings
from ganwright.spelling import convert, hints_of, parse, spell

if TYPE_CHECKING:
    from ganwright.game import Game

__all__ = [
    "change",
    "defaults",
    "differences",
    "from_yaml",
    "game_class",
    "parse",
    "spell",
    "to_yaml",
]

S = TypeVar("S")


def game_class(name: str) -> type[Game]:
    """The class of a family by its name, or by the dotted path of a class of one's own.

    Raises:
        SettingsError: if there is no such family.
    """
    if set(name) & {".", ":"}:
        from ganwright.game import Game

        return registry.imported(name, Game)
    from ganwright.families import family

    return family(name)


def defaults(game: type[Game]) -> Settings:
    """The settings of a family as they stand when nothing is said."""
    return Settings(game=game.Config())


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


def to_yaml(family: str, settings: Settings) -> str:
    """All settings of a run as config.yaml holds them; objects are spelled as constructor calls."""
    if settings.game is None:
        settings = replace(settings, game=game_class(family).Config())
    plain: dict[str, Any] = {"ganwright": __version__, "family": family}
    plain |= {
        f.name: _plain(getattr(settings, f.name)) for f in fields(settings) if f.name != "game"
    }
    plain["game"] = {f.name: _plain(getattr(settings.game, f.name)) for f in fields(settings.game)}
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=1000))


def from_yaml(text: str, family: str | None = None) -> tuple[str, Settings]:
    """The family and the settings in `text`; what it leaves out keeps its default.

    Args:
        text: YAML, as `to_yaml` or a person writes it.
        family: the family where the text need name none; it must not name another.

    Raises:
        RunError: if another version of the library wrote it.
        SettingsError: if it is no mapping, or a name or a value does not fit.
    """
    values = _mapping(text)
    _check_version(values.pop("ganwright", None))
    named = values.pop("family", family)
    if named is None:
        raise SettingsError("the configuration names no family; add a line such as family: dcgan")
    if family not in (None, named):
        raise SettingsError(f"the configuration is for {named}, not for {family}")
    settings = defaults(game_class(str(named)))
    game = values.pop("game", None) or {}
    if not isinstance(game, Mapping):
        raise SettingsError(f"game is {game!r}; it must be a mapping of the family's settings")
    return str(named), change(settings, values | {"game": game})


def differences(a: Settings, b: Settings) -> list[str]:
    """Each setting that differs, as `game.loss: Hinge() -> Wasserstein()`."""
    old, new = dict(_leaves(a)), dict(_leaves(b))
    texts = (
        (name, *(spell(side[name], brief=True) if name in side else "-" for side in (old, new)))
        for name in old | new
        if name not in old or name not in new or old[name] != new[name]
    )
    return [f"{name}: {before} -> {after}" for name, before, after in texts if before != after]


def _leaves(settings: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for f in fields(settings):
        value = getattr(settings, f.name)
        if f.name == "game" and value is not None:
            yield from _leaves(value, "game.")
        else:
            yield prefix + f.name, value


def _plain(value: Any) -> Any:
    """A value as YAML has it: scalars stay, lists are lists, all else is spelled."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value) if isinstance(value, Path) else spell(value)


def _mapping(text: str) -> dict[Any, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"the configuration is not YAML: {reason}") from error
    if not isinstance(values, dict):
        raise SettingsError("the configuration must be a YAML mapping of settings to values")
    return values


def _check_version(written: Any) -> None:
    """Before 1.0 a minor version may change what a setting means, afterwards a major one."""
    if written is None:
        return
    theirs, ours = str(written).split("."), __version__.split(".")
    count = 2 if ours[0] == "0" else 1
    if theirs[:count] != ours[:count]:
        raise RunError(
            f"ganwright {written} wrote this configuration, and this is {__version__}; "
            f"install ganwright=={written} to use it"
        )
