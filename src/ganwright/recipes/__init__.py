"""Ready settings: YAML files that `--config NAME` finds without their path."""

from __future__ import annotations

from pathlib import Path

from ganwright.errors import SettingsError, nearest

FOLDER = Path(__file__).parent


def recipes() -> dict[str, Path]:
    """Every recipe by name: `first-gan`, `gallery/dcgan` ..."""
    found = sorted(FOLDER.rglob("*.yaml"))
    return {p.relative_to(FOLDER).with_suffix("").as_posix(): p for p in found}


def find(name: Path) -> Path:
    """A settings file by its path, or a recipe by its name.

    Raises:
        SettingsError: it is neither.
    """
    if name.exists() or name.suffix in (".yaml", ".yml"):
        return name
    table = recipes()
    if str(name) not in table:
        hint = nearest(str(name), table, "ganwright list recipes")
        raise SettingsError(f"{name} is neither a file nor a recipe; {hint}")
    return table[str(name)]
