"""Where and how numbers are computed: devices, precision, compilation, processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganwright import launched
from ganwright.config.settings import Layout, Precision, Settings
from ganwright.errors import GanwrightError, RunError, SettingsError
from ganwright.layers.forward_state import Memory
from ganwright.layers.memory_layout import lay_out
from ganwright.seeds import rows_counted
from ganwright.training.compiler import check_compiler
from ganwright.training.freed_memory import keep_freed_memory
from ganwright.training.machine import chosen_precision, named_device, usable_cores
from ganwright.training.processes import connected, join
from ganwright.training.synced_batch_norm import SyncedBatchNorm
from ganwright.training.whole_batch import WholeBatch

Function = TypeVar("Function", bound=Callable[..., object])
T = TypeVar("T")
FEW_ROWS = 2
"""So few images train faster contiguous on a CPU in fp32: pix2pix and dcgan do, srgan does not."""


@dataclass(frozen=True)
class Engine:
    """A device, an arithmetic, and this process's place among others.

    Args:
        device: where networks and data live.
        precision: fp32, bf16 or fp16, of the networks' arithmetic; weights stay fp32.
        compile: whether objectives are compiled.
        layout: how convolutions' weights lie in memory; "auto" decides for each network.
        rank, world: this process's number and how many there are.
        synced: whether BatchNorm takes its statistics over all processes.
    """

    device: torch.device
    precision: Precision = "fp32"
    compile: bool = False
    layout: Layout = "auto"
    rank: int = 0
    world: int = 1
    synced: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Engine:
        """The engine that a run's settings ask for: see `pick`."""
        return cls.pick(
            settings.device,
            settings.precision,
            settings.compile,
            layout=settings.layout,
            threads=settings.cpu_threads,
            timeout=settings.timeout,
            synced=settings.sync_batch_norm,
        )

    @classmethod
    def pick(
        cls,
        device: str = "auto",
        precision: Precision = "auto",
        compile: bool = False,
        *,
        layout: Layout = "auto",
        threads: int | None = None,
        timeout: float = 1800.0,
        synced: bool = False,
    ) -> Engine:
        """The engine that fits this machine; joins the processes that torchrun started.

        Raises:
            SettingsError: the device is unknown or not there, or cannot compute in that precision;
                or torch's compiler is asked for and does not work, or BatchNorm cannot be synced;
                or a launcher's variable is no number.
        """
        world, rank = launched.world(), launched.rank()
        if synced and compile and world > 1:
            raise SettingsError(
                "sync_batch_norm does not work with compile: processes cannot exchange statistics "
                "within compiled code; leave one of them out"
            )
        chosen = named_device(device)
        precision = chosen_precision(precision, chosen)
        if compile:
            check_compiler(chosen)
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
            torch.set_float32_matmul_precision("high")
        elif threads is not None:
            torch.set_num_threads(threads)
        elif "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, usable_cores() // world))
        if chosen.type == "cpu":
            keep_freed_memory()
        if world > 1:
            join(chosen.type, timeout)
        return cls(chosen, precision, compile, layout, rank, world, synced)

    def prepare(self, game: nn.Module, rows: int | None = None) -> None:
        """Bring a game to the device, its convolutions in the layout that is fastest there, where
        this process trains on so many `rows` at a time; None if it does not train."""
        game.to(self.device)
        self.share(game)
        for network in game.children():
            lay_out(network, self._channels_last(network, rows))

    def _channels_last(self, network: nn.Module, rows: int | None) -> bool:
        if self.layout != "auto":
            return self.layout == "channels-last"
        if self.device.type != "cpu":
            return True
        few = rows is not None and rows <= FEW_ROWS and self.precision == "fp32"
        return not few and not any(map(_better_contiguous, network.modules()))

    @property
    def shares(self) -> bool:
        """Whether noise is drawn, and fakes are remembered, for all processes together.

        Compiled objectives cannot: there each process does it for itself.
        """
        return self.world > 1 and not self.compile

    @property
    def stream(self) -> int:
        """The part of a seed in which processes differ."""
        return self.rank if self.world > 1 and self.compile else 0

    @contextmanager
    def whole_batch(self, rows: int) -> Iterator[None]:
        """Within, noise for this process's rows is a part of the whole batch's.

        If the engine is synced, BatchNorm's statistics are those of the whole batch.
        """
        with ExitStack() as both:
            if self.shares:
                counts = both.enter_context(rows_counted(rows))
                both.enter_context(WholeBatch(counts, self.rank, self.world))
            if self.shares and self.synced:
                both.enter_context(SyncedBatchNorm(self.rank, self.world))
            yield

    def share(self, game: nn.Module) -> None:
        """Let what remembers what it is called with see the rows of all processes."""
        for module in game.modules():
            if isinstance(module, Memory):
                module.rank = self.rank if self.shares else 0
                module.everyone = self.everyone if self.shares else None

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which objectives are computed."""
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)
        return torch.autocast(self.device.type, dtype, enabled=dtype is not None)

    def compiled(self, function: Function) -> Function:
        """The function, compiled whole if the engine compiles."""
        return cast(Function, torch.compile(function, fullgraph=True)) if self.compile else function

    def scaler(self) -> torch.amp.GradScaler | None:
        """The loss scaling that fp16 needs."""
        return torch.amp.GradScaler(self.device.type) if self.precision == "fp16" else None

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Average tensors over all processes, in place, as one flattened message."""
        if self.world == 1:
            return
        flat = torch.cat([t.flatten() for t in tensors])
        with connected():
            dist.all_reduce(flat)
        flat /= self.world
        for t, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            t.copy_(mean.view_as(t))

    def everyone(self, rows: Tensor) -> Tensor:
        """The rows [n, ...] of all processes, by rank: [world n, ...]."""
        parts = [torch.empty_like(rows) for _ in range(self.world)]
        with connected():
            dist.all_gather(parts, rows)
        return torch.cat(parts)

    def any(self, flag: bool) -> bool:
        """Whether the flag is up on any process: a byte between hosts, under 0.5 ms locally."""
        if self.world == 1:
            return flag
        seen = torch.tensor(flag, dtype=torch.uint8)
        with connected():
            dist.all_reduce(seen, dist.ReduceOp.MAX)
        return bool(seen)

    def gathered(self, value: T) -> list[T]:
        """Every process's value, by rank; at start and at log intervals, not in a step."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        with connected():
            dist.all_gather_object(values, value)
        return values

    @contextmanager
    def together(self) -> Iterator[None]:
        """Work that succeeds on all processes or on none; within it none waits for another.

        Raises:
            GanwrightError: what went wrong here, or on the first process where something did.
        """
        problem: GanwrightError | None = None
        try:
            yield
        except GanwrightError as error:
            if self.world == 1:
                raise
            problem = error
        said = self.gathered(None if problem is None else str(problem))
        if problem is not None:
            raise problem
        for rank, sentence in enumerate(said):
            if sentence is not None:
                raise RunError(f"process {rank} of {self.world}: {sentence}")


def _better_contiguous(module: nn.Module) -> bool:
    """Whether a layer makes a CPU's training slower where maps lie channels last.

    Instance norm turns what it is given, and gives it contiguous to the next layer.
    """
    return isinstance(module, nn.InstanceNorm2d)
