"""Commands as real processes, one or several that train together, forked from one that is warm.

What forks them has imported torch and the library, and computed nothing: a process costs a tenth
of a second instead of seconds, and has signals, limits and a death of its own.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import meeting_place

from ganwright.training import checkpoint
from ganwright.training.manifest import problem_of

WARM = multiprocessing.get_context("forkserver")
WARM.set_forkserver_preload(
    [
        *(
            "torch._dynamo",
            "torch.utils.data",
            "rich.live",
            "safetensors.torch",
        ),
        *(
            "matplotlib.figure",
            "matplotlib.backends.backend_agg",
            "matplotlib.backends.backend_svg",
        ),
        *("ganwright.cli", "ganwright.commands.train", "ganwright.run.train", "helpers"),
        *("ganwright.report.page", "ganwright.metrics.table", "ganwright.penalties"),
        *("ganwright.data.read.embedded", "ganwright.families.dcgan", "ganwright.recipes"),
    ]
)
SMALL = (
    *("train", "gan", "--data", "digits", "--image-size", "8", "--batch-size", "4", "--seed", "3"),
    *("--game.networks", "MLP(hidden_G=(16,), hidden_D=(16,))", "--precision", "fp32"),
    *("--device", "cpu", "--log-every", "5", "--save-every", "10", "--sample-every", "1000"),
)
"""A training of milliseconds a step; --steps and --out are left open."""
CLOCKS = {"images_per_second", "seconds_left", "data_wait", "memory_mb"}


class Processes:
    """One function in one process, or in several that meet.

    Args:
        function: at the top of a module; returns the exit status.
        arguments: of it.
        folder: for what each says, in `0.log`, `1.log` ...
        world: how many.
    """

    def __init__(
        self, function: Callable[..., Any], arguments: Sequence[Any], folder: Path, world: int
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.logs = [folder / f"{rank}.log" for rank in range(world)]
        self.ranks: list[BaseProcess] = []
        told = dict(os.environ) | {"OMP_NUM_THREADS": "1"}
        if world > 1:
            self.store, place = meeting_place()
            told |= place | {"WORLD_SIZE": str(world)}
        for rank, log in enumerate(self.logs):
            log.write_bytes(b"")
            more = {"RANK": str(rank)} if world > 1 else {}
            given = (told | more, log, function, tuple(arguments))
            self.ranks.append(WARM.Process(target=_begun, args=given))
            self.ranks[-1].start()

    def said(self, rank: int = 0) -> str:
        """All that one printed so far."""
        return self.logs[rank].read_text(encoding="utf-8")

    def signal(self, number: int, rank: int = 0) -> None:
        """Send a signal to one."""
        pid = self.ranks[rank].pid
        assert pid is not None
        os.kill(pid, number)

    def wait(self, seconds: float = 120) -> list[int | None]:
        """How each ended; one killed by signal n ended with -n.

        Raises:
            TimeoutError: one does not end.
        """
        until = time.monotonic() + seconds
        for rank, process in enumerate(self.ranks):
            process.join(max(0.1, until - time.monotonic()))
            if process.exitcode is None:
                raise TimeoutError(f"process {rank} does not end: {self.said(rank)}")
        return [process.exitcode for process in self.ranks]

    def until(self, holds: Callable[[], object], seconds: float = 120) -> None:
        """Wait until something holds.

        Raises:
            TimeoutError: it does not, or a process ended before.
        """
        for _ in range(int(seconds / 0.002)):
            if holds():
                return
            if any(process.exitcode is not None for process in self.ranks):
                break
            time.sleep(0.002)
        said = "\n".join(map(self.said, range(len(self.ranks))))
        raise TimeoutError(f"it did not come to it: {said}")


@contextmanager
def processes(
    function: Callable[..., Any], *arguments: Any, folder: Path, world: int = 1
) -> Iterator[Processes]:
    """Processes that are killed on leaving if they still live."""
    found = Processes(function, arguments, folder, world)
    try:
        yield found
    finally:
        for process in found.ranks:
            process.kill()
            process.join()


def like_a_test(threads: int) -> None:
    """Draw the random numbers that tests draw, see conftest, and compute in as many threads."""
    importlib.import_module("conftest")
    torch.set_num_threads(threads)


def command(*words: str | Path, before: Callable[[], None] | None = None) -> int:
    """The command line; `before` is called first, to break something."""
    from ganwright.cli import main

    if before is not None:
        before()
    return main([str(word) for word in words])


def checked(*words: str | Path, folder: Path, before: Callable[[], None] | None = None) -> int:
    """pytest in a folder, as a package would be tested there."""
    os.chdir(folder)
    if before is not None:
        before()
    return int(pytest.main(["-p", "no:cacheprovider", *map(str, words)]))


def reads_weights(run: Path, weights: Path) -> int:
    """Load a run whose networks are made by `makers`, and compare its weights: 0 if all are so."""
    from ganwright.run.load import load

    assert "makers" not in sys.modules
    found = load(run, device="cpu").game.state_dict()
    kept = torch.load(weights, weights_only=True)
    assert found.keys() == kept.keys()
    return int(not all(torch.equal(found[k], kept[k]) for k in kept))


def ran(*words: str | Path, folder: Path, world: int = 1, **more: Any) -> list[tuple[Any, str]]:
    """How each process of a command ended, and what it said."""
    with processes(_command, words, more, folder=folder, world=world) as found:
        statuses = found.wait()
        return [(status, found.said(rank)) for rank, status in enumerate(statuses)]


def _command(words: Sequence[str | Path], more: dict[str, Any]) -> int:
    return command(*words, **more)


def training(run: Path, *more: str | Path, steps: int = 10**6, world: int = 1, **how: Any) -> Any:
    """The small training, or a run of it that goes on, in a run folder: see `processes`."""
    begin = (*SMALL, "--steps", str(steps), "--out", run)
    words = (("resume", run) if run.exists() else begin) + more
    folder = run.with_name(f"{run.name}-said")
    return processes(_command, words, how, folder=folder, world=world)


def _begun(
    told: dict[str, str], log: Path, function: Callable[..., int], arguments: tuple[Any, ...]
) -> None:
    os.environ.clear()
    os.environ |= told
    with log.open("ab", buffering=0) as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    torch.set_num_threads(1)
    multiprocessing.set_start_method(None, force=True)  # as where nothing was forked before
    for number in (signal.SIGTERM, signal.SIGHUP):  # nohup, for one, has a session's end ignored
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = function(*arguments)
    except Exception:
        traceback.print_exc()
        status = 1
    sys.exit(status)


def step(run: Path) -> int:
    """The step of the newest checkpoint; 0 without one."""
    return max((checkpoint.step_of(p) for p in checkpoint.steps(run / "checkpoints")), default=0)


def logged(run: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, clocks left out; each must be whole."""
    text = (run / "metrics.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    return [{k: v for k, v in row.items() if k not in CLOCKS} for row in rows]


def flat(state: Any, where: str = "") -> dict[str, Any]:
    """A nest of tables and lists as one table of leaves."""
    if isinstance(state, dict | list):
        pairs = state.items() if isinstance(state, dict) else enumerate(state)
        return {k: v for key, x in pairs for k, v in flat(x, f"{where}/{key}").items()}
    return {where: state}


def check_same(run: Path, whole: Path, *, rows: bool = True) -> None:
    """See that two runs end in the same checkpoint, bit for bit.

    Args:
        rows: whether they logged the same, too; one that is stopped between two rows adds one.
    """
    one, two = (checkpoint.load_newest(r / "checkpoints") for r in (run, whole))
    assert one is not None
    assert two is not None
    assert one.step == two.step
    for name in ("game", "average", "training"):
        a, b = flat(getattr(one, name)), flat(getattr(two, name))
        assert a.keys() == b.keys()
        for key, value in a.items():
            same = torch.equal(value, b[key]) if torch.is_tensor(value) else value == b[key]
            assert same, f"{name}{key}"
    assert not rows or logged(run) == logged(whole)


def check_clean(run: Path, *, idle: bool = True) -> None:
    """See that nothing in a run folder is broken, and, if it is to be idle, nobody is at it."""
    from ganwright.run import lock

    names = [path.name for path in run.rglob("*")]
    assert not [name for name in names if "broken" in name]
    for path in checkpoint.steps(run / "checkpoints"):
        assert problem_of(path) is None
    logged(run)
    assert (lock.writer(run) is None) == idle
