"""FastGAN: parameters by the layer table, D's logits and restored images by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers import tiny, trainer_of
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu
from torch.nn.utils.parametrize import is_parametrized
from torch.utils.flop_counter import FlopCounterMode

from ganwright.augment import DiffAugment
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.fastgan import FastGAN
from ganwright.losses import Hinge
from ganwright.networks import FastNet
from ganwright.networks.base import WEIGHTED
from ganwright.networks.fast_critic import quarters
from ganwright.networks.features import VGG, SmallFeatures
from ganwright.observing import evaluate
from ganwright.penalties import R1


def parameters(net: nn.Module) -> int:
    return sum(w.numel() for w in net.parameters())


def gated(fan_in: int, fan_out: int) -> int:
    """A convolution to twice the channels, and their BatchNorm."""
    return 9 * fan_in * 2 * fan_out + 2 * 2 * fan_out


def excited(fan_in: int, fan_out: int) -> int:
    return 16 * fan_in * fan_out + fan_out * fan_out


def halved(i: int, o: int) -> int:
    """4x4, 3x3 and 1x1, each with BatchNorm."""
    return 16 * i * o + 9 * o * o + i * o + 3 * 2 * o


def test_g_has_the_layer_tables_parameters() -> None:
    """At 256 pixels: 4:1024 8:512* 16:256 32:128* 64:128 128:64* 256:32, * for two convolutions."""
    start = 256 * 2048 * 16 + 2 * 2048
    table = [(1024, 512), (512, 512), (512, 256), (256, 128), (128, 128), (128, 128)]
    table += [(128, 64), (64, 64), (64, 32)]
    scales = [(1024, 128), (512, 64), (256, 32)]  # of 4 for 64, 8 for 128, 16 for 256
    by_hand = start + sum(gated(*c) for c in table) + sum(excited(*c) for c in scales)
    by_hand += 2 * 3 + 9 * 32 * 3  # a strength for each convolution of a pair; the image
    with torch.device("meta"):
        found = parameters(FastNet().generator(256, (3, 256, 256)))
    assert found == by_hand == 29_127_654


def test_d_and_its_decoders_have_the_layer_tables_parameters() -> None:
    """At 256 pixels: 256:16 128:32 64:64 32:128 16:256 8:512, and a copy at 128 pixels."""
    widths = [16, 32, 64, 128, 256, 512]
    image = 9 * 3 * 16 + sum(map(halved, widths, widths[1:]))
    image += excited(16, 128) + excited(32, 256) + excited(64, 512)
    image += 512 * 1024 + 2 * 1024 + 16 * 1024
    copy = 16 * 3 * 32 + sum(16 * i * o + 2 * o for i, o in [(32, 64), (64, 128), (128, 256)])
    copy += 16 * 256
    rest = gated(128, 64) + gated(64, 64) + gated(64, 32) + 9 * 32 * 3
    decoders = sum(gated(fan_in, 128) + rest for fan_in in (512, 256, 256))
    with torch.device("meta"):
        D = FastNet().discriminator((3, 256, 256))
        assert parameters(D) == image + copy == 8_386_672
        assert parameters(FastNet().decoders((3, 256, 256))) == decoders == 3_139_488


def test_every_layer_has_spectral_norm() -> None:
    """Without it the decoders could make up for what D's maps lose (the code's `conv2d`)."""
    nets, shape = FastNet(width_G=4, width_D=4), (3, 64, 64)
    for net in (nets.generator(16, shape), nets.discriminator(shape), nets.decoders(shape)):
        weighted = [m for m in net.modules() if isinstance(m, WEIGHTED)]
        assert weighted
        assert all(is_parametrized(m, "weight") for m in weighted)


@pytest.fixture
def shapes_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks and images without numbers, on a device that has no autocast to turn off."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    with torch.device("meta"):
        yield


@pytest.mark.parametrize(
    ("width", "count", "billions"),
    [(64, 28_590_020, 3.0), (32, 9_247_716, 0.76), (16, 3_362_036, 0.19)],
)
def test_small_widths_at_64_pixels(
    width: int, count: int, billions: float, shapes_alone: None
) -> None:
    G = FastNet(width_G=width).generator(256, (3, 64, 64)).eval()
    assert parameters(G) == count
    with FlopCounterMode(display=False) as counter:
        G(torch.randn(1, 256))
    assert counter.get_total_flops() / 2e9 == pytest.approx(billions, rel=0.02)


@pytest.mark.parametrize("size", [32, 64, 128, 256, 512, 1024])
def test_every_size_up_to_1024_is_built(size: int, shapes_alone: None) -> None:
    shape, nets = (3, size, size), FastNet(width_G=16, width_D=16)
    assert nets.generator(8, shape)(torch.randn(2, 8)).shape == (2, *shape)
    D, decoders = nets.discriminator(shape), nets.decoders(shape)
    x = torch.randn(2, *shape)
    assert D.patches(x).shape == (2, 2, 5, 5)
    assert D(x).shape == (2,)
    restored = min(128, size // 2)
    for decoded, true in decoders(D.maps(x), x):
        assert decoded.shape == true.shape == (2, 3, restored, restored)


def test_the_largest_g_has_the_tables_channels() -> None:
    assert FastNet().widths(8) == [1024, 512, 256, 128, 128, 64, 32, 16, 8]


@pytest.mark.parametrize(
    ("size", "low", "high"),
    [
        (64, [4, 8], [32, 64]),
        (256, [4, 8, 16], [64, 128, 256]),
        (1024, [4, 8, 16, 32], [64, 128, 256, 512]),
    ],
)
def test_a_coarse_map_scales_a_fine_one(
    size: int, low: list[int], high: list[int], shapes_alone: None
) -> None:
    G = FastNet(width_G=16).generator(8, (3, size, size))
    seen: list[tuple[int, int]] = []
    for excitation in G.excitations:
        excitation.register_forward_pre_hook(
            lambda _, maps: seen.append((maps[0].shape[2], maps[1].shape[2]))
        )
    G(torch.randn(1, 8))
    assert seen == list(zip(low, high, strict=True))


def test_quarters_are_cut_row_by_row() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    found = quarters(x)[:, 0, 0]
    assert found.tolist() == [
        [[0, 1], [4, 5]],
        [[2, 3], [6, 7]],
        [[8, 9], [12, 13]],
        [[10, 11], [14, 15]],
    ]


def test_the_second_logits_see_a_small_copy_of_the_same_image() -> None:
    """A checkerboard of single pixels, whose mean is 0, changes the first logits alone."""
    D = FastNet(width_D=2).discriminator((1, 32, 32)).eval()
    x = torch.randn(2, 1, 32, 32)
    board = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 2.0 - 1
    with torch.no_grad():
        plain, changed = D.patches(x), D.patches(x + board)
    assert torch.allclose(plain[:, 1], changed[:, 1], atol=1e-5)
    assert not torch.allclose(plain[:, 0], changed[:, 0], atol=1e-5)
    assert torch.allclose(D(x), plain.mean((1, 2, 3)), atol=1e-6)


def game_of(**changes: Any) -> Any:
    _, settings = tiny("fastgan")
    return trainer_of("fastgan", game=replace(settings.game, **changes)).game


def test_each_logit_has_a_hinge_of_its_own() -> None:
    """Logits of 3 and -1 cost 0 and 2, on average 1; their mean, 1, would cost nothing."""
    game = game_of(augment_d=None)
    logits = torch.tensor([3.0, -1.0]).expand(4, 2)
    game.D.logits = lambda *maps: logits
    terms, _ = evaluate(game.discriminator, Images(torch.randn(4, 1, 32, 32)))
    assert terms["adv"].item() == pytest.approx((0 + 2) / 2 + (4 + 0) / 2)
    terms, _ = evaluate(game.generator, Images(torch.randn(4, 1, 32, 32)))
    assert terms["adv"].item() == pytest.approx(-1.0)


@pytest.mark.parametrize("corner", range(4))
def test_restored_images_by_hand(corner: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoders that give 0 leave the squares of the halved image, twice, and of a quarter."""
    game = game_of(augment_d=None, restoring=3.0)
    for part in (game.decoders.whole, game.decoders.part, game.decoders.copy):
        part[-1].forward = torch.zeros_like
    monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.tensor([corner]))
    x = torch.randn(4, 1, 32, 32)
    terms, _ = evaluate(game.discriminator, Images(x))
    half = interpolate(x, (16, 16), mode="area")
    top, left = 16 * (corner // 2), 16 * (corner % 2)
    quarter = x[:, :, top : top + 16, left : left + 16]
    by_hand = 3 * (2 * half.square().mean() + quarter.square().mean())
    assert terms["restored"].item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_images_are_restored_as_d_sees_them_and_samples_are_not() -> None:
    """Black images stay black under the augmentation; what D is shown of fakes does not count."""
    game = game_of(augment_d=DiffAugment(colour=False, translation=0.0, cutout=0.0))
    game.shown = lambda x: torch.full_like(x, 0.5)
    seen: list[Tensor] = []
    decoders = game.decoders.forward
    game.decoders.forward = lambda maps, x: (seen.append(x), decoders(maps, x))[1]
    terms, _ = evaluate(game.discriminator, Images(torch.zeros(4, 1, 32, 32)))
    assert len(seen) == 1
    assert torch.equal(seen[0], torch.full_like(seen[0], 0.5))
    slopes = torch.autograd.grad(terms["restored"], list(game.G.parameters()), allow_unused=True)
    assert all(slope is None for slope in slopes)


def test_restoring_teaches_d_and_the_decoders() -> None:
    game = game_of()
    terms, _ = evaluate(game.discriminator, Images(torch.randn(4, 1, 32, 32)))
    named = {k: w for k, w in game.D.named_parameters() if "head" not in k}
    named |= dict(game.decoders.named_parameters())
    slopes = torch.autograd.grad(terms["restored"], list(named.values()), allow_unused=True)
    assert not [k for k, s in zip(named, slopes, strict=True) if s is None]


def test_margins_may_be_drawn_for_each_score() -> None:
    """D scores 0, so that a cost is a margin: from .8 to 1, .9 on average."""
    zeros = torch.zeros(4000)
    plain = Hinge().discriminator(lambda x: x, zeros, zeros)
    drawn = Hinge(jitter=0.2).discriminator(lambda x: x, zeros, zeros)
    assert plain.item() == 2.0
    # of 8,000 uniform numbers on .2: a standard error of .0009 for the sum of both means
    assert drawn.item() == pytest.approx(1.8, abs=0.01)
    margins = Hinge(jitter=0.2)._margins(zeros)
    assert isinstance(margins, Tensor)
    assert 0.8 <= margins.min() < 0.81
    assert 0.99 < margins.max() <= 1
    assert relu(margins).mean().item() == pytest.approx(0.9, abs=0.01)


def test_penalties_look_through_all_of_d() -> None:
    game = game_of(penalties=(R1(1.0),), augment_d=None)
    terms, _ = evaluate(game.discriminator, Images(torch.randn(4, 1, 32, 32)))
    weights = [game.D.stem[0].parametrizations.weight.original, game.D.small_head.parametrizations]
    first, small = weights[0], weights[1].weight.original
    slopes = torch.autograd.grad(terms["R1"], [first, small])
    assert all(s.isfinite().all() and s.abs().sum() > 0 for s in slopes)


def test_averages_take_statistics_and_copy_noise_and_vectors() -> None:
    _, settings = tiny("fastgan")
    trainer = trainer_of("fastgan", game=settings.game, ema_half_life=100.0, ema_ramp=0.0)
    before = {k: t.clone() for k, t in trainer.average.networks["G"].named_buffers()}
    trainer.play_step()
    live = dict(trainer.game.G.named_buffers())  # type: ignore[union-attr,operator]
    average = dict(trainer.average.networks["G"].named_buffers())
    beta = 0.5 ** (4 / 100)
    for name, buffer in average.items():
        if name.endswith(("running_mean", "running_var")):
            mixed = torch.lerp(live[name], before[name], beta)
            assert torch.allclose(buffer, mixed, atol=1e-6), name
        else:
            assert torch.equal(buffer, live[name]), name
    assert any(name.endswith("noise") for name in average)
    assert any("parametrizations" in name for name in average)


def test_a_step_in_bf16_is_finite() -> None:
    trainer = trainer_of("fastgan", precision="bf16")
    trainer.play_step()
    means, trouble = trainer.meter.read()
    assert trouble is None
    assert {"D/adv", "D/restored", "G/adv"} <= means.keys()


def test_what_does_not_fit_is_one_sentence() -> None:
    with pytest.raises(
        SettingsError, match=r"FastNet needs images of 32 pixels or more, got 28x28"
    ):
        FastNet().discriminator((1, 28, 28))
    with pytest.raises(SettingsError, match=r"FastNet takes no labels, and 10 classes are asked"):
        FastNet().generator(8, (1, 32, 32), 10)
    for content in (SmallFeatures(), VGG()):
        with pytest.raises(SettingsError, match=r"1 or 3 channels, and these have 4; choose Pix"):
            content.build((4, 32, 32))
    with pytest.raises(SettingsError, match=r"restoring .* must be above 0"):
        FastGAN.Config(restoring=0.0)


def test_samples_lie_within_the_range_at_every_size() -> None:
    for size in (32, 64):
        cfg = FastGAN.Config(networks=FastNet(width_G=1, width_D=1), latent=4)
        game = FastGAN(cfg, Spec(Images, (3, size, size))).eval()
        with torch.no_grad():
            nn.init.constant_(game.G.image[0].parametrizations.weight.original, 100.0)  # type: ignore[index,union-attr]
            assert game.sample(2).abs().max() <= 1
