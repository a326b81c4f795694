"""Runs of SPADE: label maps of files, images of a seed and of a photo's style, and wrong input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import tiny
from PIL import Image
from test_cli import error_of
from test_walk import model_of
from torch import Tensor

from ganwright.cli import main
from ganwright.data.label_map import LabelMap
from ganwright.errors import DataError, SettingsError
from ganwright.export import program
from ganwright.inference.model import Model
from ganwright.networks.spade import StyleEncoder
from ganwright.run.load import load
from ganwright.run.train import train


def masks(folder: Path, values: tuple[int, ...] = (1, 2, 4), size: int = 16) -> Path:
    """Six pairs: stripes of class numbers, and images whose brightness they decide."""
    noise = np.random.default_rng(0)
    for split in ("train", "test"):
        for i in range(6):
            stripes = np.repeat(noise.choice(values, size // 4), 4)
            numbers = np.tile(stripes, (size, 1)).astype(np.uint8)
            numbers[0, : len(values)] = values  # all of them in each
            for side in ("label", "photo"):
                (folder / split / side).mkdir(parents=True, exist_ok=True)
            Image.fromarray(numbers).save(folder / split / "label" / f"{i}.png")
            colours = np.stack([numbers % 16 * 16] * 3, 2) + noise.integers(0, 9, (size, size, 3))
            Image.fromarray(colours.astype(np.uint8)).save(folder / split / "photo" / f"{i}.png")
    return folder


NAMES = "1 wall 3\n2 small window 1\n4 door 2\n"


def trained(folder: Path, out: Path, **own: Any) -> Model:
    cls, settings = tiny("spade", data=f"{folder}?a=label&b=photo&onehot=a", steps=2)
    return train(cls, settings, out, quiet=True, **own)


def test_a_pixel_of_no_class_is_in_no_channel(tmp_path: Path) -> None:
    """255 is no class, and classes 1 to 4 are four channels, of which 3 has no pixel."""
    folder = masks(tmp_path / "data", (1, 2, 4, 255))
    model = trained(folder, tmp_path / "run")
    maps = model.spec.label_map
    assert maps is not None
    assert (maps.values, maps.ignore, maps.onehot) == ((1, 2, 3, 4), 255, True)
    assert model.spec.shape == (4, 16, 16)
    seen: list[Tensor] = []
    model.game.G.blocks[0].spade_0.shared.register_forward_hook(  # type: ignore[union-attr,index]
        lambda *call: seen.append(call[1][0])
    )
    model.translate(Image.fromarray(np.full((16, 16), 255, np.uint8)))
    assert seen[-1].abs().max() == 0
    model.translate(Image.fromarray(np.full((16, 16), 4, np.uint8)))
    assert seen[-1].amax((0, 2, 3)).tolist() == [0, 0, 0, 1]
    with pytest.raises(DataError, match=r"holds class 9; known are the training images' 1 to 4"):
        model.translate(Image.fromarray(np.full((16, 16), 9, np.uint8)))


def test_names_of_classes_are_kept(tmp_path: Path) -> None:
    folder = masks(tmp_path / "data")
    (folder / "label_names.txt").write_text(NAMES, encoding="utf-8")
    trained(folder, tmp_path / "run")
    maps = load(tmp_path / "run", device="cpu").spec.label_map
    assert maps is not None
    assert maps.titles == ("wall", "small window", "3", "door")
    assert LabelMap((0, 5)).titles == ("0", "5")
    (folder / "label_names.txt").write_text("wall\n", encoding="utf-8")
    with pytest.raises(DataError, match="has the line 'wall'; a line is a class number and its"):
        trained(folder, tmp_path / "other")


def test_names_may_lie_in_the_training_split_and_begin_with_a_mark(tmp_path: Path) -> None:
    folder = masks(tmp_path / "data")
    (folder / "train" / "label_names.txt").write_text(NAMES, encoding="utf-8-sig")
    trained(folder, tmp_path / "run")
    maps = load(tmp_path / "run", device="cpu").spec.label_map
    assert maps is not None
    assert maps.titles == ("wall", "small window", "3", "door")


def test_one_map_has_several_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, run = masks(tmp_path / "data"), tmp_path / "run"
    own = {"latent": 3, "encoder": StyleEncoder(width=4)}
    model = trained(folder, run, **own)
    label, photo = (folder / "test" / side / "0.png" for side in ("label", "photo"))
    given = ["translate", str(run), str(label), str(tmp_path / "out.png"), "--device", "cpu"]
    assert main([*given, "--samples", "3", "--seed", "5"]) == 0
    made = [tmp_path / f"out-{seed}.png" for seed in (5, 6, 7)]
    assert capsys.readouterr().out.split() == [str(file) for file in made]
    images = [np.asarray(Image.open(file)) for file in made]
    wanted = [np.asarray(model.translate(Image.open(label), seed=seed)) for seed in (5, 6, 7)]
    assert all(map(np.array_equal, images, wanted))
    assert not np.array_equal(images[0], images[1])
    assert main([*given, "--style", str(photo)]) == 0
    styled_ = np.asarray(model.translate(Image.open(label), style=Image.open(photo)))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), styled_)
    capsys.readouterr()
    said = error_of([*given, "--samples", "3", "--seed", "7"], capsys)
    assert said == f"{made[2]} exists; add --overwrite to replace it"
    said = error_of([*given, "--overwrite", "--samples", "2", "--style", str(photo)], capsys)
    assert "--style gives one image per input, and --samples is 2" in said
    said = error_of([*given, "--overwrite", "--style", str(tmp_path / "none.png")], capsys)
    assert "none.png cannot be read as an image" in said


def test_one_image_for_each_map_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, run = masks(tmp_path / "data"), tmp_path / "run"
    model = trained(folder, run)
    label = folder / "test/label/0.png"
    given = ["translate", str(run), str(label), str(tmp_path / "out.png"), "--device", "cpu"]
    said = error_of([*given, "--samples", "2"], capsys)
    assert "this run makes one image of each input, whatever the seed, and --samples is 2" in said
    said = error_of([*given, "--style", str(label)], capsys)
    assert "this run has no encoder, so no photo can give the style" in said
    assert not list(tmp_path.glob("out*"))
    # without z, maps of any size: 24x40 is padded to multiples of 8
    larger = Image.fromarray(np.full((24, 40), 2, np.uint8))
    assert model.translate(larger).size == (40, 24)


def test_with_z_maps_have_one_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = trained(masks(tmp_path / "data"), tmp_path / "run", latent=3)
    with pytest.raises(SettingsError, match="takes images of 16x16 only, got 24x16"):
        model.translate(Image.fromarray(np.full((16, 24), 2, np.uint8)))
    # of a folder, a map of another size is skipped like a file that cannot be read
    folder, run, out = tmp_path / "maps", tmp_path / "run", tmp_path / "out"
    folder.mkdir()
    for name, width in (("a", 16), ("b", 24), ("c", 16)):
        Image.fromarray(np.full((16, width), 2, np.uint8)).save(folder / f"{name}.png")
    assert main(["translate", str(run), str(folder), str(out), "--device", "cpu"]) == 1
    said = "takes images of 16x16 only, got 24x16; resize them first"
    assert capsys.readouterr().err == (
        f"ganwright: skipped: {folder / 'b.png'}: this network {said}\n"
    )
    assert sorted(file.name for file in out.iterdir()) == ["a.png", "c.png"]
    alone = ["translate", str(run), str(folder / "b.png"), str(tmp_path / "b.png")]
    assert error_of([*alone, "--device", "cpu"], capsys).endswith(said)
    with pytest.raises(SettingsError, match="a style is that of one photo, not of 2; give one"):
        model.translate(torch.zeros(1, 4, 16, 16), style=torch.zeros(2, 3, 16, 16))


def test_exporting_leaves_the_model_as_it_was() -> None:
    """Spectral norm is taken off a copy, whose class torch shares with the model's own layers."""
    model = model_of("spade")
    x = torch.rand(2, *model.spec.shape)
    before = model.translate(x)
    traced = program(model)
    assert torch.equal(model.translate(x), before)
    torch.testing.assert_close(traced.exported.module()(x), before, rtol=1e-4, atol=1e-5)


def test_a_family_without_styles_says_so() -> None:
    model = model_of("pix2pix")
    photo = Image.new("RGB", (8, 8))
    with pytest.raises(SettingsError, match="pix2pix takes no style from a photo; leave style out"):
        model.translate(torch.zeros(1, *model.spec.shape), style=photo)
