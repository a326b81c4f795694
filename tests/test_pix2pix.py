"""pix2pix: its objectives by hand, what its noise is, and that it learns."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from by_hand import Times, Weighted, flat
from helpers import trainer_of
from PIL import Image

from ganwright.data import DataOptions, Paired, Spec, open_data
from ganwright.data.label_map import LabelMap
from ganwright.errors import SettingsError
from ganwright.families.on_pairs import right_pixels
from ganwright.families.pix2pix import Pix2Pix, pair
from ganwright.families.side_by_side import side_by_side
from ganwright.networks import PatchGAN, UNet
from ganwright.penalties import R1
from ganwright.pixels import from_bytes, to_bytes
from ganwright.run.data import data_options

SPEC = Spec(Paired, (1, 2, 2), (1, 2, 2))
BATCH = Paired(flat(0.5), flat(0.25))


def value(logit: float) -> float:
    return math.log1p(math.exp(logit))


def game(**settings: object) -> Pix2Pix:
    """G(a) = 2 a; D(a, b) = a - 2 b."""
    config = Pix2Pix.Config(
        translator=Times(),
        patch=Weighted(weights=(1.0, -2.0)),
        **settings,  # type: ignore[arg-type]
    )
    return Pix2Pix(config, SPEC)


def test_objectives_by_hand() -> None:
    # a = 1/2, b = 1/4: G(a) = 1; D(a, b) = 0, D(a, G(a)) = -3/2
    play = game()
    assert play.discriminator(BATCH)["adv"].item() == pytest.approx(0.5 * (value(0) + value(-1.5)))
    terms = play.generator(BATCH)
    assert terms["l1"].item() == pytest.approx(100 * 0.75)
    assert terms["adv"].item() == pytest.approx(value(1.5))
    weighed = game(adversarial=0.5, l1=2.0).generator(BATCH)
    assert weighed["l1"].item() == pytest.approx(2 * 0.75)
    assert weighed["adv"].item() == pytest.approx(0.5 * value(1.5))


def test_the_discriminator_is_shown_the_source() -> None:
    real, fake = game().judged(BATCH)
    assert torch.equal(real, torch.cat([flat(0.5), flat(0.25)], 1))
    assert torch.equal(fake, torch.cat([flat(0.5), flat(1.0)], 1))
    assert pair(flat(1, 2), flat(3, 4))[1, :, 0, 0].tolist() == [2, 4]


def test_penalties_look_at_pairs() -> None:
    # the score is the mean of four logits: |grad D|² is (1² + 2²) / 4² at each of four pixels
    terms = game(penalties=(R1(weight=3.0),)).discriminator(BATCH)
    assert terms["R1"].item() == pytest.approx(3 * 0.5 * 4 * 5 / 16)


def test_without_the_adversary_there_is_one_player() -> None:
    play = game(adversarial=0.0)
    assert [p.name for p in play.players()] == ["G"]
    assert set(play.generator(BATCH)) == {"l1"}
    assert not hasattr(play, "D")
    with pytest.raises(SettingsError, match="one of them above 0"):
        Pix2Pix.Config(adversarial=0.0, l1=0.0)


def test_errors_of_held_out_pairs_by_hand() -> None:
    # errors of 3/4 and 1/4: mean 1/2; PSNR 10 log10(4 / error²) of each
    numbers = game().measure(Paired(flat(0.5, 0.0), flat(0.25, 0.25)))
    assert numbers["l1"].item() == pytest.approx(0.5)
    decibels = [10 * math.log10(4 / e**2) for e in (0.75, 0.25)]
    assert numbers["psnr"].item() == pytest.approx(sum(decibels) / 2)
    # flat pictures differ in luminance alone: levels of 2 and 1 against 5/4, counted from black
    similar = [(2 * x * 1.25 + 4e-4) / (x**2 + 1.25**2 + 4e-4) for x in (2.0, 1.0)]
    assert numbers["ssim"].item() == pytest.approx(sum(similar) / 2, rel=1e-5)


def test_noise_is_dropout_at_test_time_too_and_statistics_are_the_pictures_own() -> None:
    spec = Spec(Paired, (1, 16, 16), (1, 16, 16))
    patch = PatchGAN(field=16, width=4)
    x = torch.rand(2, 1, 16, 16)
    noisy = Pix2Pix(Pix2Pix.Config(translator=UNet(width=4), patch=patch), spec).eval()
    assert not torch.equal(noisy.translate(x), noisy.translate(x))
    still = Pix2Pix(Pix2Pix.Config(translator=UNet(width=4, dropout=0), patch=patch), spec).eval()
    torch.testing.assert_close(still.translate(x)[:1], still.translate(x[:1]))
    assert not torch.allclose(still.G(x)[:1], still.translate(x[:1]), atol=1e-6)
    # a picture of its own statistics is the same at any brightness and contrast behind a norm
    assert not any("running" in name for name, _ in still.G.named_buffers())


def test_noise_is_drawn_once_a_step_for_both_players() -> None:
    """As in the authors' code: D and G are shown the same translation."""
    trainer = trainer_of("pix2pix")
    seen = []
    trainer.game.G.register_forward_hook(lambda *call: seen.append(call[2].detach().clone()))
    list(trainer.play(2))
    assert len(seen) == 2
    assert not torch.allclose(*seen, atol=1e-4)


def test_jitter_and_mirror_are_the_same_for_both_pictures(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    for split in ("train", "test"):
        for i in range(6):
            picture = Image.fromarray(noise.integers(0, 256, (16, 16, 3), dtype=np.uint8))
            for side in ("a", "b"):
                (tmp_path / split / side).mkdir(parents=True, exist_ok=True)
                picture.save(tmp_path / split / side / f"{i}.png")
    data = open_data(
        f"{tmp_path}?jitter=1.25",
        task=Paired,
        options=DataOptions(flip=True, image_size=16),
    )
    batches = [data.batch(draw, 6) for draw in range(4)]
    assert all(torch.equal(b.a, b.b) for b in batches)
    whole, plain = torch.cat([b.a for b in batches]), data.held_out(6)
    assert plain is not None
    assert len(whole.unique(dim=0)) > 12, "the same six images are cut and mirrored differently"
    assert len(plain.a.unique(dim=0)) == 6


def test_rows_show_what_has_other_channels() -> None:
    grey, colour = torch.zeros(2, 1, 4, 4), torch.ones(2, 3, 4, 4)
    rows = side_by_side(grey, colour)
    assert rows.shape == (4, 3, 4, 4)
    assert rows[:, :, 0, 0].tolist() == [[0] * 3, [1] * 3] * 2


def test_one_hot_label_maps_are_shown_in_their_colours() -> None:
    maps = LabelMap((2, 3, 4, 5, 6), onehot=True)
    one_hot = torch.full((2, 5, 4, 4), -1.0)
    one_hot[0, 4], one_hot[1, 1] = 1, 1
    colours = torch.from_numpy(maps.palette())[[4, 1]] / 127.5 - 1
    torch.testing.assert_close(maps.shown(one_hot)[..., 0, 0], colours)


def test_what_is_drawn_of_one_hot_maps_has_the_colours_of_the_likeliest_classes() -> None:
    maps = LabelMap((2, 3, 4), onehot=True, ignore=255)
    drawn = torch.full((1, 3, 2, 2), -0.9)
    drawn[0, 1], drawn[0, 2, 0, 0] = -0.1, 0.5
    colours = torch.from_numpy(maps.palette())[[2, 1]] / 127.5 - 1
    torch.testing.assert_close(maps.drawn(drawn)[0, :, 0].T, colours)
    pixels = to_bytes(drawn)[0]
    assert maps.likeliest(pixels)[0].tolist() == [[2, 1], [1, 1]]
    assert np.asarray(maps.as_mask(maps.likeliest(pixels))).tolist() == [[4, 3], [3, 3]]


def test_pixels_in_the_right_class_are_counted() -> None:
    """Of five pixels in a class (the sixth is in none) three are right."""
    real, fake = torch.full((1, 3, 1, 6), -1.0), torch.full((1, 3, 1, 6), -0.8)
    for pixel, label in enumerate((0, 0, 1, 1, 1)):
        real[0, label, 0, pixel] = 1
    for pixel, label in enumerate((0, 1, 1, 1, 0, 2)):
        fake[0, label, 0, pixel] = 0.3
    assert right_pixels(fake, real).item() == pytest.approx(3 / 5)


def test_one_hot_targets_are_measured_and_shown_as_classes() -> None:
    maps = LabelMap((2, 3, 4, 5), onehot=True)
    cfg = Pix2Pix.Config(translator=UNet(width=4), patch=PatchGAN(field=16, width=4))
    game = Pix2Pix(cfg, Spec(Paired, (3, 16, 16), (4, 16, 16), target_map=maps))
    b = from_bytes(maps.channelled(torch.randint(4, (2, 1, 16, 16)).to(torch.uint8)))
    batch = Paired(torch.rand(2, 3, 16, 16), b)
    assert list(game.measure(batch)) == ["l1", "pixels"]
    grid = game.preview(batch)
    assert grid[2::3].equal(maps.shown(b))
    colours = from_bytes(torch.from_numpy(maps.palette()[:4]))
    drawn = grid[1::3].movedim(1, -1).reshape(-1, 1, 3)
    assert (drawn == colours).all(-1).any(-1).all()


@pytest.mark.slow
def test_it_learns_from_pairs(tmp_path: Path) -> None:
    from recipe import train_gallery

    import ganwright
    from ganwright.run.run_folder import read_config

    model = train_gallery("pix2pix", tmp_path)
    _, settings = read_config(tmp_path / "pix2pix")
    data = ganwright.data.open_data(
        "glyphs-paired",
        task=Paired,
        options=dataclasses.replace(data_options(settings), image_size=None),
    )
    test = data.held_out(200)
    assert test is not None
    error = (model.translate(test.a) - test.b).abs().mean()
    constant = (data.batch(0, 500).b.mean(0) - test.b).abs().mean()
    assert error < 0.6 * constant
