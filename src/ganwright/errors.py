"""What can go wrong for a user, as one sentence: what came, what is allowed, how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class GanwrightError(ValueError):
    """Base of every error a user can cause; the command line prints it and exits with 2."""


class SettingsError(GanwrightError):
    """A setting is unknown, out of range, or does not fit the others."""


class GameError(GanwrightError):
    """A game, a player or an objective is not as the trainer needs it."""


class DataError(GanwrightError):
    """A data set is missing, empty, broken or of the wrong kind."""


class RunError(GanwrightError):
    """A run folder or checkpoint cannot be made, read or resumed."""


class NonFiniteError(GanwrightError):
    """A term or gradient became NaN or infinite."""


class MissingExtraError(GanwrightError, ImportError):
    """A feature needs an optional dependency."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known names, or lists them all when none is near."""
    known = sorted(known)
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"choose one of {', '.join(known)}"


def missing_extra(feature: str, extra: str) -> MissingExtraError:
    """The error for a feature whose optional dependency is not installed."""
    return MissingExtraError(f'{feature} needs an extra: pip install "ganwright[{extra}]"')


def described(value: object) -> str:
    """What a value is, for a sentence: "an int", "None", "a tensor of shape (4, 1)"."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"a tensor of shape {tuple(shape)}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
