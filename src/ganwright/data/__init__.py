"""Data: one string selects a source; batches arrive on the training device."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ganwright.data.types import (
    Batch,
    Batches,
    Images,
    Paired,
    RunData,
    SemiSupervised,
    Spec,
    Unpaired,
)

if TYPE_CHECKING:
    from ganwright.data.batches import Data
    from ganwright.data.open import open_data
    from ganwright.data.options import DataOptions
    from ganwright.data.read.hub import HuggingFace

__all__ = [
    "Batch",
    "Batches",
    "Data",
    "DataOptions",
    "HuggingFace",
    "Images",
    "Paired",
    "RunData",
    "SemiSupervised",
    "Spec",
    "Unpaired",
    "open_data",
]

# Families import the batches alone; the readers come when a data set is opened.
_LATER = {
    "Data": "ganwright.data.batches",
    "DataOptions": "ganwright.data.options",
    "HuggingFace": "ganwright.data.read.hub",
    "open_data": "ganwright.data.open",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
