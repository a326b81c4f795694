"""Runs of benchmarks at their last step: trained, continued after an interruption, or kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ganwright
from ganwright.inference.model import Model
from ganwright.run.run_folder import read_config
from ganwright.run.running import stopped_at
from ganwright.training import checkpoint


def trained(family: str, run: Path, **how: Any) -> Model:
    """The model of a run that `ganwright.train(family, out=run, **how)` makes: see `ended`."""
    again = {name: how[name] for name in ("data", "callbacks") if name in how}
    return ended(run, partial(ganwright.train, family, out=run, quiet=True, **how), **again)


def ended(run: Path, begin: Callable[[], Model], **again: Any) -> Model:
    """The model of a run that came to its end.

    Args:
        run: its folder.
        begin: trains it from its start.
        **again: what `ganwright.resume` needs of what training was given.
    """
    if run.exists() and whole(run):
        return ganwright.load(run, device="cpu")
    return ganwright.resume(run, quiet=True, **again) if run.exists() else begin()


def whole(run: Path) -> bool:
    """Whether a run came to its last step, or to where a callback stopped it."""
    saved = checkpoint.steps(run / "checkpoints")
    ends = (read_config(run)[1].steps, stopped_at(run))
    return bool(saved) and checkpoint.step_of(saved[-1]) in ends
