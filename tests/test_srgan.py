"""SRGAN: objectives by hand, its two phases, and that it learns to enlarge."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny, trainer_of
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganwright.data import open_data
from ganwright.data.batches import lowered
from ganwright.data.types import Paired, Spec
from ganwright.errors import SettingsError
from ganwright.families.srgan import SRGAN, Later, bicubic
from ganwright.layers.norm import NoNorm
from ganwright.networks import PatchGAN, SRResNet
from ganwright.networks.features import VGG, Pixels
from ganwright.optim import Adam, Cosine, Decay
from ganwright.run import train as runs
from ganwright.run.data import data_options
from ganwright.run.load import load
from ganwright.training.trainer import Trainer

SPEC = Spec(Paired, (1, 2, 2), (1, 8, 8))


class Enlarge(nn.Module):
    """A G without choices: pixels become squares."""

    def forward(self, x: Tensor) -> Tensor:
        return interpolate(x, scale_factor=4.0)


class Brightness(nn.Module):
    """A D whose logit is the mean of a picture, [n, 1, 1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2, 3), keepdim=True)


def by_hand(**settings: Any) -> tuple[SRGAN, Paired]:
    """A game with a known G and D, and a batch of low .5 against high .1."""
    cfg = SRGAN.Config(
        translator=SRResNet(width=2, blocks=0),
        patch=PatchGAN(field=16, width=2),
        content=Pixels(),
        **settings,
    )
    game = SRGAN(cfg, SPEC)
    game.before_training()
    game.G, game.D = Enlarge(), Brightness()
    return game, Paired(torch.full((2, 1, 2, 2), 0.5), torch.full((2, 1, 8, 8), 0.1))


def test_objectives_by_hand() -> None:
    game, batch = by_hand()
    assert game.restorer(batch)["mse"].item() == pytest.approx(0.16)
    # softplus(-.1) + softplus(.5)
    assert game.discriminator(batch)["adv"].item() == pytest.approx(0.6443967 + 0.9740770)
    terms = game.generator(batch)
    assert terms["content"].item() == pytest.approx(0.16)
    assert terms["adv"].item() == pytest.approx(1e-3 * 0.4740770)  # softplus(-.5)
    game, batch = by_hand(content_weight=2.0, adversarial=0.1)
    terms = game.generator(batch)
    assert terms["content"].item() == pytest.approx(0.32)
    assert terms["adv"].item() == pytest.approx(0.04740770)


def test_content_that_counts_nothing_builds_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pixels, "build", lambda *_: pytest.fail("it is built"))
    game, batch = by_hand(content_weight=0.0)
    assert set(game.generator(batch)) == {"adv"}


def test_content_compares_features_of_the_fake_with_those_of_the_real() -> None:
    game, batch = by_hand()
    seen: list[Tensor] = []
    game.content = _Recorder(seen)
    game.generator(batch)
    assert torch.equal(seen[0], torch.full((2, 1, 8, 8), 0.5))
    assert torch.equal(seen[1], batch.b)


class _Recorder(nn.Module):
    def __init__(self, seen: list[Tensor]) -> None:
        super().__init__()
        self.seen = seen

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        self.seen += [x, y]
        return x.mean()


def phased(mse_steps: int) -> Trainer:
    _, settings = tiny("srgan")
    return trainer_of("srgan", game=dataclasses.replace(settings.game, mse_steps=mse_steps))


def test_one_run_has_two_phases() -> None:
    trainer = phased(2)
    D = {k: v.clone() for k, v in trainer.game.D.state_dict().items()}  # type: ignore[union-attr]
    movers = []
    for step in trainer.play(4):
        movers.append({k.partition("/")[0] for k in trainer.meter.read()[0]})
        same = all(torch.equal(v, D[k]) for k, v in trainer.game.D.state_dict().items())  # type: ignore[union-attr]
        assert same == (step <= 2)
    assert movers == [{"G_mse"}, {"G_mse"}, {"D", "G"}, {"D", "G"}]


def test_the_second_schedule_counts_from_its_phase() -> None:
    schedule = Later(start=100, then=Decay(rate=0.1, every=10))
    steps = (0, 99, 100, 109, 110, 120)
    assert [schedule.factor(s) for s in steps] == pytest.approx([1, 1, 1, 1, 0.1, 0.01])
    _, settings = tiny("srgan")
    game = SRGAN(dataclasses.replace(settings.game, mse_steps=7), SPEC)
    factors = {p.name: p.optimizer.schedule.factor(100_006) for p in game.players()}
    assert factors == {"G_mse": 1.0, "D": 1.0, "G": 1.0}
    factors = {p.name: p.optimizer.schedule.factor(100_007) for p in game.players()}
    assert factors == pytest.approx({"G_mse": 1.0, "D": 0.1, "G": 0.1})


def test_low_resolution_is_that_of_the_same_crop() -> None:
    batch = trainer_of("srgan").batches.batch(3, 4)
    assert isinstance(batch, Paired)
    assert torch.equal(lowered(batch.b, 4), batch.a)


@pytest.mark.parametrize("size", [(2, 2), (3, 7), (16, 5)])
def test_pictures_of_any_size_are_enlarged(size: tuple[int, int]) -> None:
    game = trainer_of("srgan").game.eval()
    out = game.translate(torch.rand(1, 3, *size))  # type: ignore[operator]
    assert out.shape == (1, 3, 4 * size[0], 4 * size[1])
    with pytest.raises(SettingsError, match="SRGAN learns one direction, a2b"):
        game.translate(torch.rand(1, 3, 2, 2), "b2a")  # type: ignore[operator]


def test_measures_stand_beside_bicubics() -> None:
    game, _ = by_hand()
    x = torch.rand(2, 1, 16, 16) * 2 - 1
    batch = Paired(lowered(x, 4), x)
    game.G = _Bicubic()
    found = game.measure(batch)
    assert found["psnr"] == found["psnr_bicubic"]
    assert found["ssim"] == found["ssim_bicubic"]
    game.G = Enlarge()
    found = game.measure(batch)
    assert found["psnr"] != found["psnr_bicubic"]


class _Bicubic(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return bicubic(x, torch.empty(1, 1, 16, 16))


def test_a_trained_run_needs_no_features(tmp_path: Path) -> None:
    """The weights of VGG are for training; enlarging does without them."""
    cls, settings = tiny("srgan", steps=1)
    lacking = dataclasses.replace(settings.game, content=VGG("relu2_2", Path("no.pth")))
    with pytest.raises(SettingsError, match="VGG19's weights cannot be read"):
        runs.train(
            cls, dataclasses.replace(settings, game=lacking), tmp_path / "without", quiet=True
        )
    runs.train(cls, settings, tmp_path / "run", quiet=True)
    model = load(tmp_path / "run", device="cpu")
    game = cls(lacking, model.spec)
    game.load_state_dict(model.game.state_dict())
    assert game.translate(torch.zeros(1, 3, 2, 2)).shape[-1] == 8


def test_domains_that_are_no_multiple_are_refused() -> None:
    for low, high in (((1, 3, 3), (1, 8, 8)), ((1, 2, 4), (1, 8, 8)), ((3, 2, 2), (1, 8, 8))):
        with pytest.raises(SettingsError, match="add \\?low=4"):
            SRGAN(SRGAN.Config(), Spec(Paired, low, high))
    with pytest.raises(SettingsError, match="adversarial is -1"):
        SRGAN.Config(adversarial=-1)


@pytest.mark.slow
def test_it_learns_to_enlarge_letters(tmp_path: Path) -> None:
    """A decibel more than bicubic on 520 held-out letters, whose own PSNR spreads by about 3 dB."""
    _, settings = tiny("srgan")
    game = SRGAN.Config(
        translator=SRResNet(blocks=3, width=24, norm=NoNorm()),
        mse_steps=600,
        optimizer_mse=Adam(lr=1e-3, betas=(0.9, 0.999), schedule=Cosine(600, 0.02)),
    )
    settings = dataclasses.replace(settings, game=game, image_size=32, batch_size=16, steps=600)
    model = runs.train(
        SRGAN, dataclasses.replace(settings, sample_every=600), tmp_path / "run", quiet=True
    )
    source = open_data("glyphs-lowres", task=Paired, options=data_options(settings))
    found = model.game.measure(source.held_out(520))
    assert found["psnr"] > found["psnr_bicubic"] + 1
