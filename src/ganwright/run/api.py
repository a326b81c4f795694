"""Training from Python: settings are keywords, and any part may be an object of one's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ganwright.callbacks.listener import Listener
from ganwright.config.spelling import convert
from ganwright.config.yaml import defaults, game_class, keywords
from ganwright.errors import SettingsError
from ganwright.game import Game
from ganwright.inference.model import Model
from ganwright.run import train as runs


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
        data: a string as on the command line or a path, a tensor or array of images,
            (images, labels), or a map-style data set, which is read anew each time unless
            `cache=True`; the family's embedded data when not given.
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
    if isinstance(data, str | os.PathLike):
        settings["data"], data = data, None
    chosen = keywords(defaults(cls), settings)
    folder = convert(out, Path, "out")
    return runs.train(cls, chosen, folder, data=data, listener=_heard(listener))


def resume(
    run: str | Path,
    *,
    steps: int | None = None,
    game: type[Game] | None = None,
    data: Any = None,
    from_weights: bool = False,
    listener: Listener | None = None,
    **changes: Any,
) -> Model:
    """Continue a run exactly where its newest checkpoint is.

    Args:
        run: the run folder.
        steps: the new total; the run's own when not given.
        game: the family's class, where its name in the run cannot be imported, since it was
            defined in a script or a notebook.
        data: what was given to `train`, if it was neither a name nor a path; or where the data
            lies now.
        from_weights: where the newest checkpoint has lost its training state, go on from its
            weights, with fresh optimizers.
        listener: who shows progress.
        **changes: other settings that may change: device, log_every, save_every ...

    Raises:
        GanwrightError: it is no run, a setting is unknown, or a change would make it another run.
    """
    if steps is not None:
        changes["steps"] = steps
    if isinstance(data, str | os.PathLike):
        changes["data"], data = data, None
    cls = None if game is None else _class_of(game)
    folder = convert(run, Path, "run")
    return runs.resume(
        folder,
        changes,
        game=cls,
        data=data,
        from_weights=from_weights,
        listener=_heard(listener),
    )


def _class_of(game: Any) -> type[Game]:
    if isinstance(game, type) and issubclass(game, Game):
        return game
    what = f"the class {game.__name__}" if isinstance(game, type) else repr(game)
    raise SettingsError(f"the game is {what}; give a family's name or a class derived from Game")


def _heard(listener: Any) -> Any:
    """A listener that can be told of a run."""
    if listener is not None and not callable(getattr(listener, "started", None)):
        raise SettingsError(
            f"the listener is {listener!r}; give an object of ganwright.callbacks.listener"
        )
    return listener
