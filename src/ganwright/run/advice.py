"""What is said of a new run when it begins, since something else is usually wanted."""

from __future__ import annotations

from ganwright.config.settings import Settings
from ganwright.families import name_of
from ganwright.game import Game


def unadapted(cls: type[Game], settings: Settings) -> tuple[str, ...]:
    """That a family adapts trained networks, where a run begins with random ones."""
    if not cls.adapts or settings.init is not None:
        return ()
    return (
        f"{name_of(cls)} adapts a trained generator, and with no --init it starts from random "
        f"networks; `{cls.adapts}` starts from those of a run",
    )
