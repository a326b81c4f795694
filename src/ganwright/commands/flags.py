"""Flags made from dataclasses: a field is a flag, its type the check, its docstring the help."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import textwrap
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NoReturn, Union, get_args, get_origin

from ganwright.config.changes import change, flag_of
from ganwright.config.hints import bare, hints_of, ranges
from ganwright.config.ranges import Range
from ganwright.config.spelling import quoted, spell
from ganwright.config.trust import FLAG
from ganwright.errors import SettingsError, likely

_METAVARS: dict[Any, str] = {int: "N", float: "X", str: "TEXT", Path: "PATH"}


class Parser:
    """Reads a command's positional arguments, and the flags of any number of dataclass instances.

    Args:
        command: its name, as in `ganwright train dcgan`.
        about: what it does, for the help.
        positional: name to help, in order; a name in square brackets may be left out.
    """

    def __init__(self, command: str, about: str, positional: Mapping[str, str]) -> None:
        self._parser = _OneSentence(
            f"ganwright {command}", description=about, allow_abbrev=False, add_help=False
        )
        self._names = [name.strip("[]") for name in positional]
        for name, text in positional.items():
            optional = "?" if name.startswith("[") else None
            self._parser.add_argument(name.strip("[]"), nargs=optional, help=text)
        self._parser.add_argument("-h", "--help", action="help", help="Show this help and exit.")
        # It holds for the whole command, so `cli` takes it: files are read before flags are.
        trust_help = "Let configurations name code of any module, and remember that module."
        self._parser.add_argument(FLAG, action="store_true", help=trust_help)
        self._instances: list[Any] = []
        self._flags = ["--help", FLAG]
        self._switches: set[str] = set()

    def add(self, title: str, instance: Any, shown: Collection[str] | None = None) -> None:
        """Make a flag of every field of `instance`, whose values are the defaults.

        The settings in its field `game`, if it has one, become a group `--game.*` of their own.

        Args:
            title: what the help calls them.
            instance: a dataclass instance.
            shown: the fields that the help shows; all when not given.
        """
        self._instances.append(instance)
        self._group(title, instance, "", shown)
        if is_dataclass(game := getattr(instance, "game", None)):
            self._group(f"{title} of the family", game, "game.", shown)

    def _group(
        self, title: str, instance: Any, prefix: str, shown: Collection[str] | None = None
    ) -> None:
        group = self._parser.add_argument_group(title)
        help_of = docs(type(instance))
        for name, hint in _hints(instance):
            if prefix + name == "game":
                continue
            value = getattr(instance, name)
            text = f"{help_of.get(name, '')} {_default(value, hint)}".strip().replace("%", "%%")
            if shown is not None and prefix + name not in shown:
                text = argparse.SUPPRESS
            self._flag(group, prefix + name, hint, text)
            self._parts(value, f"{prefix}{name}.")

    def _parts(self, value: Any, prefix: str) -> None:
        """Flags for the arguments of an object (`--game.optimizer-d.lr`), which the help omits."""
        if is_dataclass(value):
            for name, hint in _hints(value):
                self._flag(self._parser, prefix + name, hint, argparse.SUPPRESS)
                self._parts(getattr(value, name), f"{prefix}{name}.")

    def _flag(self, group: Any, path: str, hint: Any, text: str) -> None:
        flag = flag_of(path)
        self._flags.append(flag)
        if hint is bool:
            self._switches.add(flag)
        group.add_argument(flag, dest=path, default=argparse.SUPPRESS, help=text, **_how(hint))

    def read(self, argv: Sequence[str]) -> tuple[dict[str, str | None], list[Any]]:
        """The positional arguments by name, and the instances with the flags' values in them.

        Raises:
            SettingsError: if a flag is unknown or a value does not fit, in one sentence.
        """
        found, unknown = self._parser.parse_known_args(list(self._switched(argv)))
        if unknown:
            raise SettingsError(self._unknown(unknown[0]))
        given = vars(found)
        given.pop(FLAG[2:])
        positional = {name: given.pop(name) for name in self._names}
        return positional, [self._changed(instance, given) for instance in self._instances]

    def _switched(self, argv: Sequence[str]) -> Iterator[str]:
        """`--flip true` and `--flip=false`, as files have them, as `--flip` and `--no-flip`."""
        words = list(argv)
        while words:
            flag, given, value = words.pop(0).partition("=")
            if _POWER.fullmatch(flag):  # argparse takes -1e3 for a flag
                flag = format(Decimal(flag), "f")
            if flag not in self._switches:
                yield flag + given + value
                continue
            if not given and words and words[0].lower() in ("true", "false"):
                value = words.pop(0)
            if value.lower() not in ("", "true", "false"):
                raise SettingsError(f"{flag} is {value!r}; it must be true or false")
            yield f"--no-{flag[2:]}" if value.lower() == "false" else flag

    def _changed(self, instance: Any, given: Mapping[str, Any]) -> Any:
        """`instance` with its own flags' values: objects first, then single arguments of them."""
        own = {f.name for f in fields(instance)}
        levels: dict[int, dict[str, Any]] = {}
        for path, value in given.items():
            *outer, last = path.split(".")
            if (outer or [last])[0] in own:
                place = levels.setdefault(max(1, len(outer)), {})
                for name in outer:
                    place = place.setdefault(name, {})
                place[last] = value
        for _, values in sorted(levels.items()):
            instance = change(instance, values, label=flag_of)
        return instance

    def _unknown(self, text: str) -> str:
        text = text.partition("=")[0]
        if not text.startswith("-"):
            return f"unexpected argument {text}; settings are written --name value"
        if text in self._flags:  # argparse takes what stands after -- for no flag
            return f"{text} stands after --; leave -- out, or name the setting before it"
        near = likely(text, self._flags)
        hint = f"did you mean {near[0]}?" if near else f"see {self._parser.prog} --help"
        return f"unknown setting {text}; {hint}"


def strays(argv: Sequence[str], *instances: Any) -> tuple[list[int], list[int]]:
    """Where words stand that may be positional arguments, to be found before all flags are known.

    Args:
        argv: all arguments.
        instances: dataclass instances whose flags are known.

    Returns:
        The places of words that are not the one value of a known flag, and, of these, of words
        that cannot be the value of any flag.
    """
    hints = [pair for instance in instances for pair in _hints(instance)]
    single = {flag_of(n) for n, h in hints if h is not bool and get_origin(h) is not tuple}
    switches = {flag_of(n) for n, h in hints if h is bool}
    switches |= {f"--no-{flag[2:]}" for flag in switches}
    many = {flag_of(n) for n, h in hints if get_origin(h) is tuple}
    loose, free, among = [], [], False
    for i, (before, word) in enumerate(pairwise(["", *argv])):
        among = word in many if word.startswith("--") else among
        if word.startswith("-") or before in single:
            continue
        loose.append(i)
        alone = before in switches and word.lower() not in ("true", "false")
        if not among and (alone or not before.startswith("--") or "=" in before):
            free.append(i)
    return loose, free


_POWER = re.compile(r"-(\d+\.?\d*|\.\d+)[eE][-+]?\d{1,2}")


class _OneSentence(argparse.ArgumentParser):
    """argparse prints its usage before an error; a user is better served by the error alone."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message}; see {self.prog} --help")


def refuse_twice(flag: str, values: Sequence[str]) -> NoReturn:
    """Say where the values of a flag go that stands twice.

    Raises:
        SettingsError: always.
    """
    said = " ".join([flag, *map(quoted, values)])
    raise SettingsError(f"{flag} is given twice; give all of its values after one, as in {said}")


class _Once(argparse.Action):
    """Stores all values of a flag; of two such flags, the values of the first would be dropped."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        if hasattr(namespace, self.dest):
            refuse_twice(str(option), [*getattr(namespace, self.dest), *values])
        setattr(namespace, self.dest, values)


def _hints(instance: Any) -> list[tuple[str, Any]]:
    """The fields that can be set, each with its type."""
    return list(hints_of(type(instance)).items())


def _how(hint: Any) -> dict[str, Any]:
    """What argparse must know of a field: how many values, and what to call one."""
    hint = bare(hint)
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(hint) is tuple:
        return {"nargs": "*", "action": _Once, "metavar": metavar(get_args(hint)[0])}
    return {"metavar": metavar(hint)}


def metavar(hint: Any) -> str:
    """A type in a word for the help: N, PATH, LOSS, or its choices."""
    hint = bare(hint)
    options = [option for option in get_args(hint) if option not in (types.NoneType, Ellipsis)]
    if get_origin(hint) is Literal:
        return "{" + ",".join(map(str, options)) + "}"
    if get_origin(hint) in (Union, types.UnionType):
        return "|".join(map(metavar, options))
    if get_origin(hint) is tuple:
        return " ".join(map(metavar, options))
    return _METAVARS.get(hint) or getattr(hint, "__name__", "VALUE").upper()


def _default(value: Any, hint: Any) -> str:
    """In brackets: the range of a number, and what holds when nothing is said."""
    parts = limits(hint)
    if isinstance(value, tuple) and value:
        parts.append(f"default: {' '.join(map(_shown, value))}")
    elif value not in (None, ()):
        parts.append(f"default: {_shown(value)}")
    return f"({'; '.join(parts)})" if parts else ""


def limits(hint: Any) -> list[str]:
    """The ranges of a type's numbers in words, each once; a finite number goes without saying."""
    return list(dict.fromkeys(str(known) for known in ranges(hint) if known != Range()))


def _shown(value: Any) -> str:
    """As one would type it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | Path) else spell(value, brief=True)


def docs(kind: type) -> dict[str, str]:
    """The docstring under each field of a dataclass, its bases' fields included, on one line."""
    found: dict[str, str] = {}
    for cls in reversed(kind.__mro__[:-1]):
        found |= _own_docs(cls)
    return found


def _own_docs(cls: type) -> dict[str, str]:
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    except (OSError, TypeError):  # a class made in an interactive session has no source
        return {}
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found
