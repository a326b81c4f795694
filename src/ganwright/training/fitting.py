"""Tensors of one training put to use in another, as far as names and shapes agree."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganwright.layers.forward_state import Memory
from ganwright.training.trained_player import TrainedPlayer
from ganwright.training.trainer import Trainer

SHOWN = 6
"""Names that a line lists."""


@dataclass(frozen=True)
class Fit:
    """What fitted of some tensors, by name.

    Args:
        taken: those that were copied.
        shapes: those of another shape, with both shapes.
        absent: those that only the module has.
        unused: those that it has not.
    """

    taken: tuple[str, ...]
    shapes: tuple[str, ...]
    absent: tuple[str, ...]
    unused: tuple[str, ...]

    def lines(self) -> list[str]:
        """The misfits in at most three lines."""
        said = (
            ("fresh, since shapes differ", self.shapes),
            ("fresh, since not there", self.absent),
            ("there, but not here", self.unused),
        )
        return [f"{what} ({len(names)}): {_few(names)}" for what, names in said if names]


@torch.no_grad()
def fit(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Fit:
    """Copy into `own`, in place, what `given` has under the same name in the same shape."""
    both = [name for name in own if name in given]
    taken = [name for name in both if own[name].shape == given[name].shape]
    for name in taken:
        own[name].copy_(given[name])
    return Fit(
        tuple(taken),
        tuple(
            f"{name} ({_by(given[name])} there, {_by(own[name])} here)"
            for name in both
            if own[name].shape != given[name].shape
        ),
        tuple(name for name in own if name not in given),
        tuple(sorted(name for name in given if name not in own)),
    )


def fits(game: nn.Module, found: Fit) -> bool:
    """Whether anything learned was taken: a matrix or a kernel, where the game has any.

    A lone bias fits many networks by chance.
    """
    learned = dict(game.named_parameters())
    large = {name for name, w in learned.items() if w.ndim > 1}
    return not (large or learned.keys()).isdisjoint(found.taken)


def forget(game: nn.Module, fresh: Collection[str]) -> None:
    """Let each memory start over of whose buffers at least one is among the `fresh` tensors."""
    for name, part in game.named_modules():
        own = {f"{name}.{buffer}" for buffer, _ in part.named_buffers()}
        if isinstance(part, Memory) and not own.isdisjoint(fresh):
            part.forget()


def networks(game: nn.Module) -> dict[str, Tensor]:
    """The tensors of a game's networks: not its pools, nor what it counts, such as BEGAN's k."""
    names = [n for n, child in game.named_children() if any(True for _ in child.parameters())]
    state: dict[str, Tensor] = game.state_dict()
    return {name: t for name, t in state.items() if name.partition(".")[0] in names}


def adopt(trainer: Trainer, state: dict[str, Any]) -> list[str]:
    """Continue from another trainer's `state`, as far as it fits; its tensors are fitted apart.

    Counts are taken as they are. An optimizer keeps what it knows of each weight that has the same
    name and shape, with the learning rate and the other numbers that it has now.

    Returns:
        A sentence for each player whose optimizer does not continue whole.
    """
    trainer.step, trainer.draws = state["step"], state["draws"]
    trainer.images, trainer.attempt = state["images"], state["attempt"]
    trainer.average.waiting = state.get("waiting", 0)
    said = []
    for trained in trainer.players:
        name, count = trained.player.name, len(trained.weights)
        kept = _known(trained, state["optimizers"].get(name), state.get("weights", {}).get(name))
        held = {place: known for place, known in kept.items() if known}
        trained.optimizer.load_state_dict(trained.optimizer.state_dict() | {"state": held})
        if trained.scaler and name in state["scalers"]:
            trained.scaler.load_state_dict(state["scalers"][name])
        if len(kept) < count:
            some = f" for {count - len(kept)} of {count} weights" if kept else ""
            said.append(f"{name}'s optimizer starts over{some}")
    return said


def _known(
    trained: TrainedPlayer, old: dict[str, Any] | None, names: Sequence[str] | None
) -> dict[int, dict[str, Any]]:
    """What an optimizer knew, if anything, of each weight that fits, by its place here."""
    now = trained.optimizer.state_dict()["param_groups"][0]
    if old is None or old["param_groups"][0].keys() != now.keys():
        return {}  # another kind of optimizer
    if names is None:  # an older version did not note them: they stand in order
        if len(old["param_groups"][0]["params"]) != len(trained.weights):
            return {}
        names = trained.names
    kept = {}
    for place, (name, w) in enumerate(zip(trained.names, trained.weights, strict=True)):
        if name in names:
            known = old["state"].get(names.index(name), {})
            tensors = [t for t in known.values() if isinstance(t, Tensor) and t.ndim]
            if all(t.shape == w.shape for t in tensors):
                kept[place] = known
    return kept


def _few(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _by(t: Tensor) -> str:
    return "x".join(map(str, t.shape)) or "one number"
