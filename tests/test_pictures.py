"""PSNR, SSIM and the protocol of super-resolution, against numbers made elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganwright.metrics.pictures import luma, psnr, restored, ssim


def waves() -> tuple[Tensor, Tensor]:
    """A picture and a disturbed one, [1, 1, 16, 20] in [0, 255]."""
    i, j = torch.meshgrid(torch.arange(16.0), torch.arange(20.0), indexing="ij")
    x = (7 * i + 13 * j) % 256
    y = (x + 20 * i.sin() + 10 * (2 * j).cos()).clamp(0, 255)
    return x[None, None], y[None, None]


def test_psnr_of_a_constant_error() -> None:
    x = torch.full((2, 3, 4, 4), 100.0)
    y = x + torch.tensor([10.0, 1.0])[:, None, None, None]
    # 20 log10(255 / 10) and 20 log10(255)
    torch.testing.assert_close(psnr(x, y), torch.tensor([28.130804, 48.130804]))
    assert psnr(x, x).tolist() == pytest.approx([120.0, 120.0])


def test_psnr_and_ssim_agree_with_scikit_image() -> None:
    # skimage 0.26: peak_signal_noise_ratio, and structural_similarity with gaussian_weights=True,
    # sigma=1.5, use_sample_covariance=False, data_range=255
    assert psnr(*waves()).item() == pytest.approx(24.4010258, abs=1e-4)
    assert ssim(*waves()).item() == pytest.approx(0.8628676, abs=1e-5)


def test_ssim_of_flat_pictures_compares_their_brightness() -> None:
    x, y = torch.full((1, 3, 12, 12), 100.0), torch.full((1, 3, 12, 12), 120.0)
    wanted = (2 * 100 * 120 + 6.5025) / (100**2 + 120**2 + 6.5025)
    assert ssim(x, y).item() == pytest.approx(wanted, abs=1e-4)
    assert ssim(x, x).item() == pytest.approx(1.0)


@pytest.mark.parametrize("size", [2, 7, 8, 11])
def test_ssim_takes_pictures_smaller_than_its_window(size: int) -> None:
    x = 255 * torch.rand(2, 1, size, size)
    assert ssim(x, x).tolist() == pytest.approx([1.0, 1.0], abs=1e-4)
    assert (ssim(x, 255 - x) < 0.9).all()


def test_luma_is_that_of_bt601() -> None:
    colours = torch.tensor([[-1.0, -1, -1], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    y = luma(colours[:, :, None, None])
    wanted = [16.0, 235.0, 16 + 65.481, 16 + 128.553, 16 + 24.966]
    assert y.flatten().tolist() == pytest.approx(wanted, abs=1e-4)
    assert luma(torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1)).flatten().tolist() == [0.0, 255.0]


def test_a_border_does_not_count_and_values_are_rounded_to_eight_bits() -> None:
    truth = torch.rand(1, 3, 24, 24) * 2 - 1
    made = truth.clone()
    made[..., :4, :] = 1.0
    assert restored(made, truth, border=4).psnr.item() == pytest.approx(120.0)
    assert restored(made, truth, border=3).psnr.item() < 40
    grey = torch.zeros(1, 1, 24, 24)  # 127.5, which rounds to 128 as 0.2 / 255 more does
    assert restored(grey + 0.4 / 255, grey).psnr.item() == pytest.approx(120.0)
