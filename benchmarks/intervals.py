"""What a run does besides its steps: lines of metrics, sample grids, checkpoints, the report.

    python benchmarks/intervals.py --steps 5000

Trains a family with every interval at its default, on one thread, and prints what share of the
run's processor time, from the first step to the end, was not spent in steps. Threads that write in
the background count too; steps do not pay for them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import ganwright
from ganwright.training.trainer import Trainer


class Clock:
    """The processor time of this process since the first step, and of this thread's steps."""

    def __init__(self) -> None:
        self.began = self.steps = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within it, steps of all trainers are timed."""
        play = Trainer.play_step

        def timed(trainer: Trainer, most: int | None = None) -> None:
            self.began = self.began or time.process_time()
            start = time.thread_time()
            play(trainer, most)
            self.steps += time.thread_time() - start

        with patch.object(Trainer, "play_step", timed):
            yield

    def besides(self) -> float:
        """The share of the time that was not spent in steps."""
        return 1 - self.steps / (time.process_time() - self.began)


def main() -> None:
    """Train, and print a line a family."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("families", nargs="*", default=["gan", "dcgan", "cyclegan"])
    parser.add_argument("--steps", type=int, default=5000)
    args = parser.parse_args()
    for family in args.families:
        clock = Clock()
        with tempfile.TemporaryDirectory() as folder, clock.watching():
            ganwright.train(
                family,
                out=Path(folder) / "run",
                steps=args.steps,
                device="cpu",
                cpu_threads=1,
                quiet=True,
            )
            share = clock.besides()
        each = 1e3 * clock.steps / args.steps
        print(f"{family}: {args.steps:,} steps of {each:.3g} ms; besides them {share:.2%}")


if __name__ == "__main__":
    main()
