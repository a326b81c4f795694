"""Sample quality of the families that draw from noise, each given the same time of one core.

    python benchmarks/tables/quality.py --data-root data --download --minutes 10 --jobs 2
    python benchmarks/tables/quality.py --families dcgan r3gan --seeds 0 --minutes 1

Families are trained on MNIST by their recipes mnist-NAME until their process has computed for so
many minutes, whatever number of steps that is, and measured on 10,000 samples of their averaged
weights against the 10,000 test images. Every run is a folder of OUT; one that is there and had as
many minutes is measured and not trained again. `--rows` keeps what was measured in a file, so that
the table can be made in parts.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch

import ganwright
from budget import keep, kept, same
from ganwright.metrics.distances import FID, KID
from ganwright.metrics.labelled import ConditionalAccuracy
from ganwright.metrics.metric import Metric
from ganwright.metrics.neighbours import DensityCoverage, PrecisionRecall
from ganwright.recipes import find
from ganwright.run import train as runs
from ganwright.run.config_file import from_yaml
from ganwright.run.evaluation import Choice
from page import DOCS, Page, mean_error, table

FAMILIES = (
    *("gan", "dcgan", "lsgan", "wgan", "wgan-gp", "dragan", "ebgan", "began", "infogan"),
    *("r3gan", "stylegan2", "sagan", "cgan", "acgan"),
)
LABELLED = ("cgan", "acgan", "sagan")
SAMPLES = 10_000
COLUMNS = {"FID": (1, 2), "KID": (1, 3), "precision": (100, 1), "recall": (100, 1)}
COLUMNS |= {"density": (1, 2), "coverage": (100, 1), "conditional accuracy": (100, 1)}
"""Name of a result -> the factor that it is printed with, and digits after the point."""

Row = dict[str, float | str]
Job = tuple[str, int, argparse.Namespace]


class Clock(ganwright.Callback):
    """Stops a run when its process has computed for so long."""

    def __init__(self, minutes: float) -> None:
        self.end = time.process_time() + 60 * minutes

    def stepped(self, run: ganwright.Run) -> None:
        if time.process_time() > self.end:
            run.stop("its time is over")


def play(job: Job) -> Row:
    """Train a family with a seed, if it was not, and measure it."""
    name, seed, args = job
    torch.set_num_threads(1)
    run = args.out / f"{name}-{seed}"
    given = {"minutes": args.minutes}
    if run.exists():
        same(run, given, kept(run))
    else:
        family, settings = from_yaml(find(Path(f"mnist-{name}")).read_text(encoding="utf-8"))
        settings = replace(settings, data_root=args.data_root, download=args.download, seed=seed)
        settings = replace(settings, steps=10**7, sample_every=10**6, device="cpu")
        runs.train(family, settings, run, quiet=True, callbacks=(Clock(args.minutes),))
        keep(run, given)
    metrics: tuple[Metric, ...] = (FID(), KID(), PrecisionRecall(), DensityCoverage())
    if name in LABELLED:
        metrics += (ConditionalAccuracy(),)
    choice = Choice(n=args.n, split="test", device="cpu")
    found = ganwright.evaluate(run, metrics, choice=choice)
    values = {r.name.partition(" (")[0]: r.value for r in found}
    step = ganwright.load(run, device="cpu").step
    row: Row = {**asked(job), "step": step, **values}
    print(json.dumps(row), flush=True)
    if args.rows:
        with args.rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    return row


def asked(job: Job) -> Row:
    """What a row says of how it came about."""
    name, seed, args = job
    return {"family": name, "seed": seed, "minutes": args.minutes, "n": args.n}


def cells(rows: Sequence[Row]) -> list[str]:
    """Means over seeds, and their standard errors, as the page prints them."""
    said = [str(rows[0]["family"]), f"{sum(int(r['step']) for r in rows) / len(rows):,.0f}"]
    for name, (factor, digits) in COLUMNS.items():
        found = [factor * float(r[name]) for r in rows if name in r]
        said.append(mean_error(found, digits) if found else "")
    return said


def main() -> None:
    """Train what is missing, measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=10.0, help="of one core, a run")
    parser.add_argument("-n", type=int, default=SAMPLES, help="samples that are measured")
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--download", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/quality"))
    parser.add_argument("--rows", type=Path, help="a file that keeps the rows, to continue from")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--page", type=Path, default=DOCS / "results" / "quality.md")
    args = parser.parse_args()
    jobs = [(name, seed, args) for seed in args.seeds for name in args.families]
    rows: list[Row] = []
    if args.rows and args.rows.exists():
        known = map(json.loads, args.rows.read_text(encoding="utf-8").splitlines())
        wanted = [asked(job) for job in jobs]
        rows = [row for row in known if {k: row[k] for k in asked(jobs[0])} in wanted]
    done = [(row["family"], row["seed"]) for row in rows]
    with ProcessPoolExecutor(args.jobs, get_context("spawn")) as pool:
        rows += pool.map(play, [job for job in jobs if job[:2] not in done])
    by_family = [[r for r in rows if r["family"] == name] for name in args.families]
    by_family.sort(key=lambda of: sum(float(r["FID"]) for r in of) / len(of))
    page = Page(
        "Sample quality on MNIST",
        f"python benchmarks/tables/quality.py --data-root data --minutes {args.minutes:g}",
    )
    heads = ("", "steps", "FID (digits)", "KID (digits)", "precision, %", "recall, %")
    page.say(
        f"Each family is trained by its recipe `mnist-NAME` for {args.minutes:g} minutes of one "
        f"core, with {len(args.seeds)} seeds; means ± standard errors. {args.n:,} samples of the "
        "averaged weights are compared with the test images by the features of the digit "
        "classifier that ships with the package, so the numbers are not those of Inception. "
        "Recipes differ in width and learning rates; the time is the same for all.",
        table((*heads, "density", "coverage, %", "asked class, %"), map(cells, by_family)),
    )
    page.write(args.page)


if __name__ == "__main__":
    main()
