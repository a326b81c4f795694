"""Kills a run at random moments, resumes it each time, and compares it with an unbroken run.

A small DCGAN on digits is trained twice from the same settings: once in peace, once killed with
SIGKILL twenty times, from the first moments of start-up to the midst of a checkpoint, and taken up
again with `ganwright resume` (or with the same command, where no run folder is there yet). Every
tensor of the last checkpoints, optimizers' included, and every logged term must be bitwise equal.

    python benchmarks/kill.py --kills 20
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import torch
from safetensors.torch import load_file

GANWRIGHT = (sys.executable, "-m", "ganwright.cli")
SMALL = (
    *("dcgan", "--data", "digits", "--image-size", "16", "--batch-size", "16", "--seed", "7"),
    *("--game.networks", "ConvNet(width=4)", "--precision", "fp32", "--device", "cpu"),
    *("--log-every", "10", "--sample-every", "100", "--save-every", "20"),
)
CLOCKS = {"images_per_second", "seconds_left", "data_wait", "memory_mb"}


def start(run: Path, steps: int) -> subprocess.Popen[bytes]:
    """Begin the run, or go on with it."""
    fresh = ("train", *SMALL, "--steps", str(steps), "--out", str(run))
    command = ("resume", str(run)) if run.exists() else fresh
    log = run.with_suffix(".log").open("ab")
    with log:
        return subprocess.Popen([*GANWRIGHT, *command], stdout=log, stderr=log)


def finish(run: Path, steps: int) -> None:
    """Go on to the end, in peace."""
    if start(run, steps).wait():
        sys.exit(
            f"{run.name} failed:\n{run.with_suffix('.log').read_text(encoding='utf-8')[-2000:]}"
        )


def halves(run: Path) -> set[str]:
    """The names of checkpoints half written."""
    return {p.name for p in run.glob("checkpoints/.*")}


def state(run: Path, halves_before: set[str], newest_before: str) -> str:
    """What a kill found."""
    if not run.exists():
        return "before there was a run folder"
    if halves(run) - halves_before:
        return "while a checkpoint was written"
    if newest(run) == newest_before:
        return "before the first checkpoint since the start"
    return "between checkpoints"


def kill_at_random(run: Path, steps: int, kills: int, startup: float, seed: int) -> Counter[str]:
    """Start and kill, `kills` times; what each kill found.

    A third come at any moment of the start, a third when a checkpoint is half written, and a third
    at any moment after the first checkpoint.
    """
    chance = random.Random(seed)
    found: Counter[str] = Counter()
    for number in range(kills):
        before = halves(run), newest(run)
        process = start(run, steps)
        if number % 3 == 0:
            sleep(chance.uniform(0, 1.2 * startup))
        elif number % 3 == 1:
            while not halves(run) - before[0] and process.poll() is None:
                sleep(0.0005)
        else:
            while newest(run) == before[1] and process.poll() is None:
                sleep(0.01)
            sleep(chance.uniform(0, 1))
        if (status := process.poll()) is not None:
            log = run.with_suffix(".log").read_text(encoding="utf-8")[-2000:]
            sys.exit(f"status {status} after {number} kills; if 0, raise --steps:\n{log}")
        process.kill()
        process.wait()
        found[state(run, *before)] += 1
    return found


def newest(run: Path) -> str:
    """The newest checkpoint's name."""
    return max((p.name for p in run.glob("checkpoints/step-*")), default="")


def contents(run: Path) -> dict[str, Any]:
    """All that the last checkpoint and the log hold, clocks left out."""
    last = run / "checkpoints" / newest(run)
    training = torch.load(last / "training.pt", weights_only=True)
    rows = [
        json.loads(line)
        for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return {
        "game": load_file(last / "game.safetensors"),
        "average": load_file(last / "average.safetensors"),
        "training": training,
        "metrics": [{k: v for k, v in row.items() if k not in CLOCKS} for row in rows],
        "samples": {p.name: p.read_bytes() for p in sorted((run / "samples").glob("*.png"))},
    }


def differences(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """Where two nested values are not the same, to the bit."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for key in a:
            yield from differences(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from differences(x, y, f"{where}/{i}")
    elif isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        if a.dtype != b.dtype or not torch.equal(a, b):
            yield where
    elif a != b:
        yield where


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    begun = monotonic()
    with tempfile.TemporaryDirectory() as folder:
        whole, broken, warm = (Path(folder) / name for name in ("whole", "broken", "warm"))
        finish(warm, 20)
        startup = monotonic() - begun
        finish(whole, args.steps)
        found = kill_at_random(broken, args.steps, args.kills, startup, args.seed)
        finish(broken, args.steps)
        differ = list(differences(contents(whole), contents(broken)))
    for where, count in found.most_common():
        print(f"{count:3} kills {where}")
    print(f"{monotonic() - begun:.0f} s")
    if differ:
        sys.exit(f"the broken run differs from the unbroken one in {len(differ)}: {differ[:10]}")
    print(f"after {args.kills} kills and {args.steps} steps, every tensor and every term is equal")


if __name__ == "__main__":
    main()
