"""Which code a file may name: a dotted path in config.yaml is code, and files come from strangers.

What is named on the command line or in Python is the user's own word. A file may name the classes
of the library, torch's layers and torchvision's models, modules of runs that were trained here, and
anything once the user says so: `--trust`, or `trust=True`. What was allowed is remembered in the
user's own configuration, outside of run folders.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from ganwright import atomic
from ganwright.errors import SettingsError

FLAG = "--trust"
OPEN = ("ganwright", "torch.nn", "torchvision.models")
"""Modules whose classes any file may name; of the last two also their functions."""

_FILE: ContextVar[bool] = ContextVar("file", default=False)
_TRUSTED: ContextVar[bool] = ContextVar("trusted", default=False)


@contextmanager
def trusting(trust: bool) -> Iterator[None]:
    """Within, files may name any code, if `trust` is true; else as before."""
    token = _TRUSTED.set(trust or _TRUSTED.get())
    try:
        yield
    finally:
        _TRUSTED.reset(token)


@contextmanager
def reading_file() -> Iterator[None]:
    """Within, names come from a file, and not from the user."""
    token = _FILE.set(True)
    try:
        yield
    finally:
        _FILE.reset(token)


def allowed(path: str, resolve: Callable[[str], Any]) -> Any:
    """What `resolve` finds at a dotted path.

    Raises:
        SettingsError: a file names it, which may not.
    """
    if not _FILE.get():
        return resolve(path)
    if _TRUSTED.get():
        found = resolve(path)
        remember(owners(path, found))
        return found
    if not _may_name(path):  # before it is imported
        raise _refusal(path, _top(path))
    found = resolve(path)
    for owner in owners(path, found):
        if not _may_name(owner) or (owner.startswith("ganwright") and not isinstance(found, type)):
            raise _refusal(path, owner)
    return found


def owners(path: str, found: Any) -> list[str]:
    """The modules whose code a path leads to: the one that defines it, and others on the way."""
    top, *names = re.split("[.:]", path)
    step: Any = sys.modules.get(top)
    passed = []
    for name in names:
        step = getattr(step, name, None)
        if isinstance(step, ModuleType) and _top(step.__name__) != top:
            passed.append(step.__name__)
    if callable(found) and hasattr(found, "__name__"):  # what a module made itself has no name
        passed.append(found.__module__ or "builtins")
    return passed or [top]


def remember(modules: Iterable[str]) -> None:
    """Let files name these modules from now on, as long as they lie where they do today."""
    new = {_top(m) for m in modules if not _is_open(m)} - {"__main__", *sys.stdlib_module_names}
    known = _remembered()
    places = {name: place for name in sorted(new) if (place := _place(name))}
    if all(place in known.get(name, ()) for name, place in places.items()):
        return
    for name, place in places.items():
        known[name] = sorted({*known.get(name, ()), place})
    with suppress(OSError):  # a home that cannot be written: the question comes again
        _file().parent.mkdir(parents=True, exist_ok=True)
        atomic.write(_file(), json.dumps(known, indent=1))


def look_here(path: str) -> None:
    """Let a module be found that lies in the working folder, behind all others.

    An installed command does not look there: a folder from strangers could hold a module that has
    the name of a package which is not installed, so only one that is asked for opens it.
    """
    name = _top(path)
    with suppress(ImportError, ValueError):
        if name in sys.modules or importlib.util.find_spec(name) is not None:
            return
    if _here(name) is not None:
        sys.path.append(os.getcwd())


def _here(name: str) -> ModuleSpec | None:
    """The module of that name in the working folder, which may be gone."""
    with suppress(OSError):
        spec = PathFinder.find_spec(name, [os.getcwd()])
        return spec if spec is not None and spec.loader is not None else None
    return None


def _may_name(path: str) -> bool:
    top = _top(path)
    if top == "__main__" or _is_open(path.replace(":", ".")):  # neither imports anything
        return True
    return _place(top) in _remembered().get(top, ())


def _is_open(path: str) -> bool:
    return any(path == known or path.startswith(f"{known}.") for known in OPEN)


def _top(path: str) -> str:
    return re.split("[.:]", path)[0]


def _place(name: str) -> str | None:
    """The file of a module, or the folder of a package; it is not imported."""
    try:
        spec = importlib.util.find_spec(name) or _here(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    return spec.origin or next(iter(spec.submodule_search_locations or ()), None)


def _file() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(home) / "ganwright" / "trusted.json"


def _remembered() -> dict[str, list[str]]:
    try:
        known = json.loads(_file().read_text(encoding="utf-8"))
        return {str(name): [str(place) for place in places] for name, places in known.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _refusal(path: str, owner: str) -> SettingsError:
    return SettingsError(
        f"{path} is code of the module {_top(owner)}, and code that a file names could do "
        f"anything; if you trust whoever wrote the file, add {FLAG}, or in Python trust=True: you "
        "are asked once for each module"
    )
