"""Whether quality pays for speed: one recipe with and without what makes it faster.

    python benchmarks/fast_path.py demo --out runs/fast-path
    python benchmarks/fast_path.py mnist-dcgan --data-root data --out runs/fast-path-mnist

Trains the recipe once a seed with each of four arms: `fp32`, `bf16`, and either with the fakes of a
step drawn once (`shared`). Measures the samples of several checkpoints against the images that it
learned from, by the package's features of digits: FID and, where G takes labels, the share of
samples that show the asked one. Prints a line of JSON a checkpoint, with the processor time of the
whole training, then means over the seeds with their standard deviations. What was trained before is
measured anew and not trained again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from few_images import over_seeds
from whole_runs import ended

import ganwright
from ganwright.config.settings import Settings
from ganwright.metrics.digit_features import DigitFeatures
from ganwright.metrics.distances import FID
from ganwright.metrics.labelled import ConditionalAccuracy
from ganwright.recipes import find
from ganwright.run.config_file import from_yaml
from ganwright.run.evaluation import Choice

SAMPLES = 5000
ARMS: dict[str, tuple[Literal["fp32", "bf16"], bool]] = {
    "fp32": ("fp32", False),
    "bf16": ("bf16", False),
    "fp32 shared": ("fp32", True),
    "bf16 shared": ("bf16", True),
}
"""Precision, and whether the fakes of a step are drawn once."""


def measured(run: Path, step: int, data_root: Path) -> dict[str, float]:
    """FID and conditional accuracy of a checkpoint."""
    model = ganwright.load(run, device="cpu", step=step)
    metrics: list[Any] = [FID(), ConditionalAccuracy()] if model.game.classes else [FID()]
    choice = Choice(SAMPLES, split="train", settings=Settings(data_root=data_root), device="cpu")
    found = ganwright.evaluate(model, metrics, features=DigitFeatures(), choice=choice)
    return {each.name.partition(" ")[0]: each.value for each in found}


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recipe", help="as train --config takes it")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--parts", type=int, default=6, help="checkpoints a run (6)")
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("runs/fast-path"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    family, usual = from_yaml(find(Path(args.recipe)).read_text(encoding="utf-8"))
    for name in args.arms:
        precision, share = ARMS[name]
        rows = defaultdict(list)
        for seed in args.seeds:
            run = args.out / f"{name.replace(' ', '-')}-{seed}"
            every = usual.steps // args.parts
            settings = replace(
                usual,
                game=replace(usual.game, share_fakes=share),
                precision=precision,
                data_root=args.data_root,
                save_every=every,
                keep=args.parts + 9,  # and of interruptions
                seed=seed,
                device="cpu",
            )
            had, start = run.exists(), time.process_time()
            ended(run, partial(ganwright.train, family, settings, run, quiet=True))
            seconds = None if had else round(time.process_time() - start, 1)
            for step in range(every, usual.steps + 1, every):
                row = measured(run, step, args.data_root)
                rows[step].append(row)
                said = {"arm": name, "seed": seed, "step": step, **row, "seconds": seconds}
                print(json.dumps(said), flush=True)
        for step, found in rows.items():
            print(f"{name}, step {step}: {over_seeds(found)}", flush=True)


if __name__ == "__main__":
    main()
