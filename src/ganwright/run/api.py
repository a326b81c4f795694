"""Training from Python: settings are keywords, and any part may be an object of one's own."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from ganwright.callbacks.listener import Listener
from ganwright.config.settings import Settings
from ganwright.errors import SettingsError, nearest
from ganwright.families import family
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
            `Config` (loss, penalties, networks ...), as objects.

    Returns:
        The trained model, with its averaged weights.

    Raises:
        GanwrightError: something does not fit; the sentence says what.
    """
    cls = family(game) if isinstance(game, str) else game
    ours = {f.name for f in dataclasses.fields(Settings)} - {"game"}
    theirs = {f.name for f in dataclasses.fields(cls.Config)}
    for name in settings:
        if name not in ours | theirs:
            raise SettingsError(f"unknown setting {name!r}; {nearest(name, ours | theirs)}")
    config = cls.Config(**{k: v for k, v in settings.items() if k in theirs})
    values: dict[str, Any] = {k: v for k, v in settings.items() if k in ours}
    if "data_root" in values:
        values["data_root"] = Path(values["data_root"])
    if isinstance(data, str | os.PathLike):
        values["data"], data = os.fspath(data), None
    chosen = Settings(game=config, **values)
    return runs.train(cls, chosen, Path(out), data=data, listener=listener)


def resume(
    run: str | Path,
    *,
    steps: int | None = None,
    data: Any = None,
    from_weights: bool = False,
    listener: Listener | None = None,
    **changes: Any,
) -> Model:
    """Continue a run exactly where its newest checkpoint is.

    Args:
        run: the run folder.
        steps: the new total; the run's own when not given.
        data: what was given to `train`, if it was neither a name nor a path; or where the data
            lies now.
        from_weights: where the newest checkpoint has lost its training state, go on from its
            weights, with fresh optimizers.
        listener: who shows progress.
        **changes: other settings that may change: device, log_every, save_every ...

    Raises:
        RunError: it is no run, or a change would make it another run.
    """
    if steps is not None:
        changes["steps"] = steps
    if isinstance(data, str | os.PathLike):
        changes["data"], data = os.fspath(data), None
    if "data_root" in changes:
        changes["data_root"] = Path(changes["data_root"])
    return runs.resume(Path(run), changes, data=data, from_weights=from_weights, listener=listener)
