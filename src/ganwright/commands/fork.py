"""`ganwright fork`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganwright.commands.flags import Parser, strays
from ganwright.commands.train import Monitoring, hung
from ganwright.config.ranges import Whole
from ganwright.config.settings import Settings
from ganwright.config.spelling import path_of
from ganwright.trackers import check

_RUN = {"RUN": "The run folder to start from; it is not changed."}


@dataclass(frozen=True, kw_only=True)
class Fork(Monitoring):
    """Where a fork begins, and where it goes."""

    out: Path | None = None
    """The new run folder; by default runs/<family>-<data>-<number>."""
    step: Whole | None = None
    """The checkpoint to continue from; by default the newest intact one."""


def fork(argv: Sequence[str]) -> int:
    """Continue from a run's checkpoint with other settings, in a new folder; says what differs."""
    _, places = strays(argv, Fork(), Settings())
    about = fork.__doc__ or ""
    if not places:
        parser = Parser("fork", about, _RUN)
        parser.add("run", Fork())
        parser.add("settings", Settings())
        parser.read(argv)
    folder = path_of(argv[places[0]])

    from ganwright.run.fork import fork as go_on
    from ganwright.run.run_folder import read_config

    _, before = read_config(folder)
    parser = Parser(f"fork {folder}", about, _RUN)
    parser.add("run", Fork())
    parser.add("settings", before)
    _, (given, after) = parser.read(argv)
    check(after.log)
    changes = {name: value for name, value in vars(after).items() if value != getattr(before, name)}
    go_on(folder, given.out, changes, step=given.step, **hung(given))
    return 0
