"""How well failing runs are told from healthy ones: ten of each, 1,000 steps on embedded data.

    python benchmarks/health.py --out runs/health
    python benchmarks/health.py --out runs/health --only "D too fast" dcgan

Each run is trained with `on_collapse="warn"`; the table has what was said within its steps.
"""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

import ganwright
from ganwright.errors import NonFiniteError
from ganwright.losses import LeastSquares, Minimax, Wasserstein
from ganwright.networks import MLP
from ganwright.optim import SGD, Adam, RMSprop
from ganwright.penalties import R1, GradientPenalty, WeightClipping

STEPS = 1000
SMALL = MLP(hidden_G=(128, 128), hidden_D=(128, 128))
FAST, SLOW, QUICK = Adam(lr=1e-2), Adam(lr=1e-6), RMSprop(lr=5e-4)

FAILING: dict[str, tuple[str, dict[str, Any]]] = {
    "G too fast": ("gan", {"networks": SMALL, "optimizer_g": Adam(lr=5e-2)}),
    "D too fast": ("gan", {"networks": SMALL, "optimizer_d": FAST, "optimizer_g": SLOW}),
    "D moves ten times": ("gan", {"networks": SMALL, "d_moves": 10, "optimizer_g": SLOW}),
    "minimax": ("gan", {"networks": SMALL, "loss": Minimax(), "optimizer_d": FAST}),
    "clipped to nothing": (
        "wgan",
        {"networks": SMALL, "penalties": (WeightClipping(c=1e-5),)},
    ),
    "no constraint": (
        "wgan",
        {"networks": SMALL, "penalties": (), "optimizer_d": FAST},
    ),
    "SGD with momentum": (
        "gan",
        {
            "networks": SMALL,
            "optimizer_g": SGD(lr=0.5, momentum=0.99),
            "optimizer_d": SGD(lr=0.5, momentum=0.99),
        },
    ),
    "both too fast": (
        "dcgan",
        {"optimizer_d": Adam(lr=0.3), "optimizer_g": Adam(lr=0.3)},
    ),
    "one noise number": ("gan", {"networks": SMALL, "latent": 1, "g_moves": 8}),
    "least squares of a fast D": (
        "lsgan",
        {"networks": SMALL, "loss": LeastSquares(), "optimizer_d": FAST, "optimizer_g": SLOW},
    ),
}
HEALTHY: dict[str, tuple[str, dict[str, Any]]] = {
    "gan": ("gan", {"networks": SMALL}),
    "dcgan": ("dcgan", {}),
    "lsgan": ("lsgan", {"networks": SMALL}),
    # at the paper's 5e-5, samples are the same for all z beyond the last step: not healthy yet
    "wgan": ("wgan", {"networks": SMALL, "optimizer_d": QUICK, "optimizer_g": QUICK}),
    "wgan-gp": (
        "wgan-gp",
        {"networks": SMALL, "loss": Wasserstein(), "penalties": (GradientPenalty(),)},
    ),
    "dragan": ("dragan", {"networks": SMALL}),
    "R1": ("gan", {"networks": SMALL, "penalties": (R1(1.0),)}),
    "cgan": ("cgan", {"networks": SMALL}),
    "infogan": ("infogan", {}),
    "aae": ("aae", {}),
}


def trained(name: str, out: Path, seed: int) -> list[dict[str, Any]]:
    """What was said of a run, {"step", "sentence"} each."""
    family, settings = (FAILING | HEALTHY)[name]
    run = out / name.replace(" ", "-")
    if not run.exists():
        with suppress(NonFiniteError):  # after ten times back; what was said is in the log
            ganwright.train(
                family,
                out=run,
                data="digits",
                image_size=16,
                steps=STEPS,
                sample_every=250,
                save_every=STEPS,
                on_nan="rollback",
                seed=seed,
                quiet=True,
                **settings,
            )
    file = run / "health.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def main() -> None:
    """Train, print, count."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="a folder for the runs")
    parser.add_argument("--only", nargs="*", help=", ".join(FAILING | HEALTHY))
    parser.add_argument("--seed", type=int, default=0, help="of all runs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| run | | said | at step |\n| --- | --- | --- | --- |")
    named = {True: 0, False: 0}
    for name in args.only or FAILING | HEALTHY:
        bad = name in FAILING
        said = [
            s
            for s in trained(name, args.out, args.seed)
            if not s["sentence"].startswith("no longer")
        ]
        named[bad] += bool(said)
        what = ", ".join(s["sentence"].partition(":")[0] for s in said) or "nothing"
        steps = ", ".join(str(s["step"]) for s in said)
        print(f"| {name} | {'fails' if bad else 'healthy'} | {what} | {steps} |", flush=True)
    print(f"\nnamed: {named[True]} of the failing, {named[False]} of the healthy")


if __name__ == "__main__":
    main()
