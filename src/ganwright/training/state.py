"""All that a trainer needs to continue, as tensors and counts; on disk it is a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from ganwright.errors import RunError, described
from ganwright.training.trained_player import TrainedPlayer

PARTS = ("game", "average", "training")
"""The networks and all state of the game; the averages; optimizers and counts."""


def check_state(state: Any) -> None:
    """See that it is what `Trainer.state_dict` gives.

    Raises:
        RunError: it is something else.
    """
    if not isinstance(state, Mapping) or any(part not in state for part in PARTS):
        what = f"a table of {', '.join(map(str, state))}" if state else "an empty table"
        what = what if isinstance(state, Mapping) else described(state)
        raise RunError(
            f"this is {what[:120]}, not the state of a trainer; load what "
            "Trainer.state_dict() gave, with its game, average and training"
        )


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    """Fill a module's parameters and buffers in place, keeping their memory layout.

    Args:
        what: what errors call the tensors.

    Raises:
        RunError: names or shapes do not fit.
    """
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise RunError(
            f"{what} does not fit the family's networks: {str(error).splitlines()[1].strip()}"
        ) from error


def of_optimizers(players: Iterable[TrainedPlayer]) -> dict[str, Any]:
    """Optimizers' and scalers' states by player, and the names of the weights that they update."""
    return {
        "weights": {s.player.name: s.names for s in players},
        "optimizers": {s.player.name: s.optimizer.state_dict() for s in players},
        "scalers": {s.player.name: s.scaler.state_dict() for s in players if s.scaler},
    }


def load_optimizers(
    players: Iterable[TrainedPlayer], training: Mapping[str, Any], what: str
) -> None:
    """Fill optimizers and scalers with what `of_optimizers` gave.

    Args:
        what: what errors call it.

    Raises:
        RunError: it is of other players, weights or precision.
    """
    for trained in players:
        name = trained.player.name
        try:
            trained.optimizer.load_state_dict(training["optimizers"][name])
            if trained.scaler:
                trained.scaler.load_state_dict(training["scalers"][name])
        except (KeyError, ValueError) as error:
            why = "it has none" if isinstance(error, KeyError) else str(error)
            raise RunError(f"{what} does not fit {name}'s optimizer or scaler: {why}") from error
