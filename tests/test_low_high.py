"""Pairs of low and high resolution that are files of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import TINY
from PIL import Image

import ganwright
from ganwright.cli import main
from ganwright.data import open_data
from ganwright.data.cached import pack
from ganwright.data.options import DataOptions
from ganwright.data.transforms import Crop
from ganwright.data.types import Paired
from ganwright.errors import DataError, SettingsError


def save(numbers: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(numbers.astype(np.uint8)).save(path)


def pairs(root: Path, count: int = 3, size: tuple[int, int] = (8, 6), factor: int = 4) -> None:
    """Each low pixel has a number of its own, which fills its block of the high picture."""
    for i in range(count):
        low = np.arange(size[0] * size[1]).reshape(size) + 50 * i
        save(low, root / "lr" / f"{i}.png")
        save(low.repeat(factor, 0).repeat(factor, 1), root / "hr" / f"{i}.png")


def opened(root: Path, text: str = "?low=own", **options: Any) -> Any:
    return open_data(f"{root}{text}", task=Paired, options=DataOptions(**options))


def test_the_factor_is_read_from_the_sizes(tmp_path: Path) -> None:
    pairs(tmp_path)
    data = opened(tmp_path)
    assert (data.spec.shape, data.spec.target) == ((1, 8, 6), (1, 32, 24))
    assert "low and high resolution differ by a factor of 4" in data.notes
    batch = data.batch(0, 3)
    assert torch.equal(batch.a.repeat_interleave(4, 2).repeat_interleave(4, 3), batch.b)


@pytest.mark.parametrize("size", [None, 16])
def test_packs_and_the_cache_keep_the_factor(
    size: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pairs(tmp_path / "set")
    plain = opened(tmp_path / "set", image_size=size)
    text, options = f"{tmp_path / 'set'}?low=own", DataOptions(image_size=size)
    pack(text, tmp_path / "x.pack", task=Paired, options=options, say=lambda _: None)
    for data in (
        opened(tmp_path / "x.pack", "", image_size=size),
        opened(tmp_path / "set", image_size=size, cache=True),
    ):
        assert data.spec == plain.spec
        for one, other in zip(data.batch(1, 3), plain.batch(1, 3), strict=True):
            assert torch.equal(one, other)


def test_a_pack_that_forgot_the_factor_is_refused(tmp_path: Path) -> None:
    pairs(tmp_path / "set")
    file = tmp_path / "x.pack"
    pack(f"{tmp_path / 'set'}?low=own", file, task=Paired, say=lambda _: None)
    file.write_bytes(file.read_bytes().replace(b'"factor": 4, ', b""))
    with pytest.raises(DataError, match=r"how much larger its second images are.*; pack the data"):
        opened(file, "")


@pytest.mark.parametrize("streamed", [False, True])
def test_windows_are_cut_at_one_place_of_both(
    streamed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if streamed:
        monkeypatch.setattr("ganwright.data.serve.load.RESIDENT_BYTES", 1)
    pairs(tmp_path)
    data = opened(tmp_path, image_size="16x8", flip=True, workers=0)
    assert (data.spec.shape, data.spec.target) == ((1, 4, 2), (1, 16, 8))
    corners = set()
    for draw in range(20):
        batch = data.batch(draw, 3)
        assert torch.equal(batch.a.repeat_interleave(4, 2).repeat_interleave(4, 3), batch.b)
        corners |= {float(x) for x in batch.a[:, 0, 0, 0]}
    assert len(corners) > 15  # of 5 x 5 places, and as many mirrored, in three pictures
    preview = data.preview(2)
    assert torch.equal(preview.a.repeat_interleave(4, 2).repeat_interleave(4, 3), preview.b)


def test_what_is_no_such_pair_is_one_sentence(tmp_path: Path) -> None:
    pairs(tmp_path)
    with pytest.raises(DataError, match=r"differs in size; make both the same, or add \?low=own"):
        opened(tmp_path, "")
    with pytest.raises(SettingsError, match="images of 10x10 do not divide by low=4"):
        opened(tmp_path, image_size=10)
    with pytest.raises(SettingsError, match="augment would move images of low and of high"):
        opened(tmp_path, augment=(Crop(2),))
    save(np.zeros((30, 24)), tmp_path / "hr" / "1.png")
    with pytest.raises(DataError, match=r"1\.png \(24x30\) and .*1\.png \(6x8\) is not of low"):
        opened(tmp_path)
    with pytest.raises(DataError, match="glyphs is drawn by the library; low=own is for two"):
        open_data("glyphs?low=own", task=Paired)
    with pytest.raises(DataError, match="low=x must be a whole number of at least 2, or own"):
        open_data("glyphs?low=x", task=Paired)


def test_srgan_learns_from_them_and_goes_on(tmp_path: Path) -> None:
    pairs(tmp_path / "data", size=(8, 8))
    data, run = f"{tmp_path / 'data'}?low=own", tmp_path / "run"
    settings = {"steps": 1, "batch_size": 2, "device": "cpu", **TINY["srgan"]}
    whole = ganwright.train("srgan", data=data, out=run, **settings)
    assert whole.translate(torch.zeros(1, 1, 5, 7)).shape == (1, 1, 20, 28)
    assert main(["resume", str(run), "--steps", "2"]) == 0
