"""A grid of settings, each trained with several seeds, in processes of their own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ganwright import atomic
from ganwright.callbacks.evaluation import Evaluation
from ganwright.config.changes import differences
from ganwright.config.settings import FREE, Settings
from ganwright.data.cores import cores
from ganwright.errors import RunError
from ganwright.game import Game
from ganwright.metrics.metric import Metric
from ganwright.run.assembly import assemble, resolved
from ganwright.run.children import Children
from ganwright.run.data import data_options
from ganwright.run.evaluation import USUAL
from ganwright.run.run_folder import read_config
from ganwright.run.running import stopped_at
from ganwright.run.tune import CHOSEN
from ganwright.run.weights import same_place
from ganwright.training import checkpoint
from ganwright.training.engine import Engine

FORGOTTEN = (
    "--metrics",
    "--callbacks",
    "--keep-best",
    "--evaluate-every",
    "--evaluate-samples",
)
"""Flags that a resumed run does not remember."""
MEASURED = "measured.json"
"""The file in a run folder that says with which flags of `evaluate` a sweep measured it."""
LONGEST = 120
"""Characters of a folder's name that say what was varied."""


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Args:
        folder: the run's.
        flags: of `train`, without the family and `--out`.
        settings: what they come to.
    """

    folder: Path
    flags: tuple[str, ...]
    settings: Settings


@dataclass(frozen=True)
class Measures:
    """What each run of a sweep is evaluated with.

    Args:
        flags: of `evaluate`.
        metrics: of these; the usual ones when empty.
        n: how many samples.
    """

    flags: tuple[str, ...]
    metrics: Sequence[Metric]
    n: int


def grid(
    values: Mapping[str, Sequence[str]], seeds: Sequence[int]
) -> Iterator[tuple[str, list[str]]]:
    """A name and the flags of each combination of values, and of each seed.

    Names are those of files on any system: what they leave out of values that would share a name,
    or are long, a hash stands for.
    """
    found = [list(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    stems = [_stem(pairs) for pairs in found]
    often = Counter(stem.lower() for stem in stems)
    for stem, pairs in zip(stems, found, strict=True):
        flags = [word for pair in pairs for word in pair]
        if often[stem.lower()] > 1 or len(stem) > LONGEST:
            digest = hashlib.blake2b(repr(flags).encode(), digest_size=4).hexdigest()
            stem = f"{stem[:LONGEST]}-{digest}"
        for seed in seeds:
            yield f"{stem}-seed-{seed}".lstrip("-"), [*flags, "--seed", str(seed)]


def _stem(pairs: Sequence[tuple[str, str]]) -> str:
    parts = [f"{flag.rpartition('.')[2].lstrip('-')}-{value}" for flag, value in pairs]
    return re.sub(r"[^\w.=]+", "-", "-".join(parts)).strip("-")


def sweep(
    family: str,
    cls: type[Game],
    jobs: Sequence[Job],
    measures: Measures,
    at_once: int,
    tell: Callable[[str], None],
) -> None:
    """Train every run that is not finished, and evaluate it; both are tried before the first.

    Args:
        family: its name.
        cls: its class.
        jobs: the runs.
        measures: what they are evaluated with.
        at_once: how many run at the same time.
        tell: told of each run that is done.

    Raises:
        RunError: a folder holds another run, or a run failed; those that are done are kept.
        GanwrightError: the data does not fit the family or a metric.
        KeyboardInterrupt: this process was asked to stop; runs that had begun are saved.
    """
    for job in jobs:
        _check(cls, job)
    _try_out(cls, jobs, measures)
    measure = list(measures.flags)
    threads = str(max(1, cores() // at_once))
    devices, children = _devices(), Children()

    def work(item: tuple[int, Job]) -> str | None:
        place, job = item
        environment = os.environ | {"OMP_NUM_THREADS": threads}
        if len(devices) > 1:
            environment["CUDA_VISIBLE_DEVICES"] = devices[place % len(devices)]
        for words in _commands(family, job, measure):
            status, said = children.run(words, environment)
            if status:
                lines = said.strip().splitlines() or [f"exit status {status}"]
                return f"{job.folder}: {lines[-1].removeprefix('ganwright: ')}"
            if words[0] == "evaluate":
                atomic.write(job.folder / MEASURED, json.dumps(measure))
        tell(f"{job.folder} is done")
        return None

    with children.passing_on(), ThreadPoolExecutor(at_once) as pool:
        failed = [why for why in pool.map(work, enumerate(jobs)) if why]
    if failed:
        raise RunError(f"{len(failed)} of {len(jobs)} runs failed, the first {failed[0]}")


def _try_out(cls: type[Game], jobs: Sequence[Job], measures: Measures) -> None:
    """Measure untrained networks on the data of each run that has not begun, once per data."""
    tried = []
    for job in jobs:
        settings = resolved(cls, job.settings)
        data = settings.data, data_options(dataclasses.replace(settings, seed=0))
        if data in tried or (job.folder / "config.yaml").is_file():
            continue
        tried.append(data)
        engine = Engine.of(settings)
        settings = dataclasses.replace(settings, precision=engine.precision)
        trainer, source = assemble(cls, settings, engine)
        with trainer.inferring() as game:
            trial = Evaluation(1, measures.metrics or USUAL, measures.n)
            trial.try_out(game, source, settings.seed)


def _commands(family: str, job: Job, measure: Sequence[str]) -> Iterator[list[str]]:
    """What is still to be done for a run; what a callback has stopped is trained."""
    place = str(job.folder)
    if not (job.folder / "config.yaml").is_file():
        yield ["train", family, *job.flags, "--out", place]
    elif stopped_at(job.folder) != _steps(job.folder) < job.settings.steps:
        around = _around(job.flags)
        yield ["resume", place, "--steps", str(job.settings.steps), *around]
    evaluated = job.folder / "evaluation.jsonl"
    stale = not evaluated.is_file() or _steps(job.folder) > _evaluated(evaluated)
    if stale or _measured(job.folder) != list(measure):
        yield ["evaluate", place, *measure, "--device", job.settings.device]


def _around(flags: Sequence[str]) -> list[str]:
    """The flags to name again when a run continues: what it forgets, and what may be another."""
    kept: list[str] = []
    keep = False
    for word in flags:
        if word.startswith("--"):
            flag = word.partition("=")[0]
            name = flag.removeprefix("--").removeprefix("no-").replace("-", "_")
            keep = flag in FORGOTTEN or (name in FREE and name != "steps")
        kept += [word] if keep else []
    return kept


def _measured(run: Path) -> Any:
    """The flags of `evaluate` that a sweep last measured a run with."""
    try:
        return json.loads((run / MEASURED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _evaluated(path: Path) -> int:
    """The step that was last evaluated."""
    lines = path.read_text(encoding="utf-8").splitlines()
    try:
        return int(json.loads(lines[-1])["step"])
    except (IndexError, ValueError, KeyError, TypeError):
        return -1


def _steps(run: Path) -> int:
    done = checkpoint.steps(run / "checkpoints")
    return checkpoint.step_of(done[-1]) if done else 0


def _check(cls: type[Game], job: Job) -> None:
    """See that a folder that is there is this run's.

    Raises:
        RunError: it is another's.
    """
    if not (job.folder / "config.yaml").is_file():
        return
    was, old = read_config(job.folder)
    found = CHOSEN if "--tune" in job.flags else ("precision",)
    kept = {name: getattr(old, name) for name in (*FREE, *found) if name != "data"}
    wanted = dataclasses.replace(resolved(cls, job.settings), **kept)
    if wanted.init and old.init and same_place(wanted.init, old.init):
        wanted = dataclasses.replace(wanted, init=old.init)
    changed = ["its family"] if was is not cls else differences(old, wanted)
    if changed:
        raise RunError(
            f"{job.folder} is a run with other settings ({'; '.join(changed)}); choose another "
            "--out"
        )


def _devices() -> list[str]:
    """The CUDA devices that runs are spread over."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]
