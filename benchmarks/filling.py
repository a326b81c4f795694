"""What ccgan's two products are worth: holes filled, and a classifier from few labels.

    ganwright train ccgan --config cifar10-ccgan --data cifar10 --out runs/filled
    python benchmarks/filling.py runs/filled --alone runs/alone

Prints, on all test pictures, the mean absolute error in a central hole beside that of filling it
with the known pixels' mean colour; and the classifier's accuracy beside that of the same network,
trained as long on the same labels alone (as a run of its own in `--alone`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from ganwright import Player, load, train
from ganwright.data import open_data
from ganwright.data.types import SemiSupervised
from ganwright.families.ccgan import CCGAN
from ganwright.game import Game, Terms
from ganwright.run.data import data_options
from ganwright.run.run_folder import read_config


class Alone(CCGAN):
    """CC-GAN's classifier without the game: it sees labelled pictures only."""

    def players(self) -> Iterable[Player]:
        yield Player("D", [self.D, self.C], self.classifier, self.cfg.optimizer_d)

    def classifier(self, batch: SemiSupervised) -> Terms:
        """Cross-entropy on labelled pictures."""
        return {"class": cross_entropy(self.C(self.D.features(batch.images)), batch.labels)}


@torch.no_grad()
def measured(game: Game, held: SemiSupervised) -> dict[str, float]:
    """The family's own measures, over all test pictures."""
    sums: dict[str, float] = {}
    for x, y in zip(held.images.split(500), held.labels.split(500), strict=True):
        for name, value in game.measure(SemiSupervised(x, y, x)).items():
            sums[name] = sums.get(name, 0.0) + float(value) * len(x) / len(held.images)
    return sums


def main() -> None:
    """Train the classifier alone where that is not done, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--alone", type=Path, required=True, help="folder of the classifier's run")
    args = parser.parse_args()
    _, settings = read_config(args.run)
    if not (args.alone / "config.yaml").exists():
        names = {f.name for f in fields(settings)} - {"game", "data"}
        keywords = {n: getattr(settings, n) for n in names}
        keywords |= {f.name: getattr(settings.game, f.name) for f in fields(settings.game)}
        train(Alone, data=settings.data, out=args.alone, **keywords)
    opened = open_data(
        settings.data,
        task=SemiSupervised,
        options=data_options(settings),
    )
    held = opened.held_out(10**9)
    assert isinstance(held, SemiSupervised)
    model = load(args.run, device="cpu")
    ours = measured(model.game, held)
    alone = measured(load(args.alone, device="cpu").game, held)
    share = ours["l1"] / ours["l1_mean_colour"]
    print(f"{len(held.images)} test pictures, {model.step} steps")
    print(f"hole   {ours['l1']:.4f}, mean colour {ours['l1_mean_colour']:.4f}: {share:.1%}")
    print(f"class  {ours['accuracy']:.2%}, the classifier alone {alone['accuracy']:.2%}")


if __name__ == "__main__":
    main()
