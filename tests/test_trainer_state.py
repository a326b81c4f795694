"""A trainer by itself: its state is all that going on needs, whoever keeps it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import trainer_of

from ganwright.errors import RunError
from ganwright.training import checkpoint
from ganwright.training.engine import Engine
from ganwright.training.trainer import Trainer


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Every tensor and number of a nested state by its path."""
    if isinstance(value, dict):
        return {
            k: v for key, item in value.items() for k, v in _flat(item, f"{name}.{key}").items()
        }
    if isinstance(value, list | tuple):
        return {k: v for i, x in enumerate(value) for k, v in _flat(x, f"{name}.{i}").items()}
    return {name: value}


def _same(a: Trainer, b: Trainer) -> bool:
    one, two = _flat(a.state_dict()), _flat(b.state_dict())
    assert one.keys() == two.keys()
    assert sum(isinstance(v, torch.Tensor) for v in one.values()) > 8
    return all(
        torch.equal(v, two[k]) if isinstance(v, torch.Tensor) else v == two[k]
        for k, v in one.items()
    )


@pytest.mark.parametrize("name", ["dcgan", "wgan", "began", "cyclegan", "sgan"])
def test_a_loop_of_one_s_own_resumes_bitwise(name: str, tmp_path: Path) -> None:
    whole, part = trainer_of(name), trainer_of(name)
    list(whole.play(4))
    list(part.play(2))
    torch.save(part.state_dict(), tmp_path / "own.pt")
    again = trainer_of(name, seed=0)
    again.play_step()  # a state replaces all that was
    again.load_state_dict(torch.load(tmp_path / "own.pt", weights_only=True))
    assert (again.step, again.draws, again.images) == (part.step, part.draws, part.images)
    assert _same(again, part)
    list(again.play(4))
    assert _same(again, whole)


def test_a_run_folder_holds_the_same_state(tmp_path: Path) -> None:
    trainer, again = trainer_of("gan"), trainer_of("gan")
    list(trainer.play(2))
    path = checkpoint.save(tmp_path, trainer.state_dict(), keep=1)
    found = checkpoint.load(path)
    state = {"game": found.game, "average": found.average, "training": found.training}
    again.load_state_dict(state)
    assert _same(trainer, again)
    assert found.counts["world"] == 1


def test_a_state_without_optimizers_leaves_them_as_they_are() -> None:
    trainer, fresh = trainer_of("gan"), trainer_of("gan")
    list(trainer.play(2))
    state = copy.deepcopy(trainer.state_dict())
    del state["training"]["optimizers"]
    fresh.load_state_dict(state)
    assert fresh.step == 2
    assert not fresh.players[0].optimizer.state


def test_a_restart_begins_with_a_fresh_loss_scale() -> None:
    made = trainer_of("gan")
    trainer = Trainer(made.game, made.batches, Engine(torch.device("cpu"), "fp16"))
    states = [trained.scaler.state_dict() for trained in trainer.players if trained.scaler]
    assert len(states) == 2
    for trained in trainer.players:
        assert trained.scaler
        trained.scaler.load_state_dict(states[0] | {"scale": 8.0, "_growth_tracker": 5})
    trainer.restart()
    assert [t.scaler.state_dict() for t in trainer.players if t.scaler] == states


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda _: [],
            "this is a list, not the state of a trainer; load what Trainer.state_dict()",
        ),
        (lambda s: s["game"], "this is a table of G."),
        (lambda _: {}, "this is an empty table, not the state"),
        (lambda s: s | {"game": {}}, "this state does not fit the family's networks: Missing key"),
        (
            lambda s: s | {"training": s["training"] | {"optimizers": {}}},
            "this state does not fit D's optimizer or scaler: it has none",
        ),
    ],
)
def test_what_is_no_state_of_this_game_is_refused(change: Any, sentence: str) -> None:
    trainer = trainer_of("gan")
    with pytest.raises(RunError) as caught:
        trainer.load_state_dict(change(trainer.state_dict()))
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)
    assert trainer.step == 0


def test_the_state_of_another_optimizer_is_refused() -> None:
    trainer, other = trainer_of("gan"), trainer_of("gan")
    state = copy.deepcopy(other.state_dict())
    state["training"]["optimizers"]["D"]["param_groups"][0]["params"].pop()
    with pytest.raises(RunError, match="does not fit D's optimizer or scaler: loaded state dict"):
        trainer.load_state_dict(state)
