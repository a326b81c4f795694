"""`ganwright train` and `ganwright resume`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright.callbacks.callback import Callback
from ganwright.commands.config_flag import config_of, configured
from ganwright.commands.flags import Parser, strays
from ganwright.config.checked import Named
from ganwright.config.ranges import Count, Positive
from ganwright.config.settings import FREE, Settings
from ganwright.config.spelling import path_of
from ganwright.errors import SettingsError
from ganwright.metrics.metric import Metric
from ganwright.trackers import check

if TYPE_CHECKING:
    from ganwright.game import Game


@dataclass(frozen=True, kw_only=True)
class Monitoring(Named):
    """What happens around the steps."""

    callbacks: tuple[Callback, ...] = ()
    """Further callbacks, such as "mymodule.Mine(x=2)"; give them again when you resume."""
    metrics: tuple[Metric, ...] = ()
    """Metrics of samples against held-out data, measured during training: `list metrics`."""
    evaluate_every: Count | None = None
    """Steps between measurements; by default with each sample grid."""
    evaluate_samples: Count = 1000
    """Number of samples for the metrics."""
    keep_best: str | None = None
    """Also keep the checkpoint with the best value of this metric, for `--best`: FID, KID ..."""
    quiet: bool = False
    """Show no progress."""


@dataclass(frozen=True, kw_only=True)
class Place(Monitoring):
    """Where a run goes, and where its settings start from."""

    out: Path | None = None
    """The run folder; by default runs/<family>-<data>-<number>."""
    config: Path | None = None
    """A YAML file of settings, such as a run's config.yaml, or a recipe; flags override it."""
    epochs: Positive | None = None
    """Length in epochs, of training images / batch size steps each, instead of --steps."""
    dry_run: bool = False
    """Measure a few steps and tell what the whole run costs; nothing is written."""
    tune: bool = False
    """First measure which precision, layout, threads and compilation are fastest, and use them."""
    ray: Count | None = None
    """Train in this many processes, which Ray places on its cluster and restarts if one is lost."""


@dataclass(frozen=True, kw_only=True)
class Start(Monitoring):
    """What a resumed run starts from."""

    from_weights: bool = False
    """If the newest checkpoint has lost its training state, continue from its weights."""
    ray: Count | None = None
    """Train in this many processes, which Ray places on its cluster and restarts if one is lost."""


def train(argv: Sequence[str]) -> int:
    """Train a family; flags on top of `--config`, on top of the family's own defaults."""
    family, rest = family_of(argv)
    if family is None and config_of(rest) is None:
        return _without_family(rest)
    _, game, place, settings = parsed(family, rest)
    if place.epochs is not None and "--steps" in (word.partition("=")[0] for word in rest):
        raise SettingsError("--steps and --epochs both say how long the run is; give one of them")
    if place.dry_run:
        from ganwright.commands.profile import summary
        from ganwright.run.profile import measure
        from ganwright.run.tune import tuned

        settings = tuned(game, settings, epochs=place.epochs, say=print) if place.tune else settings
        print("\n".join(summary(game, measure(game, settings, epochs=place.epochs))))
        return 0

    from ganwright.run.train import train as start

    go = partial(start, game, settings, epochs=place.epochs, tune=place.tune, **hung(place))
    if place.ray is None:
        go(out=place.out)
        return 0

    from ganwright.families import name_of
    from ganwright.run.on_ray import on_ray
    from ganwright.run.run_folder import check_free, free_folder
    from ganwright.run.train import resume as go_on

    out = place.out or free_folder(Path("runs"), name_of(game), settings.data or game.data)
    check_free(out)
    again = partial(go_on, out, **hung(place))
    on_ray(partial(go, out=out), again, out, processes=place.ray, settings=settings)
    return 0


def parsed(family: str | None, argv: Sequence[str]) -> tuple[str, type[Game], Place, Settings]:
    """What flags come to: the family, its class, and where and how to train it.

    Raises:
        SettingsError: a flag or a value does not fit.
    """
    config = config_of(argv)

    from ganwright.run.config_file import defaults, game_class

    if config is None:
        assert family is not None
        game = game_class(family)
        settings = defaults(game)
    else:
        family, game, settings = configured(config, family)

    parser = Parser(f"train {family}", _about(game), {})
    parser.add("run", Place())
    parser.add("settings", settings)
    _, (place, settings) = parser.read(argv)

    from ganwright.run.unused import refuse_unused

    flags = (word.partition("=")[0] for word in argv if word.startswith("--"))
    refuse_unused(settings, (flag[2:].replace("-", "_") for flag in flags))
    check(settings.log)
    return family, game, place, settings


def resume(argv: Sequence[str]) -> int:
    """Resume a run. Settings that would change its results are refused and listed."""
    _, places = strays(argv, Start(), Settings())
    if not places:
        parser = Parser("resume", resume.__doc__ or "", {"RUN": "The run folder."})
        parser.add("run", Start())
        parser.add("settings", Settings(), shown=FREE)
        parser.read(argv)
    folder = path_of(argv[places[0]])

    from ganwright.run.run_folder import read_config
    from ganwright.run.train import check_resumed
    from ganwright.run.train import resume as go_on
    from ganwright.shared_model import refuse_shared

    refuse_shared(folder)
    _, before = read_config(folder)
    parser = Parser(f"resume {folder}", resume.__doc__ or "", {"RUN": "The run folder."})
    parser.add("run", Start())
    parser.add("settings", before, shown=FREE)
    _, (start, after) = parser.read(argv)
    check(after.log)
    changes = {name: value for name, value in vars(after).items() if value != getattr(before, name)}
    go = partial(go_on, folder, changes, from_weights=start.from_weights, **hung(start))
    if start.ray is None:
        go()
        return 0

    from ganwright.run.on_ray import on_ray

    check_resumed(folder, changes, from_weights=start.from_weights)
    on_ray(go, go, folder, processes=start.ray, settings=after)
    return 0


def hung(given: Monitoring) -> dict[str, Any]:
    """The callbacks and metrics of a run, as keywords."""
    return {f.name: getattr(given, f.name) for f in fields(Monitoring)}


_OWN = re.compile(r"[\w.]+:[\w.]+")
"""A family of your own: module:Class."""


def family_of(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The family, wherever it stands, and the arguments without it.

    The flags of a family are not known before it is: after `--game.x` and its value, or a flag that
    takes several values, only a family of the table is taken for one.
    """
    from ganwright.families import names

    loose, free = strays(argv, Place(), Settings())
    words = [i for i in free if argv[i][:1].isalpha()]
    found = words[:1]
    if found != [0]:
        named = [i for i in loose if argv[i] in names()]
        found = named or found or [i for i in loose if _OWN.fullmatch(argv[i])]
    if not found:
        return None, list(argv)
    return argv[found[0]], [*argv[: found[0]], *argv[found[0] + 1 :]]


def _about(game: type[Game]) -> str:
    return (
        f"{game.title}. Give losses, penalties and other objects by name, or as a call such as "
        '"R1(weight=1, every=16)" in quotes; `ganwright list` names them. What the call leaves '
        "out has its default. One argument of an object is changed by a flag such as "
        "--game.optimizer-d.lr 1e-4, where the family has that setting."
    )


def _without_family(argv: Sequence[str]) -> int:
    """The help that every family shares, or the sentence that asks for one."""
    parser = Parser("train", "Train a family of GANs.", {"[FAMILY]": "See `ganwright list`."})
    parser.add("run", Place())
    parser.add("settings of all families", Settings())
    own = [text.partition("=")[0] for text in argv if text.startswith("--game.")]
    if not own or "--help" in argv or "-h" in argv:
        parser.read(argv)
    whose = f", whose setting {own[0]} is," if own else ""
    raise SettingsError(
        f"train needs a family{whose} as in: ganwright train dcgan; `ganwright list` names them all"
    )
