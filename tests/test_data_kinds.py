"""Kinds of data that are easily misread: masks, names of folders, links, archives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganwright.cli import main
from ganwright.data import Data, DataOptions, Images, Paired, open_data
from ganwright.errors import DataError
from ganwright.inference.model import Model
from ganwright.run.load import load

UNET = ("--game.translator", "UNet(width=2)", "--game.patch", "PatchGAN(field=16,width=2)")


def opened(source: Any, task: type = Images, **options: Any) -> Data:
    return open_data(str(source), task=task, options=DataOptions(**options))


def grey(path: Path, pixels: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def photos(root: Path, count: int = 3, size: int = 16) -> None:
    rng = np.random.default_rng(0)
    for i in range(count):
        grey(root / f"{i}.png", rng.integers(0, 256, (size, size, 3)))


def masks(root: Path, values: list[int], count: int = 3, size: int = 16) -> None:
    rng = np.random.default_rng(1)
    for i in range(count):
        blocks = rng.choice(values, (size // 4, size // 4))
        blocks.flat[: len(values)] = values
        grey(root / f"{i}.png", blocks.repeat(4, 0).repeat(4, 1))


def test_dim_grey_pictures_stay_grey(tmp_path: Path) -> None:
    y, x = np.mgrid[0:32, 0:32]
    for i in range(3):
        dim = 30 + 20 * np.sin(x / 9 + i) * np.cos(y / 7)
        night = np.clip(dim - 25, 0, 63)
        for name, pixels in (("dim", dim), ("bright", dim * 4), ("night", night)):
            grey(tmp_path / name / f"{i}.png", pixels)
    for name in ("dim", "night"):
        data = opened(f"{tmp_path}?a=bright&b={name}", Paired)
        assert (data.spec.label_map, data.spec.target_map, data.spec.target) == (
            *(None, None),
            (1, 32, 32),
        )
        assert any("?b:mask reads them as class numbers" in note for note in data.notes)
    told = opened(f"{tmp_path}?a=bright&b=dim&b:mask", Paired)
    assert told.spec.target_map is not None
    assert told.spec.target == (3, 32, 32)


def test_the_number_255_marks_pixels_of_no_class(tmp_path: Path) -> None:
    masks(tmp_path / "mask", [0, 1, 2, 18, 255])
    photos(tmp_path / "photo")
    data = opened(f"{tmp_path}?a=mask&b=photo", Paired, image_size=12)
    maps = data.spec.label_map
    assert maps is not None
    assert (maps.values, maps.ignore) == (tuple(range(19)), 255)
    assert len(data.batch(0, 3).a.permute(0, 2, 3, 1).reshape(-1, 3).unique(dim=0)) == 5
    hot = opened(f"{tmp_path}?a=mask&b=photo&onehot=a", Paired).batch(0, 3).a
    assert hot.shape == (3, 19, 16, 16)
    # One channel a pixel, and none where it belongs to no class.
    assert set(hot.sum(1).unique().tolist()) == {-17.0, -19.0}
    assert maps.named() == "0 to 18"


@pytest.mark.parametrize(
    ("values", "query", "channels", "classes"),
    [
        ([0, 1, 2], "", None, 3),
        ([0, 1, 2], "&a:image", None, 0),
        ([0, 1, 2], "", 1, 0),
        ([0, 1, 2], "&a:mask", 1, 3),
        ([0, 255], "", None, 0),
        ([0, 255], "&a:mask", None, 2),
        ([0, 50, 100, 150], "", None, 0),
        ([0, 50, 100, 150], "&a:mask", None, 4),
    ],
)
def test_masks_are_known_by_their_files_or_by_a_switch(
    values: list[int], query: str, channels: Any, classes: int, tmp_path: Path
) -> None:
    masks(tmp_path / "mask", values)
    photos(tmp_path / "photo")
    data = opened(f"{tmp_path}?a=mask&b=photo{query}", Paired, channels=channels)
    maps = data.spec.label_map
    assert (0 if maps is None else maps.classes) == classes
    assert data.spec.shape[0] == (3 if classes else 1)


@pytest.mark.parametrize(
    ("query", "task", "sentence"),
    [
        ("?a=photo&b=mask&a:mask", Paired, r"side a cannot be masks: .*photo.*0\.png .*but RGB"),
        ("?a:mask", Images, "data option a:mask is for pairs of pictures"),
        ("?a:masks", Paired, r"data option a:masks must be mask or image, as in \?a:mask"),
        ("?c:mask", Paired, "unknown data option c:"),
    ],
)
def test_the_switch_is_refused_where_it_says_nothing(
    query: str, task: type, sentence: str, tmp_path: Path
) -> None:
    masks(tmp_path / "mask", [0, 1])
    photos(tmp_path / "photo")
    with pytest.raises(DataError, match=sentence):
        opened(f"{tmp_path}{query}", task)


def test_photos_become_palette_masks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks(tmp_path / "data" / "mask", [0, 1, 4])
    photos(tmp_path / "data" / "photo")
    run, out = tmp_path / "run", tmp_path / "out"
    data = f"{tmp_path / 'data'}?a=photo&b=mask"
    argv = ["--steps", "1", "--batch-size", "1", "--device", "cpu", "--image-size", "16"]
    assert main(["train", "pix2pix", "--data", data, *argv, *UNET, "--out", str(run)]) == 0
    model = load(run)
    assert isinstance(model, Model)
    assert model.spec.target_map is not None
    grey(tmp_path / "new" / "x.jpg", np.zeros((16, 16, 3)))
    assert main(["translate", str(run), str(tmp_path / "new"), str(out)]) == 0
    with Image.open(out / "x.png") as made:
        assert made.mode == "P"
        numbers = np.asarray(made)
        assert set(np.unique(numbers)) <= {0, 1, 2, 3, 4}
        colours = model.spec.target_map.palette()
        assert np.array_equal(np.asarray(made.convert("RGB")), colours[numbers])
    assert model.translate(Image.new("RGB", (16, 16))).mode == "P"
