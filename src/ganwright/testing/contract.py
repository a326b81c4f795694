"""Every check of the contract, and how a test runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ganwright.config.settings import Settings
from ganwright.errors import missing_extra
from ganwright.game import Game
from ganwright.penalties import Penalty
from ganwright.run.config_file import game_class
from ganwright.testing import penalty_checks, result_checks, settings_checks, update_checks
from ganwright.testing.subject import Subject

if TYPE_CHECKING:
    import pytest

Check: TypeAlias = Callable[[], None]

EVERY: dict[str, Callable[[Subject], None]] = {
    "says_what_it_is": settings_checks.says_what_it_is,
    "keeps_its_settings": settings_checks.keeps_its_settings,
    "hears_its_settings": settings_checks.hears_its_settings,
    "gives_named_scalars": update_checks.gives_named_scalars,
    "has_no_dead_weights": update_checks.has_no_dead_weights,
    "moves_its_own_weights_only": update_checks.moves_its_own_weights_only,
    "leaves_modes_as_they_were": update_checks.leaves_modes_as_they_were,
    "gives_what_it_promises": result_checks.gives_what_it_promises,
    "resumes_bitwise": result_checks.resumes_bitwise,
}
PENALISED: dict[str, Callable[[Subject], None]] = {
    "charges_penalties": penalty_checks.charges_penalties,
    "takes_nothing_in_lazily": penalty_checks.takes_nothing_in_lazily,
}
"""Those of families that have `penalties` among their settings."""


def contract(
    game: str | type[Game], settings: Settings | None = None, **changes: Any
) -> Iterator[tuple[str, Check]]:
    """The checks that a family is held to, each with its name.

    Args:
        game: a family's name, or its class.
        settings: where settings start from; the family's defaults on the CPU, in fp32 and with
            batches of 4, when not given.
        **changes: fields of `Settings` and of the family's own `Config`, as `train` takes them;
            a family is tested fastest on small networks and small images.

    Yields:
        A name and a function to call. It raises an AssertionError that says in a sentence what the
        family does not keep and how to fix it; another error comes from the family itself.

    Raises:
        SettingsError: a setting is unknown or does not fit, or the family's Config is no dataclass.
    """
    cls = game_class(game) if isinstance(game, str) else game
    subject = Subject(cls, settings, changes)
    penalised = subject.hints.get("penalties") == tuple[Penalty, ...]
    for name, check in (EVERY | (PENALISED if penalised else {})).items():
        yield name, partial(check, subject)


def parametrize(
    game: str | type[Game], settings: Settings | None = None, **changes: Any
) -> pytest.MarkDecorator:
    """A decorator for pytest: the test is run with each check of `contract` as `check`.

    Args:
        game: as in `contract`.
        settings: as in `contract`.
        **changes: as in `contract`.

    Raises:
        MissingExtraError: pytest is not installed.
    """
    try:
        import pytest
    except ImportError as error:
        raise missing_extra("parametrize", "pytest") from error
    checks = contract(game, settings, **changes)
    return pytest.mark.parametrize("check", [pytest.param(run, id=name) for name, run in checks])
