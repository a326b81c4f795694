"""Those compared, each in a process of its own: what one does to memory is nothing to another."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch
from cases import CASES, Case
from loops import Batches, Style
from packages import FAMILIES, PACKAGES
from torch import Tensor, nn
from torch.nn.functional import dropout
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from ganwright.config.settings import Precision
from ganwright.data.types import Images, Paired, Unpaired
from ganwright.layers.dropout import Dropout, NoiseDropout
from ganwright.run.profile import most_memory
from ganwright.training.engine import Engine
from ganwright.training.freed_memory import keep_freed_memory
from ganwright.training.machine import usable_cores
from ganwright.training.trainer import Trainer

LAYOUTS = {"channels last": torch.channels_last, "contiguous": torch.contiguous_format}
SEEN = 20_000
"""Images that the library takes as seen: early on its average moves more often."""


class Files(Dataset[Any]):
    """Images as scripts serve them: PIL, one by one, through torchvision's transforms."""

    def __init__(self, case: Case) -> None:
        given = case.pictures()
        self.sides = given[:1] if case.task is Images else given
        self.labels = given[1] if case.task is Images else None
        self.image = v2.ToPILImage()
        self.tensor = v2.Compose(
            [
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.5] * case.channels, [0.5] * case.channels),
            ]
        )

    def __len__(self) -> int:
        return len(self.sides[0])

    def __getitem__(self, index: int) -> Any:
        images = [self.tensor(self.image(side[index])) for side in self.sides]
        return (*images, self.labels[index]) if self.labels is not None else tuple(images)


def script_batches(case: Case, device: torch.device) -> Callable[[], Any]:
    """Batches of a DataLoader, epoch after epoch."""

    def endless() -> Iterator[Any]:
        loader = DataLoader(Files(case), case.batch, shuffle=True, drop_last=True)
        while True:
            for batch in loader:
                first, second = (t.to(device) for t in batch)
                if case.task is Images:
                    yield Images(first, second)
                elif case.task is Paired:
                    yield Paired(first, second)
                else:
                    yield Unpaired(first, second, None, None)

    batches = endless()
    return lambda: next(batches)


class Ready:
    """The same batch at every draw."""

    def __init__(self, data: Any, size: int) -> None:
        self.spec, self.kept = data.spec, data.batch(0, size)

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Any:
        """The batch."""
        return self.kept


class Resident:
    """The library's own batches, for a loop by hand."""

    def __init__(self, data: Any, size: int) -> None:
        self.data, self.size, self.draw = data, size, 0

    def __call__(self) -> Any:
        self.draw += 1
        return self.data.batch(self.draw, self.size)


@dataclass(frozen=True)
class Loop:
    """A loop by hand."""

    style: Style

    @property
    def name(self) -> str:
        """What the table calls it."""
        if not self.style.careful:
            return "script"
        layout = next(name for name, each in LAYOUTS.items() if each is self.style.layout)
        return f"careful loop, {'bf16' if self.style.bf16 else 'fp32'}, {layout}"

    def step(self, case: Case, device: torch.device, *, ready: bool) -> Callable[[], object]:
        """What plays a step."""
        if self.style.careful:
            keep_freed_memory()
        data = case.open(device)
        own: Batches = Resident(data, case.batch)
        if ready:
            kept = Ready(data, case.batch).kept
            own = lambda: kept  # noqa: E731
        elif not self.style.careful:
            own = script_batches(case, device)
        game = case.game(data.spec).to(device)
        return case.loop(game if self.style.careful else _usual(game), own, self.style)


@dataclass(frozen=True)
class Package:
    """A framework that one can install, by the name that pip knows."""

    name: str

    def step(self, case: Case, device: torch.device, *, ready: bool) -> Callable[[], object]:
        """What plays a step."""
        data = case.open(device)
        kept = Ready(data, case.batch).kept
        batches = (lambda: kept) if ready else script_batches(case, device)
        game = case.game(data.spec).to(device)
        return PACKAGES[self.name](case, device, batches, _usual(game))


def _usual(module: nn.Module) -> Any:
    """A module with torch's own dropout, as scripts have it."""
    for name, part in module.named_children():
        if isinstance(part, Dropout):
            setattr(module, name, nn.Dropout(part.p))
        elif isinstance(part, NoiseDropout):
            setattr(module, name, Always(part.p))
        else:
            _usual(part)
    return module


class Always(nn.Dropout):
    """Dropout that is always on."""

    def forward(self, x: Tensor) -> Tensor:
        """By torch's own function."""
        return dropout(x, self.p)


@dataclass(frozen=True)
class Library:
    """The library in one of its modes."""

    precision: Precision
    shared: bool
    average: bool = True

    @property
    def name(self) -> str:
        """What the table calls it."""
        told = ", shared" if self.shared else ""
        told += "" if self.average else ", no average"
        return f"ganwright, {self.precision}{told}"

    def step(self, case: Case, device: torch.device, *, ready: bool) -> Callable[[], object]:
        """What plays a step."""
        engine = Engine.pick(str(device), self.precision)
        data = case.open(device)
        served: Any = Ready(data, case.batch) if ready else data
        game = case.game(data.spec, **(case.shared if self.shared else {}))
        half_life = 10_000.0 if self.average else 0.0
        trainer = Trainer(game, served, engine, batch_size=case.batch, ema_half_life=half_life)
        trainer.images = SEEN
        return trainer.play_step


Contestant = Loop | Library | Package


def contestants(case: Case, *, packages: bool, average: bool = True) -> list[Contestant]:
    """The script first, frameworks, careful loops, and the library in each of its modes."""
    found: list[Contestant] = [Loop(Style())]
    if packages and case.family in FAMILIES:
        found += map(Package, PACKAGES)
    for bf16 in (False, True):
        for layout in LAYOUTS.values():
            found.append(Loop(Style(careful=True, bf16=bf16, layout=layout)))
    modes: tuple[Precision, ...] = ("fp32", "auto")
    for precision in modes:
        for shared in (False, True)[: 1 + bool(case.shared)]:
            found.append(Library(precision, shared, average))
    return found


@dataclass
class Apart:
    """A contestant's process; it plays a block when it is told to."""

    name: str
    pipe: Connection

    def block(self, steps: int) -> float:
        """Seconds of so many steps."""
        self.pipe.send(steps)
        found: float = self.pipe.recv()
        return found

    def memory(self) -> int:
        """The most bytes that it had, beyond those of its imports; it ends with this."""
        self.pipe.send(0)
        found: int = self.pipe.recv()
        return found


@contextmanager
def apart(
    name: str,
    device: torch.device,
    *,
    ready: bool,
    packages: bool = False,
    average: bool = True,
) -> Iterator[list[Apart]]:
    """All contestants of a case, warmed up, each in its process; these end with it."""
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as ends:
        found = []
        for each in contestants(CASES[name], packages=packages, average=average):
            here, there = spawn.Pipe()
            process = spawn.Process(target=_serve, args=(there, name, each, device, ready))
            process.start()
            ends.callback(process.kill)
            there.close()
            found.append(Apart(each.name, here))
        for contestant in found:
            contestant.block(2)
        yield found


def _serve(
    pipe: Connection, case: str, what: Contestant, device: torch.device, ready: bool
) -> None:
    torch.set_num_threads(usable_cores())
    before = most_memory(device)
    step = what.step(CASES[case], device, ready=ready)
    while steps := pipe.recv():
        start = time.perf_counter()
        for _ in range(steps):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        pipe.send(time.perf_counter() - start)
    pipe.send(most_memory(device) - before)
