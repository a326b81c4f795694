"""Whether painted labels can be read from what is made of them: SPADE next to pix2pix.

    python benchmarks/facades_spade.py FACADES --seconds 900 --seeds 0 1 2 --out runs/facades
    python benchmarks/facades_spade.py FACADES --seconds 300 --arms spade --tries scales=1

FACADES holds `train`, `val` and `test`, each with `label` and `photo` (CMP). A small U-Net learns
to segment the training photographs. It then reads what each family made of the maps of `val` and
`test`, and the photographs of those maps, which are its ceiling: mean IoU over the classes that
occur, and the share of pixels. KID compares samples with photographs by the segmenter's features,
which are in no family's loss (times 1,000; unbiased, so it can be below 0).

Each family trains for as many seconds of processor time, by its recipe, on the same one-hot maps.
Prints a line of JSON per run, then means over the seeds with their standard deviations. What was
trained before is measured again and not trained again. `spade-styles` also writes one map in six
styles.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchvision.utils import save_image
from whole_runs import whole

import ganwright
from ganwright.callbacks import Callback, Run
from ganwright.config.changes import change
from ganwright.data import DataOptions, Paired, open_data
from ganwright.inference.model import Model
from ganwright.layers.norm import BatchNorm
from ganwright.metrics.distances import kernel_distances
from ganwright.networks import UNet
from ganwright.recipes import find
from ganwright.run.config_file import from_yaml, game_class

ARMS = {
    "pix2pix": "facades-pix2pix",
    "spade": "facades-spade",
    "spade-styles": "facades-spade-styles",
}
SIDES = "a=label&b=photo&onehot=a"
SHARP = 8.0
"""The U-Net ends in tanh; so many times as much are its logits."""


Arm = tuple[str, dict[str, str]]
"""A name of ARMS, and what is changed of its recipe's game."""


class Budget(Callback):
    """Ends a run after so many seconds of processor time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def started(self, run: Run) -> None:
        self.start = time.process_time()

    def stepped(self, run: Run) -> None:
        if time.process_time() - self.start >= self.seconds:
            run.stop(f"{self.seconds:g} seconds of processor time are over")


class Segmenter(nn.Module):
    """Photographs [n, 3, H, W] to logits of the classes, [n, classes, H, W]."""

    def __init__(self, classes: int, size: int, width: int) -> None:
        super().__init__()
        settings = UNet(width=width, dropout=0.0, norm=BatchNorm())
        self.net = settings.translator((3, size, size), (classes, size, size))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = SHARP * self.net(x)
        return logits

    def features(self, x: Tensor) -> Tensor:
        """The means of the maps that it halves to, [n, d]."""
        found = []
        for down in self.net.downs:  # type: ignore[union-attr]
            x = down(x)
            found.append(x.mean((2, 3)))
        return torch.cat(found, 1)


def classes_of(maps: Tensor) -> Tensor:
    """One-hot maps [n, classes, H, W] in {-1, 1} as numbers; -1 where a pixel has no class."""
    high, number = maps.max(1)
    return torch.where(high > 0, number, -1)


def segmenter(folder: Path, size: int, width: int, steps: int) -> Segmenter:
    """Trained on the training pairs, mirrored and cut at random as for the families."""
    options = DataOptions(image_size=size, flip=True, seed=0)
    data = open_data(f"{folder}?{SIDES}&jitter=1.117", task=Paired, options=options)
    torch.manual_seed(0)
    net = Segmenter(data.spec.shape[0], size, width)
    adam = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, 4e-3, steps)
    for step in range(steps):
        maps, photos = data.batch(step, 16)
        loss = cross_entropy(net(photos), classes_of(maps), ignore_index=-1)
        adam.zero_grad()
        loss.backward()
        adam.step()
        rate.step()
    return net.eval().requires_grad_(False)


def held_out(folder: Path, size: int) -> Paired:
    """All pairs of `val` and `test`."""
    found = []
    for split in ("val", "test"):
        options = DataOptions(image_size=size)
        data = open_data(f"{folder / split}?{SIDES}", task=Paired, options=options)
        found += list(data.each("train", 64))
    return Paired(*(torch.cat(side) for side in zip(*found, strict=True)))


def reading(net: Segmenter, images: Tensor, maps: Tensor) -> dict[str, float]:
    """How much of the maps a segmenter reads from images: mean IoU and pixel accuracy."""
    truth, count = classes_of(maps), maps.shape[1]
    seen = torch.cat([net(part).argmax(1) for part in images.split(32)])
    known = truth >= 0
    table = (truth[known] * count + seen[known]).bincount(minlength=count**2).view(count, count)
    hits, asked, said = table.diagonal(), table.sum(1), table.sum(0)
    there = asked > 0
    iou = hits[there] / (asked + said - hits)[there]
    return {"miou": float(iou.mean()), "accuracy": float(hits.sum() / asked.sum())}


def kid(net: Segmenter, real: Tensor, fake: Tensor) -> float:
    """A thousand times the squared MMD under KID's kernel, of features of unit deviation."""
    x, y = (torch.cat([net.features(part) for part in side.split(32)]) for side in (real, fake))
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    x, y = (x - mean) / deviation, (y - mean) / deviation
    return 1000 * float(kernel_distances(x, y, 1, len(x), 0)[0])


def titled(arm: Arm) -> str:
    """As `spade optimizer_g=Adam(lr=4e-4)`."""
    name, changes = arm
    return " ".join([name, *(f"{key}={value}" for key, value in changes.items())])


def trained(arm: Arm, folder: Path, size: int, seed: int, seconds: float, out: Path) -> Model:
    """A run of an arm's recipe, trained for so long, or as it lies there."""
    run = out / f"{titled(arm)}-{seed}"
    if not run.exists():
        recipe, changes = arm
        name, settings = from_yaml(find(Path(ARMS[recipe])).read_text(encoding="utf-8"))
        settings = change(settings, {"game": changes})
        data = f"{folder}?{SIDES}&jitter=1.117"
        rare: dict[str, Any] = {
            "steps": 10**6,
            "sample_every": 10**6,
            "save_every": 10**6,
            "device": "cpu",
        }
        settings = replace(settings, data=data, image_size=size, seed=seed, **rare)
        ganwright.train(game_class(name), settings, run, callbacks=[Budget(seconds)], quiet=True)
    if not whole(run):
        raise SystemExit(f"{run} was interrupted; remove it, since its time cannot be continued")
    return ganwright.load(run, device="cpu")


def six_styles(model: Model, maps: Tensor, file: Path) -> None:
    """One map, and what six seeds make of it."""
    shown = model.spec.label_map
    assert shown is not None
    made = [model.translate(maps[:1], seed=seed) for seed in range(6)]
    grid = torch.cat([shown.shown(maps[:1]), *made])
    save_image(grid, file, nrow=7, normalize=True, value_range=(-1, 1))


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/facades"))
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    text = "SETTING=VALUE of the game of `spade`, a further arm each"
    parser.add_argument("--tries", nargs="+", default=[], help=text)
    parser.add_argument("--segmenter-steps", type=int, default=1500)
    parser.add_argument("--segmenter-width", type=int, default=24)
    args = parser.parse_args()
    net = segmenter(args.folder, args.size, args.segmenter_width, args.segmenter_steps)
    maps, photos = held_out(args.folder, args.size)
    print(json.dumps({"arm": "photographs"} | reading(net, photos, maps)), flush=True)
    arms: list[Arm] = [(name, {}) for name in args.arms]
    arms += [("spade", {given.partition("=")[0]: given.partition("=")[2]}) for given in args.tries]
    for arm in arms:
        rows = []
        for seed in args.seeds:
            model = trained(arm, args.folder, args.size, seed, args.seconds, args.out)
            made = torch.cat([model.translate(part, seed=1) for part in maps.split(16)])
            rows.append(reading(net, made, maps) | {"kid": kid(net, photos, made)})
            said = {"arm": titled(arm), "seed": seed, "steps": model.step} | rows[-1]
            print(json.dumps(said), flush=True)
            if arm[0] == "spade-styles":
                six_styles(model, maps, args.out / f"styles-{seed}.png")
        table = torch.tensor([list(row.values()) for row in rows])
        spread = table.std(0) if len(rows) > 1 else torch.zeros(table.shape[1])
        means = zip(rows[0], table.mean(0).tolist(), spread.tolist(), strict=True)
        print(f"{titled(arm)}: " + ", ".join(f"{k} {m:.3g} ± {s:.2g}" for k, m, s in means))


if __name__ == "__main__":
    main()
