"""StyleGAN3: parameters, filters, its layers by hand, equivariance, running means, blur, resume."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tensors, tiny, trainer_of
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, pad
from torch.utils.flop_counter import FlopCounterMode

from ganwright.data.types import Images
from ganwright.errors import SettingsError
from ganwright.inference.mixing import mix
from ganwright.inference.model import Model
from ganwright.inference.projection import Search, project
from ganwright.layers.bandlimited import TAPS, Band, FilteredActivation, kaiser, lowpass
from ganwright.networks import AliasFreeNet
from ganwright.networks.alias_free import FourierInput, Magnitude
from ganwright.penalties import path_lengths
from ganwright.run.train import resume, train

T_256 = AliasFreeNet(base=16_384)


def parameters(net: nn.Module) -> int:
    return sum(w.numel() for w in net.parameters())


@pytest.mark.parametrize(
    ("nets", "size", "G", "D"),
    [
        pytest.param(T_256, 256, 23_320_443, 24_001_089, id="T-256"),
        pytest.param(AliasFreeNet(), 256, 28_472_133, 28_864_129, id="T-256-wide"),
        pytest.param(
            AliasFreeNet(base=16_384, rotation=True), 256, 15_779_565, 24_001_089, id="R-256"
        ),
        pytest.param(AliasFreeNet(), 1024, 22_313_167, 29_012_513, id="T-1024"),
    ],
)
def test_networks_have_the_papers_parameters(nets: AliasFreeNet, size: int, G: int, D: int) -> None:
    with torch.device("meta"):
        shape = (3, size, size)
        assert parameters(nets.generator(512, shape, tanh=False)) == G
        assert parameters(nets.discriminator(shape)) == D


@pytest.mark.parametrize(
    ("nets", "size", "wanted"),
    [
        pytest.param(T_256, 256, 109, id="T-256"),
        pytest.param(AliasFreeNet(), 256, 239, id="T-256-wide"),
        pytest.param(AliasFreeNet(base=16_384, rotation=True), 256, 54, id="R-256"),
        pytest.param(AliasFreeNet(), 1024, 308, id="T-1024"),
    ],
)
def test_an_image_takes_the_papers_multiplications(
    nets: AliasFreeNet, size: int, wanted: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Billions of multiply-adds of G; a filter's are its taps, along one axis after the other."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # meta has none
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        G = nets.generator(512, (3, size, size), tanh=False).eval()
        G(torch.randn(1, 512))
    counts = {name: sum(ops.values()) / 2 for name, ops in counter.get_flop_counts().items()}
    total = counts["Global"]
    for i, layer in enumerate(G.synthesis.layers):
        if isinstance(filtered := layer.filtered, FilteredActivation):
            total -= counts[f"StyleGenerator.synthesis.layers.{i}.filtered"]  # dense products
            middle, side = filtered.U.shape
            made = nets.layout((3, size, size))[1][i]
            up, down = middle * (side + middle), made * (middle + made)
            total += len(layer.weight) * TAPS * (up + filtered.down * down)
    assert total / 1e9 == pytest.approx(wanted, rel=0.01)


def test_layers_are_laid_out_as_in_the_paper() -> None:
    bands, sizes, widths = T_256.layout((3, 256, 256))
    rates = [16] * 3 + [32] * 2 + [64] * 2 + [128] * 3 + [256] * 5
    assert [band.rate for band in bands] == rates
    assert sizes == [36] * 3 + [52] * 2 + [84] * 2 + [148] * 3 + [276] * 3 + [256] * 2
    assert widths == [512] * 7 + [362, 256, 181, 128, 91, 64, 64, 3]
    assert bands[0].cutoff == 2
    assert [band.cutoff for band in bands[12:]] == [128.0] * 3
    assert bands[0].half_width == 6  # half the rate of 16, less the cutoff
    ups = [2 * max(a.rate, b.rate) // a.rate for a, b in pairwise(bands)]
    assert [i for i, up in enumerate(ups, 1) if up == 4] == [3, 5, 7, 10]


def test_filters_have_the_papers_kaiser_windows() -> None:
    """dB and beta of T at 256 pixels."""
    bands, _, _ = T_256.layout((3, 256, 256))

    def window(i: int, factor: int, rate: int) -> tuple[float, float]:
        decibels, beta = kaiser(TAPS * factor, 4 * bands[i].half_width / rate)
        return round(decibels, 1), round(beta, 2)

    down = [window(i, 2, 2 * bands[i].rate) for i in range(14)]
    a, b, c, d, e = (67.2, 6.44), (59.0, 5.54), (47.4, 4.25), (31.1, 2.27), (26.2, 1.54)
    assert down == [a, b, c, b, c, b, c, b, c, d, c, d, e, e]
    assert [window(i - 1, 4, 4 * bands[i - 1].rate) for i in (3, 5, 7, 10)] == [
        (49.2, 4.45)
    ] * 3 + [(32.1, 2.41)]


def test_filters_pass_what_they_should_and_nothing_else() -> None:
    row = lowpass(24, Band(32, 8.0, 4.0), 64)
    places = (torch.arange(24, dtype=torch.float64) - 11.5) / 64

    def response(f: float) -> float:
        return float((row * (2 * math.pi * f * places).cos()).sum())

    ripple = 10 ** (-49.2 / 20) * 1.5
    assert all(response(f) == pytest.approx(1, abs=ripple) for f in (0.0, 1.0, 2.0, 3.0, 4.0))
    assert response(8) == pytest.approx(0.5, abs=ripple)
    assert all(abs(response(f)) < ripple for f in (12.0, 13.0, 15.0, 18.0, 22.0, 27.0, 32.0))
    band = Band(16, 2.0, 6.0)
    assert torch.equal(lowpass(1, band, 32), torch.ones(1, dtype=torch.float64))
    disc = lowpass(12, band, 32, radial=True)
    assert float(disc.sum()) == pytest.approx(1)
    assert torch.allclose(disc, disc.T)
    assert torch.allclose(disc, disc.flip(0))
    # without its window, only the distance counts, the same at (.5, 3.5) and (2.5, 2.5)
    window = torch.kaiser_window(12, periodic=False, beta=kaiser(12, 0.75)[1], dtype=torch.float64)
    plain = disc / (window[:, None] * window)
    assert float(plain[6, 9]) == pytest.approx(float(plain[8, 8]))


@pytest.mark.parametrize("radial", [False, True])
@pytest.mark.parametrize(
    ("before", "after", "side", "size"),
    [(16, 16, 38, 36), (16, 32, 38, 52), (32, 32, 54, 32), (64, 32, 30, 20)],
)
def test_products_are_zero_insertion_and_convolution(
    before: int, after: int, side: int, size: int, radial: bool
) -> None:
    a, b = Band(before, before / 6, before / 3), Band(after, after / 6, after / 3)
    layer = FilteredActivation(side, size, a, b, radial=radial)
    rate = 2 * max(before, after)
    up, down = rate // before, rate // after
    rise = lowpass(TAPS * up, a, rate).float()
    fall = lowpass(TAPS * down, b, rate, radial=radial).float()
    x = torch.randn(2, 3, side, side)
    holed = torch.zeros(2, 3, side * up, side * up)
    holed[:, :, ::up, ::up] = x
    extra = (size - 1) * down + 1 - side * up + TAPS * (up + down) - 2
    first = (extra + up) // 2
    holed = pad(holed, [first, extra - first] * 2)

    def each(x: Tensor, kernel: Tensor, stride: int = 1) -> Tensor:
        return conv2d(x, kernel.expand(3, 1, *kernel.shape), stride=stride, groups=3)

    middle = leaky_relu(each(holed, up**2 * rise[:, None] * rise), 0.2) * 2**0.5
    wanted = each(middle, fall if radial else fall[:, None] * fall, down)
    found = layer(x)
    assert found.shape == (2, 3, size, size)
    assert torch.allclose(found, wanted, atol=1e-5)


def test_the_input_is_waves_in_a_disc_that_styles_turn_and_shift() -> None:
    band = Band(16, 2.0, 6.0)
    layer = FourierInput(2000, 36, band, 8)
    radius = layer.frequencies.norm(dim=1)
    assert radius.max() <= 2
    assert float((radius < 1).float().mean()) == pytest.approx(1 / 4, abs=0.05)
    assert abs(float(layer.frequencies.mean())) < 0.1
    small = FourierInput(6, 4, band, 8)
    nn.init.eye_(small.weight)
    with torch.no_grad():
        small.affine.bias.copy_(torch.tensor([0.0, 2.0, 0.5, -1.0]))  # a quarter turn, scaled by 2
        found = small(torch.randn(1, 8))[0]
    for row, column in ((0, 0), (1, 3), (2, 1)):
        x, y = (column + 0.5 - 2) / 16 - 0.25, (row + 0.5 - 2) / 16 + 0.5
        turned = torch.tensor([-y, x])
        wave = torch.sin(2 * math.pi * (small.frequencies @ turned + small.phases))
        assert torch.allclose(found[:, row, column], wave / 6**0.5, atol=1e-5)


def images(nets: AliasFreeNet, size: int, *transforms: Tensor) -> list[Tensor]:
    """Images of the same style, with each transform of its input."""
    G = nets.generator(nets.styles, (3, size, size), tanh=False).eval()
    made = []
    with torch.no_grad():
        w = G.styles(torch.randn(2, nets.styles))
        for transform in transforms:
            G.synthesis.input.transform.copy_(transform)
            made.append(G.synthesis(w))
    return made


def decibels(a: Tensor, b: Tensor) -> float:
    """PSNR of images in [-1, 1]."""
    return 10 * math.log10(4 / float((a - b).square().mean()))


def shifted(x: float, y: float) -> Tensor:
    """The transform that moves an image by shares of its side."""
    return torch.tensor([[1, 0, -x], [0, 1, -y], [0, 0, 1.0]])


QUARTER = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ("rotation", "size", "least"),
    [(False, 32, 84.0), (False, 64, 86.0), (True, 32, 130.0), (True, 64, 107.0)],
)
def test_untrained_images_move_with_their_input(rotation: bool, size: int, least: float) -> None:
    """By an eighth of the side, seen in the middle: margins do not hide the border entirely."""
    nets = AliasFreeNet(most=16 if rotation else 32, styles=32, rotation=rotation)
    x = size // 8
    still, moved, turned = images(nets, size, torch.eye(3), shifted(1 / 8, -1 / 8), QUARTER)
    middle = slice(3 * x, -2 * x), slice(2 * x, -3 * x)
    a, b = still[:, :, middle[0], middle[1]], moved[:, :, middle[1], middle[0]]
    assert float(still.std()) > 0.01
    assert decibels(a, b) > least
    if rotation:
        assert decibels(turned, still.rot90(1, (2, 3))) > 120
    else:  # 3x3 convolutions have a direction
        assert decibels(turned, still.rot90(1, (2, 3))) < 60


def test_the_image_of_a_transform_is_moved_by_its_inverse() -> None:
    nets = AliasFreeNet(most=16, styles=16, layers=4, critical=1)
    still, moved = images(nets, 32, torch.eye(3), shifted(0.25, 0))
    with_columns = decibels(still[:, :, 8:-8, 8:16], moved[:, :, 8:-8, 16:24])
    assert with_columns > 50 > decibels(still[:, :, 8:-8, 16:24], moved[:, :, 8:-8, 8:16])


def test_all_weights_have_second_derivatives() -> None:
    """But the last biases, which move images and no slopes."""
    game: Any = trainer_of("stylegan3").game
    game.eval()  # whose running means no gradient could follow
    w = game.G.styles(torch.randn(2, 8))
    lengths = path_lengths(game.G.synthesis, w)
    named = dict(game.G.named_parameters())
    slopes = torch.autograd.grad(lengths.sum(), list(named.values()), allow_unused=True)
    still = {k for k, s in zip(named, slopes, strict=True) if s is None or not s.any()}
    assert not {k for k in still if k.endswith("weight")}
    assert "synthesis.layers.0.bias" not in still


def test_magnitudes_are_a_running_mean_of_squares() -> None:
    layer = Magnitude(half_life=8.0)
    x = 3 * torch.ones(4, 2, 5, 5)
    out = layer(x)
    power = 1 + (1 - 0.5**0.5) * 8  # half of a half-life from 1 to 9
    assert float(layer.power) == pytest.approx(power)
    assert torch.allclose(out, x / power**0.5)
    layer.eval()
    layer(x)
    assert float(layer.power) == pytest.approx(power)


def test_magnitudes_take_in_the_images_of_all_processes() -> None:
    """Here 4 images of square 9, elsewhere 4 of 25: 8 images of 17 in a half-life of 8."""
    layer = Magnitude(half_life=8.0)
    layer.everyone = lambda mine: torch.cat([mine, torch.full_like(mine, 25.0)])
    layer(3 * torch.ones(4, 2, 5, 5))
    assert float(layer.power) == pytest.approx((1 + 17) / 2)


def test_only_ds_update_moves_the_running_means() -> None:
    trainer = trainer_of("stylegan3")
    game: Any = trainer.game
    batch = Images(torch.zeros(4, *game.spec.shape))

    def means() -> list[Tensor]:
        parts = [m for m in game.G.modules() if hasattr(m, "held")]
        return [next(part.buffers()).clone() for part in parts]

    first = means()
    assert len(first) == 1 + 4  # of styles, and of each layer's input
    game.train()
    game.generator(batch)
    assert all(torch.equal(a, b) for a, b in zip(first, means(), strict=True))
    game.discriminator(batch)
    assert not any(torch.equal(a, b) for a, b in zip(first, means(), strict=True))


def test_players_are_corrected_for_lazy_updates_only_where_there_are_some() -> None:
    trainer = trainer_of("stylegan3")
    G, D = (trained.optimizer.param_groups[0] for trained in trainer.players)
    assert [trained.player.name for trained in trainer.players] == ["G", "D"]
    assert (G["lr"], G["betas"][1]) == pytest.approx((0.0025, 0.99))
    assert (D["lr"], D["betas"][1]) == pytest.approx((0.002 * 16 / 17, 0.99 ** (16 / 17)))


def test_ds_images_are_blurred_less_and_less() -> None:
    _, settings = tiny("stylegan3")
    cfg = replace(settings.game, blur=1.0, blur_steps=10)
    game: Any = trainer_of("stylegan3", game=cfg).game
    dot = torch.zeros(1, 1, 8, 8)
    dot[0, 0, 4, 4] = 1
    weights = torch.tensor([2.0**-9, 2.0**-4, 0.5, 1, 0.5, 2.0**-4, 2.0**-9])
    weights = weights / weights.sum()
    assert torch.allclose(game.shown(dot)[0, 0, 1:, 1:], weights[:, None] * weights, atol=1e-7)
    game.before_step(5)  # s is .5: one pixel to each side
    near = torch.tensor([2.0**-4, 1, 2.0**-4]) / (1 + 2 * 2.0**-4)
    assert torch.allclose(game.shown(dot)[0, 0, 3:6, 3:6], near[:, None] * near, atol=1e-7)
    assert float(game.shown(dot).sum()) == pytest.approx(1)
    game.before_step(7)  # .3, and 3 s below 1
    assert torch.equal(game.shown(dot), dot)


def test_conditional_styles_mix_and_are_found_again() -> None:
    _, settings = tiny("stylegan3")
    game: Any = trainer_of("stylegan3", game=replace(settings.game, conditional=True)).game
    model = Model("stylegan3", game.eval().requires_grad_(False), game.spec, 0, Path("none"))
    assert mix(model, [1], [2, 3], labels="3").shape == (2, 3, 1, 8, 8)
    x = model.sample(1, seed=4, labels="3")
    found = project(model, x, labels="3", search=Search(steps=60, draws=100))
    assert list(found.latents) == ["w"]
    assert torch.equal(model.sample(1, latents=found.latents), found.images)
    assert (found.distance < found.start).all()


def test_images_that_it_cannot_make_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"from 8 up, not 24x24; the nearest is 32x32"):
        AliasFreeNet().generator(8, (3, 24, 24))
    with pytest.raises(SettingsError, match="not 16x32"):
        AliasFreeNet().generator(8, (3, 16, 32))
    with pytest.raises(SettingsError, match="has 2 layers, of which 2 are critical"):
        AliasFreeNet(layers=2).generator(8, (3, 16, 16))


def test_a_step_in_bf16_is_finite() -> None:
    trainer = trainer_of("stylegan3", precision="bf16")
    for _ in trainer.play(2):
        means, trouble = trainer.meter.read()
        assert trouble is None
        assert all(map(math.isfinite, means.values()))


@pytest.mark.parametrize("cut", [2, 3])
def test_a_run_resumes_bit_for_bit(tmp_path: Path, cut: int) -> None:
    """While the blur falls, and between two lazy updates."""
    cls, settings = tiny("stylegan3", save_every=cut, sample_every=50, log_every=1)
    game = replace(settings.game, blur=1.0, blur_steps=5, conditional=True)
    settings = replace(settings, game=game)
    train(cls, replace(settings, steps=6), tmp_path / "whole", quiet=True)
    train(cls, replace(settings, steps=cut), tmp_path / "run", quiet=True)
    resume(tmp_path / "run", steps=6, quiet=True)
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "run")
    assert [k for k in whole if not torch.equal(whole[k], parts[k])] == []
