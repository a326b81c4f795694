"""What happens around the steps of a run."""

from __future__ import annotations

from ganwright.callbacks.callback import Callback, Run
from ganwright.callbacks.plateau import Plateau

CALLBACKS: dict[str, type[Callback]] = {"Plateau": Plateau}

__all__ = ["CALLBACKS", "Callback", "Plateau", "Run"]
