"""Kinds of data that are easily misread: masks, names of folders, links, archives."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganwright.cli import main
from ganwright.data import Data, DataOptions, Images, Paired, Unpaired, open_data
from ganwright.data.label_map import LabelMap
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


def test_one_hot_maps_may_have_as_many_classes_as_data_sets_have(tmp_path: Path) -> None:
    # COCO-Stuff's 182 classes, and 255 for pixels of none
    masks(tmp_path / "mask", [*range(182), 255], size=64)
    photos(tmp_path / "photo", size=64)
    data = opened(f"{tmp_path}?a=mask&b=photo&onehot=a", Paired)
    maps = data.spec.label_map
    assert maps is not None
    assert (maps.classes, maps.ignore, data.spec.shape) == (182, 255, (182, 64, 64))
    assert set(data.batch(0, 3).a.sum(1).unique().tolist()) == {-180.0, -182.0}
    assert len(np.unique(maps.palette(), axis=0)) == 183


@pytest.mark.parametrize("grain", [0, 4, 30])
def test_photographs_are_no_one_hot_maps(grain: float, tmp_path: Path) -> None:
    """Be they smooth, or as rough as real ones."""
    light = np.add.outer(np.arange(96), np.arange(96))
    rng = np.random.default_rng(0)
    for i in range(3):
        rough = light + i + grain * rng.standard_normal(light.shape)
        grey(tmp_path / f"mask/{i}.png", rough.clip(0, 255))
    photos(tmp_path / "photo", size=96)
    with pytest.raises(DataError, match=r"has \d+ values, and most pixels differ from the next"):
        opened(f"{tmp_path}?a=mask&b=photo&onehot=a", Paired)


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
        ([0, 128, 255], "", None, 0),
        ([0, 128, 255], "&a:mask", None, 3),
        ([0, 85, 170, 255], "&a:mask", None, 4),
        ([0, 1, 255], "&a:mask", None, 2),
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
        ("?a:mask", Images, "data option a:mask is for pairs of images"),
        ("?a:masks", Paired, r"data option a:masks must be mask or image, as in \?a:mask"),
        ("?c:mask", Paired, "unknown data option c:"),
        ("?low=own&a:mask", Paired, "low=own and a:mask exclude each other"),
        ("?low=4&b:mask", Paired, "low=4 and b:mask exclude each other"),
        ("?low=own&jitter=1.2", Paired, "low=own and jitter exclude each other, since"),
        ("?low=2&jitter=1.2", Paired, "low=2 and jitter exclude each other, since"),
        ("?low=2&a=photo", Paired, "data options a and b are for two domains"),
    ],
)
def test_the_switch_is_refused_where_it_says_nothing(
    query: str, task: type, sentence: str, tmp_path: Path
) -> None:
    masks(tmp_path / "mask", [0, 1])
    photos(tmp_path / "photo")
    with pytest.raises(DataError, match=sentence):
        opened(f"{tmp_path}{query}", task)


@pytest.mark.parametrize(
    ("data", "task", "option"),
    [
        ("glyphs-unpaired?a=x", Unpaired, "a"),
        ("digits-paired?b=x", Paired, "b"),
        ("glyphs-masked?a:mask", Paired, "a:mask"),
        ("digits?splits=yes", Images, "splits"),
        ("digits->digits?a=x", Unpaired, "a"),
        ("ring?jitter=1.2", Images, "jitter"),
        ("sines?crop=random", Images, "crop"),
    ],
)
def test_what_a_set_cannot_answer_is_refused(data: str, task: type, option: str) -> None:
    with pytest.raises(DataError, match=f"data option {option} is for .*images, not .*; leave it"):
        opened(data, task)


@pytest.mark.parametrize(("query", "side"), [("?a:mask", "a"), ("?a=right&b:mask", "b")])
def test_halves_of_images_may_be_masks(query: str, side: str, tmp_path: Path) -> None:
    """The left halves hold the classes 0 and 1, the right ones grey from 100 on."""
    left = np.arange(64).reshape(8, 8) % 2
    for i in range(3):
        grey(tmp_path / f"{i}.png", np.concatenate([left, left + 100 + i], 1))
    spec = opened(f"{tmp_path}{query}", Paired).spec
    maps = (spec.label_map, spec.target_map)
    found = maps["ab".index(side)]
    assert found is not None
    assert found.values == (0, 1)
    assert maps["ba".index(side)] is None
    shapes = ((3, 8, 8), (1, 8, 8))
    assert (spec.shape, spec.target) == (shapes if side == "a" else shapes[::-1])
    both = opened(str(tmp_path), Paired).spec
    assert (both.label_map, both.target_map) == (None, None), "untold, none is guessed"


@pytest.mark.parametrize(
    ("query", "first"),
    [("", 10), ("?a=TrainA", 10), ("?a=TrainB", 200), ("?a=trainb", 200), ("?b=A", 200)],
)
def test_marked_domains_change_places_whatever_their_capitals(
    query: str, first: int, tmp_path: Path
) -> None:
    for name, level in (("TrainA", 10), ("TrainB", 200)):
        grey(tmp_path / name / "0.png", np.full((8, 8), level))
    batch = opened(f"{tmp_path}{query}", Unpaired).batch(0, 1)
    assert round((float(batch.a[0, 0, 0, 0]) + 1) * 127.5) == first


def test_marked_domains_are_asked_for_by_their_names(tmp_path: Path) -> None:
    for name in ("trainA", "trainB"):
        grey(tmp_path / name / "0.png", np.zeros((8, 8)))
    with pytest.raises(DataError, match="trainA and trainB, and data option a=horse names neither"):
        opened(f"{tmp_path}?a=horse", Unpaired)
    with pytest.raises(DataError, match="data options a and b are both trainB; name two folders"):
        opened(f"{tmp_path}?a=B&b=trainB", Unpaired)


@pytest.mark.parametrize(("how", "channels"), [("", 3), ("&onehot=b", 5)])
def test_photos_become_palette_masks(
    how: str, channels: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks(tmp_path / "data" / "mask", [0, 1, 4])
    photos(tmp_path / "data" / "photo")
    run, out = tmp_path / "run", tmp_path / "out"
    data = f"{tmp_path / 'data'}?a=photo&b=mask{how}"
    argv = ["--steps", "1", "--batch-size", "1", "--device", "cpu", "--image-size", "16"]
    assert main(["train", "pix2pix", "--data", data, *argv, *UNET, "--out", str(run)]) == 0
    model = load(run)
    assert isinstance(model, Model)
    assert model.spec.target_map is not None
    assert model.spec.target == (channels, 16, 16)
    grey(tmp_path / "new" / "x.jpg", np.zeros((16, 16, 3)))
    assert main(["translate", str(run), str(tmp_path / "new"), str(out)]) == 0
    with Image.open(out / "x.png") as made:
        assert made.mode == "P"
        numbers = np.asarray(made)
        assert set(np.unique(numbers)) <= {0, 1, 2, 3, 4}
        colours = model.spec.target_map.palette()
        assert np.array_equal(np.asarray(made.convert("RGB")), colours[numbers])
    assert model.translate(Image.new("RGB", (16, 16))).mode == "P"


def test_masks_are_written_in_the_colours_of_the_files(tmp_path: Path) -> None:
    """Class 2 has the colour of class 1, so only numbers tell them apart."""
    masks(tmp_path / "mask", [0, 1, 2, 255])
    photos(tmp_path / "photo")
    own = np.full((256, 3), 7, np.uint8)
    own[[0, 1, 2, 255]] = [(128, 64, 128), (70, 130, 180), (70, 130, 180), (1, 2, 3)]
    for path in sorted((tmp_path / "mask").iterdir()):
        with Image.open(path) as grey_levels:
            image = Image.fromarray(np.asarray(grey_levels), "P")
        image.putpalette(own.tobytes())
        image.save(path)
    maps = opened(f"{tmp_path}?a=photo&b=mask", Paired).spec.target_map
    assert maps is not None
    numbers = torch.tensor([[[0, 1, 2, 3]]], dtype=torch.uint8)
    written = maps.as_mask(numbers)
    assert np.asarray(written).tolist() == [[0, 1, 2, 255]]
    colours = np.asarray(written.convert("RGB"))[0]
    assert colours.tolist() == own[[0, 1, 2, 255]].tolist()
    assert len(maps.coloured(numbers)[:, 0].T.unique(dim=0)) == 4
    assert LabelMap.stored(json.loads(json.dumps(asdict(maps)))).colours == maps.colours


def lay(root: Path, *paths: str) -> None:
    """A small picture at each path."""
    for path in paths:
        grey(root / path, np.full((4, 4, 3), 90))


@pytest.mark.parametrize(
    ("paths", "query", "classes", "count", "test"),
    [
        (("bus/0.png", "car/0.png", "train/0.png"), "", "bus car train", 3, 0),
        (("bus/0.png", "car/0.png", "train/0.png"), "?splits=yes", "", 1, 0),
        (("train/a/0.png", "train/b/0.png", "test/a/0.png", "x/0.png"), "", "a b", 2, 1),
        (("train/a/0.png", "test/a/0.png", "x/0.png"), "?splits=no", "test train x", 3, 0),
        (("train/0.png", "val/0.png", "test/0.png", "test/1.png"), "", "", 1, 2),
        (("pets/train/a/0.png", "pets/train/b/0.png", "pets/test/b/0.png"), "", "a b", 2, 1),
        (("pets/all/cat/0.png", "pets/all/dog/0.png"), "", "cat dog", 2, 0),
    ],
)
def test_names_of_folders(
    paths: tuple[str, ...], query: str, classes: str, count: int, test: int, tmp_path: Path
) -> None:
    lay(tmp_path, *paths)
    data = opened(f"{tmp_path}{query}")
    assert (" ".join(data.spec.classes), data.spec.count) == (classes, count)
    assert data.splits().get("test", 0) == test


def test_what_names_leave_open_is_said_with_the_switch(tmp_path: Path) -> None:
    lay(tmp_path, "bus/0.png", "car/0.png", "train/0.png")
    assert "?splits=yes takes it for the training split" in " ".join(opened(tmp_path).notes)
    lay(tmp_path, "test/0.png")
    assert "bus, car next to it is not read; ?splits=no" in " ".join(opened(tmp_path).notes)
    lay(tmp_path / "loose", "a/0.png", "b/0.png", "c.png")
    loose = opened(tmp_path / "loose")
    assert loose.spec.classes == ()
    assert "1 image lies outside of the folders a, b, such as c.png" in " ".join(loose.notes)


def test_folders_are_linked_from_elsewhere_but_never_into_themselves(tmp_path: Path) -> None:
    lay(tmp_path / "real", "a/0.png", "b/0.png")
    root = tmp_path / "set"
    root.mkdir()
    for name in ("a", "b"):
        (root / name).symlink_to(tmp_path / "real" / name)
    assert opened(root).spec.classes == ("a", "b")
    (root / "a" / "again").symlink_to(tmp_path / "real" / "a")
    (root / "b" / "self").symlink_to(".")
    (root / "b" / "up").symlink_to(tmp_path)
    (root / "b" / "back").symlink_to(root)
    assert opened(root).spec.count == 2


def test_pipes_and_broken_links_are_no_pictures(tmp_path: Path) -> None:
    lay(tmp_path, "0.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert opened(tmp_path).spec.count == 1


def test_hidden_files_are_alike_in_training_and_translation(tmp_path: Path) -> None:
    from ganwright.commands.places import inputs

    lay(tmp_path, "a/0.png", ".ipynb_checkpoints/0.png", "a/.cache/1.png", "__MACOSX/a/0.png")
    for name in ("a/._0.png", "a/Thumbs.db", "a/.DS_Store"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7Mac")
    (tmp_path / "a" / "up").symlink_to("..")
    assert opened(tmp_path).spec.count == 1
    assert inputs(str(tmp_path))[1] == [tmp_path / "a" / "0.png"]
    assert inputs(f"{tmp_path}/**/*.png")[1][0] == tmp_path / "a" / "0.png"
    assert not any("._0" in str(path) for path in inputs(f"{tmp_path}/a/*")[1])


def test_archives_of_other_systems(tmp_path: Path) -> None:
    lay(tmp_path, "0.png")
    content = (tmp_path / "0.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("C:/pets/cat/0.png", "pets/./cat/1.png", "/pets/caf\u00e9/2.png"):
            archive.writestr(name, content)
        for name in ("pets\\dog\\3.png", "__MACOSX\\pets\\._3.png", "pets\\empty\\"):
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, content)
    data = opened(tmp_path / "set.zip")
    assert (data.spec.classes, data.spec.count) == (("caf\u00e9", "cat", "dog"), 4)
    data.batch(0, 4)


@pytest.mark.parametrize("form", ["set/{}", "./set/{}", "set\\{}", "C:\\set\\{}"])
def test_names_of_classes_in_archives_of_other_systems(form: str, tmp_path: Path) -> None:
    masks(tmp_path / "set" / "mask", [0, 1])
    photos(tmp_path / "set" / "photo")
    (tmp_path / "set" / "label_names.txt").write_text("0 wall\n1 door\n", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted((tmp_path / "set").rglob("*.*")):
            info = zipfile.ZipInfo("x")
            name = form.format(path.relative_to(tmp_path / "set"))
            info.filename = name.replace("/", "\\") if "\\" in form else name
            archive.writestr(info, path.read_bytes())
    maps = opened(f"{tmp_path}/set.zip?a=mask&b=photo", Paired).spec.label_map
    assert maps is not None
    assert maps.names == ("wall", "door")


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path)
    for name in (b"caf\xe9", b"th\xe9"):
        os.mkdir(os.path.join(root, name))
        with open(os.path.join(root, name, b"\xe9.png"), "wb") as file:
            Image.new("RGB", (4, 4)).save(file, "PNG")
    data = opened(tmp_path)
    assert data.spec.classes == ("caf\\xe9", "th\\xe9")
    data.batch(0, 2)
    with open(os.path.join(root, b"th\xe9", b"bad.png"), "wb") as file:
        file.write(b"no picture")
    with pytest.raises(DataError, match=r"th\\xe9/bad\.png \(not an image\)"):
        opened(tmp_path)


def test_bad_files_of_all_splits_and_sides_are_found_in_one_pass(tmp_path: Path) -> None:
    lay(
        tmp_path,
        *(
            f"{split}{side}/{i}.png"
            for split in ("train", "test")
            for side in "AB"
            for i in range(2)
        ),
    )
    for name in ("trainA/0.png", "trainB/1.png", "testA/0.png", "testB/0.png"):
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"4 images cannot be used: .* and 1 more"):
        opened(tmp_path, Unpaired)
    with pytest.raises(DataError, match=r"4 images cannot be used: .* and 1 more"):
        opened(tmp_path, Paired)


def test_files_that_are_empty_and_that_break_off_are_named_together(tmp_path: Path) -> None:
    photos(tmp_path, count=6)
    (tmp_path / "5.png").write_bytes(b"")
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:400])
    with pytest.raises(DataError, match=r"2 images cannot be used: .*5\.png .*3\.png "):
        opened(tmp_path)
    grey(tmp_path / "4.png", np.zeros((3, 3)))
    with pytest.raises(DataError, match=r"1 image cannot be used: .*5\.png "):
        opened(tmp_path)


def test_what_a_warning_names_is_not_skipped_in_a_note(tmp_path: Path) -> None:
    photos(tmp_path / "x")
    photos(tmp_path / "y")
    (tmp_path / "x" / "2.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"skipped 1 image: .*2\.png"):
        data = opened(tmp_path, on_bad_file="skip")
    assert not any("skipped" in note for note in data.notes)
    with pytest.warns(UserWarning, match=r"skipped 1 image: .*2\.png"):
        pair = opened(tmp_path, Paired, on_bad_file="skip")
    assert [note for note in pair.notes if "skipped" in note] == ["skipped 1 image in y"]


def test_how_large_pictures_may_be_is_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    lay(tmp_path, "0.png")
    Image.new("L", (2000, 1000)).save(tmp_path / "1.png")
    small = {"image_size": 4, "max_megapixels": 1.0}
    with pytest.raises(DataError, match=r"1\.png \(has 2 million pixels, more than 1; --max-meg"):
        opened(tmp_path, **small)
    for most in (2.0, 0.0):
        assert opened(tmp_path, **{**small, "max_megapixels": most}).spec.count == 2


def test_files_that_vanish_while_streaming_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganwright.data.serve.load.RESIDENT_BYTES", 0)
    lay(tmp_path, *(f"{i}.png" for i in range(8)))
    data = opened(tmp_path, on_bad_file="skip", workers=0)
    for i in range(5):
        (tmp_path / f"{i}.png").unlink()
    with pytest.warns(match=r"skipped 1 image so far, the last .*\.png \(.*No such file"):
        data.batch(0, 16)
    with pytest.warns(match=r"skipped 5 images in all: .* and 2 more"):
        data.close()
    data.close()


def test_few_pictures_are_counted(tmp_path: Path) -> None:
    lay(tmp_path, "0.png", "1.png")
    assert (opened(tmp_path).few, opened("digits").few) == (2, 0)
