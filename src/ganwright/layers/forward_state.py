"""State that forward passes move by themselves: BatchNorm statistics, spectral norm's vectors."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.utils.parametrize import ParametrizationList

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def self_moving(module: nn.Module) -> Iterator[nn.Module]:
    """The submodules that write to their own buffers when they are called in training mode."""
    for part in module.modules():
        if isinstance(part, BATCH_NORMS) and part.track_running_stats:
            yield part
        elif isinstance(part, ParametrizationList):
            yield from part


def hold(part: nn.Module, held: bool) -> None:
    """Stop or free one of them; a held BatchNorm still normalises by the batch."""
    if isinstance(part, BATCH_NORMS):
        part.track_running_stats = not held
    else:  # spectral norm iterates only while its parametrization is in training mode
        part.training = not held
