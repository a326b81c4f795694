"""A family under test with its settings, and steps of it that reach every player."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from ganwright.config.changes import keywords
from ganwright.config.hints import hints_of
from ganwright.config.settings import Settings
from ganwright.data import RunData
from ganwright.game import Game, Player, Terms
from ganwright.run.assembly import assemble, resolved
from ganwright.run.config_file import defaults
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer
from ganwright.training.trial_step import first_steps

Listener: TypeAlias = Callable[[Player, Terms], None]

AT_MOST = 12
"""Steps of a phase in which each of its players is to have moved."""


@dataclass(frozen=True)
class Subject:
    """A family with what it is tested under.

    Args:
        game: the family.
        given: its settings; the family's defaults on the CPU in fp32 when None.
        changes: fields of `Settings` and of the family's own `Config`, as `train` takes them.
    """

    game: type[Game]
    given: Settings | None
    changes: Mapping[str, Any]

    @cached_property
    def settings(self) -> Settings:
        """All settings, as they stand when a run begins.

        Raises:
            SettingsError: a name is unknown, or a value does not fit.
        """
        small: dict[str, Any] = {"device": "cpu", "precision": "fp32", "batch_size": 4}
        start = self.given or dataclasses.replace(defaults(self.game), **small)
        return resolved(self.game, keywords(start, self.changes))

    @property
    def name(self) -> str:
        """What sentences call the family."""
        return self.game.__name__

    @property
    def hints(self) -> Mapping[str, Any]:
        """The types of its own settings."""
        return hints_of(type(self.settings.game))

    def having(self, **changes: Any) -> Subject:
        """The same family under other settings."""
        return Subject(self.game, self.settings, changes)

    @contextmanager
    def at_start(self) -> Iterator[tuple[Trainer, RunData]]:
        """A trainer at its first step, and its data."""
        settings = self.settings
        engine = Engine.of(settings)
        trainer, data = assemble(self.game, settings, engine)
        with closing(data):
            yield trainer, data


def listen(game: Game, moved: Listener, told: Listener) -> None:
    """Listen to each update: by `moved` before the game's own aftermath, by `told` after it."""
    after = game.after

    def heard(player: Player, terms: Terms) -> None:
        moved(player, terms)
        after(player, terms)
        told(player, terms)

    game.after = heard  # type: ignore[method-assign]


def ignore(player: Player, terms: Terms) -> None:
    """Listen to nothing."""


def play(trainer: Trainer) -> None:
    """Steps of every phase, one update each, until each player of the phase has been updated.

    Raises:
        AssertionError: naming a player that is never updated.
    """
    moved: set[str] = set()
    listen(trainer.game, lambda player, _: moved.add(player.name), ignore)
    for start in list(first_steps(trainer)):
        trainer.step = start
        wanted = set(trainer.phase.players or (trained.player.name for trained in trainer.players))
        for _ in range(AT_MOST):
            trainer.play_step(most=1)
            if wanted <= moved:
                break
        late = sorted(wanted - moved)
        assert not late, (
            f"{', '.join(late)} makes no update in {AT_MOST} steps from step {start} on, or only "
            "updates that are not finite; check its moves, its every and its terms"
        )
