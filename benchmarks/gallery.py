"""Train every gallery recipe on its embedded data and show the grids on one page.

    python benchmarks/gallery.py --out runs/gallery --jobs 2
    python benchmarks/gallery.py --out runs/gallery --only dcgan aae --docs docs

Runs that are there already are kept; remove a folder to train it anew. A classifier judges 200
samples of the families that draw digits or letters: the share it is sure
of, that of real ones, and the classes seen.
With `--docs` the grids and figures go where the documentation has them.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import ganwright
from ganwright.data.types import Images
from ganwright.families import FAMILIES
from ganwright.metrics.judge import judge, opened
from ganwright.recipes import recipes
from ganwright.run.config_file import from_yaml
from ganwright.run.run_folder import read_config
from ganwright.training.machine import usable_cores

SAMPLES = 200


@dataclass
class Result:
    """One run of the gallery."""

    name: str
    family: str
    minutes: float
    grid: Path
    sure: float | None = None
    real: float | None = None
    classes: str | None = None


def train(name: str, recipe: Path, out: Path, threads: int) -> float:
    """Train one recipe in a process of its own; the minutes it took, kept in its folder."""
    clock = out / "minutes.txt"
    if not clock.exists():
        shutil.rmtree(out, ignore_errors=True)
        start = time.perf_counter()
        family, _ = from_yaml(recipe.read_text(encoding="utf-8"))
        command = [sys.executable, "-m", "ganwright", "train", family]
        done = subprocess.run(
            [*command, "--config", str(recipe), "--out", str(out)],
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            capture_output=True,
            encoding="utf-8",
        )
        if done.returncode:
            raise SystemExit(f"{name} failed: {done.stderr.strip()}")
        clock.write_text(f"{(time.perf_counter() - start) / 60:.2f}\n", encoding="utf-8")
    print(f"{name}: {clock.read_text(encoding='utf-8').strip()} minutes", flush=True)
    return float(clock.read_text(encoding="utf-8"))


def examine(name: str, run: Path, minutes: float) -> Result:
    """The newest grid of a run, and what the judge says of its samples."""
    model = ganwright.load(run, device="cpu")
    result = Result(name, model.family, minutes, max((run / "samples").glob("step-*.png")))
    _, settings = read_config(run)
    data = str(settings.data).partition("?")[0]
    if hasattr(model.game, "sample") and data in ("digits", "glyphs"):
        verdict = judge(model.sample(SAMPLES, seed=1), data)
        result.sure = round(verdict.confident, 3)
        result.real = sure_of_real(data, model.spec.shape[-1])
        result.classes = f"{len(verdict.seen)} of {10 if data == 'digits' else 26}"
    return result


@lru_cache
def sure_of_real(data: str, size: int) -> float:
    """The share of held-out real pictures that the judge is sure of."""
    test = opened(data, size, Path("data")).held_out(10_000)
    assert isinstance(test, Images)
    return round(judge(test.images, data).confident, 3)


def page(results: list[Result], out: Path) -> None:
    """One page of grids, beside the runs that it links to."""
    parts = []
    for r in results:
        title = FAMILIES[r.family].title if r.family in FAMILIES else r.family
        verdict = f", judge sure of {r.sure:.0%}, {r.classes} classes seen" if r.classes else ""
        parts.append(
            f"<figure><a href='{r.name}/report.html'><img src='{r.grid.relative_to(out)}'></a>"
            f"<figcaption><b>{html.escape(r.name)}</b> {html.escape(title)} "
            f"({r.minutes:.1f} minutes{verdict})</figcaption></figure>"
        )
    style = (
        "body{font:15px sans-serif;display:flex;flex-wrap:wrap;gap:24px;margin:24px}"
        "figure{margin:0;max-width:480px}img{max-width:100%}"
    )
    text = f"<!doctype html><meta charset=utf-8><title>Gallery</title><style>{style}</style>"
    (out / "index.html").write_text(text + "\n".join(parts), encoding="utf-8")
    rows = [asdict(r) | {"grid": str(r.grid.relative_to(out))} for r in results]
    (out / "results.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def publish(results: list[Result], docs: Path) -> None:
    """Grids and figures for the documentation; those of other recipes stay."""
    record = docs / "results" / "gallery.json"
    rows = (
        {r["name"]: r for r in json.loads(record.read_text(encoding="utf-8"))}
        if record.exists()
        else {}
    )
    for r in results:
        shutil.copyfile(r.grid, docs / "images" / "gallery" / f"{r.name}.png")
        rows[r.name] = {k: v for k, v in asdict(r).items() if k != "grid"}
    record.parent.mkdir(exist_ok=True)
    record.write_text(
        json.dumps([rows[name] for name in sorted(rows)], indent=1) + "\n", encoding="utf-8"
    )


def main() -> None:
    """Train, judge, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/gallery"))
    parser.add_argument("--jobs", type=int, default=1, help="recipes trained at a time")
    parser.add_argument("--only", nargs="*", help="recipes by name; all when not given")
    parser.add_argument("--docs", type=Path, help="folder of the documentation, to update")
    args = parser.parse_args()
    prefix = "gallery/"
    wanted = {k.removeprefix(prefix): p for k, p in recipes().items() if k.startswith(prefix)}
    if args.only:
        wanted = {name: wanted[name] for name in args.only}
    args.out.mkdir(parents=True, exist_ok=True)
    threads = max(1, usable_cores() // args.jobs)
    start = time.perf_counter()
    with ThreadPoolExecutor(args.jobs) as pool:
        futures = {
            name: pool.submit(train, name, path, args.out / name, threads)
            for name, path in wanted.items()
        }
        minutes = {name: future.result() for name, future in futures.items()}
    results = [examine(name, args.out / name, spent) for name, spent in minutes.items()]
    page(results, args.out)
    if args.docs:
        publish(results, args.docs)
    print(f"{'recipe':24} {'minutes':>8} {'sure':>6} classes")
    for r in results:
        sure = "" if r.sure is None else f"{r.sure:.0%}"
        print(f"{r.name:24} {r.minutes:8.1f} {sure:>6} {r.classes or ''}")
    spent = (time.perf_counter() - start) / 60
    print(f"all in {spent:.1f} minutes: {args.out / 'index.html'}")


if __name__ == "__main__":
    main()
