"""How near an image is to the true one: PSNR and SSIM, differentiable, a number an image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ganwright.precision import wide

WINDOW = 11
"""Side of SSIM's window in pixels; smaller images get the largest odd window that fits."""

_LUMA = (65.481, 128.553, 24.966)


def luma(x: Tensor) -> Tensor:
    """Y of ITU-R BT.601, from 16 to 235, of RGB [n, 3, H, W] in [-1, 1]: [n, 1, H, W].

    Images with other than three channels have no Y: they come back on [0, 255], [n, C, H, W].
    """
    x = wide(x).add(1).div(2)
    if x.shape[1] != 3:
        return x * 255
    weights = x.new_tensor(_LUMA)[:, None, None]
    return 16 + (weights * x).sum(1, keepdim=True)


def psnr(x: Tensor, y: Tensor, peak: float = 255.0) -> Tensor:
    """Peak signal-to-noise ratio in dB, [n], of images [n, C, H, W]; 120 at most.

    Args:
        peak: the span of the values.
    """
    error = ((x - y) / peak).square().flatten(1).mean(1)
    return -10 * error.clamp(min=1e-12).log10()


def ssim(x: Tensor, y: Tensor, peak: float = 255.0) -> Tensor:
    """Structural similarity, [n], of images [n, C, H, W]: Wang et al. (2004), eq. 13.

    Gaussian window of 11 pixels, sigma 1.5, where it fits entirely; K1 .01, K2 .03.

    Args:
        peak: values lie in [0, peak].
    """
    smallest = min(x.shape[-2:])
    window = _gaussian(min(WINDOW, smallest - (smallest + 1) % 2), x)

    def blur(t: Tensor) -> Tensor:
        blurred = conv2d(t.flatten(0, 1)[:, None], window)
        return blurred.reshape(*x.shape[:2], *blurred.shape[2:])

    # Variances are differences of squares, which lose fewer digits near 0.
    centre = x.mean((1, 2, 3), keepdim=True)
    x, y = x - centre, y - centre
    mx, my = blur(x), blur(y)
    vx, vy = blur(x * x) - mx * mx, blur(y * y) - my * my
    covariance = blur(x * y) - mx * my
    mx, my = mx + centre, my + centre
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    luminance = (2 * mx * my + c1) / (mx * mx + my * my + c1)
    structure = (2 * covariance + c2) / (vx + vy + c2)
    return (luminance * structure).flatten(1).mean(1)


def _gaussian(size: int, like: Tensor) -> Tensor:
    far = torch.arange(size, dtype=like.dtype, device=like.device) - size // 2
    row = (-far.square() / (2 * 1.5**2)).exp()
    row = row / row.sum()
    return torch.outer(row, row)[None, None]
