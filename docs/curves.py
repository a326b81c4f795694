"""Trains the runs of the page on troubleshooting, and draws their curves.

    python docs/curves.py runs/curves docs/images/curves

All are short: `healthy` takes a minute of one CPU core, the others some seconds. What is there
already is not trained again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from torch import Tensor
from torchvision.utils import make_grid

import ganwright

RING: dict[str, Any] = {
    "game": "gan",
    "data": "ring",
    "networks": "MLP(hidden_G=(64, 64), hidden_D=(64, 64), activation_G=ReLU, "
    "activation_D=ReLU, dropout=0)",
    "batch_size": 128,
    "latent": 64,
    "precision": "fp32",
    "ema_half_life": 0,
    "log_every": 20,
    "steps": 600,
}
FAST = "Adam(lr=1e-3, betas=(0.5, 0.999))"
CASES: dict[str, dict[str, Any]] = {
    "healthy": {
        "game": "dcgan",
        "data": "digits",
        "image_size": 16,
        "latent": 32,
        "networks": "ConvNet(width=32)",
        "ema_half_life": 5000,
        "sample_every": 500,
        "steps": 1500,
    },
    "d-wins": {**RING, "optimizer_d": "Adam(lr=5e-3)", "optimizer_g": "Adam(lr=5e-5)"},
    "collapsed": {**RING, "optimizer_d": FAST, "optimizer_g": FAST},
}
"""The settings of each run; the tutorials have the same."""


def rows_of(run: Path) -> list[dict[str, float]]:
    """A run's rows of metrics."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def curves(axes: Axes, rows: list[dict[str, float]], terms: tuple[str, ...]) -> None:
    """Terms against steps."""
    for term in terms:
        axes.plot([row["step"] for row in rows], [row[term] for row in rows], label=term)
    axes.set_xlabel("step")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def show(axes: Axes, samples: Tensor) -> None:
    """Points [n, 2] as dots, or images [n, C, H, W] as a grid."""
    if samples.ndim == 2:
        axes.scatter(samples[:, 0].numpy(), samples[:, 1].numpy(), s=2)
        axes.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal", xlabel="samples")
        return
    grid = make_grid(samples[:36], nrow=6, padding=1, pad_value=1, normalize=True)
    axes.imshow(grid.permute(1, 2, 0).numpy())
    axes.axis("off")


def figure(model: ganwright.Model, path: Path) -> None:
    """Losses, D's scores and samples of a run, next to each other."""
    rows = rows_of(model.run)
    drawn, (losses, scores, samples) = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
    curves(losses, rows, ("D/adv", "G/adv"))
    curves(scores, rows, ("D/real", "D/fake"))
    show(samples, model.sample(500, seed=1))
    drawn.savefig(path, dpi=80)
    plt.close(drawn)


def main(runs: Path, images: Path) -> None:
    """Train what is missing, and draw every case."""
    images.mkdir(parents=True, exist_ok=True)
    for name, settings in CASES.items():
        run = runs / name
        if not run.exists():
            ganwright.train(**settings, out=run, quiet=True)
        figure(ganwright.load(run), images / f"{name}.png")
        last = rows_of(run)[-1]
        print(name, {term: round(last[term], 2) for term in ("D/adv", "G/adv", "D/real", "D/fake")})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
