"""JPEGs that are far larger than wanted are decoded at a fraction of their size, and look alike."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganwright.data import DataOptions, Images, open_data
from ganwright.data.image import Fit
from ganwright.data.reduced import decoded_smaller

LARGE = (517, 389)
"""(width, height) that no power of two divides."""


def photo(size: tuple[int, int] = LARGE) -> Image.Image:
    """Blobs of all scales, as photographs have them."""
    width, height = size
    total = torch.zeros(1, 3, height, width)
    for level in range(6):
        noise = torch.rand(1, 3, 4 << level, 5 << level)
        scaled = torch.nn.functional.interpolate(noise, (height, width), mode="bilinear")
        total += scaled / 2**level
    total = (total - total.min()) / (total.max() - total.min()) * 255
    return Image.fromarray(total[0].permute(1, 2, 0).to(torch.uint8).numpy())


def opened(path: Path) -> Image.Image:
    """As a reader of folders gives it."""
    return Image.open(io.BytesIO(path.read_bytes()))


def turned(image: Image.Image, orientation: int) -> dict[str, object]:
    exif = image.getexif()
    exif[0x0112] = orientation
    return {"exif": exif.tobytes()}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [(32, 32), (48, 24), (24, 48)], ids=str)
def test_smaller_decoding_is_close_to_whole_decoding(
    tmp_path: Path, mode: str, orientation: int, size: tuple[int, int]
) -> None:
    image, path = photo().convert(mode), tmp_path / "x.jpg"
    image.save(path, quality=92, **turned(image, orientation))
    fit = Fit(size, 1 if mode == "L" else 3)
    whole, small = fit.picture(opened(path)), fit.file(opened(path))
    assert small.shape == (fit.channels, *size)
    difference = (whole.float() - small.float()).abs()
    assert 0 < difference.mean() < 1.5
    # A picture that is turned otherwise, or moved by half a pixel, is much farther off.
    assert (whole.float() - small.flip(-1).float()).abs().mean() > 4 * difference.mean()


@pytest.mark.parametrize(("wanted", "scale"), [(97, 2), (48, 4), (24, 8), (9, 8), (98, None)])
def test_what_is_decoded_is_twice_as_large_as_what_is_wanted(
    tmp_path: Path, wanted: int, scale: int | None
) -> None:
    photo().save(path := tmp_path / "x.jpg")
    image = opened(path)
    extent = decoded_smaller(image, (wanted, wanted))
    if scale is None:
        assert extent is None
        assert image.size == LARGE
    else:
        assert extent == (LARGE[0] / scale, LARGE[1] / scale)
        assert min(image.size) >= 2 * wanted


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF"])
def test_other_formats_are_decoded_whole(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind.lower()}"
    photo().save(path)
    fit = Fit((16, 16), 3)
    assert torch.equal(fit.file(opened(path)), fit.picture(opened(path)))


def test_a_phone_s_second_view_is_passed_over(tmp_path: Path) -> None:
    first, second = photo(), photo()
    path = tmp_path / "x.jpg"
    first.save(path, format="MPO", save_all=True, append_images=[second])
    fit = Fit((32, 32), 3)
    assert opened(path).format == "MPO"
    difference = (fit.file(opened(path)).float() - fit.picture(first).float()).abs().mean()
    assert difference < 1.5


@pytest.mark.parametrize(
    "make", [lambda b: b[: len(b) // 2], lambda b: b[:300]], ids=["cut", "head"]
)
def test_a_file_that_is_cut_short_is_named(tmp_path: Path, make: Callable[[bytes], bytes]) -> None:
    for name in "ab":
        photo().save(tmp_path / f"{name}.jpg")
    whole = (tmp_path / "b.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(make(whole))
    with pytest.raises(Exception, match=r"b\.jpg"):
        open_data(tmp_path, task=Images, options=DataOptions(image_size=16))


def test_a_folder_is_read_so(tmp_path: Path) -> None:
    photo().save(tmp_path / "x.jpg")
    data = open_data(tmp_path, task=Images, options=DataOptions(image_size=16))
    pixels = Fit((16, 16), 3).file(opened(tmp_path / "x.jpg"))
    expected = torch.from_numpy(np.asarray(pixels)).float() / 127.5 - 1
    torch.testing.assert_close(data.batch(0, 1).images[0], expected)
