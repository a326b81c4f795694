"""Training by a gallery recipe, as `ganwright train --config gallery/NAME` does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ganwright.inference.model import Model
from ganwright.recipes import find
from ganwright.run import train as run
from ganwright.run.config_file import from_yaml


def train_gallery(name: str, folder: Path, **changes: Any) -> Model:
    """The model that the recipe makes, trained in `folder`/NAME."""
    family, settings = from_yaml(find(Path("gallery") / name).read_text(encoding="utf-8"))
    return run.train(family, replace(settings, **changes), folder / name, quiet=True)
