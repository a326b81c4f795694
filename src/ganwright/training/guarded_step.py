"""An update that is undone where something is not finite, without a host that waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ganwright._torch import step_unless
from ganwright.game import Game, Player
from ganwright.layers.forward_state import Moved


def guarded_step(
    optimizer: torch.optim.Optimizer, finite: Tensor, scaler: torch.amp.GradScaler | None = None
) -> bool | None:
    """Step `optimizer` where `finite` holds.

    On the CPU the host looks. On other devices fused optimizers read a flag, and the rest are
    stepped and put back.

    Returns:
        Whether a step was made; None where the host does not know.
    """
    if scaler is not None:
        scaler.step(optimizer)
        scaler.update()
        return None
    if finite.device.type == "cpu":
        if not bool(finite):
            return False
        optimizer.step()
        return True
    if any(group.get("fused") for group in optimizer.param_groups):
        step_unless(optimizer, ~finite)
        return None
    step_or_undo(optimizer, finite)
    return None


@contextmanager
def undone_unless(finite: Tensor, tensors: Sequence[Tensor]) -> Iterator[None]:
    """Tensors that change in here are put back where `finite` is false, without asking the host."""
    saved = [t.clone() for t in tensors]
    yield
    for now, old in zip(tensors, saved, strict=True):
        now.copy_(torch.where(finite.to(now.device), now, old))


def own_state(game: Game, players: Iterable[Player]) -> list[Tensor]:
    """What `Game.after` moves: the game's own buffers, numbers such as ADA's p, what is `Moved`.

    Players' networks are not among it, nor tensors of other modules, which may be as large.
    """
    networks = {id(b) for player in players for net in player.networks for b in net.buffers()}
    own = {id(b): b for b in game.buffers(recurse=False)}
    own |= {id(b): b for b in game.buffers() if b.ndim == 0 and id(b) not in networks}
    own |= {id(b): b for m in game.modules() if isinstance(m, Moved) for b in m.buffers()}
    return list(own.values())


@torch.no_grad()
def step_or_undo(optimizer: torch.optim.Optimizer, finite: Tensor) -> None:
    """Step, then put weights and state back where `finite` is false, without asking the host."""
    saved = {place: t.clone() for place, t in _tensors(optimizer).items()}
    optimizer.step()
    for place, now in _tensors(optimizer).items():
        # a weight's first step makes its state, which begins at zero
        old = saved[place] if place in saved else torch.zeros_like(now)
        now.copy_(torch.where(finite.to(now.device), now, old))


def _tensors(optimizer: torch.optim.Optimizer) -> dict[tuple[int, str], Tensor]:
    """The weights, and what the optimizer keeps of each, by the weight's number and its name."""
    found: dict[tuple[int, str], Tensor] = {}
    for i, w in enumerate(w for group in optimizer.param_groups for w in group["params"]):
        kept = optimizer.state.get(w, {})
        tensors = {"": w, **{key: t for key, t in kept.items() if isinstance(t, Tensor)}}
        found |= {(i, key): t for key, t in tensors.items()}
    return found
