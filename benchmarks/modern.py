"""Generators of today at 256 pixels: how fast they train, in what memory, and how far they come.

    python benchmarks/modern.py FACES-FOLDER --seconds 60
    python benchmarks/modern.py FACES-FOLDER --families dcgan fastgan --size 32 --narrow 4 \
        --batch 8 --count 100 --seconds 400 --seeds 0 1 2 --device cpu

Trains each family for so many seconds (of processor time on a CPU), in a process of its own, with
the widths that its paper takes at 256 pixels, or dcgan's at 64 (or a part of them, `--narrow`), and
compares samples of the averaged weights with images that were held out: the distance is KID's
kernel on features of the package's small net, times 1,000, which is no KID of Inception; precision
and recall are of the same features. Authenticity compares samples with the images trained on: below
.5, most of them lie nearer to one of these than this lies to its neighbours. The row "held out" has
what other images of the folder score. Memory is the most that tensors took on a GPU, or that the
process took on a CPU. Classes, which biggan needs, are the folders that images lie in; where there
is one, it is left out. Prints a row for each, several seeds with their standard deviations, and
leaves a grid of samples in its run folder.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from few_images import floats, paths_of, pictures, pooled, squared_mmd
from torch import Tensor

import ganwright
from ganwright.augment import ADA, DiffAugment
from ganwright.metrics.neighbours import covered, distances, radii
from ganwright.networks import (
    AliasFreeNet,
    BigNet,
    ConvNet,
    FastNet,
    Networks,
    R3Net,
    ResNet,
    StyleNet,
)
from ganwright.networks.features import SmallFeatures
from ganwright.penalties import R1, R2
from ganwright.report.grid import save_grid
from ganwright.run.profile import most_memory

WARM = 16
"""Steps before time is taken: by then each lazy penalty was charged."""
FAMILIES = (
    *("stylegan2", "stylegan3-t", "stylegan3-r", "r3gan", "fastgan", "biggan"),
    *("dcgan", "sagan"),
)
NUMBERS = {
    **{"steps": ",.0f", "images a second": ".4g", "GB": ".2f"},
    **{"parameters of G": ",.0f", "of D": ",.0f", "distance": ".3g"},
    **{"precision": ".2f", "recall": ".2f", "authenticity": ".2f"},
}
"""Columns, and how each is written."""
ENDLESS: dict[str, Any] = {
    **{"steps": 10**6, "sample_every": 10**6, "save_every": 10**6},
    **{"flip": True, "quiet": True},
}
"""What runs that a clock stops have in common."""
FIXED = ("parameters of G", "of D")
"""Those that seeds do not change."""


@dataclass(frozen=True)
class Arm:
    """A family with its networks and other settings."""

    family: str
    networks: Networks
    settings: Mapping[str, Any] = field(default_factory=dict)


def arm(name: str, args: argparse.Namespace) -> Arm:
    """What is trained under this name, at a size, width and batch size."""
    size, narrow = args.size, args.narrow
    base, most = 16_384 // narrow, 512 // narrow
    if name == "stylegan2":
        gamma = 0.0002 * size**2 / args.batch  # the configuration `auto`
        nets: Networks = StyleNet(base=base, most=most, styles=most, mapping_G=2)
        given: dict[str, Any] = {"penalties": (R1(gamma, every=16),)}
        return Arm(name, nets, {**given, "latent": most, "augment_d": ADA()})
    if name.startswith("stylegan3"):
        turns = name.endswith("r")
        gamma = 2 * (size / 256) ** 2 * 32 / args.batch  # 2 at 256 pixels and batches of 32
        base *= 1 + turns
        nets = AliasFreeNet(base=base, most=most, styles=most, rotation=turns)
        given = {"penalties": (R1(gamma, every=16),), "latent": most, "augment_d": ADA()}
        return Arm("stylegan3", nets, given | ({"blur": 10.0} if turns else {}))
    if name == "r3gan":
        gamma = 2 * 75 ** math.log(size / 64, 4)  # 2 at 64 pixels, 150 at 256
        return Arm(name, R3Net(width=768 // narrow), {"penalties": (R1(gamma), R2(gamma))})
    if name == "dcgan":
        return Arm(name, ConvNet(width=128 // narrow), {"augment_d": DiffAugment()})
    width = max(1, 64 // narrow)
    if name == "sagan":
        attention = (min(32, size // 2),)
        widths: dict[str, Any] = {"width_G": width, "width_D": width, "attention": attention}
        nets = ResNet(**widths, spectral_G=True, spectral_D=True)
        return Arm(name, nets, {"conditional": False, "augment_d": DiffAugment()})
    if name == "fastgan":
        return Arm(name, FastNet(width_G=width, width_D=width))
    return Arm(name, BigNet(width_G=width, width_D=width, attention=(min(32, size // 2),)))


class Watch(ganwright.Callback):
    """Stops a run after so many seconds, and counts what it did in them."""

    def __init__(self, seconds: float) -> None:
        self.allowed = seconds
        self.rate = 0.0
        self._begun = (0.0, 0)

    def stepped(self, run: ganwright.Run) -> None:
        """Time counts from the end of the warm-up on."""
        if run.step == WARM:
            self._begun = (_now(run), run.trainer.images)
        elif run.step > WARM and _clock(run) - self._begun[0] > self.allowed:
            run.stop("its time is over")

    def finished(self, run: ganwright.Run) -> None:
        """What was queued on a GPU counts when it is done."""
        start, images = self._begun
        draws = run.trainer.draws / run.step  # a step may draw several batches
        self.rate = (run.trainer.images - images) / draws / (_now(run) - start)


def _clock(run: ganwright.Run) -> float:
    return time.process_time() if run.trainer.engine.device.type == "cpu" else time.perf_counter()


def _now(run: ganwright.Run) -> float:
    device = run.trainer.engine.device
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return _clock(run)


def play(name: str, seed: int, args: argparse.Namespace) -> dict[str, float]:
    """Train one and measure it."""
    chosen = pictures(args.folder, args.size, args.count + 2 * args.unseen)
    train = chosen[: args.count]
    data: Any = train
    if name == "biggan":
        classes = [path.parent.name for path in paths_of(args.folder, len(chosen))]
        data = (train, classes[: args.count])
    what, watch, out = arm(name, args), Watch(args.seconds), args.out / f"{name}-{seed}"
    model = ganwright.train(
        what.family,
        data=data,
        out=out,
        callbacks=(watch,),
        networks=what.networks,
        image_size=args.size,
        batch_size=args.batch,
        **ENDLESS,
        seed=seed,
        device=args.device,
        compile=args.compile,
        **what.settings,
    )
    memory = most_memory(torch.device(args.device)) / 1e9
    samples = model.sample(args.unseen, seed=1)
    save_grid(samples[:64].cpu(), out / "samples.png")
    game: Any = model.game
    G, D = (sum(w.numel() for w in net.parameters()) for net in (game.G, game.D))
    known = {"steps": model.step, "images a second": watch.rate, "GB": memory}
    known |= {"parameters of G": G, "of D": D}
    return known | compared(samples, chosen, args)


def compared(samples: Tensor, chosen: Tensor, args: argparse.Namespace) -> dict[str, float]:
    """What features say of samples beside images held out and images trained on."""
    train, real = chosen[: args.count], chosen[args.count :][: args.unseen]
    x, y, seen = (_features(z, args.device) for z in (floats(real), samples, floats(train)))
    own, nearest = radii(seen, 1), [part.min(1) for part in distances(y, seen)]
    copied = torch.cat([found.values <= own[found.indices] for found in nearest])
    return {
        "distance": 1000 * squared_mmd(y, x),
        "precision": covered(y, x, radii(x, 3)),
        "recall": covered(x, y, radii(y, 3)),
        "authenticity": 1 - float(copied.double().mean()),
    }


@torch.no_grad()
def _features(x: Tensor, device: str) -> Tensor:
    net = SmallFeatures().build(tuple(x.shape[1:])).to(device)
    return torch.cat([pooled(net, part.to(device)).cpu() for part in x.split(50)])


def told(
    name: str, rows: Sequence[Mapping[str, float]], columns: Mapping[str, str] = NUMBERS
) -> str:
    """A row of the table: means over the seeds, and their standard deviations."""
    cells = [name]
    for column, form in columns.items():
        found = [row[column] for row in rows if column in row]
        cell = f"{mean(found):{form}}" if found else ""
        if len(found) > 1 and column not in FIXED:
            cell += f" ± {stdev(found):{form}}"
        cells.append(cell)
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Train each in turn and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--seconds", type=float, default=60.0, help="of training, each (60)")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--narrow", type=int, default=1, help="divides all widths (1)")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--count", type=int, default=5000, help="images to train on (5000)")
    parser.add_argument("--unseen", type=int, default=1000, help="images held out (1000)")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=Path("runs/modern"))
    args = parser.parse_args()
    names = list(args.families)
    classes = {path.parent for path in paths_of(args.folder, args.count)}
    if len(classes) < 2 and "biggan" in names:
        names.remove("biggan")
        print(f"biggan is left out: the images of {args.folder} have no classes")
    print(f"| {' | '.join(['', *NUMBERS])} |\n|{' --- |' * (1 + len(NUMBERS))}", flush=True)
    chosen = pictures(args.folder, args.size, args.count + 2 * args.unseen)
    print(told("held out", [compared(floats(chosen[-args.unseen :]), chosen, args)]), flush=True)
    for name in names:
        rows = []
        for seed in args.seeds:
            # a process each: what one leaves in memory is nothing to the next
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                rows.append(pool.submit(play, name, seed, args).result())
            print(json.dumps({"family": name, "seed": seed} | rows[-1]), file=sys.stderr)
        print(told(name, rows), flush=True)


if __name__ == "__main__":
    main()
