"""Train a family on MNIST by its recipe `mnist-NAME`, and measure what it made.

    python benchmarks/mnist.py cgan --data-root data --out runs/mnist-cgan

Classifiers, trained here on the same pictures, judge 1,000 samples: the share that the sceptical
one is sure of, the classes it sees, and the share that the other takes for the asked label.
Families that classify are measured on the 10,000 test pictures. Clusters and InfoGAN's code have
no names: `named` gives each the class of its surest training picture, `matched` the best
one-to-one naming. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from matching import matched
from torch import Tensor

import ganwright
from ganwright.data.types import Images
from ganwright.inference.model import Model
from ganwright.metrics.judge import accuracy, judge, opened
from ganwright.recipes import find
from ganwright.run import train as runs
from ganwright.run.config_file import from_yaml

SAMPLES = 1000


def train(name: str, args: argparse.Namespace) -> tuple[Model, dict[str, float]]:
    """The model of a whole run, made if it is not there, and the minutes that took."""
    family, settings = from_yaml(find(Path(f"mnist-{name}")).read_text(encoding="utf-8"))
    settings = replace(settings, data_root=args.data_root, download=args.download, seed=args.seed)
    spent = {}
    if not args.out.exists():
        wall, cpu = time.perf_counter(), time.process_time()
        runs.train(family, settings, args.out)
        spent["minutes"] = round((time.perf_counter() - wall) / 60, 1)
        spent["cpu_minutes"] = round((time.process_time() - cpu) / 60, 1)
    model = ganwright.load(args.out, device="cpu")
    if model.step < settings.steps:
        raise SystemExit(
            f"{args.out} stands at step {model.step:,} of {settings.steps:,}; go on with "
            f"`ganwright resume {args.out}`"
        )
    return model, spent


def judged(model: Model, data_root: Path) -> dict[str, Any]:
    """What the judge says of samples; of the asked labels, where the family takes them."""
    asked = [i % 10 for i in range(SAMPLES)]
    conditional = _takes_labels(model)
    samples = model.sample(SAMPLES, seed=1, labels=asked if conditional else None)
    verdict = judge(samples, "mnist", data_root)
    result: dict[str, Any] = {
        "judge": round(accuracy("mnist", samples.shape[-1], data_root), 4),
        "sure": round(verdict.confident, 3),
        "classes": len(verdict.seen),
    }
    if conditional:
        result["agreement"] = _share(verdict.labels == torch.tensor(asked))
    return result


def _takes_labels(model: Model) -> bool:
    try:
        model.sample(1, labels=[0])
    except ganwright.errors.SettingsError:
        return False
    return bool(getattr(model.game.cfg, "conditional", True))


def _share(right: Tensor) -> float:
    return round(right.float().mean().item(), 4)


@torch.no_grad()
def named(model: Model, data_root: Path) -> dict[str, float]:
    """How well classes, clusters or codes are told on the test set, as far as the family can."""
    data = opened("mnist", model.spec.shape[-1], data_root)
    test, train = data.held_out(10_000), data.batch(0, 10_000)
    assert isinstance(test, Images)
    assert isinstance(train, Images)
    assert test.labels is not None
    assert train.labels is not None
    game: Any = model.game
    if hasattr(game, "classify"):
        return {"error": _share(game.classify(test.images).argmax(1) != test.labels)}
    if hasattr(game, "recover"):
        code = game.recover(test.images)[0][0].argmax(1)
        return {"matched": round(matched(code, test.labels), 4)}
    if hasattr(game, "cluster"):
        surest = game.cluster(train.images).argmax(0)
        found = game.cluster(test.images).argmax(1)
        return {"named": _share(train.labels[surest][found] == test.labels)}
    return {}


def main() -> None:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="a recipe without its mnist-: cgan, sgan, aae-semi ...")
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--download", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    args.out = args.out or Path("runs") / f"mnist-{args.name}-{args.seed}"
    model, spent = train(args.name, args)
    result: dict[str, Any] = {"name": args.name, "seed": args.seed, "steps": model.step, **spent}
    result["threads"] = int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads()))
    if hasattr(model.game, "sample"):
        result |= judged(model, args.data_root)
    print(json.dumps(result | named(model, args.data_root)))


if __name__ == "__main__":
    main()
