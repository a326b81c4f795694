"""`ganwright translate` and `ganwright classify` on files of every kind."""

from __future__ import annotations

import csv
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from test_cli import QUICK, error_of, opened
from test_config import TOY

from ganwright.cli import main
from ganwright.commands.places import Outputs, outputs
from ganwright.data import DataOptions, Paired, open_data
from ganwright.data.levels import Levels, Reading
from ganwright.errors import DataError, RunError
from ganwright.inference.image_files import read_picture, write_picture
from ganwright.inference.pictures import Picture, picture_of
from ganwright.pixels import to_bytes
from ganwright.run.load import load

PAIRS = ["--data", "glyphs-paired", "--image-size", "16", "--batch-size", "4", "--steps", "1"]
PAIRS += ["--device", "cpu", "--precision", "fp32", "--game.patch", "PatchGAN(field=16, width=4)"]
UNET = ["--game.translator", "UNet(width=4, dropout=0.0)"]


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose translation is the negative."""
    out = tmp_path_factory.mktemp("runs") / "toy"
    assert main(["train", TOY, *QUICK, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def colour_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny pix2pix of coloured pictures, whose U-Net normalises by the picture."""
    out = tmp_path_factory.mktemp("runs") / "pix2pix"
    unet = ["--game.translator", "UNet(width=4)"]
    assert main(["train", "pix2pix", *PAIRS, *unet, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def judge_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny acgan, which classifies digits, hardly trained."""
    out = tmp_path_factory.mktemp("runs") / "acgan"
    assert main(["train", "acgan", *QUICK, "--out", str(out)]) == 0
    return out


def picture(path: Path, level: int, mode: str = "L", **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (6, 4), level).convert(mode).save(path, **options)
    return path


def noise(size: tuple[int, int], channels: int = 3) -> Image.Image:
    shape = (size[1], size[0], channels) if channels > 1 else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def test_one_output_for_each_input_with_its_name(
    toy_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(tmp_path / "in" / "a.png", 55)
    picture(tmp_path / "in" / "deep" / "b.JPG", 255, "RGB")
    picture(tmp_path / "in" / "c.gif", 0)
    (tmp_path / "in" / "notes.txt").write_text("no image", encoding="utf-8")
    out = tmp_path / "out"
    argv = ["translate", str(toy_run), str(tmp_path / "in"), str(out)]
    assert main(argv) == 0
    names = ["a.png", "c.png", "deep/b.JPG"]
    assert capsys.readouterr().out.splitlines() == [str(out / name) for name in names]
    a, b = opened(out / "a.png"), opened(out / "deep" / "b.JPG")
    assert (a.mode, a.size) == ("L", (6, 4))
    assert np.asarray(a).tolist() == [[200] * 6] * 4
    assert b.format == "JPEG"
    assert np.asarray(b).max() == 0
    assert "3 of the outputs exist" in error_of(argv, capsys)
    assert main([*argv, "--overwrite", "--direction", "b2a"]) == 0
    assert np.asarray(opened(out / "a.png")).max() == 55


def test_a_file_or_a_glob(toy_run: Path, tmp_path: Path) -> None:
    first = picture(tmp_path / "in" / "x" / "a1.png", 55)
    picture(tmp_path / "in" / "y" / "a2.png", 55)
    picture(tmp_path / "in" / "y" / "b.png", 55)
    assert main(["translate", str(toy_run), str(first), str(tmp_path / "one.png")]) == 0
    assert np.asarray(opened(tmp_path / "one.png")).max() == 200
    pattern = str(tmp_path / "in" / "*" / "a*.png")
    assert main(["translate", str(toy_run), pattern, str(tmp_path / "out")]) == 0
    made = [p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*.png")]
    assert sorted(map(str, made)) == ["x/a1.png", "y/a2.png"]


def test_wrong_input_is_refused_in_a_sentence(
    toy_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    base, out = ["translate", str(toy_run)], str(tmp_path / "out")
    nothing = error_of([*base, str(tmp_path / "in"), out], capsys)
    assert nothing.startswith(f"{tmp_path / 'in'} has no images; looked for .png, .jpg")
    missing = error_of([*base, str(tmp_path / "no*.png"), out], capsys)
    assert "is not an image or a folder, and matches no file" in missing
    assert "--direction is 'up'" in error_of([*base, "a", "b", "--direction", "up"], capsys)
    assert "--batch-size is 0" in error_of([*base, "a", "b", "--batch-size", "0"], capsys)


def test_what_can_not_be_read_is_named_and_skipped(
    toy_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    picture(folder / "good.png", 55)
    (folder / "bad.png").write_bytes(b"not a png")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:40])
    frames = [Image.new("L", (4, 4), v) for v in (0, 99)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    argv = ["translate", str(toy_run), str(folder), str(tmp_path / "out")]
    assert main(argv) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(tmp_path / "out" / "good.png")]
    lines = said.err.splitlines()
    assert len(lines) == 3
    assert lines[0].endswith("bad.png cannot be read as an image (not an image)")
    assert "cut.png cannot be read" in lines[1]
    assert lines[2].endswith("moving.gif cannot be read as an image (has several frames)")
    (folder / "good.png").unlink()
    assert main([*argv, "--overwrite"]) == 2
    assert "none of the 3 images could be used" in capsys.readouterr().err


def test_colours_do_not_go_into_a_format_of_grey(tmp_path: Path) -> None:
    file, grey = picture(tmp_path / "in" / "a.pgm", 0), Outputs(channels=1)
    with pytest.raises(RunError, match=r"b\.pgm; an image is written as one of \.png.*\.ppm, or"):
        outputs(str(file), tmp_path / "b.pgm", overwrite=False)
    assert outputs(str(file), tmp_path / "b.pgm", False, grey) == [(file, tmp_path / "b.pgm")]
    assert outputs(str(file), tmp_path / "b", False) == [(file, tmp_path / "b" / "a.png")]
    write_picture(Picture(torch.zeros(1, 4, 4, dtype=torch.uint8)), tmp_path / "grey.ppm")
    write_picture(Picture(torch.zeros(1, 4, 4, dtype=torch.uint8)), tmp_path / "grey.pgm")
    heads = [(tmp_path / f"grey.{kind}").read_bytes()[:2] for kind in ("ppm", "pgm")]
    assert heads == [b"P6", b"P5"]


def test_outputs_never_land_among_inputs(tmp_path: Path) -> None:
    file = picture(tmp_path / "in" / "a.png", 0)
    for target in (tmp_path / "in", tmp_path / "in" / "deep" / "out"):
        with pytest.raises(RunError, match=r"is inside the input .*choose a folder outside"):
            outputs(str(tmp_path / "in"), target, overwrite=True)
    with pytest.raises(RunError, match="is inside the input"):
        outputs(str(tmp_path / "in" / "*.png"), tmp_path / "in" / "out", overwrite=False)
    with pytest.raises(RunError, match=r"a\.png would replace its own input"):
        outputs(str(file), file, overwrite=True)
    with pytest.raises(RunError, match="would replace its own input"):
        outputs(str(file), file.parent, overwrite=True)
    assert outputs(str(file), tmp_path / "in" / "b", False) == [(file, tmp_path / "in/b/a.png")]


def test_one_of_several_outputs_never_replaces_an_input(
    colour_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = picture(tmp_path / "house-0.png", 90)
    argv = ["translate", str(colour_run), str(file), str(tmp_path / "house.png")]
    told = error_of([*argv, "--samples", "2", "--overwrite"], capsys)
    assert f"{file} would replace an input; choose another output" in told


def test_two_inputs_never_share_an_output(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png", 0)
    picture(tmp_path / "in" / "a.gif", 0)
    with pytest.raises(RunError, match=r"would both become .*a\.png; rename one"):
        outputs(str(tmp_path / "in"), tmp_path / "out", overwrite=True)


def test_a_broken_link_is_no_input(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    os.symlink(tmp_path / "gone.png", tmp_path / "in" / "link.png")
    with pytest.raises(DataError, match="has no images"):
        outputs(str(tmp_path / "in"), tmp_path / "out", overwrite=False)


def test_alpha_profile_and_exif_are_kept(toy_run: Path, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010E] = "an image"
    grey = Image.new("LA", (6, 4), (255, 255))
    grey.putpixel((0, 0), (255, 7))
    source = tmp_path / "a.png"
    grey.save(source, exif=exif, icc_profile=profile)
    for name in ("b.png", "b.tif", "b.webp"):
        assert main(["translate", str(toy_run), str(source), str(tmp_path / name)]) == 0
        made = opened(tmp_path / name)
        assert made.convert("LA").getpixel((0, 0))[1] == 7, name
        assert made.convert("LA").getpixel((3, 3)) == (0, 255), name
        assert made.info["icc_profile"] == profile, name
        assert made.getexif()[0x010E] == "an image", name
    assert main(["translate", str(toy_run), str(source), str(tmp_path / "b.jpg")]) == 0
    assert opened(tmp_path / "b.jpg").mode == "L", "JPEG has no alpha"


def test_pictures_are_turned_upright_once(toy_run: Path, tmp_path: Path) -> None:
    image = Image.new("L", (6, 4))
    image.putpixel((0, 0), 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.save(tmp_path / "a.png", exif=exif)
    argv = ["translate", str(toy_run), str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert main([*argv, "--direction", "b2a"]) == 0
    made = opened(tmp_path / "b.png")
    assert made.size == (4, 6)
    assert made.getexif().get(0x0112, 1) == 1
    assert made.getpixel((3, 0)) == 255


def test_inks_palettes_and_sixteen_bits_are_read(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "inks.jpg")
    red = read_picture(tmp_path / "inks.jpg", 3)
    assert red.pixels[:, 2, 2].tolist() == pytest.approx([255, 0, 0], abs=3)
    assert "icc_profile" not in red.tags
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 9, 200, 30])
    palette.save(tmp_path / "palette.png", transparency=0)
    found = read_picture(tmp_path / "palette.png", 3)
    assert found.pixels[:, 0, 0].tolist() == [9, 200, 30]
    assert found.alpha is not None
    assert found.alpha.min() == 255
    Image.fromarray(np.full((4, 4), 65535 // 2, np.uint16)).save(tmp_path / "deep.png")
    assert read_picture(tmp_path / "deep.png", 1).pixels.unique().tolist() == [127]


def test_tags_of_a_tiff_file_do_not_describe_the_next(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x010E] = "a scan"
    scan = noise((40, 30))
    scan.save(tmp_path / "a.tif", compression="tiff_lzw", exif=tags)
    for name in ("b.tif", "b.png", "b.jpg"):
        read = read_picture(tmp_path / "a.tif", 1 if name == "b.png" else 3)
        large = torch.zeros(len(read.pixels), 60, 80, dtype=torch.uint8)
        write_picture(read.with_pixels(large), tmp_path / name)
        made = opened(tmp_path / name)
        assert made.size == (80, 60)
        assert made.getexif()[0x010E] == "a scan"
        assert made.getexif().get(273) is None or name == "b.tif"
    noise((40, 30)).convert("YCbCr").save(tmp_path / "ycc.tif")
    write_picture(read_picture(tmp_path / "ycc.tif", 3), tmp_path / "rgb.tif")
    assert {530, 532} <= set(opened(tmp_path / "ycc.tif").getexif())
    assert not {529, 530, 531, 532} & set(opened(tmp_path / "rgb.tif").getexif())


def test_what_a_format_can_not_hold_is_said(tmp_path: Path) -> None:
    wide = picture_of(Image.new("L", (20_000, 1)), 1)
    with pytest.raises(RunError, match=r"w\.webp cannot be written as WEBP: "):
        write_picture(wide, tmp_path / "w.webp")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(RunError, match=r"folder\.png cannot be written: "):
        write_picture(wide, tmp_path / "folder.png")


def test_a_profile_of_other_channels_is_dropped(tmp_path: Path) -> None:
    grey = Image.new("L", (4, 4), 9)
    grey.info["icc_profile"] = b"grey"
    assert picture_of(grey, 1).tags == {"icc_profile": b"grey"}
    assert picture_of(grey, 3).tags == {}
    kept = picture_of(grey, 1).with_pixels(torch.zeros(3, 4, 4, dtype=torch.uint8))
    assert kept.tags == {}


def test_exif_data_too_long_for_a_jpeg_are_left_out(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 70_000
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", exif=exif)
    picture = read_picture(tmp_path / "x.png", 3)
    with pytest.warns(
        UserWarning, match=r"x\.jpg lacks its input's EXIF data, too long for a JPEG"
    ):
        write_picture(picture, tmp_path / "x.jpg")
    assert len(opened(tmp_path / "x.jpg").getexif()) == 0


def test_sentences_name_no_flag_that_a_command_lacks(
    toy_run: Path, judge_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reading = Reading.of(Levels(0, 4095, "uint16"))
    Image.fromarray(np.full((8, 8), 5000, np.uint16)).save(tmp_path / "x.png")
    with pytest.raises(
        DataError, match=r"\(holds 5000 to 5000, beyond the 0 to 4095 that this run learned\)"
    ):
        read_picture(tmp_path / "x.png", 1, None, reading)
    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    image, limit = str(tmp_path / "x.png"), Image.MAX_IMAGE_PIXELS
    try:
        for command in (["classify", str(judge_run)], ["translate", str(toy_run)]):
            place = ["y.png"] if command[0] == "translate" else []
            said = error_of([*command, image, *place, "--max-megapixels", "0.00002"], capsys)
            assert "--max-megapixels 1 allows it" in said
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def test_half_transparent_parts_lie_on_white_once(tmp_path: Path) -> None:
    """`classify` and `project` laid them on white twice, brighter than in training: 191."""
    Image.new("RGBA", (8, 8), (0, 0, 0, 128)).save(tmp_path / "x.png")
    found = read_picture(tmp_path / "x.png", 3)
    for size in (8, 4):
        assert found.fitted((3, size, size)).unique().tolist() == [127]


def test_alpha_grows_with_the_picture(tmp_path: Path) -> None:
    image = Image.new("RGBA", (4, 4), (9, 9, 9, 100))
    grown = picture_of(image, 3).with_pixels(torch.zeros(3, 16, 16, dtype=torch.uint8))
    write_picture(grown, tmp_path / "big.png")
    assert opened(tmp_path / "big.png").getpixel((8, 8)) == (0, 0, 0, 100)


def test_any_size_and_tiles_that_say_so(
    colour_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    noise((45, 30)).save(tmp_path / "in" / "a.png")
    noise((3, 2)).save(tmp_path / "in" / "b.png")
    base = ["translate", str(colour_run), str(tmp_path / "in")]
    assert main([*base, str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err == ""
    assert opened(tmp_path / "out" / "a.png").size == (45, 30)
    assert opened(tmp_path / "out" / "b.png").size == (3, 2)
    assert main([*base, str(tmp_path / "tiled"), "--tile", "32"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("ganwright: 1 of the images were translated in blended tiles")
    assert said.count("\n") == 1


def test_batches_change_nothing_but_the_noise(toy_run: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for i, size in enumerate([(8, 8), (8, 8), (9, 8), (8, 8), (8, 8), (8, 8)]):
        noise(size, 1).save(tmp_path / "in" / f"{i}.png")
    base = ["translate", str(toy_run), str(tmp_path / "in")]
    assert main([*base, str(tmp_path / "one")]) == 0
    assert main([*base, str(tmp_path / "two"), "--batch-size", "2"]) == 0
    for i in range(6):
        one, two = (opened(tmp_path / o / f"{i}.png") for o in ("one", "two"))
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


def test_noise_depends_on_the_image_and_the_seed_alone(colour_run: Path, tmp_path: Path) -> None:
    """Dropout: what stands before an image does not change it, in files and in Python."""
    for i in range(3):
        (tmp_path / "in").mkdir(exist_ok=True)
        noise((16, 16)).save(tmp_path / "in" / f"{i}.png")
    base = ["translate", str(colour_run), str(tmp_path / "in")]
    assert main([*base, str(tmp_path / "one")]) == 0
    assert main([*base, str(tmp_path / "two"), "--batch-size", "2"]) == 0
    made = [opened(tmp_path / o / f"{i}.png") for o in ("one", "two") for i in range(3)]
    assert all(np.array_equal(np.asarray(made[0]), np.asarray(image)) for image in made)
    model = load(colour_run, device="cpu")
    x = torch.rand(3, model.spec.shape[0], 16, 16) * 2 - 1
    together = model.translate(x, seed=3)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], model.translate(x[i : i + 1], seed=3))
    assert not torch.allclose(together, model.translate(x, seed=4), atol=1e-3)


def test_noise_is_noticed_in_a_network_that_makes_nothing_of_nothing(
    colour_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropout of zeros is zeros, whatever the seed."""
    model = load(colour_run, device="cpu")
    cls = type(model.game)
    drops = partial(torch.nn.functional.dropout, p=0.5)
    monkeypatch.setattr(cls, "translate", lambda game, x, direction: drops(x))
    x = torch.ones(2, model.spec.shape[0], 16, 16)
    both = model.translate(x, seed=1)
    assert torch.equal(both[0], both[1])
    assert torch.equal(both[:1], model.translate(x[:1], seed=1))


def test_classify_names_each_picture(
    judge_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for i in range(3):
        noise((20 + i, 30)).save(tmp_path / "in" / f"{i}.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    argv = ["classify", str(judge_run), str(tmp_path / "in")]
    assert main(argv) == 1
    said = capsys.readouterr()
    assert "skipped: " in said.err
    rows = list(csv.DictReader(said.out.splitlines()))
    assert [Path(r["file"]).name for r in rows] == ["0.png", "1.png", "2.png"]
    assert all(r["label"] in "0123456789" for r in rows)
    assert all(0.1 <= float(r["probability"]) <= 1 for r in rows)
    table = tmp_path / "labels.csv"
    assert main([*argv, "--out", str(table)]) == 1
    assert list(csv.DictReader(table.read_text(encoding="utf-8").splitlines())) == rows
    capsys.readouterr()
    assert "labels.csv exists; add --overwrite" in error_of([*argv, "--out", str(table)], capsys)
    wrong = error_of([*argv, "--out", str(tmp_path / "labels.png")], capsys)
    assert "the labels are a table, so give a .csv file" in wrong
    assert not (tmp_path / "labels.png").exists()


def test_families_that_can_not_say_so(
    judge_run: Path, colour_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(picture(tmp_path / "a.png", 0))
    refused = error_of(["translate", str(judge_run), file, str(tmp_path / "b.png")], capsys)
    assert refused == "acgan cannot translate; it can sample, classify"
    refused = error_of(["classify", str(colour_run), file], capsys)
    assert refused == "pix2pix cannot classify; it can translate"
    back = ["translate", str(colour_run), file, str(tmp_path / "b.png"), "--direction", "b2a"]
    assert "Pix2Pix learns one direction" in error_of(back, capsys)
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize("query", ["", "&onehot=a"])
def test_label_maps_are_read_as_they_were_for_training(
    query: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(3):
        numbers = np.full((16, 16), 2, np.uint8)
        numbers[:, 8:] = i + 3
        (tmp_path / "data" / "label").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / "photo").mkdir(parents=True, exist_ok=True)
        Image.fromarray(numbers).save(tmp_path / "data" / "label" / f"{i}.png")
        noise((16, 16)).save(tmp_path / "data" / "photo" / f"{i}.png")
    labels = tmp_path / "data" / "label"
    run, out = tmp_path / "run", tmp_path / "out"
    data = ["--data", f"{tmp_path / 'data'}?a=label&b=photo{query}"]
    assert main(["train", "pix2pix", *PAIRS, *data, *UNET, "--out", str(run)]) == 0
    model = load(run)
    trained = open_data(data[1], task=Paired, options=DataOptions(image_size=16))
    shown = trained.preview(3)
    assert isinstance(shown, Paired)
    expected = to_bytes(model.translate(shown.a)).permute(0, 2, 3, 1).numpy()

    # The same as files, and as Pillow pictures: numbers of palette pictures are classes as well.
    files = [opened(labels / f"{i}.png") for i in range(3)]
    made = np.stack([np.asarray(model.translate(file)) for file in files])
    # a preview's order is not that of the files
    assert sorted(x.tobytes() for x in made) == sorted(x.tobytes() for x in expected)
    written = files[0]
    palette = written.convert("P", palette=Image.Palette.WEB)
    palette.frombytes(written.tobytes())
    assert np.array_equal(
        np.asarray(model.translate(palette)), model.translate(np.asarray(written))
    )
    Image.new("L", (16, 16), 77).save(labels / "unknown.png")
    noise((16, 16)).save(labels / "photo.png")
    capsys.readouterr()
    assert main(["translate", str(run), str(labels), str(out)]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    assert "unknown.png cannot be read as an image (holds class 77; known are the" in said.err
    assert "photo.png cannot be read as an image (is RGB, and this run takes label" in said.err
    with pytest.raises(DataError, match=r"holds class 77; known are the training images' 2 to 5"):
        model.translate(opened(labels / "unknown.png"))
    with pytest.raises(DataError, match=r"^images are tensors .*; got <class 'str'>"):
        model.translate("labels")


def test_a_profile_of_another_colour_space_is_dropped(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.new("LAB", (4, 4), (120, 150, 90)).save(tmp_path / "a.tif", icc_profile=profile)
    for channels in (1, 3):
        read = read_picture(tmp_path / "a.tif", channels)
        assert read.tags == {}
        write_picture(read, tmp_path / "b.tif")
        assert "icc_profile" not in opened(tmp_path / "b.tif").info
