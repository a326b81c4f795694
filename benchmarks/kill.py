"""Kills runs at random moments, resumes them each time, and compares them with unbroken runs.

Tiny runs of several families are trained in peace once, each with every checkpoint kept. Then each
is trained again and killed with SIGKILL: at any moment of its start, while a checkpoint is half
written, or at any moment later. It is resumed, and killed again, until it is done; then another
begins. A quarter of the kills hit runs of two processes: one of them, which the other must notice,
or both. At each kill the newest checkpoint must be, bit for bit, the unbroken run's of that step,
and no older than one interval; at a run's end every logged term and sample must be equal, too.

    python benchmarks/kill.py --kills 200 --out kills

What was done stays in --out, so that a longer campaign is done in parts: the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from unbroken import differences, halves, newest, reached, tensors, words

SAVE_EVERY = 20
COMMON = (
    *("--batch-size", "4", "--image-size", "8", "--seed", "7", "--device", "cpu"),
    *("--precision", "fp32", "--log-every", "2", "--sample-every", "200"),
    *("--save-every", str(SAVE_EVERY), "--timeout", "30"),
)
"""Who is left behind while all connect waits five times --timeout, and `statuses` only 300 s."""
FAMILIES: dict[str, tuple[str, ...]] = {
    "dcgan": ("--game.networks", "ConvNet(width=4)"),
    "wgan-gp": ("--game.networks", "ConvNet(width=4, norm_D=NoNorm())"),
    "acgan": ("--game.networks", "ConvNet(width=4, dropout=0.5)"),
    "began": ("--game.networks", "ConvNet(width=4)", "--game.latent", "4", "--game.code", "4"),
    "cyclegan": (
        *("--game.translator", "ResNetTranslator(width=4, blocks=1)"),
        *("--game.patch", "PatchGAN(field=16, width=4)", "--game.pool", "3"),
    ),
    "stylegan2": (
        *("--game.networks", "StyleNet(base=64, most=8, styles=8, mapping_G=2, mapping_D=2)"),
        *("--game.latent", "8"),
    ),
}
MOMENTS = ("start", "half", "later")
ANSWERS = (
    *("another process of this run has ended", "processes of this run did not meet"),
    "another one has ended since",
)
"""What is said where others were killed, in training, before all of them met, or meanwhile."""
PROCESSES = multiprocessing.get_context("forkserver")
"""A trial is forked from a process that has imported all that it needs: seconds less for each."""
PROCESSES.set_forkserver_preload(
    [
        *(
            "torch._dynamo",
            "torch.utils.data",
            "rich.live",
            "safetensors.torch",
        ),
        *(f"ganwright.{name}" for name in ("cli", "commands.train", "run.train", "report.page")),
        *(f"ganwright.{name}" for name in ("networks", "penalties", "regularisers", "recipes")),
        *(f"ganwright.families.{name.replace('-', '_')}" for name in FAMILIES),
        *("ganwright.metrics.table", "ganwright.data.read.embedded", "ganwright.data.read.styles"),
        *(
            "matplotlib.figure",
            "matplotlib.backends.backend_agg",
            "matplotlib.backends.backend_svg",
        ),
    ]
)


@dataclass(frozen=True)
class Case:
    """A family, how many processes train it, and where its runs lie."""

    family: str
    world: int
    place: Path
    steps: int

    @property
    def whole(self) -> Path:
        """The unbroken run."""
        return self.place / "whole"

    def broken(self, number: int) -> Path:
        """The run that is killed, and the ones after it."""
        return self.place / f"broken-{number}"


def command(argv: Sequence[str], told: Mapping[str, str], log: Path) -> None:
    """What a process does: one command of the library, its words in a file."""
    with log.open("ab") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    os.environ |= told
    torch.set_num_threads(1)
    from ganwright.cli import main as ganwright

    sys.exit(ganwright(argv))


class Trial:
    """The processes that begin a run, or go on with it."""

    def __init__(self, case: Case, run: Path, *more: str) -> None:
        fresh = ("train", case.family, *FAMILIES[case.family], *COMMON, *more)
        fresh += ("--steps", str(case.steps), "--out", str(run))
        argv = ("resume", str(run)) if run.exists() else fresh
        self.logs = [run.with_name(f"{run.name}.{rank}.log") for rank in range(case.world)]
        self.told = {"OMP_NUM_THREADS": "1"}
        if case.world > 1:
            self.store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
            port = str(self.store.port)
            self.told |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            self.told |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "WORLD_SIZE": str(case.world)}
        self.ranks: list[BaseProcess] = []
        for rank, log in enumerate(self.logs):
            told = self.told | {"RANK": str(rank)}
            process = PROCESSES.Process(target=command, args=(argv, told, log))
            process.start()
            self.ranks.append(process)

    @property
    def alive(self) -> bool:
        """Whether all are at work."""
        return all(rank.is_alive() for rank in self.ranks)

    def statuses(self) -> list[int | None]:
        """How each ended; whoever is stuck for five minutes ends the benchmark."""
        for rank in self.ranks:
            rank.join(300)
            if rank.is_alive():
                rank.kill()
                sys.exit(f"a process does not end: {self.said()}")
        return [rank.exitcode for rank in self.ranks]

    def kill(self, whom: Sequence[int]) -> None:
        """Kill some; the others must say so and end."""
        for rank in whom:
            self.ranks[rank].kill()
        left = [r for r in range(len(self.ranks)) if r not in whom]
        statuses = self.statuses()
        for rank in left:
            said = self.logs[rank].read_text(encoding="utf-8")
            if statuses[rank] not in (0, 2) or (
                statuses[rank] == 2 and not any(answer in said for answer in ANSWERS)
            ):
                sys.exit(f"process {rank} was left behind, ended with {statuses[rank]}: {said}")

    def said(self) -> str:
        """The last words of all."""
        return "\n".join(log.read_text(encoding="utf-8")[-2000:] for log in self.logs)


def finish(case: Case, run: Path, *more: str) -> None:
    """Go on to the end, in peace."""
    if newest(run) != case.steps:
        trial = Trial(case, run, *more)
        if any(trial.statuses()):
            sys.exit(f"{run} failed:\n{trial.said()}")


def wait(trial: Trial, run: Path, moment: str, startup: float, chance: random.Random) -> None:
    """Until the moment of the kill, or the run's end."""
    before, step = halves(run), newest(run)
    if moment == "start":
        sleep(chance.uniform(0, startup))
    elif moment == "half":
        while not halves(run) - before and trial.alive:
            sleep(0.0005)
    else:
        while newest(run) == step and trial.alive:
            sleep(0.005)
        sleep(chance.uniform(0, 1))


def killed(case: Case, run: Path, moment: str, startup: float, chance: random.Random) -> Any:
    """Start, kill and compare: what came of it; None if the run was done before."""
    if newest(run) == case.steps:
        return None
    before, trial = halves(run), Trial(case, run)
    wait(trial, run, moment, startup, chance)
    if not trial.alive:
        if any(trial.statuses()):
            sys.exit(f"{run} failed by itself:\n{trial.said()}")
        return None
    whom = chance.choice([[0], [1], [0, 1]]) if case.world > 1 else [0]
    trial.kill(whom)
    if not run.exists():
        found = "no run folder yet"
    else:
        found = "half a checkpoint" if halves(run) - before else "none half written"
    step, at = newest(run), reached(run)
    check(case, run, step)
    lost = at - step
    if lost > SAVE_EVERY:
        sys.exit(f"{run} was at step {at} and its newest checkpoint is of {step}")
    row = {"family": case.family, "world": case.world, "moment": moment, "whom": whom}
    return row | {"found": found, "checkpoint": step, "lost": lost}


def check(case: Case, run: Path, step: int) -> None:
    """See that a checkpoint is the unbroken run's of that step."""
    if step:
        found = list(differences(tensors(case.whole, step), tensors(run, step)))
        if found:
            sys.exit(f"{run} differs at step {step} in {len(found)}: {found[:10]}")


def done(case: Case, run: Path) -> None:
    """See that a run that is done is the unbroken one."""
    finish(case, run)
    check(case, run, case.steps)
    if found := list(differences(words(case.whole), words(run))):
        sys.exit(f"{run} differs in what it logged: {found[:10]}")
    if aside := sorted(p.name for p in run.glob("checkpoints/*.broken*")):
        sys.exit(f"{run} has checkpoints that were found broken: {aside}")


def campaign(case: Case, kills: int, rows: Path, seed: int) -> None:
    """Kill a case's runs until there are so many rows of it, then finish the last."""
    case.place.mkdir(parents=True, exist_ok=True)
    finish(case, case.whole, "--keep", "1000000")
    begun = monotonic()
    warm = Trial(case, case.place / "warm")
    while not reached(case.place / "warm") and warm.alive:
        sleep(0.01)
    startup = monotonic() - begun
    for rank in warm.ranks:
        rank.kill()
    number = len(list(case.place.glob("broken-*[0-9]"))) or 1
    for count in range(len(of(case, rows)), kills):
        chance = random.Random(f"{seed} {case.family} {case.world} {count}")
        moment = MOMENTS[count % len(MOMENTS)]
        while (row := killed(case, case.broken(number), moment, startup, chance)) is None:
            done(case, case.broken(number))
            number += 1
        with rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    done(case, case.broken(number))


def of(case: Case, rows: Path) -> list[dict[str, Any]]:
    """The kills of a case so far."""
    lines = rows.read_text(encoding="utf-8").splitlines() if rows.exists() else []
    found = [json.loads(line) for line in lines]
    return [r for r in found if (r["family"], r["world"]) == (case.family, case.world)]


def shares(kills: int, families: Sequence[str]) -> dict[tuple[str, int], int]:
    """How many kills each family has with one process and with two: a quarter with two."""
    two = kills // 4
    counts: Counter[tuple[str, int]] = Counter()
    for world, some in ((1, kills - two), (2, two)):
        for i in range(some):
            counts[families[i % len(families)], world] += 1
    return dict(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20, help="in all, over all families")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--out", type=Path, default=Path("runs/kills"), help="what was done so far")
    args = parser.parse_args()
    begun, rows = monotonic(), args.out / "kills.jsonl"
    print("| Family | Processes | Kills | Half a checkpoint | Most steps lost | Equal |")
    print("| --- | --- | --- | --- | --- | --- |")
    for (family, world), kills in shares(args.kills, args.families).items():
        case = Case(family, world, args.out / f"{family}-{world}", args.steps)
        campaign(case, kills, rows, args.seed)
        found = of(case, rows)
        half = sum(row["found"] == "half a checkpoint" for row in found)
        lost = max(row["lost"] for row in found)
        print(f"| {family} | {world} | {len(found)} | {half} | {lost} | {len(found)} |", flush=True)
    print(f"\n{monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
