"""The data of a run: its settings say how it is opened."""

from __future__ import annotations

from dataclasses import fields

from ganwright.config.settings import Settings
from ganwright.data.options import DataOptions


def data_options(settings: Settings) -> DataOptions:
    """The settings that data heeds; they have the names of the options."""
    return DataOptions(**{f.name: getattr(settings, f.name) for f in fields(DataOptions)})
