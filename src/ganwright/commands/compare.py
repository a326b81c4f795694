"""`ganwright compare` and `ganwright sweep`: several runs in one table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from ganwright.commands.evaluate import Measuring, Samples
from ganwright.commands.flags import Parser, refuse_twice, strays
from ganwright.commands.train import Place, family_of, parsed
from ganwright.config.changes import flag_of
from ganwright.config.checked import Named
from ganwright.config.hints import bare, hints_of
from ganwright.config.ranges import Count, Whole
from ganwright.config.spelling import path_of
from ganwright.errors import SettingsError

if TYPE_CHECKING:
    from ganwright.config.settings import Settings
    from ganwright.run.compare import Table
    from ganwright.run.sweep import Measures


@dataclass(frozen=True, kw_only=True)
class Form(Named):
    """How a table is printed."""

    csv: bool = False
    """Print comma-separated values, in full precision."""
    latex: bool = False
    """Print a LaTeX tabular."""


@dataclass(frozen=True, kw_only=True)
class Sweep(Form):
    """What is varied, and where runs go."""

    seeds: tuple[Whole, ...] = (0,)
    """Seeds to train each setting with."""
    out: Path | None = None
    """The folder of the runs; by default runs/sweep-<family>."""
    jobs: Count | None = None
    """Number of parallel runs; by default one per GPU, or one per two CPU cores."""
    n: Samples = 10_000
    """Number of samples to evaluate each run on."""


def compare(argv: Sequence[str]) -> int:
    """Print the metrics of runs: mean and spread over seeds, grouped by all other settings."""
    runs, _ = strays(argv, Form())
    parser = Parser("compare", compare.__doc__ or "", {"RUN": "Run folders."})
    parser.add("form", Form())
    if not runs:
        parser.read(argv)
    _, (form,) = parser.read([argv[runs[0]], *(w for i, w in enumerate(argv) if i not in runs)])
    _check(form)

    from ganwright.run.compare import compare as compared

    _show(compared([path_of(argv[i]) for i in runs]), form)
    return 0


def sweep(argv: Sequence[str]) -> int:
    """Train a family with every combination of settings that have several values, and each seed.

    A stopped sweep continues if you run it again, except for runs that a callback stopped. At the
    end it prints the table of `compare`.
    """
    family, rest = family_of(argv)
    parser = Parser("sweep", sweep.__doc__ or "", {"FAMILY": "See `ganwright list`."})
    parser.add("sweep", Sweep())
    if family is None:
        parser.read(argv)
        raise SettingsError("sweep needs a family: ganwright sweep dcgan --seeds 0 1 2")
    groups = grouped(rest)
    _check_once(groups)
    own = {flag_of(name) for name in hints_of(Sweep)}
    mine = [word for flag, values in groups if _plain(flag) in own for word in (flag, *values)]
    _, (what,) = parser.read([family, *mine])
    _check(what)
    groups = [(flag, values) for flag, values in groups if _plain(flag) not in own]
    if not what.seeds:
        raise SettingsError("--seeds is empty; give one seed or several, as in --seeds 0 1 2")
    if "--seed" in dict(groups):
        raise SettingsError("a sweep takes --seeds, with one or several values, instead of --seed")
    if "--dry-run" in dict(groups):
        raise SettingsError("a sweep has no --dry-run; give it to `ganwright train`")
    if "--epochs" in dict(groups):
        raise SettingsError(
            "a sweep counts --steps and has no --epochs; an epoch is the number of training images "
            "divided by the batch size"
        )
    _, game, _, settings = parsed(family, [])

    from ganwright.run.compare import compare as compared
    from ganwright.run.sweep import Job, grid
    from ganwright.run.sweep import sweep as swept

    varied, fixed = divided(groups, settings)
    out = what.out or Path("runs") / f"sweep-{family}"
    jobs: list[Job] = []
    asked: list[tuple[Place, Settings]] = []
    for name, flags in grid(varied, what.seeds):
        words = [*fixed, *flags]
        _, _, place, settings = parsed(family, words)
        if (place, settings) not in asked:
            asked.append((place, settings))
            jobs.append(Job(out / name, tuple(words), settings))
    measures = _measures(groups, what.n)
    swept(family, game, jobs, measures, what.jobs or _at_once(), partial(print, flush=True))
    _show(compared([job.folder for job in jobs]), what)
    return 0


def _measures(groups: Sequence[tuple[str, list[str]]], n: int) -> Measures:
    """What each run is evaluated with: the metrics that are measured in training, or the usual."""
    from ganwright.run.sweep import Measures

    metrics = [word for flag, values in groups if flag == "--metrics" for word in (flag, *values)]
    flags = (*metrics, "-n", str(n))
    parser = Parser("sweep", sweep.__doc__ or "", {})
    parser.add("measuring", Measuring())
    _, (measuring,) = parser.read(flags)
    return Measures(flags, measuring.metrics, n)


def grouped(argv: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Flags with their values, in order.

    Raises:
        SettingsError: a word stands before the first flag.
    """
    groups: list[tuple[str, list[str]]] = []
    for word in argv:
        flag, sign, value = word.partition("=")
        if word.startswith("-") and not word[1:2].isdigit():
            groups.append((flag, [value] if sign else []))
        elif not groups:
            raise SettingsError(f"unexpected argument {word}; settings are written --name value")
        else:
            groups[-1][1].append(word)
    return groups


def _check_once(groups: Sequence[tuple[str, list[str]]]) -> None:
    """Refuse other values after a flag that stands twice, of which the last alone would be trained.

    Raises:
        SettingsError: naming all values.
    """
    first: dict[str, list[str]] = {}
    for flag, values in groups:
        if first.setdefault(flag, values) != values:
            refuse_twice(flag, [*first[flag], *values])


def divided(
    groups: Sequence[tuple[str, list[str]]], settings: Any
) -> tuple[dict[str, list[str]], list[str]]:
    """Flags that are varied, and the words of those that are not.

    A setting that takes several values is varied where each is a tuple: "(R1(),)" "(R2(),)".
    """
    hints = {flag_of(f"game.{name}"): hint for name, hint in hints_of(type(settings.game)).items()}
    for instance in (Place, type(settings)):
        hints |= {flag_of(name): hint for name, hint in hints_of(instance).items()}
    varied: dict[str, list[str]] = {}
    fixed: list[str] = []
    for flag, values in groups:
        several = get_origin(bare(hints.get(flag))) is tuple
        if len(values) > 1 and (not several or all(v.startswith("(") for v in values)):
            varied[flag] = values
        else:
            fixed += [flag, *values]
    return varied, fixed


def _plain(flag: str) -> str:
    return flag.replace("--no-", "--", 1)


def _at_once() -> int:
    """A run for each GPU, or for each two cores."""
    import torch

    from ganwright.data.cores import cores

    return max(1, torch.cuda.device_count() or cores() // 2)


def _check(form: Form) -> None:
    if form.csv and form.latex:
        raise SettingsError("a table has one format; leave out --csv or --latex")


def _show(table: Table, form: Form) -> None:
    print(table.csv() if form.csv else table.latex() if form.latex else table.text())
    for note in table.notes:
        print(f"ganwright: {note}", file=sys.stderr)
