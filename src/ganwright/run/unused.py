"""Settings that have no effect next to the others of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from ganwright.augment import ADA
from ganwright.config.settings import Settings
from ganwright.errors import SettingsError


def unused(settings: Settings) -> dict[str, str]:
    """A sentence for each setting that is not its default and has no effect, by dotted name."""
    found, usual = dict[str, str](), Settings()
    if settings.histogram_every and not settings.log:
        found["histogram_every"] = "histogram_every has no effect without a tracker in log"
    if settings.ema_half_life == 0:
        for name in ("ema_ramp", "ema_schedule"):
            if getattr(settings, name) != getattr(usual, name):
                found[name] = f"{name} has no effect with ema_half_life 0, which keeps no average"
    augment = getattr(settings.game, "augment_d", None)
    if isinstance(augment, ADA) and augment.target is None:
        for name in ("speed", "every"):
            if getattr(augment, name) != getattr(ADA(), name):
                found[f"game.augment_d.{name}"] = f"{name} of ADA has no effect with target=none"
    return found | _switched_off(settings.game)


def _switched_off(game: Any) -> dict[str, str]:
    """The same of a family's settings that depend on another one, its `switches`."""
    found = dict[str, str]()
    usual = {field.name: field.default for field in fields(game)}
    for kind in type(game).__mro__:
        for name, given in vars(kind).get("switches", ()):
            off = _off(game, (given,) if isinstance(given, str) else given)
            if off is not None and getattr(game, name) != usual[name]:
                found[f"game.{name}"] = f"{name} has no effect {off}"
    return found


def _off(game: Any, switches: Sequence[str]) -> str | None:
    """In words that all of these settings are off, if they are."""
    values = {name: getattr(game, name) for name in switches}
    if any(values.values()):
        return None
    return " and ".join(
        f"without {n}" if v is None else f"with {n} {v:g}" for n, v in values.items()
    )


def refuse_unused(settings: Settings, given: Iterable[str]) -> None:
    """Refuse settings that the user named, and that have no effect.

    Those of a file, of a family or of an earlier run are only noted: see `run_of`.

    Args:
        settings: all that hold.
        given: dotted names of those that the user named; those of the family may lack `game.`.

    Raises:
        SettingsError: one of them has no effect.
    """
    named = {name.removeprefix("game.") for name in given}
    for name, sentence in unused(settings).items():
        parts = name.removeprefix("game.").split(".")
        if any(".".join(parts[:count]) in named for count in range(1, len(parts) + 1)):
            raise SettingsError(f"{sentence}; leave it out")
