"""How many Gaussians the samples of runs on `ring` or `grid` reach (PacGAN's Table 1).

    ganwright train gan --config ring-pacgan --game.pack 2 --out runs/ring
    python benchmarks/modes.py runs/ring ...

Prints one line a run, and over all of them the mean and its standard error.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from ganwright import load
from ganwright.metrics.modes import MIXTURES, Modes, modes
from ganwright.run.run_folder import read_config


def measured(run: Path, samples: int, seed: int) -> Modes:
    """What the newest checkpoint of a run reaches of the mixture that it was trained on."""
    _, settings = read_config(run)
    if settings.data not in MIXTURES:
        raise SystemExit(f"{run} was trained on {settings.data}; train on ring or grid")
    points = load(run).sample(samples, seed=seed)
    return modes(points, MIXTURES[settings.data]())


def summary(values: list[float]) -> str:
    """Mean ± standard error."""
    v = torch.tensor(values)
    return f"{v.mean():.4g} ± {v.std() / len(v) ** 0.5:.2g}"


def main() -> None:
    """Measure the runs named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--samples", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    results = [measured(run, args.samples, args.seed) for run in args.runs]
    for run, result in zip(args.runs, results, strict=True):
        print(f"{run}: {result}")
    if len(results) > 1:
        print("modes", summary([float(r.found) for r in results]))
        print("high quality", summary([r.high_quality for r in results]))
        print("reverse KL", summary([r.reverse_kl for r in results]))


if __name__ == "__main__":
    main()
