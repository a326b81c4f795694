"""How fast training is, beside loops written by hand on the same networks, data and batches.

    python benchmarks/speed                              every case, both tables
    python benchmarks/speed "gan 28" "cyclegan 64" --blocks 15
    python benchmarks/speed "dcgan 32" --packages        beside frameworks: see packages.py
    python benchmarks/speed --device cuda --out docs/results/speed-cuda.md

Contestants play blocks of steps in turn, each in a process of its own; a ratio is the median over
blocks of the script's time by the contestant's, so 2 is twice as fast. In the first table batches
come from where each gets them: the script's from a DataLoader that turns one PIL image after the
other into a tensor; in the second one batch lies ready for all. Half of the blocks lie within the
spread.

The script's loop is that of most published code: fp32, opponents not frozen, losses read and
printed in every step, torch's own dropout. The careful loops freeze opponents, use fused
optimizers, keep freed memory for the next step, read nothing, and have the library's dropout. All
draw fakes once a step, where the algorithm allows; the library's rows without "shared" draw them
for each player, as it does by default for families that start from noise.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import median, quantiles

import torch
from cases import CASES, Case
from contestants import Apart, apart

from ganwright.training.machine import usable_cores

INTRODUCTION = """\
<!-- not run: writes this page -->
```sh
python benchmarks/speed --seconds 0.7 --out docs/results/speed.md
```

Training by the library and by loops written by hand, on the same networks, data and batches, in
turn, each in a process of its own. `x script` is how many times as fast as a loop of most published
code a contestant is: the median over blocks. The careful loops freeze opponents, use fused
optimizers, keep the memory that a step frees for the next one, and read no number. `shared` draws
the [fakes of a step once](../parts.md#fakes-drawn-once-a-step), as all loops by hand do. The
library also keeps an average of G, which moves as it does after 20,000 images, and looks at each
gradient's norm; the loops do neither. `MB` is the most memory that a process had beyond what its
imports take.""".splitlines()


def compared(found: Sequence[Apart], blocks: int, seconds: float) -> dict[str, list[float]]:
    """Seconds of a step, block by block, of each contestant, in turn."""
    steps = max(1, round(seconds / (found[0].block(2) / 2)))
    took: dict[str, list[float]] = {each.name: [] for each in found}
    for number in range(blocks):
        turn = number % len(found)
        for each in [*found[turn:], *found[:turn]]:
            took[each.name].append(each.block(steps) / steps)
    return took


def rounded(x: float) -> str:
    """A number in three digits, without an exponent."""
    return f"{float(f'{x:.3g}'):,g}"


def rows(
    name: str, case: Case, took: Mapping[str, list[float]], memory: Mapping[str, float]
) -> list[str]:
    """A row for each contestant."""
    script, lines = took["script"], []
    images = case.batch * case.updates
    digits = 0 if images > 10 * median(script) else 1
    for label, times in took.items():
        ratios = [a / b for a, b in zip(script, times, strict=True)]
        low, _, high = quantiles(ratios, n=4)
        took_once = median(times)
        lines.append(
            f"| {name} | {label} | {images / took_once:,.{digits}f} | {rounded(1e3 * took_once)} | "
            f"{median(ratios):.2f} | {low:.2f} to {high:.2f} | {memory[label] / 2**20:,.0f} |"
        )
    return lines


def table(args: argparse.Namespace, device: torch.device, *, ready: bool) -> list[str]:
    """All chosen cases."""
    what = "One batch for all: compute alone" if ready else "End to end"
    lines = [f"## {what}", "", "| | | images a second | ms a step | x script | half within | MB |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for name in args.cases or CASES:
        more = {"packages": args.packages, "average": not args.without_average}
        with apart(name, device, ready=ready, **more) as found:
            took = compared(found, args.blocks, args.seconds)
            memory = {each.name: each.memory() for each in found}
        made = rows(name, CASES[name], took, memory)
        print("\n".join(made), flush=True)
        lines += made
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
    parser.add_argument("--packages", action="store_true", help="torchgan and torch-mimicry too")
    parser.add_argument("--without-average", action="store_true", help="of G, as in the loops")
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
