"""`ganwright profile` and `ganwright train --dry-run`: what a training costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganwright.commands.config_flag import config_of, configured
from ganwright.commands.flags import Parser
from ganwright.config.checked import Named
from ganwright.config.ranges import NonNegative, Positive
from ganwright.config.settings import Settings
from ganwright.errors import SettingsError

if TYPE_CHECKING:
    from ganwright.game import Game
    from ganwright.run.profile import Profile


@dataclass(frozen=True, kw_only=True)
class Profiling(Named):
    """How long to measure, and what to print."""

    seconds: Positive = 3.0
    """Seconds to measure each phase of the game, at least."""
    price: NonNegative | None = None
    """Price of an hour of this machine, to tell that of the whole run."""
    trace: Path | None = None
    """A .json file for a trace of one step, a flame chart for Perfetto or chrome://tracing."""
    overwrite: bool = False
    """Replace the trace if it exists."""
    config: Path | None = None
    """A YAML file of settings, or a recipe; flags override it."""


def profile(argv: Sequence[str]) -> int:
    """Measure a few steps of a training that is then thrown away: memory, speed, and each part."""
    config = config_of(argv)
    target = argv[0] if argv and not argv[0].startswith("-") else None
    if target is None and config is None:
        parser = Parser("profile", profile.__doc__ or "", {"FAMILY|RUN": "What is trained."})
        parser.add("profiling", Profiling())
        parser.add("settings", Settings())
        parser.read(argv)
        raise SettingsError("profile needs a family or a run first: ganwright profile dcgan")

    from ganwright.commands.sample import refuse_existing, writing
    from ganwright.run.profile import measuring
    from ganwright.run.trace import trace

    cls, settings = _start(target, config)
    parser = Parser(f"profile {target or ''}".rstrip(), profile.__doc__ or "", {})
    parser.add("profiling", Profiling())
    parser.add("settings", settings)
    _, (how, settings) = parser.read(argv if target is None else argv[1:])
    if how.trace is not None:
        if how.trace.suffix.lower() != ".json":
            raise SettingsError(f"--trace is {how.trace}; name a .json file")
        refuse_existing([how.trace], how.overwrite)
    with measuring(cls, settings, how.seconds) as (found, trainer):
        print("\n".join([*summary(cls, found, how.price), "", *anatomy(found)]))
        if how.trace is not None:
            with writing(how.trace):
                trace(trainer, how.trace)
    return 0


def _start(target: str | None, config: Path | None) -> tuple[type[Game], Settings]:
    """What is profiled, and the settings that flags change."""
    from ganwright.run.profile import chosen
    from ganwright.run.run_folder import is_run

    if config is None:
        assert target is not None
        return chosen(target)
    if target is not None and is_run(target):
        raise SettingsError(f"{target} is a run, which has its own settings; leave out --config")
    return configured(config, target)[1:]


def summary(cls: type[Game], found: Profile, price: float | None = None) -> list[str]:
    """What the whole run costs, in a few lines."""
    from ganwright.report.page import duration

    settings, spec = found.settings, found.spec
    shape = "x".join(map(str, spec.shape))
    count = f"{spec.count:,} " if spec.count else ""
    lines = [
        f"{cls.title or cls.__name__} on {settings.data}: {count}items of {shape}, batches of "
        f"{settings.batch_size}, {found.device}, {settings.precision}",
        "parameters: " + ", ".join(f"{name} {count:,}" for name, count in found.parameters.items()),
        "memory: " + ", ".join(f"{name} {_size(count)}" for name, count in found.memory.items()),
        f"first step: {found.first:.1f} s",
    ]
    for each in found.stretches:
        name = f"{each.name}: " if each.name else ""
        spread = "" if each.spread is None else f" (spread {each.spread:.0%})"
        lines.append(
            f"{name}{each.images / each.seconds:,.0f} images a second, {1e3 * each.seconds:.3g} ms "
            f"a step{spread}, {each.steps:,} steps"
        )
    whole = f"whole run: {duration(found.seconds)}, without samples, checkpoints and evaluation"
    if price is not None:
        whole += f"; at {price:g} an hour {price * found.seconds / 3600:.2f}"
    return [*lines, whole]


def anatomy(found: Profile) -> list[str]:
    """A table for each phase: a row for each player, a column for each part, in ms of a step."""
    from ganwright.training.timed import PARTS

    lines = []
    for each in found.stretches:
        players = list(dict.fromkeys(player for player, _ in each.parts if player))
        columns = [part for part in PARTS if any(p == part for _, p in each.parts)]
        rows = [[each.name or "ms a step", *columns, "share"]]
        for player in [*players, ""]:
            spent = [each.parts.get((player, part), 0.0) for part in columns]
            cells = [f"{1e3 * t:.3g}" if t else "" for t in spent]
            rows.append([player or "other", *cells, f"{sum(spent) / _total(each.parts):.0%}"])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines += [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in rows
        ]
    return lines


def _total(parts: dict[tuple[str, str], float]) -> float:
    return sum(parts.values())


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
