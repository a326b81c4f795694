"""CDC: distances by hand, what each step judges, the generator that it starts from, runs."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import TINY, tensors, tiny, trainer_of
from PIL import Image
from torch import nn

import ganwright
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.cdc import CDC, maps_of
from ganwright.families.priors import Uniform
from ganwright.layers.cosines import similarities
from ganwright.run import train as runs
from ganwright.run.restyle import adapt

SPEC = Spec(Images, (1, 16, 16))


def made(**changes: Any) -> Any:
    return CDC(CDC.Config(**(TINY["cdc"] | changes)), SPEC)


def test_similarities_by_hand() -> None:
    """Cosines: 0 between the axes, sqrt 1/2 from each to the diagonal; lengths do not count."""
    maps = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    half = math.exp(0.5**0.5)
    expected = [
        [1 / (1 + half), half / (1 + half)],
        [1 / (1 + half), half / (1 + half)],
        [0.5, 0.5],
    ]
    torch.testing.assert_close(similarities(maps).exp(), torch.tensor(expected))


def test_a_sample_is_not_compared_with_itself() -> None:
    maps = torch.randn(4, 3, 2, 2)
    directions = nn.functional.normalize(maps.flatten(1))
    for i, row in enumerate(similarities(maps)):
        others = [directions[i] @ directions[j] for j in range(4) if j != i]
        torch.testing.assert_close(row, torch.stack(others).log_softmax(0))


def test_the_distance_is_the_divergence_of_what_was_from_what_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Uniform before, (1, e) / (1 + e) after, in one row of three: sum p log p/q over 6 entries."""
    import ganwright.families.cdc as module

    game = made(compared=3)
    before, after = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.0, 1.0]).log_softmax(0)
    rows = {id(game.source): before, id(game.G): after}

    def found(G: Any, *_: Any) -> list[Any]:
        return [torch.stack([before, before, rows[id(G)]])]

    monkeypatch.setattr(module, "maps_of", found)
    monkeypatch.setattr(module, "similarities", lambda maps: maps)
    q = math.e / (1 + math.e)
    expected = 0.5 * math.log(0.5 / (1 - q)) + 0.5 * math.log(0.5 / q)
    assert game.distance().item() == pytest.approx(expected / 6)


def test_it_is_nothing_at_first_and_grows_as_g_leaves() -> None:
    game = made()
    game.before_training()
    torch.manual_seed(1)
    assert game.distance().item() == pytest.approx(0, abs=1e-7)
    with torch.no_grad():
        for w in game.G.synthesis.parameters():
            w += torch.randn_like(w)
    away = game.distance()
    assert away.item() > 1e-5
    slopes = torch.autograd.grad(
        away, list(game.G.synthesis.blocks.parameters()), allow_unused=True
    )
    assert any(s is not None and bool(s.abs().sum() > 0) for s in slopes)


def test_distributions_sum_to_1_in_16_bits() -> None:
    """A divergence is never below 0, which rounded distributions could be."""
    maps = torch.randn(4, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = similarities(maps.bfloat16())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.exp().sum(1), torch.ones(4), rtol=1e-6, atol=0)


def test_maps_are_of_every_size_but_the_smallest() -> None:
    game = made()
    noise = [torch.zeros(2, 1, *size) for size in game.G.synthesis.maps]
    maps = maps_of(game.G, torch.randn(2, 8), None, noise)
    assert [m.shape[2:] for m in maps] == [(8, 8), (16, 16)]


def test_whole_images_are_judged_in_every_fourth_step_near_anchors() -> None:
    game = made(spread=0.0).eval()
    x = torch.randn(3, 1, 16, 16)
    game.before_step(4)
    whole = game.logits(x)
    assert whole.shape == (3, 64), "8x8 patches behind one block"
    torch.testing.assert_close(whole, game.D(x)[:, None].expand(3, 64))
    torch.testing.assert_close(game.through(x), game.D(x))
    for z in game.codes(5):
        assert any(torch.equal(z, anchor) for anchor in game.anchors)
    for step in (5, 6, 7):
        game.before_step(step)
        patches = game.P(game.D.maps(x)[0]).flatten(1)
        torch.testing.assert_close(game.logits(x), patches)
        assert not any(torch.equal(z, a) for z in game.codes(5) for a in game.anchors)


def test_anchors_are_draws_of_the_prior() -> None:
    """Those of U(0, 1) are as likely below 0 as any other of its draws: not at all."""
    anchors = made(prior=Uniform(0.0, 1.0), anchors=200).anchors
    assert anchors.min() >= 0
    assert anchors.mean().item() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("side", "pixels"), [(16, 12), (128, 30), (256, 66)])
def test_a_patch_sees_as_many_pixels_as_the_page_says(side: int, pixels: int) -> None:
    """Behind one block 8 and, with the convolution of the maps at step 2, 4 more."""
    game = CDC(CDC.Config(**TINY["cdc"]), Spec(Images, (1, side, side), count=1)).eval()
    game.before_step(1)
    x = torch.randn(1, 1, side, side, requires_grad=True)
    across = side >> game.depth
    middle = game.logits(x).view(across, across)[across // 2, across // 2]
    (slope,) = torch.autograd.grad(middle, x)
    rows = slope[0, 0].abs().sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == pixels


@pytest.mark.parametrize(("side", "blocks"), [(8, 1), (32, 1), (64, 1), (128, 2), (256, 3)])
def test_patches_are_a_quarter_of_the_side_at_most(side: int, blocks: int) -> None:
    assert CDC.blocks(side) == blocks


@pytest.mark.parametrize("conditional", [False, True])
def test_the_source_stays_and_the_anchors_too(conditional: bool) -> None:
    trainer = trainer_of("cdc", game=CDC.Config(**TINY["cdc"], conditional=conditional))
    before = {k: v.clone() for k, v in trainer.game.state_dict().items()}
    for _ in trainer.play(5):
        pass
    means, trouble = trainer.meter.read()
    assert trouble is None
    assert means["G/dist"] > 0
    moved = {k for k, v in trainer.game.state_dict().items() if not torch.equal(v, before[k])}
    assert not {k for k in moved if k.startswith(("source.", "anchors"))}
    assert {"G.", "D.", "P."} <= {k[:2] for k in moved}


def test_a_run_begins_with_a_stylegan2_and_resumes(tmp_path: Path) -> None:
    cls, settings = tiny("stylegan2", steps=2)
    runs.train(cls, settings, tmp_path / "first", quiet=True)
    first = tensors(tmp_path / "first")
    for name, steps in (("whole", 6), ("half", 3)):
        cls, settings = tiny("cdc", steps=steps, init=str(tmp_path / "first"), init_weights="raw")
        runs.train(cls, settings, tmp_path / name, quiet=True)
    whole = tensors(tmp_path / "whole")
    taken = [k for k in first if k.startswith("game.G.")]
    assert taken
    for key in taken:
        assert torch.equal(whole[key.replace("game.G.", "game.source.")], first[key])
    runs.resume(tmp_path / "half", steps=6, quiet=True)
    again = tensors(tmp_path / "half")
    assert all(torch.equal(tensor, again[key]) for key, tensor in whole.items())
    assert ganwright.load(tmp_path / "whole").sample(2).shape == (2, 1, 8, 8)


def test_what_it_says_of_weights_to_begin_with_leaves_the_source_out(tmp_path: Path) -> None:
    """It becomes a copy of the G that was taken, whatever it was before."""
    cls, settings = tiny("stylegan2", steps=1)
    runs.train(cls, settings, tmp_path / "first", quiet=True)
    cls, settings = tiny("cdc", steps=1, init=str(tmp_path / "first"))
    runs.train(cls, settings, tmp_path / "cdc", quiet=True)
    head, fresh = json.loads((tmp_path / "cdc" / "origin.json").read_text(encoding="utf-8"))[
        "notes"
    ]
    own = [k for k in tensors(tmp_path / "first") if k.startswith(("game.G.", "game.D."))]
    assert head.startswith(f"starts from {len(own)} of {len(own) + 4} tensors from ")
    assert fresh == "fresh, since not there (4): P.0.weight, P.0.bias, P.1.weight, P.1.bias"
    runs.train(cls, replace(settings, init=str(tmp_path / "cdc")), tmp_path / "again", quiet=True)
    (head,) = json.loads((tmp_path / "again" / "origin.json").read_text(encoding="utf-8"))["notes"]
    assert head.startswith(f"starts from {len(own) + 4} of {len(own) + 4} tensors from ")


def test_a_few_images_are_read_as_those_of_the_run(tmp_path: Path) -> None:
    """12 bits: without the range of the run, their white would be dark."""
    (tmp_path / "data").mkdir()
    for i in range(4):
        pixels = np.full((8, 8), 4095, np.uint16)
        Image.fromarray(pixels).save(tmp_path / "data" / f"{i}.png")
    more = {"range": (0, 4095), "depth": 8, "data": str(tmp_path / "data")}
    cls, settings = tiny("stylegan2", steps=1, **more)
    run = runs.train(cls, settings, tmp_path / "run", quiet=True)
    made = adapt(run, tmp_path / "data", tmp_path / "made", steps=1, batch_size=2, device="cpu")
    assert made.spec.reading == run.spec.reading


def test_what_does_not_fit_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match=r"compared is 2; it must be at least 3"):
        made(compared=2)
    with pytest.raises(SettingsError, match=r"patch is 3; D has 2 blocks for images of 16x16"):
        made(patch=3)
