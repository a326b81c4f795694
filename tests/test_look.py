"""What data is taken for, before anything is trained: in words, and as one picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import IterableDataset

import ganwright
from ganwright.cli import main
from ganwright.errors import DataError, SettingsError
from ganwright.run.look import Look


def grey(path: Path, pixels: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def rows(seen: Look) -> dict[str, str]:
    return dict(seen.description.rows)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Masks and photographs, beside what is passed over."""
    root = tmp_path / "pairs"
    for i in range(4):
        numbers = np.arange(4).repeat(4).reshape(4, 4).repeat(4, 0)
        numbers[i] = 255
        grey(root / "mask" / f"{i}.png", numbers)
        grey(root / "photo" / f"{i}.png", np.full((16, 4, 3), 20 * i))
    (root / "readme.txt").write_text("", encoding="utf-8")
    (root / "photo" / "._0.png").write_bytes(b"Mac")
    return root


def test_pairs_are_recognised_with_their_sides_and_masks(pairs: Path) -> None:
    seen = ganwright.look(str(pairs))
    said = rows(seen)
    assert said["read as"] == "pairs of images"
    assert (said["training"], said["test"]) == ("4 pairs", "none")
    assert said["a (mask) label maps"] == "4 classes, 0 to 3, and 255 for no class; a colour each"
    assert said["a (mask) kind"] == "grey, 8 bits; networks see 3 channels"
    assert said["b (photo) size"] == "4x16"
    assert said["b values"] == "0 to 60 in 4 of them"
    assert [text for name, text in seen.description.rows if name == "skipped"] == [
        "1 hidden file or folder",
        "1 file of another kind (.txt)",
    ]
    assert "--family NAME shows what one family takes it for" in seen.text
    assert "?a:image reads it as images" in seen.text


def test_the_sheet_shows_sides_and_the_palette(pairs: Path) -> None:
    seen = ganwright.look(str(pairs))
    assert [name for name, _ in seen.rows] == ["a (mask): 4 images", "b (photo): 4 images"]
    assert [name for name, _ in seen.palette] == ["0", "1", "2", "3", "255"]
    colours = {colour for _, colour in seen.palette}
    shown = seen.sheet.convert("RGB").getcolors(1 << 16)
    assert shown is not None
    assert colours <= {colour for _, colour in shown}
    html = seen._repr_html_()
    assert "<table>" in html
    assert "data:image/png;base64," in html


def test_a_family_says_what_data_is_to_be(pairs: Path) -> None:
    said = rows(ganwright.look(str(pairs), "dcgan"))
    assert said["read as"] == "images"
    assert said["size"] == "4x16, scaled and cut to 32x32"
    assert said["classes"] == "2: mask (4), photo (4)"
    with pytest.raises(DataError, match="pairs"):
        ganwright.look("ring", "pix2pix")


def test_classes_are_counted_and_the_sheet_has_a_row_each() -> None:
    seen = ganwright.look("digits")
    assert rows(seen)["classes"].startswith("10: 0 (160), 1 (164), 2 (159)")
    assert len(seen.rows) == 10
    assert seen.rows[3][0] == "3 (165)"
    assert seen.rows[3][1].shape == (10, 1, 32, 32)
    assert seen.sheet.width == 10 * 100 + 8


def test_data_given_in_python() -> None:
    pictures = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8)
    labelled = ganwright.look((pictures, [3, 7] * 10))
    assert rows(labelled)["classes"] == "8: 3 (10), 7 (10); 6 of them have no image"
    assert "20 images are few" in labelled.text
    assert "are few" not in ganwright.look(pictures, "jojogan").text
    assert rows(ganwright.look((pictures, pictures)))["read as"] == "pairs of images"
    points = ganwright.look(torch.rand(20, 2))
    assert rows(points)["points"] == "of 2 coordinates"
    hot = torch.eye(3)[[0, 1] * 10] + torch.eye(3)[[1, 1] * 10]
    several = ganwright.look((pictures, hot.clamp(max=1)))
    assert rows(several)["classes"].startswith("3: 0 (10), 1 (20)")
    assert [len(images) for _, images in several.rows] == [10, 10]
    with pytest.raises(DataError, match="only images"):
        _ = points.sheet

    class Passing(IterableDataset[torch.Tensor]):
        def __iter__(self) -> Iterator[torch.Tensor]:
            return iter(pictures)

    passing = ganwright.look(Passing())
    assert rows(passing)["shape"] == "3x8x8"
    assert passing.sheet.width > 900
    with pytest.raises(SettingsError, match="there is no option imagesize"):
        ganwright.look("digits", imagesize=3)


def test_pictures_of_several_sizes_are_described(tmp_path: Path) -> None:
    grey(tmp_path / "0.png", np.zeros((8, 8)))
    grey(tmp_path / "1.png", np.zeros((10, 20)))
    seen = ganwright.look(tmp_path)
    assert rows(seen)["size"] == "8x8 to 20x10, scaled and cut to 64x64"
    assert "--image-size to another" in seen.text
    assert rows(ganwright.look(tmp_path, image_size=4))["size"].endswith("cut to 4x4")


def test_the_command(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "sheet.png"
    assert main(["data", str(pairs), "--sheet", str(sheet)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "data"
    assert lines[-1] == str(sheet)
    with Image.open(sheet) as image:
        assert image.format == "PNG"
    assert main(["data", str(pairs), "--sheet", str(sheet)]) == 2
    assert "exist" in capsys.readouterr().err
    assert main(["data", str(pairs), "--sheet", "x.jpg"]) == 2
    assert "name a .png" in capsys.readouterr().err
    assert main(["data", f"{pairs}?a=photo&b=mask", "--family", "pix2pix"]) == 0
    assert "b (mask) label maps" in capsys.readouterr().out
    assert main(["data", "nowhere/at/all"]) == 2
