"""How well a classifier tells generated sines from real ones, over seeds.

    python benchmarks/sines.py --seeds 0 1 2 --out runs/sines

Trains `gan` on `sines` with each seed and measures TwoSample on 1,000 signals of either side, and
before that the same on real signals of the training split instead of samples. Prints a line of JSON
each, with the seconds of processor time that training took.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

import ganwright
from ganwright.metrics.two_sample import TwoSample
from ganwright.run.evaluation import Choice

COUNT = 1000
OPTIMIZER = "Adam(lr=1e-3, betas=(0.5, 0.99))"
SETTINGS: dict[str, Any] = {
    "networks": "MLP(hidden_G=(128, 128), hidden_D=(128, 128), dropout=0)",
    "penalties": "R1(weight=1, every=16)",
    "optimizer_d": OPTIMIZER,
    "optimizer_g": OPTIMIZER,
}


def row(what: str, seed: int, target: Any, seconds: float | None = None) -> None:
    """Measure samples, or a split of the data, and print what was found."""
    metric, choice = TwoSample(seed=seed), Choice(COUNT, device="cpu")
    accuracy, p = ganwright.evaluate(target, (metric,), against="sines", choice=choice)
    found = {"accuracy": accuracy.value, "spread": accuracy.spread, "p": p.value}
    print(json.dumps({"what": what, "seed": seed, **found, "seconds": seconds}), flush=True)


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=16000)
    parser.add_argument("--out", type=Path, default=Path("runs/sines"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    for seed in given.seeds:
        row("real", seed, "sines")
        start = time.process_time()
        model = ganwright.train(
            "gan",
            data="sines",
            steps=given.steps,
            seed=seed,
            device="cpu",
            precision="fp32",
            sample_every=given.steps,
            save_every=given.steps,
            out=given.out / f"seed-{seed}",
            **SETTINGS,
        )
        row("generated", seed, model, time.process_time() - start)


if __name__ == "__main__":
    main()
