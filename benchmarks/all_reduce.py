"""What averaging gradients over processes costs, and what smaller or earlier messages would save.

    python benchmarks/all_reduce.py
    python benchmarks/all_reduce.py --size 64 --batch 8

Two processes train DCGAN's networks on noise, in a plain loop whose gradients are averaged in six
ways. Blocks of steps take turns, so that all meet the same machine:

- `none`: not at all, as if the network took no time;
- `one message`: as the trainer does it, fp32, after each player's backward pass;
- `bf16`: the same message rounded to bf16;
- `early`: in messages of about 4 MB, each sent while the backward pass goes on;
- `early bf16`: both;
- `DDP`: torch's DistributedDataParallel.

Prints the median time of a step over that of `one message`, the half of all blocks around it, and
how far bf16 moves the averaged gradient (the relative error of the whole gradient).

A fast link hides the differences. In a network namespace, the link between the processes can be
made as slow as one between machines, here 1 Gbit/s:

    ip netns add slow
    ip -n slow link set lo up
    tc -n slow qdisc add dev lo root tbf rate 1gbit burst 256kb latency 100ms
    ip netns exec slow python benchmarks/all_reduce.py
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.functional import softplus
from torch.nn.parallel import DistributedDataParallel

from ganwright.networks import ConvNet
from ganwright.seeds import seed_torch
from ganwright.training.engine import Engine

WORLD = 2
BUCKET = 4 * 2**20
"""Bytes of an early message, in fp32."""


class Average:
    """Averages the gradients of one network over all processes.

    Args:
        network: whose gradients.
        early: whether messages leave while the backward pass goes on.
        dtype: what messages are rounded to.
        silent: sends nothing at all.
    """

    def __init__(
        self, network: nn.Module, early: bool, dtype: torch.dtype, silent: bool = False
    ) -> None:
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.early, self.dtype, self.silent = early, dtype, silent
        self.full: list[Tensor] = []
        self.sent: list[tuple[list[Tensor], Tensor, dist.Work]] = []
        self.active = False
        if early:
            for parameter in self.parameters:
                parameter.register_post_accumulate_grad_hook(self._ready)

    def _ready(self, parameter: Tensor) -> None:
        if not self.active:
            return
        self.full.append(parameter)
        if sum(4 * p.numel() for p in self.full) >= BUCKET:
            self._send(self.full)
            self.full = []

    def _send(self, parameters: Sequence[Tensor]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients]).to(self.dtype)
        work = dist.all_reduce(flat, async_op=True)
        assert work is not None
        self.sent.append((gradients, flat, work))

    def backward(self, loss: Tensor) -> None:
        """The gradients of `loss`, averaged."""
        self.active = True
        loss.backward()
        self.active = False
        if self.silent:
            return
        rest = self.full if self.early else self.parameters
        if rest:
            self._send(rest)
        self.full = []
        for gradients, flat, work in self.sent:
            work.wait()
            parts = flat.float().div_(WORLD).split([g.numel() for g in gradients])
            for gradient, mean in zip(gradients, parts, strict=True):
                gradient.copy_(mean.view_as(gradient))
        self.sent = []


class Wrapped:
    """The same by torch's DistributedDataParallel, which the network is called through."""

    def backward(self, loss: Tensor) -> None:
        """The gradients of `loss`, averaged by hooks of DDP."""
        loss.backward()


Kind = Callable[[nn.Module], Average]
KINDS: dict[str, Kind | None] = {
    "none": lambda n: Average(n, False, torch.float32, silent=True),
    "one message": lambda n: Average(n, False, torch.float32),
    "bf16": lambda n: Average(n, False, torch.bfloat16),
    "early": lambda n: Average(n, True, torch.float32),
    "early bf16": lambda n: Average(n, True, torch.bfloat16),
    "DDP": None,
}


class Loop:
    """G and D of DCGAN, and a step of both.

    Args:
        size, batch: pixels of a side, and images of a process.
        kind: how gradients are averaged, None for DDP.
        rank: of this process; it decides noise and images, not weights.
    """

    def __init__(self, size: int, batch: int, kind: Kind | None, rank: int) -> None:
        seed_torch("weights")
        self.G: nn.Module = ConvNet().generator(100, (3, size, size))
        self.D: nn.Module = ConvNet().discriminator((3, size, size))
        self.critic = self.D
        Engine(torch.device("cpu")).prepare(nn.ModuleDict({"G": self.G, "D": self.D}))
        self.random = torch.Generator().manual_seed(rank)
        self.z = torch.randn(batch, 100, generator=self.random)
        self.x = torch.rand(batch, 3, size, size, generator=self.random) * 2 - 1
        self.optimizers = [
            torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999), fused=True)
            for n in (self.D, self.G)
        ]
        if kind is None:
            self.G, self.D = DistributedDataParallel(self.G), DistributedDataParallel(self.D)
            self.ways: list[Average | Wrapped] = [Wrapped(), Wrapped()]
        else:
            self.ways = [kind(self.D), kind(self.G)]

    def step(self) -> None:
        """D's update, then G's."""
        fakes = self.G(self.z)
        real, fake = self.D(torch.cat([self.x, fakes.detach()])).chunk(2)
        self._update(0, softplus(-real).mean() + softplus(fake).mean())
        self.critic.requires_grad_(False)
        self._update(1, softplus(-self.critic(fakes)).mean())
        self.critic.requires_grad_(True)

    def _update(self, number: int, loss: Tensor) -> None:
        self.optimizers[number].zero_grad(set_to_none=True)
        self.ways[number].backward(loss)
        self.optimizers[number].step()

    def gradient(self) -> Tensor:
        """D's gradient after a step, flat."""
        gradients = [p.grad for p in self.critic.parameters()]
        return torch.cat([g.flatten() for g in gradients if g is not None])


def run(rank: int, args: argparse.Namespace) -> None:
    """One of the processes; the first prints."""
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(args.port))
    dist.init_process_group("gloo", rank=rank, world_size=WORLD)
    loops = {name: Loop(args.size, args.batch, kind, rank) for name, kind in KINDS.items()}
    gradients = {}
    for name, loop in loops.items():
        loop.step()
        gradients[name] = loop.gradient()
    seconds = defaultdict(list)
    for _ in range(args.blocks):
        for name, loop in loops.items():
            dist.barrier()
            start = time.perf_counter()
            for _ in range(args.steps):
                loop.step()
            dist.barrier()
            seconds[name].append((time.perf_counter() - start) / args.steps)
    if rank == 0:
        report(loops["none"], seconds, gradients)
    dist.destroy_process_group()


def report(loop: Loop, seconds: dict[str, list[float]], gradients: dict[str, Tensor]) -> None:
    """The table, and what rounding changes."""
    for name, network in (("G", loop.G), ("D", loop.D)):
        print(f"{name}: {sum(p.numel() for p in network.parameters()) * 4 / 2**20:.1f} MiB in fp32")
    print(f"{'':12} {'ms a step':>9} {'of one message':>15}")
    for name, measured in seconds.items():
        ratios = [a / b for a, b in zip(measured, seconds["one message"], strict=True)]
        low, middle, high = statistics.quantiles(ratios)
        ms = 1000 * statistics.median(measured)
        print(f"{name:12} {ms:9.1f} {middle:8.3f} ({low:.3f} to {high:.3f})")
    exact = gradients["one message"]
    for name in ("bf16", "early", "early bf16", "DDP"):
        error = float((gradients[name] - exact).norm() / exact.norm())
        print(f"gradient of D, {name}: {error:.1e} from one message's")


def main() -> None:
    """Start the processes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=64, help="pixels of a side (64)")
    parser.add_argument("--batch", type=int, default=16, help="images of a process (16)")
    parser.add_argument("--steps", type=int, default=3, help="steps of a block (3)")
    parser.add_argument("--blocks", type=int, default=15, help="blocks of each way (15)")
    parser.add_argument("--port", type=int, default=29531)
    spawn(run, (parser.parse_args(),), nprocs=WORLD)


if __name__ == "__main__":
    main()
