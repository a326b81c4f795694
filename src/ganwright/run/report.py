"""The report of a run that is not in training: with its newest weights, and its data if found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ganwright.data import RunData
from ganwright.errors import GanwrightError
from ganwright.inference.model import Model
from ganwright.report.exhibits import SEARCHED, exhibited, write_exhibits
from ganwright.report.page import PLOTS, write_report
from ganwright.report.records import read_record
from ganwright.run.assembly import opened, resolved
from ganwright.run.load import load
from ganwright.run.run_folder import located, read_config, read_data
from ganwright.training.checkpoint import step_of, steps
from ganwright.training.engine import Engine


def rewrite(
    run: Path,
    out: Path | None = None,
    *,
    search: int | None = None,
    price: float | None = None,
    device: str = "auto",
    warn: Callable[[str], None],
) -> Path:
    """Write the report of a run again; returns its path.

    What shows its networks is drawn again if it is of another step than the newest checkpoint.

    Args:
        run: the run folder.
        out: the page; RUN/report.html when not given.
        search: training images among which neighbours are sought; what is there stays when None.
        price: of an hour of the machine.
        device: where networks compute.
        warn: gets a sentence on what cannot be drawn.

    Raises:
        RunError: it is no run folder.
        OSError: the page cannot be written.
    """
    read_record(run)
    saved = steps(run / "checkpoints")
    stale = bool(saved) and exhibited(run / PLOTS) != step_of(saved[-1])
    if stale or search is not None:
        try:
            _exhibit(load(run, device=device), search or SEARCHED, warn)
        except GanwrightError as error:
            warn(f"the networks are not shown: {error}")
    return write_report(run, out, price=price)


def _exhibit(model: Model, search: int, warn: Callable[[str], None]) -> None:
    _, settings = read_config(model.run, type(model.game))
    data = _opened(model, warn) if hasattr(model.game, "sample") else None
    seed, step = settings.seed, model.step
    write_exhibits(model.game, data, model.run / PLOTS, seed=seed, step=step, search=search)


def _opened(model: Model, warn: Callable[[str], None]) -> RunData | None:
    """The run's data; None where it is not there any more."""
    cls, old = read_config(model.run, type(model.game))
    known = read_data(model.run)
    try:
        if known is not None and known["fingerprint"]["kind"] == "given":
            warn("nearest training images are not shown: the data was given in Python")
            return None
        settings = resolved(cls, located(old, old, known, "move it back for a moment"))
        return opened(cls, settings, Engine(model.game.device), known=known)
    except GanwrightError as error:
        warn(f"nearest training images are not shown: {error}")
        return None
