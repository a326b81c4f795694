"""How fast training is, beside loops written by hand on the same networks, data and batches.

    python benchmarks/speed                              every case, both tables
    python benchmarks/speed "gan 28" "cyclegan 64" --blocks 15
    python benchmarks/speed --device cuda --out docs/results/speed-cuda.md

Contestants play blocks of steps in turn in one process; a ratio is the median over blocks of the
script's time by the contestant's, so 2 is twice as fast. In the first table batches come from where
each gets them: the script's from a DataLoader that turns one PIL image after the other into a
tensor; in the second one batch lies ready for all. Half of the blocks lie within the spread.

The script's loop is that of most published code: fp32, opponents not frozen, losses read and
printed in every step. The careful loops freeze opponents, use fused optimizers and read nothing.
All draw fakes once a step, where the algorithm allows; the library's rows without "shared" draw
them for each player, as it does by default for families that start from noise.
"""

from __future__ import annotations

import argparse
import copy
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from cases import CASES, Case
from loops import Style
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from ganwright.data.types import Images, Paired, Unpaired
from ganwright.training.engine import Engine, usable_cores
from ganwright.training.trainer import Trainer

INTRODUCTION = """\
<!-- not run: writes this page -->
```sh
python benchmarks/speed --seconds 0.7 --out docs/results/speed.md
```

Training by the library and by loops written by hand, on the same networks, data and batches, in
turn in one process. `x script` is how many times as fast as a loop of most published code a
contestant is: the median over blocks. The careful loops freeze opponents, use fused optimizers and
read no number. `shared` draws the [fakes of a step once](../parts.md#fakes-drawn-once-a-step), as
all loops by hand do.""".splitlines()
LAYOUTS = {"channels last": torch.channels_last, "contiguous": torch.contiguous_format}


class Files(Dataset[Any]):
    """Images as scripts serve them: PIL, one by one, through torchvision's transforms."""

    def __init__(self, case: Case) -> None:
        given = case.pictures()
        self.sides = given[:1] if case.task is Images else given
        self.labels = given[1] if case.task is Images else None
        self.image = v2.ToPILImage()
        self.tensor = v2.Compose(
            [
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.5] * case.channels, [0.5] * case.channels),
            ]
        )

    def __len__(self) -> int:
        return len(self.sides[0])

    def __getitem__(self, index: int) -> Any:
        images = [self.tensor(self.image(side[index])) for side in self.sides]
        return (*images, self.labels[index]) if self.labels is not None else tuple(images)


def script_batches(case: Case, device: torch.device) -> Callable[[], Any]:
    """Batches of a DataLoader, epoch after epoch."""

    def endless() -> Iterator[Any]:
        loader = DataLoader(Files(case), case.batch, shuffle=True, drop_last=True)
        while True:
            for batch in loader:
                first, second = (t.to(device) for t in batch)
                if case.task is Images:
                    yield Images(first, second)
                elif case.task is Paired:
                    yield Paired(first, second)
                else:
                    yield Unpaired(first, second, None, None)

    batches = endless()
    return lambda: next(batches)


class Ready:
    """The same batch at every draw."""

    def __init__(self, data: Any, size: int) -> None:
        self.spec, self.kept = data.spec, data.batch(0, size)

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Any:
        return self.kept


class Resident:
    """The library's own batches, for a loop by hand."""

    def __init__(self, data: Any, size: int) -> None:
        self.data, self.size, self.draw = data, size, 0

    def __call__(self) -> Any:
        self.draw += 1
        return self.data.batch(self.draw, self.size)


@dataclass(frozen=True)
class Contestant:
    """One of those compared; `step` plays one step."""

    name: str
    step: Callable[[], object]


def contestants(case: Case, device: torch.device, *, ready: bool) -> list[Contestant]:
    """The script first, careful loops, and the library in each of its modes."""
    data = case.open(device)
    served: Any = Ready(data, case.batch) if ready else data
    made = case.game(data.spec).to(device)
    own = (lambda: served.kept) if ready else Resident(data, case.batch)
    first = own if ready else script_batches(case, device)
    found = [Contestant("script", case.loop(copy.deepcopy(made), first, Style()))]
    for bf16 in (False, True):
        for name, layout in LAYOUTS.items():
            style = Style(careful=True, bf16=bf16, layout=layout)
            label = f"careful loop, {'bf16' if bf16 else 'fp32'}, {name}"
            found.append(Contestant(label, case.loop(copy.deepcopy(made), own, style)))
    for precision in ("fp32", "auto"):
        for label, changes in (("", {}), (", shared", case.shared)):
            if label and not changes:
                continue
            engine = Engine.pick(str(device), precision)
            game = case.game(data.spec, **changes)
            trainer = Trainer(game, served, engine, batch_size=case.batch)
            found.append(Contestant(f"ganwright, {precision}{label}", trainer.play_step))
    return found


def block(step: Callable[[], object], steps: int, device: torch.device) -> float:
    """Seconds of so many steps."""
    start = time.perf_counter()
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def compared(found: Sequence[Contestant], blocks: int, seconds: float, device: torch.device) -> Any:
    """Seconds of a step, block by block, of each contestant, in turn."""
    for each in found:
        block(each.step, 2, device)
    once = block(found[0].step, 2, device) / 2
    steps = max(1, round(seconds / once))
    took: dict[str, list[float]] = {each.name: [] for each in found}
    for number in range(blocks):
        turn = number % len(found)
        for each in [*found[turn:], *found[:turn]]:
            took[each.name].append(block(each.step, steps, device) / steps)
    return took


def rows(name: str, case: Case, took: dict[str, list[float]]) -> list[str]:
    """A row for each contestant."""
    script, lines = took["script"], []
    images = case.batch * case.updates
    for label, times in took.items():
        ratios = [a / b for a, b in zip(script, times, strict=True)]
        low, _, high = quantiles(ratios, n=4)
        lines.append(
            f"| {name} | {label} | {images / median(times):,.0f} | {1e3 * median(times):.3g} | "
            f"{median(ratios):.2f} | {low:.2f} to {high:.2f} |"
        )
    return lines


def table(args: argparse.Namespace, device: torch.device, *, ready: bool) -> list[str]:
    """All chosen cases."""
    what = "One batch for all: compute alone" if ready else "End to end"
    lines = [f"## {what}", "", "| | | images a second | ms a step | x script | half within |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for name in args.cases or CASES:
        case = CASES[name]
        took = compared(contestants(case, device, ready=ready), args.blocks, args.seconds, device)
        found = rows(name, case, took)
        print("\n".join(found), flush=True)
        lines += found
    return [*lines, ""]


def machine(device: torch.device) -> str:
    """What was measured on."""
    if device.type == "cuda":
        what = torch.cuda.get_device_name(device)
    else:
        info = Path("/proc/cpuinfo")
        text = info.read_text(encoding="utf-8") if info.exists() else ""
        models = [
            line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line
        ]
        model = models[0].strip() if models else platform.processor()
        what = f"{model}, {torch.get_num_threads()} threads"
    return f"{what}; Python {platform.python_version()}, torch {torch.__version__}"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all")
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a block of the script's")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="a Markdown file for the tables")
    args = parser.parse_args()
    if unknown := set(args.cases) - set(CASES):
        parser.error(f"unknown cases {', '.join(unknown)}; choose from {', '.join(CASES)}")
    device = torch.device(args.device)
    torch.set_num_threads(usable_cores())
    head = f"{machine(device)}; {args.blocks} blocks of {args.seconds:g} s; {date.today()}."
    lines = ["# Speed", "", *INTRODUCTION, "", head, ""]
    for ready in (False, True):
        lines += table(args, device, ready=ready)
    if args.out:
        args.out.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
