"""The degradation of images, against numbers worked out by hand, torch's interpolation and Pillow's
JPEG files."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

import ganwright
from ganwright.degrade import Degrade, Order, kernels
from ganwright.degrade.draws import Draws
from ganwright.degrade.jpeg import CHROMINANCE, LUMINANCE, compressed, table
from ganwright.degrade.resize import AREA, BICUBIC, BILINEAR, Canvas, matrix, whole
from ganwright.errors import SettingsError
from ganwright.layers.fidelity import psnr
from ganwright.pixels import as_floats, to_bytes

SIDE = 9


def ones(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def gaussian(
    a: float, b: float, angle: float = 0, beta: float = 1, plateau: bool = False
) -> Tensor:
    radius = torch.tensor([SIDE // 2])
    shape = torch.tensor([plateau])
    return kernels.gaussian(ones(a), ones(b), ones(angle), ones(beta), shape, radius, SIDE)[0]


def test_kernels_have_the_papers_shapes() -> None:
    k = gaussian(1, 1)
    assert k.sum().item() == pytest.approx(1)
    assert (k[4, 4] / k[4, 5]).item() == pytest.approx(math.exp(0.5))
    assert (k[4, 4] / k[5, 5]).item() == pytest.approx(math.exp(1))
    long = gaussian(2, 1)  # along the columns
    assert (long[4, 4] / long[4, 6]).item() == pytest.approx(math.exp(0.5))
    assert (long[4, 4] / long[6, 4]).item() == pytest.approx(math.exp(2))
    assert torch.allclose(gaussian(2, 1, math.pi / 2), long.T, atol=1e-6)
    general = gaussian(1, 1, beta=2)
    assert (general[4, 4] / general[4, 6]).item() == pytest.approx(math.exp(8), rel=1e-4)
    flat = gaussian(1, 1, plateau=True)
    assert (flat[4, 4] / flat[4, 5]).item() == pytest.approx(2)
    assert (flat[4, 4] / flat[4, 6]).item() == pytest.approx(5)
    assert gaussian(0, 0).tolist() == kernels.still(SIDE, k)[0].tolist()


def test_a_sinc_filter_is_that_of_its_cutoff() -> None:
    k = kernels.sinc(ones(math.pi), torch.tensor([4]), SIDE)[0]
    assert k.sum().item() == pytest.approx(1, abs=1e-6)
    # w² / 4 pi = pi / 4 in the centre, J1(pi) / 2 one pixel from it
    assert (k[4, 4] / k[4, 5]).item() == pytest.approx(math.pi / 2 / 0.2846153, rel=1e-4)


def test_a_kernel_ends_at_its_radius() -> None:
    two = torch.tensor([1, 3])
    k = kernels.gaussian(
        ones(5, 5), ones(5, 5), ones(0, 0), ones(1, 1), torch.tensor([False] * 2), two, SIDE
    )
    assert [(each > 0).sum().item() for each in k] == [9, 49]
    assert k.sum((1, 2)).tolist() == pytest.approx([1, 1])


def test_each_image_has_its_own_kernel() -> None:
    x = torch.zeros(2, 3, SIDE, SIDE)
    x[:, :, 4, 4] = 1
    k = torch.rand(2, 5, 5)
    made = kernels.filtered(x, k)
    for i in range(2):
        for channel in range(3):
            assert torch.allclose(made[i, channel, 2:7, 2:7], k[i].flip(0, 1))
    assert torch.allclose(
        kernels.filtered(torch.ones(2, 1, 4, 4), k / k.sum((1, 2), True)), ones(1)
    )


@pytest.mark.parametrize(
    ("how", "mode"), [(AREA, "area"), (BILINEAR, "bilinear"), (BICUBIC, "bicubic")]
)
@pytest.mark.parametrize("size", [(5, 9), (17, 12), (8, 8), (1, 20)])
def test_resizing_is_torchs(how: int, mode: str, size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, 8, 11)
    height, width = (torch.full((2,), s) for s in size)
    made = whole(x).resized(height, width, (20, 20), torch.tensor([how, how]))
    wanted = interpolate(x, size, mode=mode)
    assert torch.allclose(made.pixels[..., : size[0], : size[1]], wanted, atol=1e-5)
    last = made.pixels[..., size[0] - 1 :, :]
    assert torch.allclose(last, last[..., :1, :].expand_as(last), atol=1e-6)


def test_images_of_one_canvas_have_sizes_of_their_own() -> None:
    x = torch.rand(2, 1, 8, 8)
    sides = torch.tensor([8, 4])
    made = Canvas(x, sides, sides).resized(sides // 2, sides // 2, (4, 4), torch.tensor([1, 1]))
    assert torch.allclose(made.pixels[0], interpolate(x[:1], (4, 4), mode="bilinear")[0])
    small = interpolate(x[1:, :, :4, :4], (2, 2), mode="bilinear")[0]
    assert torch.allclose(made.pixels[1, :, :2, :2], small)
    rows = matrix(sides, sides * 2, (8, 16), torch.tensor([AREA, BICUBIC]))
    assert torch.allclose(rows.sum(2), ones(1))


def test_quantisation_tables_are_libjpegs() -> None:
    q = ones(50, 75, 10, 100)
    steps = table(LUMINANCE, q)
    assert steps[0].tolist() == [list(row) for row in LUMINANCE]
    assert steps[1, 0, :3].tolist() == [8, 6, 5]  # (16 50 + 50) / 100, rounded down
    assert steps[2, 0, 0].item() == 80  # scaled by 5000 / 10
    assert steps[2, 7, 4].item() == 255
    assert steps[3].unique().tolist() == [1]
    for quality in (20, 60, 90):
        buffer = io.BytesIO()
        Image.new("RGB", (16, 16)).save(buffer, "JPEG", quality=quality)
        tables: Any = Image.open(buffer).quantization  # type: ignore[attr-defined]
        for base, known in ((LUMINANCE, tables[0]), (CHROMINANCE, tables[1])):
            assert table(base, ones(quality))[0].flatten().tolist() == list(known)


def test_an_even_block_keeps_its_level_up_to_half_a_step() -> None:
    # its first coefficient is 8 (v - 128), in steps of 16 at quality 50
    levels = ones(128, 129, 130, 133, 136)
    x = (levels / 127.5 - 1)[:, None, None, None].expand(-1, 1, 8, 8)
    made = (compressed(x, torch.full((5,), 50.0)) + 1) * 127.5
    assert made.amax((1, 2, 3)).tolist() == pytest.approx([128, 128, 130, 132, 136], abs=1e-3)
    assert made.amin((1, 2, 3)).tolist() == pytest.approx([128, 128, 130, 132, 136], abs=1e-3)


@pytest.mark.parametrize("quality", [30, 60, 90])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpegs_are_pillows(quality: int, channels: int) -> None:
    smooth = interpolate(torch.rand(1, channels, 6, 5) * 2 - 1, (45, 37), mode="bicubic")
    x = to_bytes(smooth.clamp(-1, 1) * 0.9)
    image = Image.fromarray(x[0].permute(1, 2, 0).squeeze(2).numpy())
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=2)
    array = torch.frombuffer(bytearray(Image.open(buffer).tobytes()), dtype=torch.uint8)
    theirs = as_floats(array.reshape(1, 45, 37, channels).permute(0, 3, 1, 2))
    ours = compressed(as_floats(x), ones(quality))
    near = psnr(ours, theirs, peak=2).item()
    assert near > 30  # the mean is 43 dB and more; a coefficient near half a step may round away
    assert near > psnr(as_floats(x), theirs, peak=2).item() + 3


def test_full_quality_is_no_file_at_all() -> None:
    x = torch.rand(2, 3, 9, 9) * 2 - 1
    made = compressed(x, ones(100, 40))
    assert torch.equal(made[0], x[0])
    assert not torch.equal(made[1], x[1])


def noise(x: Tensor, **settings: Any) -> Tensor:
    plain: dict[str, Any] = {"gaussian": (0, 0), "poisson": (0, 0), "shot": 0.0, "grey": 0.0}
    order = Order(**plain | settings)
    return order.noisy(whole(x), Draws(len(x), x), 1.0).pixels - x


def test_noise_has_the_variance_that_is_asked_for() -> None:
    x = torch.zeros(4, 3, 96, 96)
    plain = noise(x, gaussian=(25.5, 25.5))
    assert plain.std().item() == pytest.approx(0.2, rel=0.03)
    assert plain.mean().item() == pytest.approx(0, abs=0.01)
    # a count of half of 256 photons has the variance 128, so a share of them .5 / 256
    counted = noise(x, shot=1.0, poisson=(2, 2))
    assert counted.var().item() == pytest.approx((2 * 2) ** 2 * 0.5 / 256, rel=0.05)
    assert noise(x - 1, shot=1.0, poisson=(2, 2)).abs().max() == 0  # no light, no photons
    assert not torch.equal(plain[:, 0], plain[:, 1])
    for kind in ({"gaussian": (25.5, 25.5)}, {"shot": 1.0, "poisson": (2, 2)}):
        grey = noise(x, grey=1.0, **kind)
        assert torch.allclose(grey[:, 0], grey[:, 1])


IMAGES = torch.linspace(-1, 1, 4 * 3 * 24 * 24).sin().reshape(4, 3, 24, 24).clamp(-1, 1)


def test_zero_strength_leaves_images_as_they_are() -> None:
    x = torch.rand(6, 3, 24, 20) * 2 - 1
    for second in (None, Order(blur=0.5, scale=(0.5, 1.2))):
        made = Degrade(strength=0.0, second=second, faint=0.5, jitter=9, grey=1.0)(x)
        assert torch.equal(made, x)


def test_a_seed_decides_everything() -> None:
    def made(seed: int) -> Tensor:
        torch.rand(3)  # the global generator has no say
        return Degrade(faint=0.3, jitter=5, grey=0.5)(
            IMAGES, generator=torch.Generator().manual_seed(seed)
        )

    first = made(0)
    assert torch.equal(first, made(0))
    assert not torch.equal(first, made(1))
    assert first.abs().max() <= 1
    assert first.shape == IMAGES.shape


def test_each_image_is_degraded_by_draws_of_its_own() -> None:
    one = IMAGES[:1].expand(4, -1, -1, -1)
    made = Degrade()(one)
    assert all(not torch.equal(made[0], other) for other in made[1:])
    assert ((made - one).abs().flatten(1).mean(1) > 1e-3).all()


def test_sizes_types_and_gradients() -> None:
    x = IMAGES.half().requires_grad_()
    low = ganwright.Degrade()(x, (6, 8))
    assert low.shape == (4, 3, 6, 8)
    assert low.dtype is torch.float16
    assert not low.requires_grad
    assert Degrade()(torch.zeros(2, 1, 9, 7)).shape == (2, 1, 9, 7)


def test_colours_and_contrast_are_lost() -> None:
    still = Order(sigma=(0, 0), sinc=0, up=0, down=0, gaussian=(0, 0), shot=0, quality=(100, 100))
    grey = Degrade(first=still, second=None, sinc=0, grey=1.0)(IMAGES)
    assert torch.allclose(grey[:, 0], grey[:, 2])
    wanted = (IMAGES * ones(0.299, 0.587, 0.114)[:, None, None]).sum(1)
    assert torch.allclose(grey[:, 0], wanted, atol=1e-6)
    faint = Degrade(first=still, second=None, sinc=0, faint=0.5)(IMAGES)
    spread = faint.flatten(1).std(1) / IMAGES.flatten(1).std(1)
    assert ((spread >= 0.5 - 1e-5) & (spread <= 1 + 1e-5)).all()
    shifted = Degrade(first=still, second=None, sinc=0, jitter=20)(IMAGES * 0.5) - IMAGES * 0.5
    assert torch.allclose(shifted, shifted[..., :1, :1].expand_as(shifted), atol=1e-6)
    assert 0 < shifted.abs().max() <= 40 / 255 + 1e-6


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"sigma": (3, 1)}, r"sigma is \(3.0, 1.0\); give the smaller number first"),
        ({"scale": (1.2, 1.5)}, "must span 1"),
        ({"up": 0.7, "down": 0.7}, "their sum is above 1"),
        ({"quality": (0, 50)}, r"must lie in \(1, 100\)"),
        ({"kernel": (4, 6)}, "must be odd"),
    ],
)
def test_spans_that_cannot_be_are_refused(settings: Any, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Order(**settings)


def test_contrast_is_lost_and_never_inverted() -> None:
    with pytest.raises(SettingsError, match=r"faint of Degrade is 1\.5; it must be from 0 to 1"):
        Degrade(faint=1.5)
    still = Order(sigma=(0, 0), sinc=0, up=0, down=0, gaussian=(0, 0), shot=0, quality=(100, 100))
    made = Degrade(first=still, second=None, sinc=0, faint=1.0)(IMAGES)
    kept = made - made.mean((1, 2, 3), keepdim=True)
    assert ((kept * IMAGES).sum((1, 2, 3)) >= 0).all()


def test_what_are_no_images_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"takes images \[n, C, H, W\].*shape \(3, 4\)"):
        Degrade()(torch.zeros(3, 4))
