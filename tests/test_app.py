"""What the demo's page offers for a model, and what its callbacks give; no browser, no Gradio."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_cli import QUICK, TOY, error_of
from test_walk import model_of

from ganwright.app import build, generated, uploaded
from ganwright.app.abilities import Abilities, abilities
from ganwright.app.server import bytes_of
from ganwright.app.toolkit import gradio
from ganwright.cli import main
from ganwright.data.label_map import LabelMap
from ganwright.data.types import Paired, Spec
from ganwright.errors import DataError, GanwrightError, MissingExtraError, SettingsError
from ganwright.families.pix2pix import Pix2Pix
from ganwright.inference.model import Model
from ganwright.inference.walk import along, directions
from ganwright.networks import EncoderDecoder, PatchGAN
from ganwright.pixels import to_bytes
from ganwright.report.grid import tile


def translator(spec: Spec) -> Model:
    cfg = Pix2Pix.Config(translator=EncoderDecoder(width=4), patch=PatchGAN(field=16, width=4))
    game = Pix2Pix(cfg, spec).requires_grad_(False).eval()
    return Model("pix2pix", game, spec, 1, Path("none"))


def photo(path: Path, size: tuple[int, int] = (20, 12), mode: str = "RGB") -> Path:
    shape = (size[1], size[0], 4 if mode == "RGBA" else 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("dcgan", Abilities(sample=True, scaled=True, walk=True, directions=8)),
        ("infogan", Abilities(sample=True, walk=True, directions=8)),
        ("bgan", Abilities(sample=True)),
        ("ebgan", Abilities(sample=True, scaled=True, walk=True, directions=4, reconstruct=True)),
        (
            "acgan",
            Abilities(
                sample=True,
                named=True,
                scaled=True,
                walk=True,
                walk_named=True,
                directions=8,
                classify=True,
            ),
        ),
        ("pix2pix", Abilities(translate=("a2b",))),
        ("cyclegan", Abilities(translate=("a2b", "b2a"))),
        ("srgan", Abilities(translate=("a2b",))),
        ("ccgan", Abilities(fill=True, classify=True)),
    ],
)
def test_a_page_offers_what_the_model_can_do(name: str, offered: Abilities) -> None:
    assert abilities(model_of(name)) == offered


def test_autoencoders_offer_both() -> None:
    found = abilities(model_of("aae-semi"))
    assert (found.sample, found.named, found.reconstruct, found.classify) == (True,) * 4
    found = abilities(model_of("aae"))
    assert (found.named, found.reconstruct, found.classify) == (False, True, False)


def test_the_grid_is_that_of_the_command_line() -> None:
    model = model_of("acgan")
    shown = np.asarray(generated.grid(model, 3, 9, "7"))[::2, ::2]  # enlarged twice
    np.testing.assert_array_equal(shown, tile(model.sample(9, seed=3, labels=["7"])))
    in_turn = np.asarray(generated.grid(model, 3, 9, ""))[::2, ::2]
    np.testing.assert_array_equal(in_turn, tile(model.sample(9, seed=3)))
    half = np.asarray(generated.grid(model, 3, 9, None, 0.5))[::2, ::2]
    z = model.latents(9, seed=3) / 2
    np.testing.assert_array_equal(half, tile(model.sample(9, seed=3, latents=z)))


def test_an_image_on_the_way_begins_and_ends_with_the_seeds_samples() -> None:
    model = model_of("acgan")
    for position, seed in ((0, 4), (1, 5)):
        image = np.asarray(generated.between(model, 4, 5, position, "2"))
        (sample,) = along(model, model.latents(1, seed=seed), ["2"])
        wanted = to_bytes(sample)[0, 0].repeat_interleave(48, 0).repeat_interleave(48, 1)
        np.testing.assert_array_equal(image, wanted.numpy())


def test_an_animation_goes_there_and_back(tmp_path: Path) -> None:
    with Image.open(generated.animation(model_of("dcgan"), 0, 1, folder=tmp_path)) as moving:
        assert getattr(moving, "n_frames", 0) == 48
        assert moving.size == (192, 192)


def test_a_direction_changes_the_sample_as_far_as_asked() -> None:
    model = model_of("dcgan")
    image = np.asarray(generated.changed(model, 2, 3, -1.5))
    z = model.latents(1, seed=2)
    (both,) = along(model, torch.cat([z, z - 1.5 * directions(model, 3)[2]]))
    left, right = image[4:196:24, 4:196:24], image[4:196:24, 200:392:24]
    np.testing.assert_array_equal(np.stack([left, right]), to_bytes(both)[:, 0].numpy())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((-1, 4), "seed is -1; it must be at least 0"),
        ((None, 4), "seed is None"),
        ((0, 0), "n is 0; it must be at least 1"),
        ((0, 65), "at most 64 samples"),
        ((0, 4, "9"), "trained without labels"),
        ((0, 4, None, 0), "truncation is 0"),
    ],
)
def test_wrong_values_are_one_sentence(values: tuple[object, ...], said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        generated.grid(model_of("dcgan"), *values)


def test_several_classes_are_joined() -> None:
    assert generated.labels_of(["3", "7"]) == ["3+7"]
    assert generated.labels_of("3") == ["3"]
    assert [generated.labels_of(nothing) for nothing in (None, "", [])] == [None] * 3


def test_an_upload_is_read_and_written_as_the_command_line_does(tmp_path: Path) -> None:
    """A turned photograph with transparent parts becomes a file with the same ones."""
    model = translator(Spec(Paired, (3, 16, 16), (3, 16, 16)))
    file = tmp_path / "a photo.png"
    image = Image.open(photo(tmp_path / "x.png", (20, 12), "RGBA"))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(file, exif=exif)
    found = uploaded.translated(model, str(file), "a2b", folder=tmp_path / "made")
    with Image.open(file) as opened:
        wanted = model.translate(opened)
    with Image.open(found.file) as made:
        assert Path(found.file).name == "a photo.png"
        assert made.mode == "RGBA"
        assert made.size == (12, 20)
        np.testing.assert_array_equal(np.asarray(made), np.asarray(wanted))
    assert found.given.size[0] * 20 == found.given.size[1] * 12


def test_label_maps_are_painted_in_their_classes_colours(tmp_path: Path) -> None:
    maps = LabelMap((0, 3, 9))
    model = translator(Spec(Paired, (3, 16, 16), (3, 16, 16), label_map=maps))
    canvas = uploaded.blank(model, "a2b")
    assert canvas.size == (320, 320)
    assert canvas.getpixel((0, 0)) == tuple(maps.palette()[0])
    canvas.paste(tuple(maps.palette()[2].tolist()), (160, 0, 320, 320))
    found = uploaded.drawn(model, {"composite": canvas}, "a2b", folder=tmp_path)
    numbers = np.repeat([[0] * 8 + [9] * 8], 16, 0).astype(np.uint8)
    wanted = model.translate(Image.fromarray(numbers))
    with Image.open(found.file) as made:
        np.testing.assert_array_equal(np.asarray(made), np.asarray(wanted))
    label_file = tmp_path / "map.png"
    Image.fromarray(numbers).save(label_file)
    read = uploaded.translated(model, str(label_file), "a2b", folder=tmp_path)
    np.testing.assert_array_equal(np.asarray(read.made), np.asarray(found.made))
    untouched = {"background": canvas, "layers": [], "composite": None}
    same = uploaded.drawn(model, untouched, "a2b", folder=tmp_path)
    np.testing.assert_array_equal(np.asarray(same.made), np.asarray(found.made))


def test_painted_holes_are_filled_and_nothing_else(tmp_path: Path) -> None:
    model = model_of("ccgan")
    file = str(photo(tmp_path / "x.png", (16, 16)))
    canvas = uploaded.canvas_of(model, file)
    image = canvas["background"]
    assert image.size == (320, 320)
    paint = Image.new("RGBA", image.size)
    paint.paste((255, 0, 255, 255), (0, 0, 80, 320))  # the two columns on the left of eight
    given, made = uploaded.filled(model, file, {**canvas, "layers": [paint]})
    before, after = (np.asarray(x.resize((8, 8), Image.Resampling.NEAREST)) for x in (given, made))
    assert (before[:, :2] == 128).all()
    np.testing.assert_array_equal(after[:, 2:], before[:, 2:])
    assert (after[:, :2] != before[:, :2]).any()
    middle, _ = uploaded.filled(model, file, canvas)
    grey = (np.asarray(middle.resize((8, 8), Image.Resampling.NEAREST)) == 128).all(-1)
    assert grey[2:5, 2:5].all()  # 0.375 of 8, from (8 - 3) // 2
    assert grey.sum() == 9


def test_an_image_is_reconstructed_and_its_classes_are_named(tmp_path: Path) -> None:
    model = model_of("aae-semi")
    file = str(photo(tmp_path / "x.png"))
    seen, again, classes = uploaded.read(model, file, reconstruct=True, classify=True)
    assert seen.size == again.size == (320, 320)
    assert list(classes) == list(model.spec.classes)
    assert sum(classes.values()) == pytest.approx(1, abs=1e-5)
    with Image.open(file) as image:
        wanted = model.classify(image)[0].tolist()
    assert list(classes.values()) == pytest.approx(wanted, abs=1e-6)


def text(path: Path) -> Path:
    path.write_text("not an image", encoding="utf-8")
    return path


def bomb(path: Path) -> Path:
    """A PNG of a few hundred kilobytes and 400 million pixels."""
    Image.new("1", (20_000, 20_000)).save(path)
    return path


@pytest.mark.parametrize("make", [text, bomb], ids=["text", "bomb"])
def test_what_is_no_image_is_one_sentence_without_folders(
    make: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12_500_000)
    file = make(tmp_path / "mine.png")  # type: ignore[operator]
    models = {"fill": model_of("ccgan"), "translate": model_of("cyclegan")}
    tries = [
        lambda: uploaded.translated(models["translate"], str(file), "a2b", folder=tmp_path),
        lambda: uploaded.canvas_of(models["fill"], str(file)),
        lambda: uploaded.read(models["fill"], str(file), reconstruct=False, classify=True),
    ]
    for attempt in tries:
        with pytest.raises(DataError, match=r"^mine\.png cannot be read as an image") as error:
            attempt()
        assert str(tmp_path) not in str(error.value)
        assert "\n" not in str(error.value)


def test_nothing_uploaded_is_one_sentence(tmp_path: Path) -> None:
    model = model_of("cyclegan")
    with pytest.raises(SettingsError, match="upload one first"):
        uploaded.translated(model, None, "a2b", folder=tmp_path)
    file = photo(tmp_path / "a.png")
    for seed in (None, "x", float("inf"), 1.5, -1):
        with pytest.raises(SettingsError, match=r"^seed is .*; it must be"):
            uploaded.translated(model, str(file), "a2b", seed, folder=tmp_path)  # type: ignore[arg-type]
    for canvas in (None, {"composite": None}):
        with pytest.raises(SettingsError, match="the canvas is empty"):
            uploaded.drawn(model, canvas, "a2b", folder=tmp_path)


def test_sizes_of_uploads() -> None:
    assert [bytes_of(size) for size in ("10MB", "500 kb", "1GB", "77")] == [
        *(10_000_000, 500_000, 1_000_000_000, 77),
    ]
    for wrong in ("", "ten", "10 TB", "-1MB", "0MB"):
        with pytest.raises(SettingsError, match=r"--max-upload is .*; write a size such as 500KB"):
            bytes_of(wrong)


def test_without_gradio_one_sentence_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingExtraError, match="pip install gradio"):
        gradio()
    with pytest.raises(GanwrightError):
        build(model_of("dcgan"))
    assert "pip install gradio" in error_of(["app", str(tmp_path)], capsys)


def test_a_run_without_a_checkpoint_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("ganwright.app.toolkit.import_module", lambda name: object())
    run = tmp_path / "toy"
    assert main(["train", TOY, *QUICK, "--out", str(run)]) == 0
    for checkpoint in (run / "checkpoints").iterdir():
        checkpoint.rename(tmp_path / checkpoint.name)
    capsys.readouterr()
    assert "has no usable checkpoint yet" in error_of(["app", str(run)], capsys)
    assert "holds no config.yaml" in error_of(["app", str(tmp_path)], capsys)
    assert "--port is 70000" in error_of(["app", str(run), "--port", "70000"], capsys)
