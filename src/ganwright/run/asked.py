"""What functions of trained runs get: of the right type, and nothing that goes unheard."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields
from inspect import signature
from os import PathLike
from typing import Any

from ganwright.config.changes import flag_of
from ganwright.config.settings import Settings
from ganwright.data import DataOptions
from ganwright.errors import SettingsError, described, nearest
from ganwright.inference.model import Model
from ganwright.run.load import load
from ganwright.run.run_folder import is_run


def path_or_name(name: str, given: Any) -> str:
    """A run folder, or the name of data, as text.

    Raises:
        SettingsError: it is something else.
    """
    if isinstance(given, str | PathLike):
        return str(given)
    model = ", a trained model" if name == "target" else ""
    raise SettingsError(
        f"{name} of evaluate is {described(given)}; give a run folder{model} or the name or "
        "folder of data"
    )


def check_which(
    target: Any,
    which: Mapping[str, Any],
    choice: AbstractSet[str] = frozenset(),
    *,
    caller: str = "evaluate",
) -> None:
    """See that keywords choose weights, and of a run folder, which alone has several.

    Args:
        target: whose weights they are.
        which: the keywords.
        choice: the fields of `Choice`, which are no keywords.
        caller: the function that got them.

    Raises:
        SettingsError: they do not.
    """
    names = signature(load).parameters.keys() - {"run", "device"}
    for name, value in which.items():
        if name in choice:
            raise SettingsError(
                f"{caller} takes no {name}, which is a field of Choice; give "
                f"choice=Choice({name}={value!r}), from ganwright.run.evaluation"
            )
        if name not in names:
            raise SettingsError(f"{caller} takes no {name}; {nearest(name, names)}")
        chosen = value is not None and value is not False
        if chosen and (isinstance(target, Model) or not is_run(target)):
            what = "a model" if isinstance(target, Model) else str(target)
            raise SettingsError(
                f"{name} chooses the weights of a run folder, and {what} is none; name the run"
            )


def check_data(target: Any, against: str | None, settings: Settings) -> None:
    """See that some data is opened, where it is said how: a run's own is opened as in training.

    Raises:
        SettingsError: none is.
    """
    own = isinstance(target, Model) or is_run(target)
    if not own or (against is not None and not is_run(against)):
        return
    usual = Settings()
    for name in (f.name for f in fields(DataOptions)):
        if getattr(settings, name) != getattr(usual, name):
            raise SettingsError(
                f"{flag_of(name)} is for images that you name, and a run's are as it was trained; "
                "leave it out, or name images as --against"
            )
