"""`ganwright suggest` where images differ in size, come in two resolutions, or are packed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_cli import error_of

import ganwright
from ganwright.cli import main
from ganwright.run import suggest as suggesting
from ganwright.run.assembly import assemble, resolved
from ganwright.run.suggest import Suggestion
from ganwright.training.engine import Engine

SIZES = ((12, 10), (13, 11), (15, 12))


def painted(folder: Path, sizes: Sequence[tuple[int, int]], factor: int = 1) -> Path:
    """Images so many pixels wide and high, times the factor."""
    folder.mkdir(parents=True)
    for number, (width, height) in enumerate(sizes):
        rng = np.random.default_rng(number)
        pixels = rng.integers(0, 255, (height * factor, width * factor, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Game and data are made, and no step is played."""

    def made(cls: Any, settings: Any, seconds: float) -> Any:
        settings = resolved(cls, settings)
        assemble(cls, replace(settings, batch_size=1), Engine.of(settings))
        stretch = SimpleNamespace(steps=1, seconds=1.0)
        return SimpleNamespace(settings=settings, stretches=(stretch,))

    monkeypatch.setattr(suggesting, "measure", made)


def suggested(data: str, **options: Any) -> tuple[str, Any]:
    found: Suggestion = ganwright.suggest(data, device="cpu", **options)
    return found.family, found.settings.image_size


@pytest.mark.usefixtures("unmeasured")
def test_images_of_several_sizes(tmp_path: Path) -> None:
    photos = painted(tmp_path / "photos", SIZES)
    assert suggested(str(photos))[0] == "fastgan"
    for side in "AB":
        painted(tmp_path / "horses" / f"train{side}", SIZES[: 2 if side == "A" else 3])
    assert suggested(str(tmp_path / "horses")) == ("cyclegan", 32)
    for side in "ab":
        painted(tmp_path / "maps" / side, SIZES)
    assert suggested(str(tmp_path / "maps")) == ("pix2pix", 32)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(("low", "size"), [(2, 10), (3, 9), (4, 8)])
def test_windows_fit_the_smallest_image_and_divide(tmp_path: Path, low: int, size: int) -> None:
    photos = painted(tmp_path / "photos", SIZES)
    assert suggested(f"{photos}?low={low}") == ("srgan", size)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("sizes", [SIZES, ((4, 4), (4, 4))], ids=["several", "one"])
@pytest.mark.parametrize("factor", [2, 4])
def test_low_resolution_in_a_folder_of_its_own(
    tmp_path: Path, sizes: Sequence[tuple[int, int]], factor: int
) -> None:
    painted(tmp_path / "own" / "high", sizes, factor)
    painted(tmp_path / "own" / "low", sizes)
    pairs = f"{tmp_path / 'own'}?a=low&b=high&low=own"
    least = min(min(size) for size in sizes)
    assert suggested(pairs) == ("srgan", factor * least)
    size = [] if sizes is not SIZES else ["--image-size", "8"]
    pack = tmp_path / "own.pack"
    assert main(["pack", pairs, str(pack), "--family", "srgan", *size]) == 0
    assert suggested(str(pack)) == ("srgan", 8 if size else None)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("size", [8, "8x16"])
def test_a_pack_keeps_its_size(tmp_path: Path, size: Any) -> None:
    """FastGAN, which images so few would get, takes none below 32 pixels."""
    photos, pack = painted(tmp_path / "photos", SIZES), tmp_path / "photos.pack"
    assert main(["pack", str(photos), str(pack), "--image-size", str(size)]) == 0
    assert suggested(str(pack)) == ("r3gan", size)
    assert ganwright.look(str(pack)).text == ganwright.look(str(pack), image_size=size).text


@pytest.mark.usefixtures("unmeasured")
def test_a_pack_of_pairs_keeps_its_size(tmp_path: Path) -> None:
    for side in "ab":
        painted(tmp_path / "maps" / side, SIZES)
    pack = tmp_path / "maps.pack"
    asked = ["pack", str(tmp_path / "maps"), str(pack), "--family", "pix2pix", "--image-size", "8"]
    assert main(asked) == 0
    assert suggested(str(pack)) == ("pix2pix", 8)


@pytest.mark.usefixtures("unmeasured")
def test_a_size_that_is_asked_for(tmp_path: Path) -> None:
    photos = str(painted(tmp_path / "photos", ((9, 9),) * 2))
    assert suggested(photos, image_size=48) == ("fastgan", 48)
    assert suggested(f"{photos}?low=4", image_size=8) == ("srgan", 8)
    assert suggested("digits", image_size=16) == ("dcgan", 16)


def test_the_command_on_images_of_several_sizes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = str(painted(tmp_path / "photos", SIZES))
    asked = ["suggest", f"{photos}?low=4", "--hours", "0.01", "--seconds", "0.01"]
    assert main([*asked, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "8 pixels: windows of images of 10 or more, and a CPU trains it" in out
    said = error_of(["suggest", str(painted(tmp_path / "odd", ((9, 9),))) + "?low=4"], capsys)
    assert "choose an --image-size that is a multiple of 4" in said
