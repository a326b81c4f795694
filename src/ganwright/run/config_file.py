"""config.yaml: the family and all settings of a run, written and read back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ganwright.config import registry, trust
from ganwright.config.changes import as_yaml, change
from ganwright.config.settings import Settings
from ganwright.errors import SettingsError
from ganwright.families import family as family_called
from ganwright.families import name_of
from ganwright.formats import FORMAT, SINCE, readable, retired
from ganwright.version import __version__

if TYPE_CHECKING:
    from ganwright.game import Game


class OtherFamilyError(SettingsError):
    """A class was passed for the settings of another family."""


def game_class(name: str) -> type[Game]:
    """The class of a family by its name, or by the dotted path of a class of your own.

    Raises:
        SettingsError: if there is no such family.
    """
    if set(name) & {".", ":"}:
        from ganwright.game import Game  # a name that is wrong must not wait for torch

        if name.startswith("__main__:") or "<" in name:
            return _of_this_script(name, Game)
        return registry.imported(name, Game)
    return family_called(name)


def _of_this_script(name: str, base: type[Game]) -> type[Game]:
    """A family that was trained from a script or a notebook, in which alone it is to be found."""
    try:
        return registry.imported(name, base)
    except SettingsError:
        short = re.split(r"[.:]", name)[-1]
        raise SettingsError(
            f"the family {name} was defined in a script, a notebook or a function, which cannot "
            f"be imported; in Python, hand its class over: game={short}; or put it into a module "
            "of its own and pass it from there"
        ) from None


def defaults(game: type[Game]) -> Settings:
    """The settings of a family as they stand when nothing is said.

    Raises:
        SettingsError: its Config is no dataclass, or has a setting without a default.
    """
    config = game.Config
    if "__dataclass_fields__" not in vars(config) and vars(config).get("__annotations__"):
        raise SettingsError(
            f"{game.__name__}.Config is no dataclass; write @dataclass(frozen=True, kw_only=True) "
            "above it"
        )
    for f in fields(config):
        if f.init and f.default is MISSING and f.default_factory is MISSING:
            raise SettingsError(
                f"{f.name} of {game.__name__}.Config has no default; give it one, so that the "
                "family can be described and trained when nothing is said"
            )
    return Settings(game=config())


def to_yaml(family: str, settings: Settings) -> str:
    """All settings of a run as config.yaml holds them; objects are spelled as constructor calls."""
    if settings.game is None:
        settings = replace(settings, game=game_class(family).Config())
    plain: dict[str, Any] = {"format": FORMAT, "ganwright": __version__, "family": family}
    plain |= {
        f.name: as_yaml(getattr(settings, f.name)) for f in fields(settings) if f.name != "game"
    }
    plain["game"] = {f.name: as_yaml(getattr(settings.game, f.name)) for f in fields(settings.game)}
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=1000))


def from_yaml(
    text: str,
    family: str | None = None,
    *,
    game: type[Game] | None = None,
    file: Path | None = None,
) -> tuple[str, Settings]:
    """The family and the settings in `text`; what it leaves out keeps its default.

    Args:
        text: YAML, as `to_yaml` or a person writes it.
        family: the family where the text need name none; it must not name another.
        game: the family's class, where its name in the text cannot be imported.
        file: where the text stands, for errors.

    Raises:
        RunError: if a newer format of run folders is named.
        OtherFamilyError: if it names a family that can be imported, and that `game` is not.
        SettingsError: if it is no mapping, a name or a value does not fit, or it names code that
            it may not, see `trust`.
    """
    where = str(file or "the configuration")
    values = _mapping(text, where)
    readable(values.pop("format", None), where)
    written = values.pop("ganwright", None) is not None  # by a run, and not by a person
    if written:  # a whole configuration: what it lacks, its version did not know
        values = SINCE | values
    named = values.pop("family", family)
    if named is None:
        raise SettingsError(f"{where} names no family; add a line such as family: dcgan")
    if family not in (None, named):
        raise SettingsError(f"{where} is for {named}, not for {family}")
    if game is not None:
        _check_family(where, str(named), game)
    cls = game or _game_in(where, str(named), asked=family is not None)
    settings = defaults(cls)
    own = values.pop("game", None) or {}
    if not isinstance(own, Mapping):
        raise SettingsError(f"{where}: game is {own!r}; it must be a mapping of settings to values")
    own = _still_there(own, cls) if written else own
    _check_places(values, settings, where)
    try:
        with trust.reading_file():
            return str(named), change(settings, values | {"game": own})
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}" if file else str(error)) from error


def _check_places(values: Mapping[Any, Any], settings: Settings, where: str) -> None:
    """Refuse a setting of the family that stands next to `game` instead of below it.

    Raises:
        SettingsError: naming it, and its place.
    """
    known, own = vars(settings), vars(settings.game)
    for key in map(str, values):
        name = key.removeprefix("game.").partition(".")[0]
        if key not in known and name in own:
            raise SettingsError(
                f"{where}: {key} is a setting of the family; write {name} below game, as in game: "
                f"{{{name}: ...}}"
            )


def _game_in(where: str, name: str, *, asked: bool) -> type[Game]:
    """The family that a file names; one that the user asked for is his own word."""
    if asked:
        return game_class(name)
    try:
        with trust.reading_file():
            return game_class(name)
    except SettingsError as error:
        raise SettingsError(f"{where}: family: {error}") from error


def _check_family(where: str, named: str, game: type[Game]) -> None:
    """See that a class which was passed is the family that a file names.

    What was defined in a script or a function has a name that says little of it anywhere else, and
    a class that was defined again has the name of the one before.
    """
    if named == name_of(game) or named.startswith("__main__:") or "<" in named:
        return
    try:
        known = _game_in(where, named, asked=False)
    except Exception:  # of any code; a class is passed where its name cannot be imported
        return
    if name_of(known) != name_of(game):
        raise OtherFamilyError(
            f"{where} is of the family {named}, but the game passed is {name_of(game)}; leave "
            "game out, or give that family's class"
        )


def _still_there(own: Mapping[str, Any], cls: type[Game]) -> dict[str, Any]:
    """A run's own settings without those that earlier versions wrote and nothing read."""
    known = {f.name for f in fields(cls.Config)}
    families = [name_of(base) for base in cls.__mro__]
    return {k: v for k, v in own.items() if k in known or not retired(families, k, v)}


class _Loader(yaml.SafeLoader):
    """YAML in which a name stands once: of two values, one would be dropped in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                problem = f"{key.value} stands twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _mapping(text: str, where: str) -> dict[Any, Any]:
    try:
        values = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        line = f", line {mark.line + 1}," if mark else ""
        reason = " ".join(str(problem or error).split())
        raise SettingsError(f"{where}{line} cannot be read as YAML: {reason}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{where} must be a YAML mapping of settings to values")
    return values
