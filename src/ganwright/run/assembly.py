"""A run's data, game and trainer, made from its settings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from ganwright.config.ranges import Positive
from ganwright.config.settings import Settings
from ganwright.config.spelling import convert
from ganwright.data import RunData, open_data
from ganwright.data.read.loaders import batch_size_of
from ganwright.errors import RunError, SettingsError, described
from ganwright.families import name_of
from ganwright.game import Game
from ganwright.run.config_file import defaults
from ganwright.run.data import check_batch_fits, check_batch_size, check_same, data_options
from ganwright.run.weights import Weights, take_over
from ganwright.seeds import seed_torch
from ganwright.training.engine import Engine
from ganwright.training.freezing import freeze
from ganwright.training.trainer import Trainer


def class_of(game: Any) -> type[Game]:
    """A family's class as a Python caller hands it over.

    Raises:
        SettingsError: it is none.
    """
    if isinstance(game, type) and issubclass(game, Game):
        return game
    what = f"the class {game.__name__}" if isinstance(game, type) else repr(game)
    raise SettingsError(f"the game is {what}; give a family's name or a class derived from Game")


def by_name(changes: Any) -> Mapping[str, Any]:
    """Changes of settings as a Python caller passes them.

    Raises:
        SettingsError: they are no mapping.
    """
    if changes is None or isinstance(changes, Mapping):
        return changes or {}
    raise SettingsError(f"the changes are {described(changes)}; give a dict, as {{'steps': 100}}")


def with_game(settings: Settings | None, cls: type[Game]) -> Settings:
    """The settings a run starts from, the family's own among them."""
    if settings is None:
        return defaults(cls)
    if not isinstance(settings, Settings):
        raise SettingsError(
            f"settings is {described(settings)}; give Settings, or each by name, as steps=100"
        )
    return settings if settings.game else dataclasses.replace(settings, game=cls.Config())


def resolved(cls: type[Game], settings: Settings, data: Any = None) -> Settings:
    """The settings with the choices of the data passed and of the family filled in."""
    return dataclasses.replace(
        settings,
        game=cls.Config() if settings.game is None else settings.game,
        data=(cls.data if data is None else "(given in Python)")
        if settings.data is None
        else settings.data,
        batch_size=settings.batch_size or batch_size_of(data) or cls.batch_size,
        image_size=settings.image_size or cls.image_size,
    )


def lasting(settings: Settings, epochs: float | None, count: int) -> Settings:
    """The settings with the steps of `epochs` epochs of `count` training images, if any are given.

    Raises:
        SettingsError: epochs are not above 0, or the number of images is not known.
    """
    if epochs is None:
        return settings
    length: float = convert(epochs, Positive, "epochs")
    if not count:
        raise SettingsError(
            f"epochs is {length}, but how many images this data has is not known; give steps"
        )
    assert settings.batch_size is not None
    images = settings.batch_size * settings.accumulate  # of an update
    return dataclasses.replace(settings, steps=math.ceil(length * count / images))


def assemble(
    cls: type[Game],
    settings: Settings,
    engine: Engine,
    data: Any = None,
    *,
    known: dict[str, Any] | None = None,
    kind: type[Trainer] = Trainer,
) -> tuple[Trainer, RunData]:
    """Data, game and trainer of a run, as at its first step.

    Args:
        cls: the family.
        settings: of the run.
        engine: where it computes.
        data: what a Python caller passes, if anything.
        known: what the run knows of its data; other data is refused.
        kind: what trains it.
    """
    trainer, source, _ = begin(cls, settings, engine, data, known=known, kind=kind)
    return trainer, source


def begin(
    cls: type[Game],
    settings: Settings,
    engine: Engine,
    data: Any = None,
    *,
    known: dict[str, Any] | None = None,
    weights: Weights | None = None,
    kind: type[Trainer] = Trainer,
) -> tuple[Trainer, RunData, tuple[str, ...]]:
    """As `assemble`, but the networks begin with `weights`; also says what of them fitted."""
    source = opened(cls, settings, engine, data, known=known)
    trainer, taken = made(cls, settings, engine, source, weights=weights, kind=kind)
    return trainer, source, taken


def made(
    cls: type[Game],
    settings: Settings,
    engine: Engine,
    source: RunData,
    *,
    weights: Weights | None = None,
    kind: type[Trainer] = Trainer,
) -> tuple[Trainer, tuple[str, ...]]:
    """The trainer of a game on data that is open, and what fitted of the weights to begin with."""
    seed_torch(settings.seed, "weights")
    game = cls(settings.game, source.spec)
    taken = () if weights is None else take_over(game, weights)
    freeze(game, settings.freeze)
    assert settings.batch_size is not None
    trainer = kind(
        game,
        source,
        engine,
        seed=settings.seed,
        batch_size=settings.batch_size,
        accumulate=settings.accumulate,
        ema_half_life=settings.ema_half_life,
        ema_ramp=settings.ema_ramp,
        ema_schedule=settings.ema_schedule,
    )
    return trainer, taken


def opened(
    cls: type[Game],
    settings: Settings,
    engine: Engine,
    data: Any = None,
    *,
    known: dict[str, Any] | None = None,
) -> RunData:
    """The data of a run; its settings are those that `resolved` gives.

    Raises:
        GanwrightError: it cannot be read, is other data than `known`, or does not fit the family.
    """
    assert settings.batch_size is not None
    if data is None and settings.data == "(given in Python)":
        raise RunError("this run was trained on data given in Python; pass it again as data=")
    check_batch_size(settings, data)
    check_batch_fits(settings)
    source = open_data(
        settings.data if data is None else data,
        task=cls.task,
        options=data_options(settings),
        device=engine.device,
    )
    if known:
        check_same(known["fingerprint"], source.fingerprint)
    if cls.needs_labels and not source.spec.classes:
        raise SettingsError(
            f"{name_of(cls)} needs labels, and {settings.data} has none; take data that has, such "
            "as digits, (images, labels), or a folder with one subfolder per class"
        )
    if settings.batch_size % engine.world:
        raise SettingsError(
            f"batch_size {settings.batch_size} does not divide among {engine.world} processes"
        )
    return source
