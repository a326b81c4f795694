"""`--config`: a file of settings, or a recipe, that a command starts from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ganwright import atomic
from ganwright.config.settings import Settings
from ganwright.config.spelling import path_of
from ganwright.errors import SettingsError

if TYPE_CHECKING:
    from ganwright.game import Game


def config_of(argv: Sequence[str]) -> Path | None:
    """The file after `--config`: it must be read before the flags, whose defaults it sets."""
    found = [text.partition("=")[2] for text in argv if text.startswith("--config=")]
    found += [value for text, value in pairwise(argv) if text == "--config"]
    if len(found) > 1:
        raise SettingsError(f"--config is given twice, as {' and '.join(found)}; give one file")
    return path_of(found[0]) if found else None


def configured(config: Path, family: str | None) -> tuple[str, type[Game], Settings]:
    """What a file of settings, or a recipe, trains, and how; of this family if one is named.

    Raises:
        SettingsError: it cannot be read, or is of another family.
    """
    from ganwright.recipes import find
    from ganwright.run.config_file import from_yaml, game_class

    path = find(config)
    family, settings = from_yaml(_text(path), family, file=path)
    return family, game_class(family), settings


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read as a configuration: {atomic.reason(error)}; give a YAML file, "
            "or a recipe of `ganwright list recipes`"
        ) from error
