"""Where and how numbers are computed: devices, precision, compilation, processes."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganwright.config.settings import Layout, Precision, Settings
from ganwright.errors import GanwrightError, RunError, SettingsError
from ganwright.layers.forward_state import Memory
from ganwright.seeds import rows_counted
from ganwright.training.compiler import check_compiler
from ganwright.training.freed_memory import keep_freed_memory
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
                or torch's compiler is asked for and does not work, or BatchNorm cannot be synced.
        """
        world, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
        if synced and compile and world > 1:
            raise SettingsError(
                "sync_batch_norm does not work with compile: processes cannot exchange statistics "
                "within compiled code; leave one of them out"
            )
        chosen = _device(device)
        precision = _precision(precision, chosen)
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
            last = self._channels_last(network, rows)
            layout = torch.channels_last if last else torch.contiguous_format
            for module in network.modules():
                if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                    module.to(memory_format=layout)

    def _channels_last(self, network: nn.Module, rows: int | None) -> bool:
        if self.layout != "auto":
            return self.layout == "channels-last"
        if self.device.type != "cpu":
            return True
        few = rows is not None and rows <= FEW_ROWS and self.precision == "fp32"
        # Instance norm turns what it is given, and gives it contiguous to the next layer.
        return not few and not any(isinstance(m, nn.InstanceNorm2d) for m in network.modules())

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


def usable_cores() -> int:
    """Cores this process may use: its affinity and its container's limit, not the machine's count.

    Threads beyond that slow small networks a hundredfold.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        limit = math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        limit = cores or 1
    return max(1, min(cores or 1, limit))


def _device(name: str) -> torch.device:
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if cuda else "mps" if mps else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not index.isdigit()):
        raise SettingsError(f"unknown device {name!r}; choose cpu, cuda, cuda:N, mps or auto")
    if kind == "cuda" and (not cuda or int(index or 0) >= torch.cuda.device_count()):
        count = torch.cuda.device_count() if cuda else 0
        raise SettingsError(f"device {name} is not available ({count} CUDA devices seen); try auto")
    if kind == "mps" and not mps:
        raise SettingsError("device mps is not available; use --device cpu or auto")
    return torch.device(name)


def _precision(name: Precision, device: torch.device) -> Precision:
    if name == "auto":
        return "bf16" if fast_bf16(device) else "fp32"
    if name not in ("fp32", "bf16", "fp16"):
        raise SettingsError(f"unknown precision {name!r}; choose fp32, bf16, fp16 or auto")
    if name == "fp16" and device.type == "cpu":
        raise SettingsError("fp16 needs a GPU; on the CPU use --precision bf16, fp32 or auto")
    return name


def fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    flags = _processor_lines("flags").split()
    # Intel's cores multiply bfloat16 fast by AMX alone: where a virtual machine hides that, 512^3
    # by avx512_bf16 takes 1.9 times as long as in float32, and CycleGAN's step 1.5 times as long.
    by_avx512 = "avx512_bf16" in flags and _processor_lines("vendor_id") == "AuthenticAMD"
    return "amx_bf16" in flags or by_avx512


def processor(device: torch.device) -> str:
    """What the device is called, with the instructions that torch uses on a CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return str(device)
    name = _processor_lines("model name") or platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def _processor_lines(field: str) -> str:
    """What Linux says of its first processor; nothing on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")
