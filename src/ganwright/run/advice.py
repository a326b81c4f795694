"""What is said of a new run when it begins, since something else is usually wanted."""

from __future__ import annotations

from ganwright.config.settings import Settings
from ganwright.data.messages import counted
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


def few_images(
    few: int, cls: type[Game] | None, settings: Settings, *, begun: bool = False
) -> tuple[str, ...]:
    """That a GAN can memorise images, with what helps of what the settings leave out.

    Nothing is said where D's inputs or the images are augmented already, nor of families that few
    images are meant for.

    Args:
        few: how many images there are, if they are few; else 0.
        cls: the family, or None for any.
        settings: of the run.
        begun: whether it begins with weights that cannot be chosen.
    """
    if not few or (cls is not None and cls.adapts):
        return ()
    if settings.augment or getattr(settings.game, "augment_d", None) is not None:
        return ()
    augments = cls is None or hasattr(settings.game, "augment_d")
    helps = ['--game.augment-d "DiffAugment()"'] * augments
    helps += ["--flip"] * (not settings.flip) + ["--augment"]
    helps += ["--init RUN"] * (settings.init is None and not begun)
    what = " and ".join(filter(None, (", ".join(helps[:-1]), helps[-1])))
    return (
        f"{counted(few, 'image')} {'is' if few == 1 else 'are'} few, so a GAN can memorise them; "
        f"{what} help{'s' if len(helps) == 1 else ''}",
    )
