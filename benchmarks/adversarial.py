"""How well AdvGAN attacks, and what cleaning is worth, on MNIST: the tables of the families' pages.

    python benchmarks/adversarial.py --data-root data --seeds 0 1 2 --out runs/adversarial

Trains for each seed the classifiers A, B and C and one of A on adversarial examples of FGSM;
against each an AdvGAN, with the classifier's gradients and from its outputs alone, for any wrong
class and for class 8; and, for C, an APE-GAN and the generator of Defense-GAN. Each row of
`ganwright attack`'s table becomes a line of OUT/results.jsonl, and the means over the seeds with
their standard deviations are printed. What is there already is not done again: --rows
docs/results/adversarial.jsonl has the rows of the families' pages. Each image before
Defense-GAN costs --projection-steps times --restarts passes for each attack, and forty times as
many for PGD through it. CW and PGD need the extra `attacks`; --kinds fgsm leaves them out.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from whole_runs import ended

import ganwright
from ganwright.attacks import CW, FGSM, PGD, Attack
from ganwright.config.factory import Factory
from ganwright.data import Images, open_data
from ganwright.data.options import DataOptions
from ganwright.inference.cleaning import Projection
from ganwright.layers.memory_layout import lay_out
from ganwright.networks.classifiers import Classifier, ModelA, ModelB, ModelC
from ganwright.run.attack import Learned, Row, Trial, attack
from ganwright.seeds import seed_torch
from ganwright.training.engine import Engine

CLASSIFIERS: dict[str, tuple[type[Classifier], bool]] = {
    "A": (ModelA, False),
    "B": (ModelB, False),
    "C": (ModelC, False),
    "A trained on FGSM": (ModelA, True),
}
"""Each with whether half of its images are adversarial ones."""
KINDS: dict[str, Attack] = {"fgsm": FGSM(), "pgd": PGD(), "cw": CW()}
GENERATOR = {"d_moves": 5, "batch_size": 50}
STEPS = {"classifier": 1400, "advgan": 1400, "apegan": 1000, "wgan-gp": 2500}
"""Of training; in the papers 60 epochs (28,100 steps), 2 epochs and 200,000."""
BOXES = {"semi-white": None, "black": Factory(f"{ModelC.__module__}.{ModelC.__name__}")}
"""What the attacker has: the classifier's gradients in training, or a student of its outputs."""


@dataclass(frozen=True)
class Plan:
    """What a call of the script asked for."""

    out: Path
    data: str
    options: DataOptions
    device: str
    kinds: tuple[str, ...]
    toward: int
    steps: Mapping[str, int]
    n: int
    cleaned: int
    projected: int
    projection: Projection

    def trial(self, n: int, seed: int, toward: int | None = None) -> Trial:
        """The test images."""
        opened: dict[str, Any] = {"options": self.options, "device": self.device}
        return Trial(self.data, n=n, seed=seed, toward=toward, **opened)

    def train(self, family: str, run: Path, seed: int, **settings: Any) -> ganwright.Model:
        """The run that is there, or a new one."""
        same: dict[str, Any] = {"data": self.data, "data_root": self.options.data_root}
        settings |= {"image_size": 28, "seed": seed, "device": self.device}
        same |= {"steps": self.steps[family], "quiet": True}
        ended(run, partial(ganwright.train, family, out=run, **same, **settings))
        return ganwright.load(run, device=self.device)


def classifier(plan: Plan, name: str, seed: int) -> Factory:
    """A classifier with trained weights, as a setting."""
    kind, hardened = CLASSIFIERS[name]
    file = plan.out / f"seed-{seed}" / f"{name.replace(' ', '-')}.safetensors"
    if not file.is_file():
        data = open_data(plan.data, task=Images, options=plan.options)
        engine = Engine.pick(plan.device, "auto")
        seed_torch(seed, "classifier", name)
        net = kind(data.spec.shape, len(data.spec.classes)).to(engine.device)
        lay_out(net, channels_last=True)
        optimizer = torch.optim.Adam(net.parameters(), 1e-3)
        for step in range(plan.steps["classifier"]):
            batch: Any = data.batch(step, 128)
            x, y = batch.images.to(engine.device), batch.labels.to(engine.device)
            with engine.autocast():
                if hardened:
                    changed = FGSM().examples(net.eval(), x, y)
                    x, y = torch.cat([x, changed]), torch.cat([y, y])
                    net.train()
                loss = cross_entropy(net(x).float(), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        file.parent.mkdir(parents=True, exist_ok=True)
        lay_out(net, channels_last=False)  # as files want it
        save_file(net.state_dict(), file)
    return Factory(f"{kind.__module__}.{kind.__name__}", (("weights", str(file)),))


def advgan(
    plan: Plan, name: str, seed: int, box: str = "semi-white", toward: int | None = None
) -> ganwright.Model:
    """An AdvGAN against one classifier."""
    aim = "any" if toward is None else str(toward)
    run = plan.out / f"seed-{seed}" / f"advgan-{name.replace(' ', '-')}-{box}-{aim}"
    how = {"target": classifier(plan, name, seed), "student": BOXES[box], "toward": toward}
    return plan.train("advgan", run, seed, **how)


def attacked(plan: Plan, name: str, seed: int) -> Iterator[dict[str, Any]]:
    """AdvGAN's rows for one classifier."""
    target = classifier(plan, name, seed)
    for toward in (None, plan.toward):
        for box in BOXES:
            model = advgan(plan, name, seed, box, toward)
            trial = plan.trial(plan.n, seed, toward)
            ((row,), _) = attack(target, {"advgan": Learned(model)}, trial)
            aim = "any" if toward is None else str(toward)
            yield line("attack", f"{name}, {box}, class {aim}", seed, row)


def cleaned(plan: Plan, seed: int) -> Iterator[dict[str, Any]]:
    """The rows of both cleaners, each with the attack through it."""
    target, folder = classifier(plan, "C", seed), plan.out / f"seed-{seed}"
    attacks = {k: KINDS[k] for k in plan.kinds} | {"advgan": Learned(advgan(plan, "C", seed))}
    adaptive = KINDS["pgd" if "pgd" in plan.kinds else "fgsm"]
    ape, gan = folder / "apegan", folder / "generator"
    plan.train("apegan", ape, seed, target=target)
    plan.train("wgan-gp", gan, seed, **GENERATOR)
    for name, run, n in (("APE-GAN", ape, plan.cleaned), ("Defense-GAN", gan, plan.projected)):
        how: dict[str, Any] = {"clean": run, "projection": plan.projection}
        trial = plan.trial(n, seed)
        for row in attack(target, attacks, trial, adaptive=adaptive, **how)[0]:
            yield line("clean", f"{name}, {row.attack}", seed, row)


def line(table: str, name: str, seed: int, row: Row) -> dict[str, Any]:
    """A row as it is kept: JSON has no NaN."""
    numbers = {k: None if v != v else v for k, v in row._asdict().items()}
    return {"table": table, "name": name, "seed": seed, **numbers}


def measure(plan: Plan, seeds: list[int], file: Path) -> list[dict[str, Any]]:
    """All rows, those of earlier calls among them."""
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    rows = [json.loads(one) for one in text.splitlines()]
    done = {(row["table"], row["part"], row["seed"]) for row in rows}
    for seed in seeds:
        parts = {("attack", name): attacked(plan, name, seed) for name in CLASSIFIERS}
        parts["clean", "C"] = cleaned(plan, seed)
        for (table, part), found in parts.items():
            if (table, part, seed) in done:
                continue
            new = [row | {"part": part} for row in found]
            with file.open("a", encoding="utf-8") as store:
                store.writelines(json.dumps(row) + "\n" for row in new)
            rows += new
            print(f"seed {seed}: {table} {part}", flush=True)
    return rows


def report(rows: list[dict[str, Any]]) -> str:
    """Both tables in Markdown."""
    columns = {"attack": ("clean", "attacked", "success", "L2", "Linf")}
    columns["clean"] = ("clean", "attacked", "cleaned", "L2", "Linf")
    lines = []
    for table, wanted in columns.items():
        lines += ["", f"| {table} | {' | '.join(wanted)} |", "| --- " * (1 + len(wanted)) + "|"]
        for name in dict.fromkeys(row["name"] for row in rows if row["table"] == table):
            same = [row for row in rows if row["table"] == table and row["name"] == name]
            cells = [spread([row[c] for row in same], c[0] == "L") for c in wanted]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: list[float], size: bool) -> str:
    """A mean with its standard deviation over seeds; shares in percent."""
    known = [v if size else 100 * v for v in values if v is not None]
    if not known:
        return "-"
    deviation = f" ± {statistics.stdev(known):.2g}" if len(known) > 1 else ""
    return f"{statistics.mean(known):.{2 if size else 1}f}{deviation}"


def main() -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=Path, help="a file of rows (OUT/results.jsonl)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--kinds", nargs="+", choices=sorted(KINDS), default=list(KINDS))
    parser.add_argument("--toward", type=int, default=8, help="the class of targeted attacks")
    for name, usual in STEPS.items():
        parser.add_argument(f"--{name}-steps", type=int, default=usual)
    parser.add_argument("-n", type=int, default=10_000, help="images that AdvGAN attacks")
    parser.add_argument("--cleaned", type=int, default=300, help="of these, before APE-GAN")
    parser.add_argument("--projected", type=int, default=50, help="of these, before Defense-GAN")
    parser.add_argument("--projection-steps", type=int, default=100)
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    steps = {name: getattr(args, f"{name.replace('-', '_')}_steps") for name in STEPS}
    plan = Plan(
        args.out,
        args.data,
        DataOptions(data_root=args.data_root, image_size=28, channels=1),
        args.device,
        tuple(args.kinds),
        args.toward,
        steps,
        args.n,
        args.cleaned,
        args.projected,
        Projection(steps=args.projection_steps, restarts=args.restarts),
    )
    args.out.mkdir(parents=True, exist_ok=True)
    print(report(measure(plan, args.seeds, args.rows or args.out / "results.jsonl")))


if __name__ == "__main__":
    main()
