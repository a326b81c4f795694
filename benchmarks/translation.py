"""What trained translators are worth: do letters stay the same letter, how near are pairs.

    python benchmarks/translation.py letters RUN   two-way families on glyphs-unpaired
    python benchmarks/translation.py pairs RUN     pix2pix, on the held-out pairs of its run
    python benchmarks/translation.py cycles RUN    two-way families: cycle errors as training went

`letters` translates the held-out letters of both domains. A classifier of each domain, trained on
that domain's own letters (which share no shape with the other's), says which letter it sees. The
best permutation is the accuracy if the classes might be renamed: where it is far above, the
translators found a correspondence, but another one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from matching import matched
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, l1_loss

from ganwright import load
from ganwright.data import Paired, RunData, Unpaired, open_data
from ganwright.inference.model import Model
from ganwright.layers.fidelity import psnr, ssim
from ganwright.run.data import data_options
from ganwright.run.run_folder import read_config


def data_of(run: Path) -> RunData:
    """The data that a run was trained on."""
    cls, settings = read_config(run)
    assert settings.data is not None
    return open_data(
        settings.data,
        task=cls.task,
        options=data_options(settings),
    )


def classifier(channels: int, size: int, classes: int) -> nn.Module:
    """Three halvings and a linear layer."""
    layers: list[nn.Module] = []
    for fan_in, width in ((channels, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(fan_in, width, 4, 2, 1), nn.BatchNorm2d(width), nn.ReLU()]
    cells = (size // 8) ** 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(128 * cells, classes))


def judge_of(data: RunData, side: str, steps: int = 800, batch: int = 64) -> nn.Module:
    """A classifier of one domain's letters, trained on that domain's training pictures."""
    (channels, size, _), classes = data.spec.shape, len(data.spec.classes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = classifier(channels, size, classes)
        adam = torch.optim.AdamW(net.parameters(), weight_decay=0.05)
        rate = torch.optim.lr_scheduler.OneCycleLR(adam, 4e-3, steps)
        for step in range(steps):
            images, labels = domain(data.batch(step, batch), side)
            loss = cross_entropy(net(images), labels)
            adam.zero_grad()
            loss.backward()
            adam.step()
            rate.step()
    return net.eval().requires_grad_(False)


def domain(batch: object, side: str) -> tuple[Tensor, Tensor]:
    """Pictures and labels of domain a or b."""
    assert isinstance(batch, Unpaired)
    labels = batch.a_labels if side == "a" else batch.b_labels
    assert labels is not None
    return (batch.a if side == "a" else batch.b), labels


def same_letter(seen: Tensor, asked: Tensor) -> tuple[float, float]:
    """The share of letters that stayed what they were, and that under the best permutation."""
    return (seen == asked).sum().item() / len(seen), matched(seen, asked)


def letters(model: Model, data: RunData) -> list[dict[str, float]]:
    """For each direction: the judge's accuracy on real pictures, same letter, best permutation."""
    test = data.held_out(10_000)
    rows = []
    for there, (origin, goal) in {"a2b": ("a", "b"), "b2a": ("b", "a")}.items():
        judge, (x, y) = judge_of(data, goal), domain(test, origin)
        real, truth = domain(test, goal)
        seen = judge(model.translate(x, direction=there)).argmax(1)
        same, best = same_letter(seen, y)
        accuracy = (judge(real).argmax(1) == truth).float().mean().item()
        rows.append({"judge": accuracy, "same": same, "best": best})
    return rows


def constants(data: RunData, batch: int = 50) -> tuple[Tensor, Tensor]:
    """What can be said without looking at the source: mean target, and the same blurred."""
    total, count = torch.zeros(()), -(-data.spec.count // batch)
    for draw in range(count):
        pairs = data.batch(draw, batch)
        assert isinstance(pairs, Paired)
        total = total + pairs.b.mean(0, keepdim=True)
    mean = total / count
    side = 2 * (mean.shape[-1] // 16) + 1
    return mean, avg_pool2d(mean, side, 1, side // 2, count_include_pad=False)


def detail(x: Tensor) -> float:
    """The mean distance of neighbouring pixels: small in a blur."""
    return (l1_loss(x[..., 1:], x[..., :-1]) + l1_loss(x[..., 1:, :], x[..., :-1, :])).item() / 2


def pairs(model: Model, data: RunData) -> dict[str, float]:
    """Held-out L1 on [-1, 1], PSNR, SSIM and detail, beside the L1 of constant baselines."""
    test = data.held_out(10_000)
    assert isinstance(test, Paired)
    made, (mean, blurred) = model.translate(test.a), constants(data)
    return {
        "pictures": len(made),
        "l1": l1_loss(made, test.b).item(),
        "psnr": psnr(made, test.b, peak=2).mean().item(),
        "ssim": ssim(made + 1, test.b + 1, peak=2).mean().item(),
        "detail": detail(made),
        "detail of the target": detail(test.b),
        "l1 of the mean picture": l1_loss(mean.expand_as(test.b), test.b).item(),
        "l1 of the blurred mean": l1_loss(blurred.expand_as(test.b), test.b).item(),
    }


def cycles(run: Path) -> list[tuple[int, float, float]]:
    """(step, cycle error of a, of b) whenever held-out pictures were measured."""
    rows = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    names = "held_out/cycle_a", "held_out/cycle_b"
    return [(r["step"], r[names[0]], r[names[1]]) for r in rows if names[0] in r]


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("letters", "pairs", "cycles"))
    parser.add_argument("run", type=Path)
    parser.add_argument("--raw", action="store_true", help="the weights, not their average")
    args = parser.parse_args()
    if args.what == "cycles":
        for step, a, b in cycles(args.run):
            print(f"{step:>7}  a {a:.4f}  b {b:.4f}")
        return
    model, data = load(args.run, device="cpu", raw=args.raw), data_of(args.run)
    print(f"{model.family}, step {model.step}")
    if args.what == "pairs":
        print("\n".join(f"{name:24}{value:.4f}" for name, value in pairs(model, data).items()))
        return
    for there, row in zip(("a2b", "b2a"), letters(model, data), strict=True):
        print(
            f"{there}: {row['same']:.1%} the same letter, {row['best']:.1%} under the best "
            f"permutation (the judge is right on {row['judge']:.1%} of real letters)"
        )


if __name__ == "__main__":
    main()
