"""How much of a target domain's accuracy adaptation recovers without its labels.

    python benchmarks/domain_adaptation.py "mnist->usps" --data-root data --out runs/usps
    python benchmarks/domain_adaptation.py "mnist->usps" --config usps-pixelda --seed 1 --out ...
    python benchmarks/domain_adaptation.py "mnist->usps" --data-root data --out runs/half --seen 5

The first trains `pixelda` by a recipe (or takes the run that `--out` holds) and prints accuracies
on all test pictures of the target: of a classifier trained on the source alone, of the adapted one,
and of one trained on the target's labels; all of the same kind, trained as long.

With `--seen K` G is trained on the first K classes only, of both domains (arXiv:1612.05424,
section 4.3.2). Then pictures of all source classes are adapted, a new classifier is trained on
these and the source, and accuracies are those on the target's other classes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ganwright import Model, load, train
from ganwright.config.settings import Settings
from ganwright.data import open_data
from ganwright.data.types import Unpaired
from ganwright.families.pixelda import PixelDA
from ganwright.networks.pixelda import AdaptationNets, TaskClassifier
from ganwright.pixels import to_bytes
from ganwright.recipes import find
from ganwright.run.config_file import from_yaml
from ganwright.run.data import data_options
from ganwright.seeds import seed_torch

EVERYTHING = 10**9


@dataclass(frozen=True)
class Domain:
    """Pictures, float32 [n, C, H, W] in [-1, 1], and their labels."""

    x: Tensor
    y: Tensor

    def where(self, chosen: Tensor) -> Domain:
        """The chosen ones."""
        return Domain(self.x[chosen], self.y[chosen])

    def bytes(self) -> tuple[Tensor, Tensor]:
        """As training takes them."""
        return to_bytes(self.x), self.y


def domains(settings: Settings) -> dict[str, Domain]:
    """Source and target for training, and the target for testing."""
    opened = open_data(
        settings.data,
        task=Unpaired,
        options=data_options(settings),
    )
    held, every = opened.held_out(EVERYTHING), opened.batch(0, opened.spec.count)
    assert isinstance(held, Unpaired)
    assert isinstance(every, Unpaired)
    found = {}
    for name, x, y in (
        ("test", held.b, held.b_labels),
        ("source", every.a, every.a_labels),
        ("target", every.b, every.b_labels),
    ):
        assert y is not None
        found[name] = Domain(x, y)
    return found


def classifier(
    draw: Callable[[int], list[tuple[Tensor, Tensor]]],
    shape: tuple[int, ...],
    steps: int,
    seed: int,
) -> TaskClassifier:
    """T alone, trained on `steps` draws of batches, all through its layers for the target."""
    seed_torch(seed, "classifier")
    T = AdaptationNets().classifier(shape, shape, 10)
    optimizer = torch.optim.Adam(T.parameters(), 1e-3, (0.5, 0.999), weight_decay=1e-5)
    for step in range(steps):
        loss = sum((cross_entropy(T(x), y) for x, y in draw(step)), torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return T.eval()


def batches(domain: Domain, size: int = 32) -> Callable[[int], list[tuple[Tensor, Tensor]]]:
    """Random batches of a domain."""

    def draw(_: int) -> list[tuple[Tensor, Tensor]]:
        rows = torch.randint(len(domain.y), (size,))
        return [(domain.x[rows], domain.y[rows])]

    return draw


def adapted(domain: Domain, game: PixelDA) -> Callable[[int], list[tuple[Tensor, Tensor]]]:
    """Random batches of a domain, each as it is and as the game repaints it."""
    plain = batches(domain)

    def draw(step: int) -> list[tuple[Tensor, Tensor]]:
        ((x, y),) = plain(step)
        with torch.no_grad():
            return [(x, y), (game.adapt(x), y)]

    return draw


@torch.no_grad()
def accuracy(classify: Callable[[Tensor], Tensor], domain: Domain) -> float:
    """Share of pictures whose likeliest class is right."""
    right = [
        (classify(x).argmax(1) == y).sum()
        for x, y in zip(domain.x.split(500), domain.y.split(500), strict=True)
    ]
    return float(torch.stack(right).sum()) / len(domain.y)


def trained(out: Path, settings: Settings, found: dict[str, Domain], seen: int | None) -> Model:
    """The run that `out` holds, or a new one there."""
    if (out / "config.yaml").exists():
        return load(out, device="cpu")
    names = {f.name for f in fields(settings)} - {"game", "data"}
    keywords = {n: getattr(settings, n) for n in names} | {
        f.name: getattr(settings.game, f.name) for f in fields(settings.game)
    }
    if seen is None:
        return train("pixelda", data=settings.data, out=out, **keywords)
    halves = tuple(found[n].where(found[n].y < seen).bytes() for n in ("source", "target"))
    return train("pixelda", data=halves, out=out, **keywords)


def main() -> None:
    """Print the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help='such as "mnist->usps"')
    parser.add_argument("--config", default="mnist-pixelda", help="recipe or file of settings")
    parser.add_argument("--data-root", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--seen", type=int, help="train G on the first so many classes only")
    parser.add_argument("--steps", type=int, help="of training, in place of the recipe's")
    parser.add_argument("--seed", type=int, default=0, help="of all three trainings")
    args = parser.parse_args()
    _, settings = from_yaml(find(Path(args.config)).read_text(encoding="utf-8"), "pixelda")
    settings = replace(settings, data=args.data, data_root=args.data_root, seed=args.seed)
    if args.steps:
        settings = replace(settings, steps=args.steps)
    found = domains(settings)
    model = trained(args.out, settings, found, args.seen)
    game, test = model.game, found["test"]
    assert isinstance(game, PixelDA)
    shape, steps = tuple(test.x.shape[1:]), model.step
    rows = {"source only": classifier(batches(found["source"]), shape, steps, args.seed)}
    if args.seen is None:
        rows["adapted"] = game.classify  # type: ignore[assignment]
    else:
        test = test.where(test.y >= args.seen)
        rows["adapted"] = classifier(adapted(found["source"], game), shape, steps, args.seed)
    rows["target only"] = classifier(batches(found["target"]), shape, steps, args.seed)
    print(f"{args.data}: {len(test.y)} test pictures, {steps} steps")
    for name, classify in rows.items():
        print(f"{name:12} {accuracy(classify, test):7.2%}")


if __name__ == "__main__":
    main()
