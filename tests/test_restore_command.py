"""`ganwright restore`: files of any size and kind, before and after, and wrong inputs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import TINY, tiny
from PIL import Image

from ganwright.cli import main
from ganwright.inference.tiling import Footprint, strips
from ganwright.pixels import as_floats, to_bytes
from ganwright.run.load import load
from ganwright.run.train import train


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run with a prior, one without, and one that restores nothing."""
    place = tmp_path_factory.mktemp("runs")
    for name, family, changes in (
        ("led", "restore", {}),
        ("alone", "restore", {"prior": None}),
        ("other", "dcgan", {}),
    ):
        cls, settings = tiny(family, steps=1)
        train(cls, settings, place / name, quiet=True, **changes)
    return place


def photo(path: Path, size: tuple[int, int], mode: str = "RGB") -> None:
    """An image of this width and height."""
    shape = size[::-1] if mode == "L" else (*size[::-1], len(mode))
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def opened(path: Path) -> Image.Image:
    """The image of a file, which is closed."""
    with Image.open(path) as image:
        image.load()
        return image


def pixels(path: Path) -> torch.Tensor:
    """uint8 [1, 3, H, W]."""
    return torch.from_numpy(np.array(opened(path))).permute(2, 0, 1)[None]


def test_images_are_restored_and_compared(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "old", tmp_path / "new"
    photo(source / "a.png", (40, 30), "RGBA")
    photo(source / "in" / "b.jpg", (10, 12), "L")
    assert main(["restore", str(runs / "led"), str(source), "--out", str(out)]) == 0
    assert capsys.readouterr().out.split() == [str(out / "a.png"), str(out / "in" / "b.jpg")]
    for name in ("a.png", "in/b.jpg"):
        image = opened(out / name)
        assert (image.size, image.mode) == ((16, 16), "RGB")  # the grey one has colours
    both = opened(out / "in" / "b-compared.png")
    assert both.width > 2 * 16
    assert both.mode == "RGB"
    argv = ["restore", str(runs / "led"), str(source), "--out", str(out)]
    assert main(argv) == 2
    assert "exist, the first is" in capsys.readouterr().err
    assert main([*argv, "--overwrite", "--no-compare"]) == 0


def test_large_images_are_restored_in_tiles(runs: Path, tmp_path: Path) -> None:
    photo(tmp_path / "a.png", (41, 18))
    out = tmp_path / "b.png"
    argv = ["restore", str(runs / "led"), str(tmp_path / "a.png"), "--out", str(out), "--tiles"]
    assert main(argv) == 0
    model = load(runs / "led", device="cpu")
    x = as_floats(pixels(tmp_path / "a.png"))
    with torch.no_grad():
        rows = strips(model.game.translate, x, Footprint(1, 16, 1, None), 16)  # type: ignore[arg-type]
        wanted = to_bytes(torch.cat(list(rows), 2))
        corner = to_bytes(model.game.translate(x[..., :16, :16]))  # type: ignore[operator]
    found = pixels(out)
    assert found.shape == (1, 3, 18, 41)
    assert (found.int() - wanted.int()).abs().max() <= 1
    # the second tile begins at 2; they are blended over 4 pixels around 9
    assert (found[..., :7, :7].int() - corner[..., :7, :7].int()).abs().max() <= 1


def test_a_run_of_oblong_images_restores_their_middle(tmp_path: Path) -> None:
    """Of 8 rows and 16 columns, with a prior; what is larger is scaled."""
    changes = {"data": "glyphs", "image_size": "8x16"}
    cls, settings = tiny("stylegan2", steps=1, **changes)
    train(cls, settings, tmp_path / "prior", quiet=True)
    cls, settings = tiny("restore", steps=1, **changes)
    config = cls.Config(**TINY["restore"] | {"prior": str(tmp_path / "prior")})
    train(cls, dataclasses.replace(settings, game=config), tmp_path / "run", quiet=True)
    photo(tmp_path / "a.png", (48, 30))
    argv = ["restore", str(tmp_path / "run"), str(tmp_path / "a.png")]
    assert main([*argv, "--out", str(tmp_path / "b.png")]) == 0
    assert opened(tmp_path / "b.png").size == (16, 8)


def test_a_comparison_never_replaces_an_input(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "a-compared.png", (16, 16))
    argv = ["restore", str(runs / "led"), str(tmp_path / "a-compared.png"), "--overwrite"]
    assert main([*argv, "--out", str(tmp_path / "a.png")]) == 2
    assert "a-compared.png would replace an input" in capsys.readouterr().err


def test_without_a_prior_images_keep_their_size(runs: Path, tmp_path: Path) -> None:
    photo(tmp_path / "old" / "a.png", (24, 32))
    out = tmp_path / "new"
    assert main(["restore", str(runs / "alone"), str(tmp_path / "old"), "--out", str(out)]) == 0
    assert opened(out / "a.png").size == (24, 32)
    before = pixels(tmp_path / "old" / "a.png")
    both = pixels(out / "a-compared.png")
    assert any(
        torch.equal(both[..., top : top + 32, left : left + 24], before)
        or torch.equal(both[..., top : top + 64 : 2, left : left + 48 : 2], before)
        for top in range(4)
        for left in range(4)
    )


def test_what_cannot_be_read_is_skipped(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "old" / "a.png", (16, 16))
    (tmp_path / "old" / "b.png").write_bytes(b"no image")
    argv = ["restore", str(runs / "led"), str(tmp_path / "old"), "--out", str(tmp_path / "new")]
    assert main(argv) == 1
    assert "b.png cannot be read as an image" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["a-compared.png", "a.png"]


def test_wrong_inputs_are_a_sentence(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "old" / "a.png", (16, 16))
    photo(tmp_path / "old" / "a-compared.png", (16, 16))
    out = ["--out", str(tmp_path / "new")]
    for argv, sentence in (
        ([str(runs / "other"), str(tmp_path / "old")], "is a run of dcgan, which restores nothing"),
        ([str(runs / "led"), str(tmp_path / "none")], "is not an image or a folder"),
        ([str(runs / "led"), str(tmp_path / "old")], "two outputs would be"),
    ):
        assert main(["restore", *argv, *out]) == 2
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "new").exists()
