"""What a family says of itself, and that its settings mean something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields
from typing import Any

from ganwright.config.read_back import read_back
from ganwright.errors import GanwrightError
from ganwright.losses import Loss, NonSaturating
from ganwright.regularisers import PullingAway, Regulariser
from ganwright.testing.subject import Subject, play

TRIED: tuple[Mapping[str, Any], ...] = (
    {"loss": NonSaturating(smooth=0.3)},
    {"regularisers": (PullingAway(weight=3.0),)},
    {"unroll": 1},
    {"noise": 0.5},
    {"pack": 2, "conditional": False},
)
"""The library's settings, each with a value that changes the numbers wherever it is heard."""
TYPES = {"loss": Loss, "regularisers": tuple[Regulariser, ...]}
"""What a family's own setting of that name must be for the library's values to fit it."""


def says_what_it_is(subject: Subject) -> None:
    """It has a title and a docstring of its own: `list`, `info` and reports show them."""
    cls = subject.game
    assert vars(cls).get("title"), (
        f"{cls.__name__} has no title of its own; give it one with the year, such as "
        'title = "DCGAN (2015)"'
    )
    assert (vars(cls).get("__doc__") or "").strip(), (
        f"{cls.__name__} has no docstring; say in a sentence what kind of game it is"
    )


def keeps_its_settings(subject: Subject) -> None:
    """Its settings are frozen, hashable, and come back from config.yaml.

    A run is sealed with them: what could change or get lost would make it another run.
    """
    config = subject.settings.game
    for f in fields(config):
        try:
            setattr(config, f.name, getattr(config, f.name))
        except FrozenInstanceError:
            continue
        raise AssertionError(
            f"{f.name} of {subject.name}.Config can be set; write "
            "@dataclass(frozen=True, kw_only=True) above Config and derive it from Game.Config"
        )
    try:
        hash(config)
    except TypeError as error:
        raise AssertionError(
            f"{subject.name}.Config cannot be hashed ({error}); use tuples instead of lists"
        ) from error
    try:
        read_back(subject.settings)
    except GanwrightError as error:
        raise AssertionError(str(error)) from error


def hears_its_settings(subject: Subject) -> None:
    """None of the library's settings that it has is ignored or refused.

    A setting without effect misleads whoever sets it. A family derives its Config from the class
    that has what it plays by, see `ganwright.families.noise_game`.
    """
    plain = _numbers(subject)
    for changes in TRIED:
        name = next(iter(changes))
        if not _inherits(subject, name):
            continue
        known = {k: v for k, v in changes.items() if k in subject.hints}
        if getattr(subject.settings.game, name) == known[name]:
            continue
        advice = f"derive {subject.name}.Config from one without {name}, or let its objective hear"
        try:
            other = _numbers(subject.having(**known))
        except GanwrightError as error:
            raise AssertionError(
                f"{subject.name} has the setting {name} and refuses {known[name]!r} ({error}); "
                f"{advice} it"
            ) from error
        assert other != plain, (
            f"{subject.name} has the setting {name}, and {known[name]!r} changes nothing; "
            f"{advice} it"
        )


def _inherits(subject: Subject, name: str) -> bool:
    """Whether a setting is the library's, by its type or by the class that first declares it."""
    if name in TYPES:
        return bool(subject.hints.get(name) == TYPES[name])
    kinds = [k for k in subject.game.Config.__mro__ if name in vars(k).get("__annotations__", {})]
    return bool(kinds) and kinds[-1].__module__.startswith("ganwright.")


def _numbers(subject: Subject) -> dict[str, float]:
    """All that is logged of a few steps."""
    with subject.at_start() as (trainer, _):
        play(trainer)
        return trainer.meter.read()[0]
