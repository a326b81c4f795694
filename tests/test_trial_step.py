"""A step is tried before the run folder is made, and leaves no trace."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import TINY, tiny, trainer_of
from torch import Tensor

from ganwright.data.types import Images
from ganwright.errors import GanwrightError, SettingsError
from ganwright.families import FAMILIES
from ganwright.families.gan import GAN
from ganwright.game import Terms
from ganwright.run import train as runs
from ganwright.run.trial_step import try_first_step
from ganwright.training.trainer import Trainer


def _everything(trainer: Trainer) -> dict[str, Tensor]:
    found = {f"game.{k}": v.clone() for k, v in trainer.game.named_parameters()}
    found |= {f"buffer.{k}": v.clone() for k, v in trainer.game.named_buffers()}
    return found | {
        f"average.{k}": v.clone() for k, v in trainer.average.networks.state_dict().items()
    }


def _modes(trainer: Trainer) -> list[bool]:
    both = (trainer.game, trainer.average.networks)
    return [m.training for net in both for m in net.modules()]


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_trial_step_changes_no_number(name: str) -> None:
    plain, tried = trainer_of(name), trainer_of(name)
    before, modes, states = _everything(tried), _modes(tried), tried.state_dict()["training"]
    generators = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]
    try_first_step(tried, tried.batches)  # type: ignore[arg-type]
    after = _everything(tried)
    assert before.keys() == after.keys()
    assert not [k for k in before if not torch.equal(before[k], after[k])]
    assert modes == _modes(tried)
    assert tried.state_dict()["training"] == states
    assert torch.equal(torch.get_rng_state(), generators[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == generators[1:]  # type: ignore[index,union-attr]
    for trainer in (plain, tried):
        list(trainer.play(2))
    a, b = _everything(plain), _everything(tried)
    assert not [k for k in a if not torch.equal(a[k], b[k])]
    assert plain.meter.read() == tried.meter.read()


@pytest.mark.parametrize("name", ["infogan", "sgan", "aae-clusters"])
def test_a_batch_of_one_leaves_no_folder(name: str, tmp_path: Path) -> None:
    cls, settings = tiny(name, batch_size=1, steps=2, game=None)
    with pytest.raises(SettingsError, match=r"BatchNorm needs at least two images.*--batch-size"):
        runs.train(cls, settings, tmp_path / "run", quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_each_phase_is_tried(tmp_path: Path) -> None:
    """SRGAN's D plays after a thousand steps only."""
    cls, _ = tiny("srgan")
    game = cls.Config(**TINY["srgan"] | {"mse_steps": 1000})
    runs.train(cls, tiny("srgan", steps=1, game=game)[1], tmp_path / "fits", quiet=True)
    broken = type("Broken", (cls,), {"discriminator": _broken, "__module__": __name__})
    with pytest.raises(SettingsError, match=r"first step fails .*ArithmeticError: two \(test_tr"):
        runs.train(broken, tiny("srgan", steps=1, game=game)[1], tmp_path / "run", quiet=True)
    assert [p.name for p in tmp_path.iterdir()] == ["fits"]


def _broken(*_: Any) -> Terms:
    raise ArithmeticError("two\nlines")


class Unseen(GAN):
    """What it previews is no picture."""

    def preview(self, batch: Images) -> Tensor:
        return torch.zeros(2, 5, 8)


class Unmeasured(GAN):
    """It cannot measure."""

    def measure(self, batch: Images) -> Terms:
        return {"far": batch.images.reshape(3, -1, 7).mean()}


class Hungry(GAN):
    """It asks for more memory than there is."""

    def generator(self, batch: Images) -> Terms:
        return {"adv": torch.empty(1 << 55).sum()}


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (Unseen, r"a grid shows images .* got \[2, 5, 8\]"),
        (Unmeasured, r"the first step fails with these settings: RuntimeError: shape"),
        (Hungry, r"the first step fails with these settings: out of memory; lower --image-size"),
    ],
)
def test_what_fails_later_fails_before_the_folder(
    cls: type[GAN], sentence: str, tmp_path: Path
) -> None:
    _, settings = tiny("gan", steps=2)
    with pytest.raises(GanwrightError, match=sentence) as caught:
        runs.train(cls, settings, tmp_path / "run", quiet=True)
    assert caught.value.__cause__ is not None or cls is Unseen, "the cause is kept"
    assert list(tmp_path.iterdir()) == []


def test_a_resume_tries_a_step_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cls, settings = tiny("gan", steps=2)
    runs.train(cls, settings, tmp_path / "run", quiet=True)
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    monkeypatch.setattr(GAN, "generator", _broken)
    with pytest.raises(SettingsError, match="first step fails"):
        runs.resume(tmp_path / "run", {"steps": 4}, quiet=True)
    assert {p: p.read_bytes() for p in before} == before
