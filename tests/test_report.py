"""Sample grids."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganwright.errors import SettingsError
from ganwright.report import save_grid, tile


def opened(path: Path) -> Image.Image:
    with Image.open(path) as file:
        file.load()
        return file


def levels(*values: float, size: int = 64, channels: int = 1) -> torch.Tensor:
    return torch.tensor(values)[:, None, None, None].expand(-1, channels, size, size)


def test_tiles_stand_row_by_row_with_white_between() -> None:
    grid = tile(levels(-1, 0, 1, -1, 1), columns=3, gutter=2)
    assert grid.shape == (2 + 2 * 66, 2 + 3 * 66)
    assert grid[2, 2] == 0
    assert grid[2, 2 + 66] == 128
    assert grid[2, 2 + 2 * 66] == 255
    assert grid[2 + 66, 2] == 0
    assert grid[2 + 66, 2 + 66] == 255
    assert (grid[:2] == 255).all()
    assert (grid[2:66, 66:68] == 255).all()
    assert (grid[68:132, 2 + 2 * 66 : -2] == 255).all()


def test_small_pictures_grow_by_whole_factors() -> None:
    picture = torch.linspace(-1, 1, 28 * 28).view(1, 1, 28, 28)
    grid = tile(picture, gutter=0)
    assert grid.shape == (84, 84)
    expected = ((picture[0, 0] + 1) * 127.5).round().byte().numpy()
    assert (grid[1::3, 1::3] == expected).all()
    assert (grid[::3, ::3] == expected).all()


def test_colours_keep_their_channels_and_wrong_values_their_bounds(tmp_path: Path) -> None:
    picture = torch.stack([torch.full((64, 64), v) for v in (3.0, float("nan"), -3.0)])
    save_grid(picture[None], tmp_path / "deep" / "grid.png", gutter=0)
    assert np.asarray(opened(tmp_path / "deep" / "grid.png"))[5, 5].tolist() == [255, 128, 0]
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["grid.png"]


def test_a_grid_is_as_square_as_can_be() -> None:
    assert tile(levels(*[0.0] * 16), gutter=0).shape == (256, 256)
    assert tile(levels(*[0.0] * 5), gutter=0).shape == (128, 192)
    assert tile(levels(0.0), columns=8, gutter=0).shape == (64, 64)


def test_captions_stand_below_their_pictures() -> None:
    grid = tile(levels(1, 1), columns=2, gutter=0, captions=["a", ""])
    assert grid.shape == (76, 128)
    assert grid[64:, :64].min() < 64
    assert grid[64:, 64:].min() == 255


@pytest.mark.parametrize("shape", [(2, 1, 5, 8, 8), (0, 8, 8), (0, 1, 8, 8), (0, 3)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=re.escape(str(list(shape)))):
        save_grid(torch.zeros(shape), tmp_path / "grid.png")


def test_points_become_a_plot(tmp_path: Path) -> None:
    angle = torch.arange(8) * torch.pi / 4
    save_grid(torch.stack([angle.cos(), angle.sin()], 1), tmp_path / "ring.png")
    picture = np.asarray(opened(tmp_path / "ring.png").convert("RGB"))
    assert picture.shape == (500, 500, 3)
    blue = picture[..., 2].astype(int) - picture[..., 0] > 60
    assert blue.sum() > 8
    middle = blue[200:300, 200:300]
    assert not middle.any()


def test_a_grid_that_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "grid.png").mkdir()
    with pytest.raises(OSError, match=r"grid\.png"):
        save_grid(levels(0.0), tmp_path / "grid.png")
    assert [p.name for p in tmp_path.iterdir()] == ["grid.png"]
