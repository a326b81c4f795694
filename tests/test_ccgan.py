"""CC-GAN: holes, composites, objectives by hand, whose labels count, and that it learns to fill."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny, trainer_of
from torch import Tensor, nn

from ganwright.data.types import SemiSupervised, Spec
from ganwright.errors import SettingsError
from ganwright.families.ccgan import CCGAN, hole_error
from ganwright.inference.model import Model
from ganwright.inference.tiling import Footprint
from ganwright.losses import (
    Hinge,
    LeastSquares,
    Loss,
    NonSaturating,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
)
from ganwright.networks import EncoderDecoder
from ganwright.networks.base import Discriminator
from ganwright.networks.vgg import VGGA, VGGCritic
from ganwright.observing import recording
from ganwright.pixels import as_floats

SPEC = Spec(SemiSupervised, (1, 8, 8), None, ("a", "b"))


class Paint(nn.Module):
    """A G that paints everything the same."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return torch.full_like(x[:, :1], self.value)


class Brightness(Discriminator):
    """A D whose only feature, and score, is the mean of a picture."""

    width, classes = 1, 0

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x.mean((2, 3))

    def score(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        return h[:, 0]


def by_hand(paint: float = 1.0, **settings: Any) -> tuple[CCGAN, SemiSupervised]:
    """A game with known networks: D's score is brightness, C's logits are (h, 0).

    Unlabelled pictures are 0 everywhere, so a hole of a quarter of them, painted, is their mean.
    """
    cfg = CCGAN.Config(
        translator=EncoderDecoder(width=2), critic=VGGCritic(width=2), hole=0.5, **settings
    )
    game = CCGAN(cfg, SPEC)
    game.G, game.D, game.C = Paint(paint), Brightness(), nn.Linear(1, 2)  # type: ignore[assignment]
    with torch.no_grad():
        game.C.weight.copy_(torch.tensor([[1.0], [0.0]]))
        game.C.bias.zero_()
    labelled = torch.full((3, 1, 8, 8), 0.8)
    return game, SemiSupervised(labelled, torch.zeros(3, dtype=torch.long), torch.zeros(3, 1, 8, 8))


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_objectives_by_hand() -> None:
    game, batch = by_hand(class_weight=2.0, reconstruction=3.0)
    terms = game.discriminator(batch)
    assert set(terms) == {"adv", "class"}
    assert terms["adv"].item() == pytest.approx(softplus(0) + softplus(0.25))
    assert terms["class"].item() == pytest.approx(2 * softplus(-0.8))
    terms = game.generator(batch)
    assert terms["adv"].item() == pytest.approx(softplus(-0.25))
    assert terms["reconstruction"].item() == pytest.approx(3.0)


def test_ccgan_squared_also_judges_all_that_was_drawn() -> None:
    game, batch = by_hand(alpha=0.5)
    with recording() as seen:
        terms = game.discriminator(batch)
    # -log(1 - sigmoid(1)) of the whole output; real images count once, in adv
    assert terms["adv_whole"].item() == pytest.approx(0.5 * softplus(1))
    assert terms["adv"].item() == pytest.approx(softplus(0) + softplus(0.25))
    assert {k: float(v) for k, v in seen if "whole" in k} == {"fake_whole": pytest.approx(1)}
    assert game.generator(batch)["adv_whole"].item() == pytest.approx(0.5 * softplus(-1))


@pytest.mark.parametrize(
    ("loss", "term"),
    [
        (LeastSquares(), 0.5 * (1 - 0) ** 2),
        (LeastSquares(a=-1.0, scale=1.0), (1 + 1) ** 2),
        (Hinge(), 1 + 1),
        (Wasserstein(), 1),
        (NonSaturating(smooth=0.1), softplus(1)),  # which only real images feel
    ],
)
def test_other_losses_judge_whole_outputs_as_fakes_alone(loss: Loss, term: float) -> None:
    game, batch = by_hand(alpha=0.5, loss=loss)
    assert game.discriminator(batch)["adv_whole"].item() == pytest.approx(0.5 * term)


@pytest.mark.parametrize("loss", [Relativistic(), RelativisticAverage()])
def test_a_loss_of_pairs_has_no_term_for_whole_outputs(loss: Loss) -> None:
    CCGAN.Config(loss=loss)
    with pytest.raises(SettingsError, match=r"alpha=0\.5 judges .* only has a loss that compares"):
        CCGAN.Config(loss=loss, alpha=0.5)


def test_the_labels_of_labelled_pictures_alone_count() -> None:
    game, batch = by_hand()
    other = game.discriminator(batch._replace(labels=1 - batch.labels))
    # -log sigmoid(-.8): the class that was wrong is right now, all else is the same
    assert other["class"].item() == pytest.approx(softplus(0.8))
    assert other["adv"] == game.discriminator(batch)["adv"]
    assert batch._fields == ("images", "labels", "unlabelled")


@pytest.mark.parametrize(("size", "side"), [(8, 3), (32, 12), (64, 24)])
def test_holes_are_squares_of_the_set_size(size: int, side: int) -> None:
    game, _ = by_hand()
    game.cfg = dataclasses.replace(game.cfg, hole=0.375)
    x = torch.zeros(400, 3, size, size)
    for place in ("random", "centre"):
        hole = ~game.holes(x, place)
        assert hole.shape == (400, 1, size, size)
        assert (hole.sum((1, 2, 3)) == side * side).all()
        assert (hole.any(3).sum(2) == side).all(), "as many rows"
        assert (hole.any(2).sum(2) == side).all(), "as many columns"
    start = (size - side) // 2
    assert hole[0, 0, start : start + side, start : start + side].all()
    # 400 holes at (size - side + 1)² places: each edge is touched
    assert (~game.holes(x[:, :, :8, :8], "random")).any(0).all()


def test_known_pixels_come_back_bit_for_bit() -> None:
    game = trainer_of("ccgan").game.eval()
    x = torch.rand(5, 3, 8, 8) * 2 - 1
    known = game.holes(x, "centre")  # type: ignore[operator]
    filled = game.translate(x)  # type: ignore[operator]
    assert torch.equal(filled.masked_select(known), x.masked_select(known))
    assert not torch.equal(filled, x)
    odd = torch.rand(5, 1, 8, 8) < 0.7
    filled = game.translate(x, known=odd)  # type: ignore[operator]
    assert torch.equal(filled.masked_select(odd), x.masked_select(odd))


@pytest.mark.parametrize("kind", [torch.float32, torch.uint8])
@pytest.mark.parametrize("tile", [16, 1024])
def test_the_hole_is_that_of_the_whole_image(kind: torch.dtype, tile: int) -> None:
    """Not one in the middle of each tile, nor of an image and its padding."""
    game = by_hand()[0].eval()
    model = Model("ccgan", game, SPEC, 1, Path("run"))
    model._footprints["a2b"] = Footprint(8, 8, 1, None)
    shown = torch.tensor(0.0 if kind.is_floating_point else 0, dtype=kind).expand(2, 1, 20, 44)
    expected = as_floats(shown).clone()
    expected[..., 5:15, 11:33] = 1  # half of each side, in the middle
    torch.testing.assert_close(model.translate(shown, tile=tile), expected)


def test_what_was_cut_out_does_not_reach_the_filling() -> None:
    game = trainer_of("ccgan").game.eval()
    x = torch.rand(2, 3, 8, 8) * 2 - 1
    known = game.holes(x, "centre")  # type: ignore[operator]
    other = torch.where(known, x, -x)
    assert torch.equal(game.translate(x), game.translate(other))  # type: ignore[operator]


def test_the_discriminator_sees_composites() -> None:
    """What G paints outside the hole changes nothing, unless alpha shows it."""
    game, batch = by_hand(place="centre")
    known = game.holes(batch.unlabelled, "centre")
    game.G = _Outside(known)  # type: ignore[assignment]
    assert game.discriminator(batch)["adv"].item() == pytest.approx(2 * softplus(0))
    game.cfg = dataclasses.replace(game.cfg, alpha=1.0)
    whole = game.discriminator(batch)["adv_whole"].item()
    assert whole == pytest.approx(softplus(0.75))


class _Outside(nn.Module):
    def __init__(self, known: Tensor) -> None:
        super().__init__()
        self.known = known

    def forward(self, x: Tensor) -> Tensor:
        return self.known.float()


def test_a_small_copy_helps_if_asked_for() -> None:
    _, settings = tiny("ccgan")
    trainer = trainer_of("ccgan", game=dataclasses.replace(settings.game, low=4))
    game = trainer.game.eval()
    x = torch.rand(2, 3, 8, 8) * 2 - 1
    assert game.G[0].in_channels == 6  # type: ignore[index, union-attr]
    other = torch.where(game.holes(x, "centre"), x, -x)  # type: ignore[operator]
    assert not torch.equal(game.translate(x), game.translate(other))  # type: ignore[operator]


def test_errors_are_counted_in_the_hole() -> None:
    x = torch.zeros(2, 3, 4, 4)
    known = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    known[:, :, :2, :2] = False
    made = torch.full_like(x, 0.5)
    assert hole_error(made, x, known).item() == pytest.approx(0.5)
    game, batch = by_hand(paint=0.25)
    bright = batch.images.clone()
    bright[..., 2:6, 2:6] = 0.0
    found = game.measure(batch._replace(images=bright))
    assert found["l1"].item() == pytest.approx(0.25)
    assert found["l1_mean_colour"].item() == pytest.approx(0.8)
    assert found["accuracy"] == 1


@pytest.mark.parametrize("labels", [None, 2])
def test_it_trains_with_all_labels_or_few(labels: int | None) -> None:
    trainer = trainer_of("ccgan", labels_per_class=labels)
    assert list(trainer.play(2)) == [1, 2]
    means, trouble = trainer.meter.read()
    assert trouble is None
    assert means["D/class"] > 0


def test_what_does_not_fit_is_a_sentence() -> None:
    with pytest.raises(SettingsError, match=r"hole is 1\.5"):
        CCGAN.Config(hole=1.5)
    with pytest.raises(SettingsError, match="low=3 does not divide images of 8x8"):
        CCGAN(CCGAN.Config(low=3), SPEC)
    with pytest.raises(SettingsError, match="alpha is -1"):
        CCGAN.Config(alpha=-1)
    game, batch = by_hand()
    with pytest.raises(SettingsError, match="CCGAN learns one direction, a2b"):
        game.translate(batch.images, "b2a")


@pytest.mark.slow
def test_it_learns_to_fill_and_to_classify(tmp_path: Path) -> None:
    """On 180 held-out digits, 10 labels a class: half of the mean colour's error, 70 % right."""
    from recipe import train_gallery

    train_gallery("ccgan", tmp_path)
    last = json.loads(
        (tmp_path / "ccgan" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    )
    assert last["held_out/l1"] < 0.5 * last["held_out/l1_mean_colour"]
    assert last["held_out/accuracy"] > 0.7


def test_dropout_before_the_classifier_alone() -> None:
    torch.manual_seed(0)
    cfg = CCGAN.Config(
        translator=EncoderDecoder(width=2), critic=VGGCritic(width=4, dropout=0.0), dropout=0.5
    )
    game = CCGAN(cfg, SPEC)
    h = torch.ones(1, game.D.width)
    assert torch.equal(game.D.score(h), game.D.score(h))
    assert (game.C(h) - game.C(h)).abs().max() > 0
    game.eval()
    assert torch.equal(game.C(h), game.C(h))
    with pytest.raises(SettingsError, match=r"dropout is 1\.0; it must be from 0 to below 1"):
        CCGAN.Config(dropout=1.0)


def test_vgg_a_judges_images_of_32_pixels_and_more() -> None:
    D = VGGA(width=2).discriminator((3, 40, 64))
    assert D(torch.rand(2, 3, 40, 64)).shape == (2,)
    assert D.width == 16 * 1 * 2
    with pytest.raises(SettingsError, match=r"32 pixels or more, got \(3, 28, 28\)"):
        VGGA().discriminator((3, 28, 28))
