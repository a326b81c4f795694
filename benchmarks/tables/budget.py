"""What the runs of a table were given: a run that is there serves only if it had the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganwright.atomic import write
from ganwright.config.changes import leaves
from ganwright.config.settings import Settings
from ganwright.config.spelling import spell
from ganwright.errors import RunError

KEPT = "budget.json"


def keep(run: Path, given: Mapping[str, Any]) -> None:
    """Write into a run's folder what its training was given, once it is done."""
    write(run / KEPT, json.dumps(given))


def kept(run: Path) -> dict[str, Any]:
    """What `keep` wrote; empty where training did not come to its end."""
    path = run / KEPT
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def spelled(settings: Settings) -> dict[str, str]:
    """Every setting as text, by dotted name."""
    return {name: spell(value, brief=True) for name, value in leaves(settings)}


def same(run: Path, asked: Mapping[str, Any], had: Mapping[str, Any]) -> None:
    """See that a run had what a table asks for.

    Args:
        run: its folder.
        asked: by name.
        had: the same names; one that is missing is not known.

    Raises:
        RunError: it had something else.
    """
    for name, value in asked.items():
        if had.get(name) != value:
            raise RunError(
                f"{run} was trained with {name} {had.get(name, 'that are not known')}, and this "
                f"table asks for {value}; remove that folder, or choose another --out"
            )
