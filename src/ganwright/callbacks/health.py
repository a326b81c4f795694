"""Names a run that fails: collapsed, saturated, dead, oscillating or diverging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from torch import Tensor

from ganwright import atomic
from ganwright.callbacks import metrics_log
from ganwright.callbacks.callback import Callback, Run
from ganwright.callbacks.rows import REWOUND
from ganwright.callbacks.samples import drawn
from ganwright.data.types import leading
from ganwright.metrics.diversity import spread
from ganwright.observing import GRADIENT
from ganwright.report.records import finite, read_record

HELP: Mapping[str, str] = {
    "collapsed": "lower the learning rates, give D an R1 penalty, or pack samples (see "
    "troubleshooting); if it began well, continue from an earlier checkpoint",
    "saturated": "lower D's learning rate or its updates a step, or give D an R1 penalty, "
    "augmentation or instance noise",
    "dead": "raise this player's learning rate or change its loss: NonSaturating instead of "
    "Minimax, a gradient penalty instead of clipped weights",
    "oscillating": "lower the learning rates, or give D an R1 penalty",
    "diverging": "lower the learning rates, or give D a gradient penalty or spectral norm",
}
"""What is wrong -> what usually helps."""

FILE = "health.jsonl"
"""In the run folder: a line for each sentence, with its step."""
DIVERSITY, MOVED = "health/diversity", "health/leap"
"""What is measured of a grid, in the row of its step."""
AT_ONCE = 64
"""Images of the data that samples are compared with."""
ROWS = 5
"""Rows of metrics that must agree before anything is said of them."""
GRIDS = 3
"""Grids of samples that must agree before anything is said of them."""
EARLY = 200
"""Steps in which samples may be the same, since G has hardly begun."""
LOW = 0.25
"""Samples that are less diverse than this share of the data's images have collapsed ..."""
RISING = 1.03
"""... unless their diversity grew by this factor over the last grids: many runs begin so."""
SURE = 0.02
"""D's loss, which is at least 0, where it tells all samples from data."""
STILL = 1e-6
"""A gradient's norm from which nothing is learned."""
GROWN = 100.0
"""A player whose numbers are so many times as large as at first diverges."""
LEAP = 0.5
"""The mean sample moves by more than this share of the data's spread, grid after grid."""


@dataclass
class History:
    """What was seen of a run.

    Args:
        rows: of metrics, the newest last.
        diversity: of each grid of samples, as a share of the data's.
        leaps: how far the mean sample moved from each grid to the next, by the same measure.
    """

    rows: list[Mapping[str, float]] = field(default_factory=list)
    diversity: list[float] = field(default_factory=list)
    leaps: list[float] = field(default_factory=list)


def diagnose(seen: History) -> dict[str, str]:
    """What is wrong with a run, by the key of `HELP`, in words; empty where nothing is."""
    found: dict[str, str] = {}
    for player in _players(seen.rows):
        rows = [row for row in seen.rows if f"{player}/{GRADIENT}" in row]
        found = _of_player(player, rows) | found
    late = seen.diversity[-GRIDS:]
    if len(late) == GRIDS and max(late) < LOW and late[-1] < RISING * late[0]:
        found["collapsed"] = f"samples are {late[-1]:.0%} as diverse as the data's images"
    elif len(seen.leaps) >= ROWS and min(seen.leaps[-ROWS:]) > LEAP:
        found["oscillating"] = "all samples change together from grid to grid"
    return found


def _of_player(player: str, rows: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """What is wrong with one player."""
    late, found = rows[-ROWS:], dict[str, str]()
    if len(rows) < 2 * ROWS:
        return found
    sizes = [_size(player, row) for row in rows]
    if min(sizes[-ROWS:]) > GROWN * max(1.0, median(sizes[:ROWS])):
        times = min(sizes[-ROWS:]) / max(1.0, median(sizes[:ROWS]))
        found["diverging"] = f"the numbers of {player} have grown {times:,.0f} times as large"
    if max(row[f"{player}/{GRADIENT}"] for row in late) < STILL:
        found["dead"] = f"{player} gets no gradient"
    losses = [row[f"{player}/adv"] for row in rows if _judges(player, row)]
    # a loss that is ever below 0 has no least value: a critic's
    if len(losses) >= ROWS and min(losses) >= 0 and max(losses[-ROWS:]) < SURE:
        found["saturated"] = f"{player} tells all samples from data (adv {losses[-1]:.2g})"
    return found


def _judges(player: str, row: Mapping[str, float]) -> bool:
    return all(f"{player}/{name}" in row for name in ("adv", "real", "fake"))


def _size(player: str, row: Mapping[str, float]) -> float:
    return max(abs(v) for name, v in row.items() if name.rpartition("/")[0] == player)


def _players(rows: Sequence[Mapping[str, float]]) -> list[str]:
    ends = f"/{GRADIENT}"
    return list(dict.fromkeys(k.removesuffix(ends) for r in rows for k in r if k.endswith(ends)))


class Health(Callback):
    """Says once what is wrong, what usually helps, and when it is over; keeps it in health.jsonl.

    Diversity is that of the grids of samples, between pixels, compared with images of the data.

    Args:
        act: what to do where something is wrong, besides saying so: "stop" ends the run, "rollback"
            goes back to the last checkpoint from before the first sign.
    """

    def __init__(self, act: Literal["warn", "stop", "rollback"] = "warn") -> None:
        self.act = act
        self._forget(0)

    def _forget(self, step: int) -> None:
        self.seen = History()
        self._wrong: dict[str, str] = {}
        self._well = step
        self._mean: Tensor | None = None

    def started(self, run: Run) -> None:
        draws = hasattr(run.game, "sample") and not hasattr(run.game, "translate")
        self._data = _flat(leading(run.data.preview(AT_ONCE))) if draws else None
        if run.main:
            metrics_log.trim(run.folder / FILE, run.step, warn=run.warn)
            self._recall(run)

    def _recall(self, run: Run) -> None:
        """Learn from a run's rows what was known of it before it was interrupted."""
        record = read_record(run.folder)
        rows = [row for row in record.rows if row["step"] <= run.step]
        self._forget(record.before("step"))
        for row in rows:
            if REWOUND in row:
                self._forget(row[REWOUND])
            for name, known in ((DIVERSITY, self.seen.diversity), (MOVED, self.seen.leaps)):
                known += [row[name]] if finite(row.get(name)) else []
            self._see(row)
            if self.act == "rollback" or row is rows[-1]:  # others need not know when it was well
                self._wrong = self._diagnosed()
        if rows and rows[-1]["step"] == run.step and DIVERSITY in rows[-1]:
            self._mean = _flat(drawn(run)).mean(0)  # an older grid's cannot be drawn again

    def rewound(self, run: Run) -> None:
        self._forget(run.step)
        if run.main:
            metrics_log.trim(run.folder / FILE, run.step, warn=run.warn)

    def sampled(self, run: Run, images: Mapping[str, Tensor]) -> None:
        grid, rows = images.get("samples"), self.seen.rows
        if self._data is None or grid is None or len(grid) < 4 or run.step < EARLY:
            return
        if rows and rows[-1]["step"] == run.step:
            return  # its row has been written: a grid that only a stopped or a resumed run draws
        x, scale = _flat(grid), max(spread(self._data), 1e-9)
        mean, before = x.mean(0), self._mean
        self.seen.diversity.append(spread(x) / scale)
        run.log({DIVERSITY: self.seen.diversity[-1]})
        if before is not None and before.shape == mean.shape:
            self.seen.leaps.append(float((mean - before).norm()) / scale)
            run.log({MOVED: self.seen.leaps[-1]})
        self._mean = mean

    def logged(self, run: Run, row: Mapping[str, Any]) -> None:
        if not run.main:
            return
        self._see(row)
        found = self._diagnosed()
        for what in self._wrong:
            if what not in found:
                self._keep(run, f"no longer {what}")
        for what, sign in found.items():
            if what not in self._wrong:
                self._keep(run, f"{what}: {sign}; {HELP[what]}")
                run.warn(f"{what} at step {run.step:,}: {sign}; {HELP[what]}")
        if found:  # also one that was said before the run was resumed
            self._react(run, ", ".join(f"{what}: {sign}" for what, sign in found.items()))
        self._wrong = found

    def _see(self, row: Mapping[str, Any]) -> None:
        # metrics.jsonl holds no others, and a resumed run sees what this one does
        self.seen.rows.append({k: v for k, v in row.items() if finite(v)})
        del self.seen.rows[ROWS : -2 * ROWS]

    def _diagnosed(self) -> dict[str, str]:
        """What is wrong at the newest row."""
        found = diagnose(self.seen)
        if not found and len(self.seen.rows) >= 2 * ROWS:
            self._well = int(self.seen.rows[-2 * ROWS]["step"])
        return found

    def diverged(self, run: Run, what: str) -> None:
        if run.main:
            self._keep(run, f"diverging: {what}; {HELP['diverging']}")

    def _react(self, run: Run, why: str) -> None:
        if self.act == "stop":
            run.stop(why)
        elif self.act == "rollback":
            run.go_back(why, self._well)

    def _keep(self, run: Run, sentence: str) -> None:
        try:
            metrics_log.append(run.folder / FILE, {"step": run.step, "sentence": sentence})
        except OSError as error:
            run.warn(f"could not write {run.folder / FILE}: {atomic.reason(error)}")


def _flat(images: Tensor) -> Tensor:
    return images.detach().double().flatten(1).cpu()
