"""`ganwright train` and `ganwright resume`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ganwright.checked import Named
from ganwright.commands.flags import Parser
from ganwright.errors import SettingsError
from ganwright.settings import Settings
from ganwright.trackers import check

if TYPE_CHECKING:
    from ganwright.game import Game
    from ganwright.model import Model


@dataclass(frozen=True, kw_only=True)
class Place(Named):
    """Where a run goes, and where its settings start from."""

    out: Path | None = None
    """The run's folder; runs/<family>-<data>-<number> when not given."""
    config: Path | None = None
    """A YAML file of settings, such as a run's config.yaml, or a recipe's name; flags go on top."""


def train(argv: Sequence[str]) -> int:
    """Train a family; flags on top of `--config`, on top of the family's own defaults."""
    family = argv[0] if argv and not argv[0].startswith("-") else None
    config = _config_of(argv)
    if family is None and config is None:
        return _without_family(argv)

    from ganwright.config import defaults, from_yaml, game_class
    from ganwright.progress import listener
    from ganwright.recipes import find

    if config is None:
        assert family is not None
        game = game_class(family)
        settings = defaults(game)
    else:
        family, settings = from_yaml(_text(find(config)), family)
        game = game_class(family)

    parser = Parser(f"train {family}", _about(game), {"[FAMILY]": "The family."})
    parser.add("run", Place())
    parser.add("settings", settings)
    _, (place, settings) = parser.read(argv)
    check(settings.log)

    from ganwright import run

    out = place.out or _free_folder_of_one(family, settings.data or game.data)
    with listener() as shown:
        return _status(run.train(game, settings, out, listener=shown))


def resume(argv: Sequence[str]) -> int:
    """Go on with a run; settings that would change its course are refused, each one named."""
    if not argv or argv[0].startswith("-"):
        parser = Parser("resume", resume.__doc__ or "", {"RUN": "The run's folder."})
        parser.add("settings", Settings())
        parser.read(argv)
        raise SettingsError("resume needs the run first, as in: ganwright resume runs/first")
    folder = Path(argv[0])

    from ganwright import run
    from ganwright.folder import read_config
    from ganwright.progress import listener

    _, before = read_config(folder)
    parser = Parser(f"resume {folder}", resume.__doc__ or "", {"RUN": "The run's folder."})
    parser.add("settings", before)
    _, (after,) = parser.read(argv)
    check(after.log)
    changes = {name: value for name, value in vars(after).items() if value != getattr(before, name)}
    with listener() as shown:
        return _status(run.resume(folder, changes, listener=shown))


def _status(model: Model) -> int:
    """As the shell has it for a program that Ctrl-C stopped."""
    return 130 if model.interrupted else 0


def _free_folder_of_one(family: str, data: str) -> Path:
    """Several processes would each look for a free folder, and find different ones."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SettingsError("several processes must share a run's folder; name it with --out")
    return free_folder(Path("runs"), family, data)


def free_folder(parent: Path, family: str, data: str) -> Path:
    """`parent`/<family>-<data>-<NNN> with the first number that no folder has."""
    name = re.sub(r"[^\w.]+", "-", Path(data).name).strip("-.") or "data"
    stem = f"{re.split('[.:]', family)[-1].lower()}-{name}"
    taken = {path.name for path in parent.glob(f"{stem}-*")} if parent.is_dir() else set()
    return next(parent / f"{stem}-{i:03}" for i in count(1) if f"{stem}-{i:03}" not in taken)


def _config_of(argv: Sequence[str]) -> Path | None:
    """The file after `--config`: it must be read before the flags, whose defaults it sets."""
    for i, text in enumerate(argv):
        if text.startswith("--config="):
            return Path(text.partition("=")[2])
        if text == "--config" and i + 1 < len(argv):
            return Path(argv[i + 1])
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} can not be read as a configuration: {error}") from error


def _about(game: type[Game]) -> str:
    return (
        f"{game.title}. Losses, penalties and the like are given by name, or as a call such as "
        '"R1(weight=1, every=16)" in quotes; `ganwright list` names them. What the call leaves '
        "out has its default. One argument of an object is changed by a flag such as "
        "--game.optimizer-d.lr 1e-4, where the family has that setting."
    )


def _without_family(argv: Sequence[str]) -> int:
    """The help that every family shares, or the sentence that asks for one."""
    parser = Parser("train", "Train a family of GANs.", {"FAMILY": "See `ganwright list`."})
    parser.add("run", Place())
    parser.add("settings of all families", Settings())
    parser.read(argv)
    raise SettingsError("train needs a family first, as in: ganwright train dcgan")
