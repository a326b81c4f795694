"""Runs the whole test suite many times, each time on another machine as it were.

`portable`: with the processor's instructions as torch finds them, and held back to two older sets,
each with 1, 2 and 4 threads.

`shuffled`: in a copy of the repository that no run has touched, beside a process that keeps a core
busy; each time in another random order, with 4 workers, twice with 2; once with one, no caches and
no bytecode, once in another time zone and locale, once on a terminal of 40 columns, once as a user
that is not root, once with temporary files in memory, whose folders list their entries in another
order; every other time with other random numbers in all tests. Rounds of one user and
with the same instructions share what torch's compiler built, but for the one without caches.

`--load COMMAND` lets the process that keeps a core busy do something useful, such as a training.

A failure stops nothing. The exit status is 1 if anything failed. `--only` plays some of the rounds,
named by the first words of their rows, such as those that an earlier run did not come to. How long
each test took stands in the reports beside the logs.

    python benchmarks/suite.py portable
    python benchmarks/suite.py portable --only "AVX2 2" "AVX2 4" SSE4.1
    python benchmarks/suite.py shuffled
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parent.parent
NOBODY = 65534
MEMORY = Path("/dev/shm")
LEFT_OUT = ("runs", "data", "site")

INSTRUCTIONS: Mapping[str, Mapping[str, str]] = {
    "as found": {},
    "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "SSE4.1": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}
"""What the processor may do -> how torch and its convolutions are told."""

# A locale whose text is ASCII, in a zone whose clock differs by a part of an hour.
ELSEWHERE = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "LANGUAGE": "tr", "PYTHONUTF8": "0"}
ELSEWHERE |= {"PYTHONCOERCECLOCALE": "0"}


@dataclass(frozen=True)
class Round:
    """One run of the suite.

    Args:
        columns: what the table says of it.
        environment: variables beside this process's.
        arguments: of pytest.
        become: the command that makes it another user's, who owns its temporary files.
        untouched: whether it finds no caches and no bytecode.
        scratch: where temporary files go; the usual place when not given.
    """

    columns: tuple[str, ...]
    environment: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    become: tuple[str, ...] = ()
    untouched: bool = False
    scratch: Path | None = None


@dataclass
class Outcome:
    """What became of a round."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)


def portable(cores: int) -> list[Round]:
    """Three sets of instructions, each with 1, 2 and 4 threads."""
    rounds = []
    workers = min(4, cores)
    for name, variables in INSTRUCTIONS.items():
        for threads in (1, 2, 4):
            # More threads than cores, of which none spins while it waits for another.
            told = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
            rounds.append(
                Round(
                    (name, str(threads)),
                    {**variables, **told},
                    ("--numprocesses", str(workers)),
                )
            )
    return rounds


def shuffled(count: int) -> list[Round]:
    """As many random orders; what is special of some of them comes with the first."""
    rounds = []
    for number in range(1, count + 1):
        workers = {1: 1, 2: 2, 6: 2}.get(number, 4)
        luck = 0 if number % 2 else number
        order = ("--random-order-bucket=global", f"--random-order-seed={number}")
        variables, condition = {"OMP_NUM_THREADS": "1"}, ""
        become: tuple[str, ...] = ()
        scratch = MEMORY if number == 5 and MEMORY.is_dir() else None
        if number == 1:
            condition = "no caches"
        elif number == 2:
            condition, variables = "Kathmandu, ASCII", variables | ELSEWHERE
        elif number == 3:
            condition, variables = "40 columns", variables | {"COLUMNS": "40", "LINES": "24"}
        elif number == 4:
            condition, become = _not_root()
        elif scratch:
            condition = "files in memory"
        rounds.append(
            Round(
                (str(number), str(luck), str(workers), condition),
                variables | {"GANWRIGHT_TEST_SEED": str(luck)},
                (*order, "--numprocesses", str(workers)),
                become,
                untouched=number == 1,
                scratch=scratch,
            )
        )
    return rounds


def _not_root() -> tuple[str, tuple[str, ...]]:
    """What the table says, and what becomes another user."""
    if os.geteuid():
        return "not root, as all", ()
    become = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    read_all = (*become, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    if shutil.which("setpriv") is None:
        return "root: no setpriv", ()
    for condition, prefix in (("not root", become), ("not root, reads all", read_all)):
        told = [*prefix, sys.executable, "-c", "import sys; print(sys.base_prefix)"]
        done = subprocess.run(told, capture_output=True, encoding="utf-8")
        # without the right to read it, Python falls back to another one
        if done.returncode == 0 and done.stdout.strip() == sys.base_prefix:
            return condition, prefix
    return f"root: others cannot read {sys.base_prefix}", ()


def play(each: Round, root: Path, logs: Path) -> Outcome:
    """Run the suite of the repository at `root` once."""
    log = logs / f"{'-'.join(c for c in each.columns if c)}.log".replace(" ", "-")
    with tempfile.TemporaryDirectory(
        prefix="suite-", dir=each.scratch, ignore_cleanup_errors=True
    ) as scratch:
        report = Path(scratch, "report.xml")
        variables = {"PYTHONPATH": str(root / "src"), "HOME": scratch, "TMPDIR": scratch}
        if each.untouched:
            variables["PYTHONPYCACHEPREFIX"] = str(Path(scratch, "bytecode"))
        elif not each.become:
            instructions = each.environment.get("ATEN_CPU_CAPABILITY", "all")
            variables["TORCHINDUCTOR_CACHE_DIR"] = str(logs / "compiled" / instructions)
        if each.become:
            os.chown(scratch, NOBODY, NOBODY)
        tests = (sys.executable, "-m", "pytest", f"--junitxml={report}")
        start = time.perf_counter()
        with log.open("wb") as out:
            done = subprocess.run(
                [
                    *each.become,
                    *tests,
                    "--tb=short",
                    "-o",
                    f"cache_dir={scratch}/cache",
                    *each.arguments,
                ],
                cwd=root,
                env=os.environ | variables | dict(each.environment),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        if report.exists():
            shutil.copy(report, log.with_suffix(".xml"))
        outcome = _read(report) if report.exists() else Outcome()
        outcome.seconds = time.perf_counter() - start
    if done.returncode and not outcome.failed:
        outcome.failed, outcome.failures = 1, [f"pytest itself: status {done.returncode}, {log}"]
    return outcome


def _read(report: Path) -> Outcome:
    outcome = Outcome()
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            outcome.failed += 1
            outcome.failures.append(f"{case.get('classname')}::{case.get('name')}")
        elif "skipped" in kinds:
            outcome.skipped += 1
        else:
            outcome.passed += 1
    return outcome


@contextmanager
def busy_core(command: str) -> Iterator[None]:
    """Within it, another process keeps a core busy: the command while it runs, then a loop."""
    spin = "import subprocess, sys\nsubprocess.run(sys.argv[1:] or ['true'])\nwhile True: pass"
    told = [sys.executable, "-c", spin, *shlex.split(command)]
    process = subprocess.Popen(told, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def untouched_copy() -> Iterator[Path]:
    """The repository as one gets it, where every user may read it."""
    with tempfile.TemporaryDirectory(prefix="suite-") as folder:
        os.chmod(folder, 0o755)
        copy = Path(folder, "ganwright")
        shutil.copytree(ROOT, copy, ignore=_left_out)
        yield copy


def _left_out(folder: str, names: list[str]) -> list[str]:
    made = LEFT_OUT if Path(folder) == ROOT else ()
    hidden = (".git", "__pycache__")
    return [
        n for n in names if n in (*made, *hidden) or n.startswith(".venv") or n.endswith("_cache")
    ]


def play_all(rounds: list[Round], head: tuple[str, ...], root: Path, logs: Path) -> int:
    """Play each, print a row for each, then the names of what failed; the exit status."""
    logs.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(logs / "compiled", ignore_errors=True)
    table = [(*head, "passed", "failed", "skipped", "seconds")]
    widths = [max(len(n), *(len(r.columns[i]) for r in rounds)) for i, n in enumerate(head)]
    failures: list[str] = []

    def show(row: tuple[str, ...]) -> None:
        cells = [f"{c:{w}}" for c, w in zip(row, widths, strict=False)]
        print("  ".join([*cells, *(f"{c:>7}" for c in row[len(head) :])]), flush=True)

    show(table[0])
    for each in rounds:
        done = play(each, root, logs)
        counts = (done.passed, done.failed, done.skipped, round(done.seconds))
        show((*each.columns, *map(str, counts)))
        where = ", ".join(f"{n} {c}" for n, c in zip(head, each.columns, strict=True) if c)
        failures += [f"{name} ({where})" for name in done.failures]
    print(*failures, f"{len(failures)} failures; logs in {logs}", sep="\n")
    return int(bool(failures))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", choices=["portable", "shuffled"])
    parser.add_argument("--runs", type=int, default=10, help="random orders (10)")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="workers at most")
    parser.add_argument("--only", nargs="+", default=[""], help="rounds, by their first words")
    parser.add_argument("--load", default="", help="what keeps a core busy, such as a training")
    parser.add_argument("--logs", type=Path, default=ROOT / "runs" / "suite")
    args = parser.parse_args()
    logs = args.logs.resolve() / args.which
    if args.which == "portable":
        rounds = _chosen(portable(args.cores), args.only)
        return play_all(rounds, ("instructions", "threads"), ROOT, logs)
    with untouched_copy() as copy, busy_core(args.load):
        head = ("order", "seed", "workers", "condition")
        return play_all(_chosen(shuffled(args.runs), args.only), head, copy, logs)


def _chosen(rounds: list[Round], names: list[str]) -> list[Round]:
    def called(each: Round, name: str) -> bool:
        row = " ".join(each.columns)
        return f"{row} ".startswith(f"{name} " if name else "")

    chosen = [each for each in rounds if any(called(each, name) for name in names)]
    if not chosen:
        rows = "; ".join(" ".join(each.columns) for each in rounds)
        raise SystemExit(f"no round is called {' or '.join(names)}; there are {rows}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
