"""What every family keeps, found through the table of families."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from helpers import TINY, tensors, tiny, trainer_of
from torch import Tensor

from ganwright.families import FAMILIES, family
from ganwright.penalties import Penalty
from ganwright.run import train as runs
from ganwright.run.load import load

NAMES = sorted(FAMILIES)


def test_every_family_has_tiny_settings() -> None:
    assert set(TINY) == set(FAMILIES)


@pytest.mark.parametrize("name", NAMES)
def test_the_class_says_what_it_is(name: str) -> None:
    cls = family(name)
    assert cls.title
    assert cls.paper == FAMILIES[name].paper
    assert cls.__doc__
    assert not cls.__doc__.startswith("Base class")
    module = __import__(cls.__module__, fromlist=["x"])
    assert f"arXiv:{cls.paper}" in (module.__doc__ or ""), "the file opens with its citation"


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_frozen(name: str) -> None:
    config = family(name).Config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.loss = None
    hash(config)


@pytest.mark.parametrize("name", NAMES)
def test_each_player_moves_what_it_owns_and_nothing_else(name: str) -> None:
    trainer = trainer_of(name)
    game = trainer.game
    for seat in trainer.seats:
        own = {id(w) for w in seat.weights}
        before = {k: v.detach().clone() for k, v in game.named_parameters()}
        batch = [trainer.batches.batch(0, 4)]
        trainer._apply(seat, trainer._differentiate(seat, batch, "main", 0))
        moved = {k for k, v in game.named_parameters() if not torch.equal(v, before[k])}
        owned = {k for k, v in game.named_parameters() if id(v) in own}
        assert moved, f"{seat.player.name} moves something"
        assert moved <= owned, f"{seat.player.name} moves {moved - owned}, which are not its own"
        assert all(w.grad is None and w.requires_grad for w in game.parameters())
    everything = {id(w) for seat in trainer.seats for w in seat.weights}
    frozen = [k for k, w in game.named_parameters() if id(w) not in everything]
    assert not frozen, f"no player moves {frozen}"


@pytest.mark.parametrize("name", NAMES)
def test_terms_are_named_scalars_and_no_weight_is_dead(name: str) -> None:
    trainer = trainer_of(name)
    batch = trainer.batches.batch(0, 4)
    for seat in trainer.seats:
        done = trainer._differentiate(seat, [batch], "main", 0)
        assert done.values.shape == (len(done.names),)
        assert len(set(done.names)) == len(done.names)
        assert torch.isfinite(done.values).all()
        assert all(g is not None for g in done.gradients), f"{seat.player.name} has dead weights"


@pytest.mark.parametrize("name", NAMES)
def test_weights_outside_the_mover_get_no_gradient(name: str) -> None:
    trainer = trainer_of(name)
    seen: list[Tensor] = []
    for seat in trainer.seats:
        batch = trainer.batches.batch(0, 4)
        own = {id(w) for w in seat.weights}
        others = [w for w in trainer.game.parameters() if id(w) not in own]
        trainer._differentiate(seat, [batch], "main", 0)
        seen += [w.grad for w in others if w.grad is not None]
    assert not seen


@pytest.mark.parametrize("name", NAMES)
def test_preview_and_inference_have_the_right_shape_and_range(name: str) -> None:
    trainer = trainer_of(name)
    game = trainer.game.eval()
    with torch.no_grad():
        grid = game.preview(trainer.batches.preview(16))  # type: ignore[attr-defined]
        assert grid.ndim == 4 or grid.shape[1:] == (2,)
        assert grid.dtype == torch.float32
        assert -1 <= grid.min() < grid.max() <= 1
        if hasattr(game, "sample"):
            assert game.sample(3).shape == (3, *game.spec.shape)
        if hasattr(game, "reconstruct"):
            x = torch.rand(3, *game.spec.shape)
            assert game.reconstruct(x).shape == x.shape
        if hasattr(game, "translate"):
            x = torch.rand(3, *game.spec.shape)
            assert game.spec.target is not None
            assert game.translate(x).shape == (3, *game.spec.target)
        if hasattr(game, "classify"):
            p = game.classify(trainer.batches.preview(3)[0])  # type: ignore[attr-defined]
            assert p.shape[1] == len(game.spec.classes)
            torch.testing.assert_close(p.sum(1), torch.ones(len(p)))


@pytest.mark.parametrize("name", NAMES)
def test_six_steps_are_three_and_three_more(name: str, tmp_path: Path) -> None:
    cls, settings = tiny(name, steps=6, save_every=3, sample_every=3, log_every=1)
    runs.train(cls, settings, tmp_path / "whole", quiet=True)
    runs.train(cls, dataclasses.replace(settings, steps=3), tmp_path / "parts", quiet=True)
    runs.resume(tmp_path / "parts", {"steps": 6}, quiet=True)
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    different = [k for k in whole if not torch.equal(whole[k], parts[k])]
    assert not different
    lines = [
        (tmp_path / r / "metrics.jsonl").read_text(encoding="utf-8").count("\n")
        for r in ("whole", "parts")
    ]
    assert lines == [6, 6]
    model = load(tmp_path / "parts", device="cpu")
    assert model.step == 6
    if hasattr(model.game, "sample"):
        assert torch.equal(model.sample(2, seed=3), load(tmp_path / "whole").sample(5, seed=3)[:2])


PENALISED = [
    n for n in NAMES if any(f.name == "penalties" for f in dataclasses.fields(family(n).Config))
]


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("name", PENALISED)
def test_penalties_are_charged_and_clip(name: str, every: int) -> None:
    from ganwright.penalties import R1, WeightClipping

    _, settings = tiny(name)
    penalties: tuple[Penalty, ...] = (R1(1.0, every=every), WeightClipping(c=0.005))
    game = dataclasses.replace(settings.game, penalties=penalties)
    trainer = trainer_of(name, game=game)
    list(trainer.play(2))
    means, trouble = trainer.meter.read()
    assert trouble is None
    charged = [k for k in means if k.endswith("/R1")]
    assert charged
    assert all(means[k] > 0 for k in charged)
    clipped = [s for s in trainer.seats if s.player.name.startswith("D")]
    for seat in clipped:
        assert all(w.abs().max() <= 0.005 for w in seat.player.networks[0].parameters())


@pytest.mark.parametrize("name", PENALISED)
def test_a_lazy_pass_takes_nothing_in_anew(name: str) -> None:
    """It looks at a batch that its player has seen: pools and statistics stay as they are."""
    from ganwright.penalties import R2

    _, settings = tiny(name)
    trainer = trainer_of(name, game=dataclasses.replace(settings.game, penalties=(R2(1.0, 2),)))
    list(trainer.play(1))
    batch = [trainer.batches.batch(0, 4)]
    for seat in trainer.seats:
        if seat.player.lazy:
            before = {k: b.clone() for k, b in trainer.game.named_buffers()}
            trainer._differentiate(seat, batch, "lazy0", 0)
            after = dict(trainer.game.named_buffers())
            moved = [k for k in before if not torch.equal(before[k], after[k])]
            assert all(k.endswith(("._u", "._v")) for k in moved), moved
