"""What an update must not touch: others' weights, statistics and vectors, and anyone's modes.

BatchNorm and InstanceNorm write their running statistics, and spectral norm its vectors, whenever
they are called in training mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList
from torch.nn.utils.spectral_norm import SpectralNorm as SpectralHook

from ganwright._torch import SpectralNorm, pre_hooks


class Memory(nn.Module):
    """Base of modules that take in what they are called with, such as a replay pool.

    While `held`, they answer and take nothing in. The pass of a lazy objective holds them, since it
    looks at a batch that the main one has seen.
    Where several processes train, all take in the rows of all, so that their states are the same.
    """

    held = False
    rank = 0
    everyone: Callable[[Tensor], Tensor] | None = None
    """The rows [n, ...] of this process -> those of all, by rank."""

    def of_all(self, rows: Tensor) -> Tensor:
        """The rows of all processes that share this memory, without gradients."""
        rows = rows.detach()
        return rows if self.everyone is None else self.everyone(rows.contiguous())

    def forget(self) -> None:
        """Start over: some of its buffers did not fit those of another run, so none may stay."""

    def own(self, rows: Tensor, n: int) -> Tensor:
        """The n rows of this process among those of all."""
        return rows[self.rank * n : (self.rank + 1) * n]


class Moved(nn.Module):
    """Base of modules whose buffers `Game.after` changes, such as a mean of weights.

    Where an update is undone, so are they. Of other modules than the game, only numbers are.
    """


BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def self_moving(module: nn.Module) -> Iterator[nn.Module]:
    """The submodules that write to their own buffers when they are called in training mode."""
    for part in module.modules():
        if isinstance(part, (*BATCH_NORMS, *INSTANCE_NORMS)):
            if part.track_running_stats:
                yield part
        elif isinstance(part, ParametrizationList):
            yield from part
        elif any(isinstance(hook, SpectralHook) for hook in pre_hooks(part)):
            yield part  # torch's older spectral norm, which many published networks have


def spectral(module: nn.Module) -> Iterator[tuple[nn.Module, Callable[[], object]]]:
    """Each submodule that keeps vectors of spectral norm, and what iterates them once."""
    for part in module.modules():
        if isinstance(part, ParametrizationList):
            for norm in part:
                if isinstance(norm, SpectralNorm):
                    yield norm, part
        for hook in pre_hooks(part):
            if isinstance(hook, SpectralHook):
                yield part, partial(hook, part, ())


@contextmanager
def still(parts: Iterable[nn.Module]) -> Iterator[None]:
    """Within, none of these parts writes to its buffers; a norm still normalises by the batch."""
    before = [(part, {k: getattr(part, k) for k in _stilled(part)}) for part in parts]
    for part, _ in before:
        _set(part, _stilled(part))
    try:
        yield
    finally:
        for part, values in before:
            _set(part, values)


def _stilled(part: nn.Module) -> dict[str, Any]:
    """The attributes that keep a part still, with their values."""
    if isinstance(part, Memory):
        return {"held": True}
    if isinstance(part, BATCH_NORMS):
        return {"track_running_stats": False}
    if isinstance(part, INSTANCE_NORMS):  # in evaluation mode it reads them
        return {"running_mean": None, "running_var": None} if part.training else {}
    return {"training": False}  # spectral norm iterates in training mode only


@contextmanager
def constant(weights: Iterable[Tensor]) -> Iterator[None]:
    """Within, none of these weights requires a gradient."""
    live = [w for w in weights if w.requires_grad]
    for w in live:
        w.requires_grad_(False)
    try:
        yield
    finally:
        for w in live:
            w.requires_grad_(True)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Within, all of a module is in evaluation mode; then each part has its own mode again."""
    before = [(part, {"training": part.training}) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, values in before:
            _set(part, values)


def _set(part: nn.Module, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(part, name, value)
