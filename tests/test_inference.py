"""Pictures of any size: padding and tiles change nothing where they must not."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from ganwright.data.types import Paired, Spec, Unpaired
from ganwright.errors import DataError, SettingsError
from ganwright.families.dualgan import DualGAN
from ganwright.families.pix2pix import Pix2Pix
from ganwright.inference.given_images import fitted_all
from ganwright.inference.model import Model
from ganwright.inference.tiling import Footprint, footprint, reflected, strips, tiles
from ganwright.layers.attention import SelfAttention
from ganwright.layers.norm import BatchNorm, NoNorm
from ganwright.layers.resample import Resize, SubPixel
from ganwright.networks import (
    EncoderDecoder,
    PatchGAN,
    ResNetTranslator,
    SRResNet,
    Translator,
    UNet,
)


def made(kind: Translator, shape: tuple[int, ...], scale: int = 1) -> nn.Module:
    """A network with weights large enough for every pixel in reach to count."""
    torch.manual_seed(0)
    target = (shape[0], shape[1] * scale, shape[2] * scale)
    net = kind.translator(shape, target)
    for weight in net.parameters():
        if weight.ndim > 1:
            nn.init.normal_(weight, 0, 1 / math.sqrt(weight[0].numel()))
    return net.eval().requires_grad_(False)


def known(net: nn.Module, shape: tuple[int, ...]) -> Footprint:
    return footprint(net, net, shape)


def whole(net: nn.Module, x: Tensor, found: Footprint, tile: int = 10_000) -> Tensor:
    return torch.cat(list(strips(net, x, found, tile)), 2)


def test_the_footprint_of_srresnet_is_the_sum_of_its_kernels() -> None:
    net = made(SRResNet(blocks=2, width=4), (3, 24, 24), 4)
    # 9x9 reaches 4, and five 3x3 reach 1 each; then 3x3 at the size, 3x3 at twice and 9x9 at four
    # times the size; a subpixel is up to 1/2, then 1/4, of a pixel beside the one it came from
    assert known(net, (3, 24, 24)) == Footprint(1, 2, 4, math.ceil(4 + 5 + 1 + 0.5 + 1 + 0.75))


@pytest.mark.parametrize(
    ("kind", "multiple", "local"),
    [
        (ResNetTranslator(width=4, blocks=1), 4, False),
        (ResNetTranslator(width=4, blocks=1, norm=NoNorm()), 4, True),
        (ResNetTranslator(width=4, blocks=1, norm=BatchNorm(), up=Resize()), 4, True),
        (ResNetTranslator(width=4, blocks=1, norm=BatchNorm(), up=SubPixel()), 4, True),
        (ResNetTranslator(width=4, blocks=1, norm=BatchNorm(always_batch=True)), 4, False),
        (UNet(width=4), 32, False),
        (UNet(width=4, dropout=0, norm=NoNorm(), depth=3), 8, True),
        (UNet(width=4, dropout=0.5, norm=NoNorm(), depth=3), 8, False),
        (EncoderDecoder(width=4), 8, True),
    ],
    ids=str,
)
def test_footprints_tell_multiples_and_locality(
    kind: Translator, multiple: int, local: bool
) -> None:
    found = known(made(kind, (3, 32, 32)), (3, 32, 32))
    assert (found.multiple, found.scale) == (multiple, 1)
    assert (found.radius is not None) == local


def test_what_layers_do_not_show_is_found_out() -> None:
    class Centred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x - x.mean((2, 3), keepdim=True))

    torch.manual_seed(0)
    assert known(Centred(), (1, 16, 16)).radius is None
    assert known(Centred().conv, (1, 16, 16)).radius == 1
    attention = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), SelfAttention(8))
    nn.init.ones_(attention[1].gamma)
    assert known(attention.requires_grad_(False), (8, 16, 16)).radius is None


def test_a_network_of_one_size_says_which() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Unflatten(1, (1, 8, 8)))
    found = known(net, (1, 8, 8))
    assert found.only == (8, 8)
    x = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(whole(net, x, found), net(x))
    with pytest.raises(SettingsError, match="takes images of 8x8 only, got 9x8; resize them"):
        whole(net, torch.rand(1, 1, 8, 9), found)


def test_reflection_turns_back_without_repeating_edges() -> None:
    assert reflected(torch.arange(9), 4).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert reflected(torch.arange(3), 1).tolist() == [0, 0, 0]


@pytest.mark.parametrize("size", [(24, 24), (7, 61), (100, 33)])
def test_tiles_of_srresnet_have_no_seams(size: tuple[int, int]) -> None:
    net = made(SRResNet(blocks=1, width=4), (3, 24, 24), 4)
    found = known(net, (3, 24, 24))
    x = torch.rand(2, 3, *size) * 2 - 1
    tiled = whole(net, x, found, tile=160)
    assert tiled.shape == (2, 3, 4 * size[0], 4 * size[1])
    torch.testing.assert_close(tiled, net(x), rtol=0, atol=2e-6)


def test_tiles_that_overlap_too_little_would_show() -> None:
    net = made(SRResNet(blocks=1, width=4), (3, 24, 24), 4)
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    short = Footprint(1, 2, 4, 1)
    assert tiles(64, 64, short, 64) > 4
    assert (whole(net, x, short, tile=64) - net(x)).abs().max() > 1e-3


@pytest.mark.parametrize(
    "kind",
    [
        ResNetTranslator(width=4, blocks=1, norm=BatchNorm()),
        UNet(width=4, dropout=0, norm=NoNorm(), depth=3),
        EncoderDecoder(width=4),
    ],
    ids=str,
)
def test_strided_networks_are_seamless_too(kind: Translator) -> None:
    net = made(kind, (3, 32, 32))
    found = known(net, (3, 32, 32))
    assert found.radius is not None
    x = torch.rand(1, 3, 200, 323) * 2 - 1
    tiled, at_once = whole(net, x, found, tile=64), whole(net, x, found)
    assert tiles(200, 323, found, 64) > 4
    assert tiled.shape == x.shape
    torch.testing.assert_close(tiled, at_once, rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (33, 64), (64, 64)])
def test_padding_is_cut_off_again(size: tuple[int, int]) -> None:
    net = made(EncoderDecoder(width=4), (3, 32, 32))
    found = known(net, (3, 32, 32))
    x = torch.rand(1, 3, *size)
    out = whole(net, x, found)
    assert out.shape == x.shape
    if size == (64, 64):
        torch.testing.assert_close(out, net(x))


def test_bytes_and_floats_are_the_same_pictures() -> None:
    net = made(EncoderDecoder(width=4), (3, 32, 32))
    found = known(net, (3, 32, 32))
    pixels = torch.randint(0, 256, (1, 3, 40, 40), dtype=torch.uint8)
    torch.testing.assert_close(
        whole(net, pixels, found), whole(net, pixels.float() / 127.5 - 1, found)
    )


def test_blended_tiles_weigh_one_in_all_and_go_over_smoothly() -> None:
    # a network that answers with the mean of what it sees: as different between tiles as can be
    means: list[float] = []

    def mean(x: Tensor) -> Tensor:
        means.append(float(x.mean()))
        return x.mean((2, 3), keepdim=True).expand_as(x)

    found = Footprint(4, 8, 1, None)
    constant = torch.full((1, 1, 90, 130), 0.25)
    torch.testing.assert_close(whole(lambda x: x, constant, found, 32), constant)  # type: ignore[arg-type]
    ramp = torch.linspace(-1, 1, 130).expand(1, 1, 90, 130)
    out = whole(mean, ramp, found, 32)  # type: ignore[arg-type]
    assert len(set(means)) > 3
    steps = out[0, 0, 45].diff()
    assert (steps >= -1e-6).all()
    # tiles of 32 overlap by 8 and differ by at most 24 pixels' worth of the ramp
    assert steps.max() <= 24 * (2 / 129) / 8 + 1e-3


@pytest.mark.parametrize(
    ("multiple", "tile", "side"), [(256, 512, 2000), (64, 64, 500), (8, 16, 44)]
)
def test_blended_tiles_overlap_by_less_than_a_multiple(multiple: int, tile: int, side: int) -> None:
    """As in a U-Net of 8 halvings with --tile 512: nothing is left out, or counted twice."""
    found = Footprint(multiple, multiple, 1, None)
    x = torch.rand(1, 1, multiple, side)
    sizes: set[int] = set()

    def same(x: Tensor) -> Tensor:
        sizes.add(x.shape[3])
        return x

    torch.testing.assert_close(whole(same, x, found, tile), x)  # type: ignore[arg-type]
    assert sizes == {tile}


def test_a_strip_is_ready_before_the_next_tiles_are_looked_at() -> None:
    calls = 0

    def count(x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return x

    found = Footprint(1, 2, 1, 2)
    x = torch.rand(1, 1, 100, 20)
    parts = strips(count, x, found, 20)
    first = next(parts)
    assert calls == 1
    rest = list(parts)
    assert calls == tiles(100, 20, found, 20) == 1 + len(rest)
    assert torch.equal(torch.cat([first, *rest], 2), x)


def model_of(kind: Translator, channels: int = 3) -> Model:
    """A trained-looking pix2pix."""
    spec = Spec(Paired, (channels, 16, 16), (3, 16, 16))
    game = Pix2Pix(
        Pix2Pix.Config(translator=kind, patch=PatchGAN(field=16, width=4), adversarial=0), spec
    )
    game.requires_grad_(False).eval()
    return Model("pix2pix", game, spec, 1, Path("run"))


def test_python_gives_back_the_kind_it_was_given() -> None:
    model = model_of(EncoderDecoder(width=4))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)
    tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    expected = model.translate(tensor)
    assert expected.shape == (2, 3, 20, 30)
    array = model.translate(pixels)
    rounded = expected.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, rounded)
    np.testing.assert_array_equal(model.translate(pixels[0]), rounded[0])
    image = model.translate(Image.fromarray(pixels[0]))
    assert (image.mode, image.size) == ("RGB", (30, 20))
    both = model.translate([Image.fromarray(p) for p in pixels])
    np.testing.assert_array_equal(np.asarray(both[1]), rounded[1])
    grey = model.translate(Image.new("L", (9, 9)))
    assert (grey.mode, grey.size) == ("RGB", (9, 9)), "grey images are shown in colour"


def test_python_refuses_in_a_sentence() -> None:
    model = model_of(EncoderDecoder(width=4))
    with pytest.raises(SettingsError, match=r"takes images \[n, 3, H, W\], got \[1, 1, 8, 8\]"):
        model.translate(torch.zeros(1, 1, 8, 8))
    with pytest.raises(SettingsError, match=r"takes images \[n, 3, H, W\], got \[1, 3, 8, 0\]"):
        model.translate(torch.zeros(1, 3, 8, 0))
    with pytest.raises(SettingsError, match="Pix2Pix learns one direction, a2b, not 'b2a'"):
        model.translate(torch.zeros(1, 3, 8, 8), direction="b2a")
    with pytest.raises(DataError, match=r"got float64 \(4, 4\)"):
        model.translate(np.zeros((4, 4)))
    with pytest.raises(DataError, match="got <class 'str'>"):
        model.translate("picture.png")


@pytest.mark.parametrize("shape", [(8, 32, 32), (32, 32, 5), (2, 9, 9, 6), (0, 9, 9, 3), (0, 9, 3)])
def test_arrays_that_are_no_images_are_refused(shape: tuple[int, ...]) -> None:
    """Greyscale images in a stack, as of a microscope, were a traceback of Pillow."""
    model, array = model_of(EncoderDecoder(width=4)), np.zeros(shape, np.uint8)
    with pytest.raises(DataError, match=rf"of 1 to 4 channels; got uint8 {re.escape(str(shape))}$"):
        model.translate(array)
    with pytest.raises(DataError, match=r"of 1 to 4 channels; got uint8"):
        fitted_all(array, (3, 16, 16))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_arrays_of_one_to_four_channels_are_images(channels: int) -> None:
    array = np.full((1, 9, 9, channels), 255, np.uint8)
    assert fitted_all(array, (3, 16, 16)).shape == (1, 3, 16, 16)


def test_a_picture_does_not_depend_on_its_neighbours() -> None:
    model = model_of(UNet(width=4, dropout=0))
    x = torch.rand(3, 3, 16, 16)
    torch.testing.assert_close(model.translate(x)[1:2], model.translate(x[1:2]))


def test_each_direction_has_its_own_channels_and_network() -> None:
    spec = Spec(Unpaired, (1, 16, 16), (3, 16, 16))
    cfg = DualGAN.Config(translator=UNet(width=4), patch=PatchGAN(field=16, width=4))
    model = Model("dualgan", DualGAN(cfg, spec).eval(), spec, 1, Path("run"))
    assert model.translate(torch.zeros(1, 1, 20, 20)).shape == (1, 3, 20, 20)
    assert model.translate(torch.zeros(1, 3, 20, 20), direction="b2a").shape == (1, 1, 20, 20)
    with pytest.raises(SettingsError, match="unknown direction 'up'; choose a2b or b2a"):
        model.translate(torch.zeros(1, 1, 16, 16), direction="up")


def test_noise_is_the_seeds() -> None:
    model = model_of(UNet(width=4, dropout=0.5))
    x = torch.rand(1, 3, 16, 16)
    assert torch.equal(model.translate(x, seed=1), model.translate(x, seed=1))
    assert not torch.equal(model.translate(x, seed=1), model.translate(x, seed=2))
