"""`ganwright list` and `ganwright info`."""

from __future__ import annotations

import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from ganwright.commands.flags import Parser, docs, limits, metavar
from ganwright.config import plugins
from ganwright.config.changes import flag_of
from ganwright.config.hints import hints_of
from ganwright.config.registry import TABLES, table
from ganwright.config.spelling import spell
from ganwright.errors import GanwrightError, SettingsError, nearest

if TYPE_CHECKING:
    from ganwright.game import Game, Player

Row = tuple[str, str]


def listing(argv: Sequence[str]) -> int:
    """List the available choices of a topic; without a topic, the families."""
    topics = topic_table()
    help_text = f"One of {', '.join(topics)}."
    given, _ = Parser("list", listing.__doc__ or "", {"[topic]": help_text}).read(argv)
    topic = given["topic"] or "families"
    if topic not in topics:
        raise SettingsError(f"unknown topic {topic}; {nearest(topic, topics)}")
    print(columns(topics[topic]()))
    if given["topic"] is None:
        print(
            "\nganwright info FAMILY describes a family; ganwright list TOPIC lists "
            f"{', '.join(topics)}"
        )
    return 0


def topic_table() -> dict[str, Callable[[], Iterable[Row]]]:
    """What can be listed, and how its rows are made."""
    made = {topic: (lambda topic=topic: _classes(topic)) for topic in TABLES}
    plain = {"families": _families, "recipes": _recipes, "data": _data}
    return {**plain, **made, "trackers": _trackers}


def info(argv: Sequence[str]) -> int:
    """Describe a family: its paper, players and settings."""
    given, _ = Parser("info", info.__doc__ or "", {"FAMILY": "See `ganwright list`."}).read(argv)

    from ganwright.run.config_file import game_class

    name = str(given["FAMILY"])
    game = game_class(name)
    print(f"{name}: {game.title or game.__name__}")
    print(f"https://arxiv.org/abs/{game.paper}\n" if game.paper else "")
    print(inspect.getdoc(sys.modules[game.__module__]) or "", end="\n\n")
    print(inspect.getdoc(game) or "", end="\n\n")
    print(columns(_facts(game)), end="\n\n")
    print("Settings, with their defaults:")
    print(columns(settings_rows(game.Config(), "game.")))
    return 0


def settings_rows(settings: Any, prefix: str = "") -> Iterable[Row]:
    """Each setting as its flag and kind, and its docstring with the default."""
    hints, help_of = hints_of(type(settings)), docs(type(settings))
    for f in fields(settings):
        default = spell(getattr(settings, f.name), brief=True)
        flag = f"{flag_of(prefix + f.name)} {metavar(hints[f.name])}"
        inside = "; ".join([*limits(hints[f.name]), f"default: {default}"])
        yield flag, f"{help_of.get(f.name, '')} ({inside})"


def columns(rows: Iterable[Row]) -> str:
    """Rows of two cells, the second aligned; a long first cell gets a line of its own."""
    pairs = list(rows)
    width = max((len(first) for first, _ in pairs if len(first) <= 30), default=0)
    lines = []
    for first, second in pairs:
        gap = "\n" + " " * (width + 4) if len(first) > width else "  "
        lines.append(f"  {first:{width}}{gap}{second}".rstrip())
    return "\n".join(lines)


def _families() -> Iterable[Row]:
    from ganwright.families import FAMILIES

    for name, entry in FAMILIES.items():
        yield name, f"{entry.title}, arXiv:{entry.paper}"
    for name, game in plugins.classes("families").items():
        if name not in FAMILIES and hasattr(game, "title"):
            yield name, f"{game.title}, of {plugins.package('families', name)}"


def _recipes() -> Iterable[Row]:
    from ganwright.recipes import recipes

    for name, path in recipes().items():
        head = takewhile(
            lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines()
        )
        said = " ".join(line.removeprefix("#").strip() for line in head)
        yield name, said or "a recipe of the gallery, on data that ships with the package"


def _classes(topic: str) -> Iterable[Row]:
    return [(name, first_sentence(member)) for name, member in table(topic).items()]


def _data() -> Iterable[Row]:
    from ganwright.data.named import EMBEDDED
    from ganwright.data.read.torchvision_sets import SETS

    for name, path in EMBEDDED.items():
        yield name, first_sentence(pkgutil.resolve_name(f"ganwright.data.read.{path}"))
    for name, known in SETS.items():
        yield name, f"torchvision's {known.builder}, under --data-root"
    for name, read in plugins.loaded("data").items():
        yield name, f"{first_sentence(read)} Of {plugins.package('data', name)}"
    yield "a path", "a folder or a zip of images"
    yield "hf:owner/name", "a data set of the Hugging Face hub"


def _trackers() -> Iterable[Row]:
    from ganwright.trackers import TRACKERS

    for name, entry in TRACKERS.items():
        yield name, f"{entry.title}; needs the package {entry.package}"
    for name in plugins.rows("trackers"):
        if name not in TRACKERS:
            yield name, f"of {plugins.package('trackers', name)}"


def first_sentence(member: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    text = inspect.getdoc(member) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _facts(game: type[Game]) -> Iterable[Row]:
    yield "task", game.task.__name__
    yield "labels", "needed" if game.needs_labels else "not needed"
    yield "data", f"{game.data} by default"
    yield "size", f"{game.image_size or 'that of the data'}, batches of {game.batch_size}"
    players = player_rows(game)
    if players:
        yield "players", "; ".join(players)


def player_rows(game: type[Game]) -> list[str]:
    """Who plays, as built for the family's own data; empty where the data cannot be opened."""
    from ganwright.data import DataOptions, open_data

    try:
        options = DataOptions(image_size=game.image_size)
        data = open_data(game.data, task=game.task, options=options)
        players = list(game(game.Config(), data.spec).players())
    except GanwrightError:
        return []
    return [
        f"{player.name} updates {weights(player):,} weights with {type(player.optimizer).__name__}"
        for player in players
    ]


def weights(player: Player) -> int:
    """How many weights a player trains."""
    return sum(w.numel() for network in player.networks for w in network.parameters())
