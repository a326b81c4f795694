"""Updates that can be skipped on the device, so that a NaN costs no weights and no host sync."""

from __future__ import annotations

import torch
from torch import Tensor

from ganwright._torch import step_unless


def guarded_step(
    optimizer: torch.optim.Optimizer, finite: Tensor, scaler: torch.amp.GradScaler | None = None
) -> bool:
    """Step `optimizer` where `finite` holds.

    On the CPU the host looks. On other devices fused optimizers read a flag, and the rest are
    stepped and put back.

    Returns:
        False when the host knows that no step was made.
    """
    if scaler is not None:
        scaler.step(optimizer)
        scaler.update()
        return True
    if finite.device.type == "cpu":
        if not bool(finite):
            return False
        optimizer.step()
        return True
    if any(group.get("fused") for group in optimizer.param_groups):
        step_unless(optimizer, ~finite)
        return True
    step_or_undo(optimizer, finite)
    return True


@torch.no_grad()
def step_or_undo(optimizer: torch.optim.Optimizer, finite: Tensor) -> None:
    """Step, then put weights and state back where `finite` is false, without asking the host."""
    weights = [w for group in optimizer.param_groups for w in group["params"]]
    before = _tensors(optimizer, weights)
    saved = [t.clone() for t in before]
    optimizer.step()
    if len(after := _tensors(optimizer, weights)) != len(before):  # the first step made the state
        saved += [torch.zeros_like(t) for t in after[len(before) :]]
    for now, old in zip(after, saved, strict=True):
        now.copy_(torch.where(finite.to(now.device), now, old))


def _tensors(optimizer: torch.optim.Optimizer, weights: list[Tensor]) -> list[Tensor]:
    state = [
        t
        for w in weights
        for _, t in sorted(optimizer.state.get(w, {}).items())
        if isinstance(t, Tensor)
    ]
    return [*weights, *state]
