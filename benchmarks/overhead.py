"""What the trainer costs: its time for a DCGAN step over that of a loop written out by hand.

Both play with copies of the same networks, the same fused Adam and the same batches, in fp32 and
eager. The hand-written loop leaves out what careful scripts leave out: fakes for D are drawn
without gradients, and D's weights are frozen while G moves. Blocks of steps alternate in one
process; the ratio is the median over pairs of neighbouring blocks. On a machine that is busy with
other things, `--cpu-time` counts this process's time alone.

    python benchmarks/overhead.py --pairs 100
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from copy import deepcopy
from statistics import median, quantiles
from time import perf_counter, process_time

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganwright.data.types import Images, Spec
from ganwright.families.dcgan import DCGAN
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer

SHAPE = (3, 32, 32)


class Fixed:
    """The same random pictures at every draw: reading data is not what is measured."""

    def __init__(self, size: int, device: torch.device) -> None:
        self.images = Images(torch.rand(size, *SHAPE, device=device) * 2 - 1)

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Images:
        """The pictures."""
        return self.images


class Bare:
    """A DCGAN training loop as one would write it by hand, once and well."""

    def __init__(self, G: nn.Module, D: nn.Module, x: Tensor, latent: int) -> None:
        self.G, self.D, self.x, self.latent = G, D, x, latent
        G.requires_grad_(True)
        D.requires_grad_(True)
        self.move_G = torch.optim.Adam(G.parameters(), 2e-4, (0.5, 0.999), fused=True)
        self.move_D = torch.optim.Adam(D.parameters(), 2e-4, (0.5, 0.999), fused=True)

    def play_step(self) -> None:
        """One move of D, one of G."""
        G, D, x = self.G, self.D, self.x
        with torch.no_grad():
            fake = G(self.noise())
        loss = softplus(-D(x)).mean() + softplus(D(fake)).mean()
        self.move_D.zero_grad()
        loss.backward()
        self.move_D.step()

        D.requires_grad_(False)
        loss = softplus(-D(G(self.noise()))).mean()
        self.move_G.zero_grad()
        loss.backward()
        self.move_G.step()
        D.requires_grad_(True)

    def noise(self) -> Tensor:
        """z, [n, latent]."""
        return torch.randn(len(self.x), self.latent, device=self.x.device)


def seconds(play_step: Callable[[], None], steps: int, clock: Callable[[], float]) -> float:
    """How long a block of steps takes."""
    start = clock()
    for _ in range(steps):
        play_step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=100, help="pairs of blocks")
    parser.add_argument("--block", type=int, default=1, help="steps in a block")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--average", action="store_true", help="keep G's average too")
    parser.add_argument("--cpu-time", action="store_true", help="for a busy machine, on the CPU")
    args = parser.parse_args()
    clock = process_time if args.cpu_time else perf_counter

    torch.manual_seed(0)
    engine = Engine.pick(args.device, "fp32")
    torch.backends.cudnn.benchmark = True
    game = DCGAN(DCGAN.Config(), Spec(Images, SHAPE, count=args.batch_size))
    data = Fixed(args.batch_size, engine.device)
    half_life = 10_000.0 if args.average else 0.0
    trainer = Trainer(game, data, engine, batch_size=args.batch_size, ema_half_life=half_life)
    bare = Bare(deepcopy(game.G), deepcopy(game.D), data.images.images, game.cfg.latent)

    contestants = [trainer.play_step, bare.play_step]
    for play_step in contestants:
        seconds(play_step, 10, clock)
    ours, theirs = [], []
    for pair in range(args.pairs):
        order = contestants if pair % 2 else contestants[::-1]
        took = {play_step: seconds(play_step, args.block, clock) for play_step in order}
        ours.append(took[trainer.play_step])
        theirs.append(took[bare.play_step])
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    low, _, high = quantiles(ratios, n=4)
    print(f"trainer {1e3 * median(ours) / args.block:.2f} ms a step")
    print(f"by hand {1e3 * median(theirs) / args.block:.2f} ms a step")
    print(f"ratio   {median(ratios):.3f} (half of the pairs between {low:.3f} and {high:.3f})")


if __name__ == "__main__":
    main()
