"""Training from Python: settings are keywords, and any part may be an object of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganwright import run as runs
from ganwright.config import defaults, game_class, keywords
from ganwright.errors import DataError, SettingsError
from ganwright.game import Game
from ganwright.listener import Listener
from ganwright.model import Model
from ganwright.spelling import convert


def train(
    game: str | type[Game],
    *,
    data: Any = None,
    out: str | Path,
    listener: Listener | None = None,
    **settings: Any,
) -> Model:
    """Train a family in a new run folder.

    Args:
        game: a family's name, or a `Game` class of one's own.
        data: a string or path as on the command line, a tensor or array of images, (images,
            labels), or a map-style data set; the family's embedded data when not given.
        out: the run folder to make.
        listener: who shows progress; None is quiet.
        **settings: fields of `Settings` (steps, batch_size, seed ...) and of the family's own
            `Config` (loss, penalties, networks ...): objects, classes, or text as on the command
            line (`loss=Hinge()`, `loss=Hinge`, `loss="Hinge"`).

    Returns:
        The trained model, with its averaged weights.

    Raises:
        GanwrightError: something does not fit; the sentence says what.
    """
    cls = game_class(game) if isinstance(game, str) else _class_of(game)
    if isinstance(data, str | Path):
        settings["data"], data = data, None
    chosen = keywords(defaults(cls), settings)
    folder, data = convert(out, Path, "out"), _instance(data)
    return runs.train(cls, chosen, folder, data=data, listener=_heard(listener))


def resume(
    run: str | Path,
    *,
    steps: int | None = None,
    game: type[Game] | None = None,
    data: Any = None,
    listener: Listener | None = None,
    **changes: Any,
) -> Model:
    """Continue a run exactly where its newest checkpoint is.

    Args:
        run: the run folder.
        steps: the new total; the run's own when not given.
        game: the family's class, where its name in the run cannot be imported, since it was
            defined in a script or a notebook.
        data: what was given to `train`, if it was not a string.
        listener: who shows progress.
        **changes: other settings that may change: device, log_every, save_every ...

    Raises:
        GanwrightError: it is no run, a setting is unknown, or a change would make it another run.
    """
    if steps is not None:
        changes["steps"] = steps
    cls = None if game is None else _class_of(game)
    folder, data = convert(run, Path, "run"), _instance(data)
    return runs.resume(folder, changes, game=cls, data=data, listener=_heard(listener))


def _class_of(game: Any) -> type[Game]:
    if isinstance(game, type) and issubclass(game, Game):
        return game
    what = f"the class {game.__name__}" if isinstance(game, type) else repr(game)
    raise SettingsError(f"the game is {what}; give a family's name or a class derived from Game")


def _instance(data: Any) -> Any:
    """Data that is there, not the class of which it would be made."""
    if isinstance(data, type):
        name = data.__name__
        raise DataError(f"data is the class {name}; hand over an object of it: data={name}(...)")
    return data


def _heard(listener: Any) -> Any:
    """A listener that can be told of a run."""
    if listener is not None and not callable(getattr(listener, "started", None)):
        raise SettingsError(f"the listener is {listener!r}; give an object of ganwright.listener")
    return listener
