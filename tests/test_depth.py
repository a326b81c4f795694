"""Bits and channels: what files hold reaches the networks, and comes back out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import tifffile
import torch
from helpers import CONV, FULL, tiny
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

import ganwright
from ganwright.cli import main
from ganwright.config.settings import Settings
from ganwright.data import open_data
from ganwright.data.levels import Levels, Reading
from ganwright.data.options import DataOptions
from ganwright.data.types import Images, Paired, RunData
from ganwright.errors import DataError, RunError, SettingsError
from ganwright.formats import SINCE
from ganwright.inference.array_files import check_ending, endings, png, write_numbers
from ganwright.inference.given_images import Kind, fitted_all
from ganwright.inference.image_files import output_of, read_picture, write_picture
from ganwright.inference.model import Model
from ganwright.inference.sample_files import write_image
from ganwright.pixels import as_floats, from_bytes
from ganwright.report.grid import tile
from ganwright.run.run_folder import read_spec

ALL = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256)
SIXTEEN = Levels(0, 65535, "uint16")


def opened(source: Any, **options: Any) -> RunData:
    return open_data(source, task=Images, options=DataOptions(**options))


def first(source: Any, **options: Any) -> torch.Tensor:
    images: torch.Tensor = opened(source, **options).batch(0, 1).images
    return images[0]


def dicom(path: Path, pixels: np.ndarray, **more: Any) -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    whole = pydicom.Dataset()
    whole.file_meta = meta
    whole.SOPClassUID, whole.SOPInstanceUID = meta[0x20002].value, meta[0x20003].value
    whole.Rows, whole.Columns = pixels.shape
    whole.SamplesPerPixel, whole.PhotometricInterpretation = 1, "MONOCHROME2"
    whole.BitsAllocated, whole.BitsStored, whole.HighBit = 16, 12, 11
    whole.PixelRepresentation, whole.PixelData = 0, pixels.astype("<u2").tobytes()
    for name, value in more.items():
        setattr(whole, name, value)
    whole.save_as(path, enforce_file_format=True)


def test_levels_are_numbers_worked_out_by_hand() -> None:
    twelve = Levels(0, 4095, "uint16")
    floats = twelve.floats(np.array([0, 1365, 4095], np.uint16))
    assert torch.allclose(floats, torch.tensor([-1, -1 / 3, 1]))
    assert twelve.numbers(torch.tensor([-2, 0.5, 1])).tolist() == [0, 3071, 4095]
    clipped = Levels(-100, 300, "int16", clip=True).floats(np.array([-500, 100, 900], np.int16))
    assert clipped.tolist() == [-1, 0, 1]
    with pytest.raises(ValueError, match="holds 0 to 5000, beyond the 0 to 4095 of the others"):
        twelve.floats(np.array([0, 5000], np.uint16))


@pytest.mark.parametrize("kind", ["png", "tiff", "npy"])
def test_all_sixteen_bits_come_back(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{kind}"
    write_numbers(SIXTEEN.floats(ALL), SIXTEEN, path)
    data = opened(str(tmp_path))
    assert data.spec.levels == SIXTEEN
    assert np.array_equal(SIXTEEN.numbers(data.batch(0, 1).images[0]), ALL)
    picture = read_picture(path, 1, None, Reading.of(SIXTEEN))
    write_picture(picture, tmp_path / f"again.{kind}", SIXTEEN)
    assert (tmp_path / f"again.{kind}").read_bytes() == path.read_bytes()


def test_sixteen_bits_of_colour_and_of_grey_from_other_writers(tmp_path: Path) -> None:
    colour = np.stack([ALL[0], ALL[0].T, ALL[0, ::-1]])
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(png(colour))
    assert np.array_equal(SIXTEEN.numbers(first(str(tmp_path / "a"))), colour)
    (tmp_path / "b").mkdir()
    Image.fromarray(ALL[0]).save(tmp_path / "b" / "x.png")
    assert np.array_equal(SIXTEEN.numbers(first(str(tmp_path / "b"))), ALL)
    assert torch.equal(first(str(tmp_path / "b"), depth=8) * 127.5 + 127.5, eight(ALL))


def eight(numbers: np.ndarray) -> torch.Tensor:
    """16 bits as the nearest of 256 levels, which are 257 apart."""
    return torch.from_numpy(((numbers.astype(np.int64) + 128) // 257).astype(np.float32))


def test_bands_are_channels_and_no_transparency(tmp_path: Path) -> None:
    five = np.arange(5 * 8 * 8, dtype=np.uint16).reshape(5, 8, 8) * 200
    (tmp_path / "tiff").mkdir()
    tifffile.imwrite(
        tmp_path / "tiff" / "x.tif", five, photometric="minisblack", planarconfig="separate"
    )
    data = opened(str(tmp_path / "tiff"))
    assert data.spec.shape == (5, 8, 8)
    assert "grids show the first 3 of the 5 channels" in data.notes
    assert np.array_equal(SIXTEEN.numbers(data.batch(0, 1).images[0]), five)
    four = np.full((8, 8, 4), 255, np.uint8)
    four[..., 3] = 0
    (tmp_path / "npy").mkdir()
    np.save(tmp_path / "npy" / "x.npy", four)
    found = first(str(tmp_path / "npy"))
    assert found.shape == (4, 8, 8)
    assert found[:3].min() == 1
    assert found[3].max() == -1
    assert first(four[None]).shape == (4, 8, 8)
    with pytest.raises(SettingsError, match=r"channels is 3, but the .* have 4; only 1"):
        opened(str(tmp_path / "npy"), channels=3)


def test_twelve_bits_in_sixteen_are_said_and_a_range_is_heeded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[0, 1024], [2048, 4095]], np.uint16))
    data = opened(str(tmp_path))
    assert data.spec.levels == Levels(0, 4095, "uint16")
    assert "taken for 12 bits, 0 to 4095; --range 0 65535 takes all 16" in " ".join(data.notes)
    windowed = first(str(tmp_path), range=(1024, 3072))
    assert windowed.flatten().tolist() == [-1, -1, 0, 1]
    with pytest.raises(SettingsError, match="range is 5 2; give two numbers, the lower one first"):
        opened(str(tmp_path), range=(5, 2))


def test_a_range_speaks_of_the_numbers_of_the_file_also_in_eight_bits(tmp_path: Path) -> None:
    Image.fromarray((ALL[0] % 1001).astype(np.uint16)).save(tmp_path / "0.png")
    whole = first(str(tmp_path), range=(0.0, 1000.0), depth=8)
    expected = torch.from_numpy(ALL[0] % 1001 / 500 - 1.0).float()
    assert torch.allclose(whole[0], expected, atol=0.005)
    listed = first([Image.open(tmp_path / "0.png")], range=(0.0, 1000.0), depth=8)
    assert torch.equal(whole, listed)


def test_a_number_beyond_the_others_is_named_with_its_file(tmp_path: Path) -> None:
    for i in range(64):
        np.save(tmp_path / f"{i:02}.npy", np.full((2, 2), 60_000 if i == 33 else 9, np.uint16))
    with pytest.raises(DataError, match=r"33\.npy \(holds 60000 to 60000, beyond the 0 to 4095"):
        opened(str(tmp_path))


@pytest.mark.parametrize("ending", ["png", "tif", "npy"])
def test_a_kind_of_which_no_file_can_be_read_is_named_or_skipped(
    ending: str, tmp_path: Path
) -> None:
    """A file whose head is whole says its type; its numbers cannot be looked at."""
    for i in range(4):
        Image.fromarray(np.full((64, 64), 60 * i, np.uint8)).save(tmp_path / f"{i}.png")
    broken = tmp_path / f"x.{ending}"
    pixels = np.random.default_rng(0).integers(0, 65536, (64, 64), np.uint16)
    if ending == "npy":
        np.save(broken, pixels)
    else:
        Image.fromarray(pixels.astype(np.float32) if ending == "tif" else pixels).save(broken)
    broken.write_bytes(broken.read_bytes()[:2000])
    with pytest.raises(DataError, match=rf"1 image cannot be used: .*x\.{ending} \("):
        opened(str(tmp_path)).batch(0, 4)
    with pytest.warns(UserWarning, match=rf"skipped 1 image.*x\.{ending}"):
        data = opened(str(tmp_path), on_bad_file="skip")
    grey = data.batch(0, 4).images[:, 0, 0, 0].sort().values
    assert torch.allclose(grey, torch.arange(4) * 60 / 127.5 - 1)
    assert data.spec.levels is None
    for i in range(4):
        (tmp_path / f"{i}.png").unlink()
    with pytest.raises(DataError, match=rf"1 image cannot be used: .*x\.{ending} \("):
        opened(str(tmp_path)).batch(0, 1)


def test_dicom_is_rescaled_to_its_units(tmp_path: Path) -> None:
    raw = np.array([[0, 1024], [1524, 4095]])
    dicom(tmp_path / "x.dcm", raw, RescaleSlope=1, RescaleIntercept=-1024)
    with pytest.raises(DataError, match="numbers from -1024 to 3071 in int16, which does not say"):
        opened(str(tmp_path))
    found = first(str(tmp_path), range=(-1000, 1000))
    assert torch.allclose(found.flatten(), torch.tensor([-1.0, 0, 0.5, 1]))
    (tmp_path / "plain").mkdir()
    dicom(tmp_path / "plain" / "x.dcm", raw)
    assert opened(str(tmp_path / "plain")).spec.levels == Levels(0, 4095, "uint16")


def test_floats_of_files_and_of_python(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.float64([[0, 0.25], [0.5, 1]]))
    data = opened(str(tmp_path))
    assert data.batch(0, 1).images.flatten().tolist() == [-1, -0.5, 0, 1]
    assert "in float32: taken for 0 to 1" in " ".join(data.notes)
    given = torch.tensor([[[[20.0, 30.0]]]])
    assert first(given, range=(20, 40)).flatten().tolist() == [-1, 0]
    items = [torch.full((5, 8, 8), 1 / 3)] * 3
    assert torch.equal(first(items), items[0])


def test_transparency_is_kept_shown_white_or_dropped(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "x.png")
    white = opened(str(tmp_path))
    assert "shows white; --alpha keep makes it a channel" in " ".join(white.notes)
    assert white.batch(0, 1).images[0, :, 0, 0].tolist() == [1, 1, 1]
    assert first(str(tmp_path), alpha="drop")[:, 0, 0].tolist() == [1, -1, -1]
    kept = opened(str(tmp_path), alpha="keep")
    assert kept.batch(0, 1).images[0, :, 0, 0].tolist() == [1, -1, -1, -1]
    assert kept.spec.levels == Levels(0, 255, "uint8", alpha=True)
    assert endings(kept.spec.levels, 4)[0] == ".png"
    (tmp_path / "deep").mkdir()
    deep = np.array([65535, 0, 0, 0], np.uint16)[:, None, None].repeat(4, 1).repeat(4, 2)
    (tmp_path / "deep" / "x.png").write_bytes(png(deep))
    assert first(str(tmp_path / "deep"))[:, 0, 0].tolist() == [1, 1, 1]
    assert first(str(tmp_path / "deep"), alpha="keep")[:, 0, 0].tolist() == [1, -1, -1, -1]


def test_floats_of_one_file_need_no_others(tmp_path: Path) -> None:
    """A run on plain floats has no levels, and translates files of them; no other type is known."""
    np.save(tmp_path / "x.npy", np.float32([[[-1, 0.25], [0.5, 1]]]))
    assert read_picture(tmp_path / "x.npy", 1).pixels.flatten().tolist() == [-1, 0.25, 0.5, 1]
    np.save(tmp_path / "y.npy", ALL)
    with pytest.raises(DataError, match=r"y\.npy cannot be read .*holds uint16, which the others"):
        read_picture(tmp_path / "y.npy", 1)


def test_plain_floats_that_are_scaled_stay_in_range() -> None:
    """Bicubic resampling overshoots at an edge from -1 to 1."""
    edge = torch.ones(2, 1, 8, 8)
    edge[..., :4] = -1
    scaled = opened(edge, image_size=12).batch(0, 2).images
    assert (float(scaled.min()), float(scaled.max())) == (-1, 1)
    assert torch.equal(opened(edge).batch(0, 2).images, edge)


def test_what_is_scaled_stays_in_range() -> None:
    steps = torch.zeros(1, 1, 64, 64).sub(1)
    steps[..., ::9] = 1
    whole = (steps * 32767.5 + 32767.5).numpy().astype(np.uint16)
    found = first(whole, image_size=40)
    assert found.shape == (1, 40, 40)
    assert found.abs().max() <= 1


@pytest.mark.parametrize(
    ("levels", "channels", "name", "wanted"),
    [
        (SIXTEEN, 3, "x.jpg", "x.png"),
        (SIXTEEN, 4, "x.dcm", "x.npy"),
        (Levels(0, 1, "float32"), 1, "x.png", "x.npy"),
        (Levels(0, 1, "float32"), 5, "x.tif", "x.tif"),
        (None, 3, "x.npy", "x.png"),
    ],
)
def test_outputs_take_files_that_hold_them(
    levels: Levels | None, channels: int, name: str, wanted: str
) -> None:
    assert output_of(Path(name), levels, channels) == Path(wanted)


def test_samples_come_out_as_the_data_was(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", x=np.arange(6 * 256, dtype=np.uint16).reshape(6, 16, 16) * 40)
    settings = {"steps": 1, "batch_size": 4, "networks": CONV, "image_size": 16, "device": "cpu"}
    model = ganwright.train(
        "dcgan", data=str(tmp_path / "set.npz"), out=tmp_path / "run", **settings
    )
    assert read_spec(tmp_path / "run", type(model.game)).levels == SIXTEEN
    assert main(["sample", str(tmp_path / "run"), "-n", "2", "--out", str(tmp_path / "out")]) == 0
    written = np.asarray(Image.open(tmp_path / "out" / "00001.png"))
    assert np.array_equal(written, SIXTEEN.numbers(model.sample(2))[1, 0])
    assert written.dtype == np.uint16


def test_translations_come_out_as_the_data_was(tmp_path: Path) -> None:
    for side, channels in (("a", 5), ("b", 1)):
        (tmp_path / "data" / side).mkdir(parents=True)
        for i in range(2):
            numbers = np.full((channels, 16, 16), 7000 * (i + 1), np.uint16)
            np.save(tmp_path / "data" / side / f"{i}.npy", numbers)
    data = open_data(str(tmp_path / "data"), task=Paired)
    assert (data.spec.shape, data.spec.target) == ((5, 16, 16), (1, 16, 16))
    game = {"translator": "UNet(width=4)", "patch": "PatchGAN(field=16, width=4)"}
    run, source = tmp_path / "run", str(tmp_path / "data" / "a")
    ganwright.train("pix2pix", data=str(tmp_path / "data"), out=run, steps=1, device="cpu", **game)
    assert main(["translate", str(run), source, str(tmp_path / "out")]) == 0
    made = np.load(tmp_path / "out" / "1.npy")
    assert (made.shape, made.dtype) == ((1, 16, 16), np.uint16)
    refused = ["translate", str(run), f"{source}/1.npy", str(tmp_path / "x.jpg")]
    assert main(refused) == 2
    assert not (tmp_path / "x.jpg").exists()


def test_grids_show_three_of_many_channels_and_one_of_two() -> None:
    images = torch.linspace(-1, 1, 2 * 5 * 64).view(2, 5, 8, 8)
    assert np.array_equal(tile(images), tile(images[:, :3]))
    assert np.array_equal(tile(images[:, :2]), tile(images[:, :1]))


def test_runs_of_before_go_on_with_eight_bits() -> None:
    assert Settings().depth == "keep"
    assert SINCE["depth"] == 8


def test_a_run_of_four_floats_with_fully_connected_networks(tmp_path: Path) -> None:
    pictures = torch.rand(20, 4, 6, 6) * 2 - 1
    model = ganwright.train(
        "gan",
        data=pictures,
        networks=FULL,
        steps=1,
        batch_size=4,
        image_size=6,
        device="cpu",
        out=tmp_path / "run",
    )
    assert model.sample(3).shape == (3, 4, 6, 6)
    assert model.levels() == Levels(-1, 1, "float32")


def grey_levels(folder: Path, numbers: Sequence[int]) -> list[Path]:
    """16-bit PNG files of 12 bits, each of one number."""
    folder.mkdir(parents=True)
    paths = [folder / f"{number}.png" for number in numbers]
    for path, number in zip(paths, numbers, strict=True):
        Image.fromarray(np.full((8, 8), number, np.uint16)).save(path)
    return paths


def test_pillow_images_of_many_bits_are_read_as_their_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """12 bits in 16, and a translator that doubles them."""
    numbers = [0, 1000, 4095]
    sides = [grey_levels(tmp_path / "pairs" / side, numbers) for side in "ab"]
    cls, settings = tiny("pix2pix")
    spec = open_data(f"{tmp_path / 'pairs'}?a=a&b=b", task=Paired, options=DataOptions()).spec
    assert spec.target_levels == Levels(0, 4095, "uint16")
    model = Model("pix2pix", cls(settings.game, spec), spec, 0, tmp_path)
    monkeypatch.setattr(cls, "translate", lambda game, x, direction: (2 * x + 1).clamp(-1, 1))
    images = [Image.open(path) for path in sides[0]]
    made = model.translate(images)
    assert [image.mode for image in made] == ["I;16"] * 3
    assert [np.asarray(image)[0, 0] for image in made] == [0, 2000, 4095]
    kept = read_picture(sides[0][1], 1, None, model.reading())
    assert torch.equal(fitted_all(images[1], (1, 8, 8), model.reading())[0], kept.pixels)
    with pytest.raises(DataError, match="there is no image; give one or several"):
        fitted_all([], (1, 8, 8))


def test_twelve_bits_for_a_run_of_eight_are_not_nearly_black(tmp_path: Path) -> None:
    """4095 is white, as in training, and it is said; what has larger numbers has all 16 bits."""
    twelve, bright = grey_levels(tmp_path / "a", [4095, 65535])
    for eight in (Reading(), Reading.of(None)):
        with pytest.warns(UserWarning, match="without numbers above 4095 is taken for 12 bits"):
            picture = read_picture(twelve, 1, None, eight)
        assert as_floats(picture.pixels).min() == 1
        with pytest.warns(UserWarning, match="without numbers above 4095 is taken for 12 bits"):
            given = fitted_all(Image.open(twelve), (1, 8, 8), eight)
        assert given.min() == 1
        assert as_floats(read_picture(bright, 1, None, eight).pixels).min() == 1
        assert fitted_all(Image.open(bright), (1, 8, 8), eight).min() == 1


def test_arrays_of_other_numbers_are_named(tmp_path: Path) -> None:
    """A run without levels is one of 8 bits, or of floats from -1 to 1 that Python gave."""
    old = Reading.of(None)
    for name, kind, most in (("bytes", np.uint8, 255), ("floats", np.float32, 1)):
        np.save(tmp_path / f"{name}.npy", np.full((1, 4, 4), most, kind))
        assert as_floats(read_picture(tmp_path / f"{name}.npy", 1, None, old).pixels).mean() == 1
    for name, kind, told in (("deep", np.uint16, "holds uint16"), ("far", np.float32, "beyond")):
        np.save(tmp_path / f"{name}.npy", np.full((1, 4, 4), 200, kind))
        with pytest.raises(DataError, match=rf"{name}\.npy cannot be read .*{told}"):
            read_picture(tmp_path / f"{name}.npy", 1, None, old)


def test_images_that_pillow_lacks_are_named() -> None:
    with pytest.raises(SettingsError, match="no images of 3 channels in uint16; give tensors"):
        Kind(3, SIXTEEN).check()
    with pytest.raises(
        SettingsError, match=r"images of 1 channel in float32 do not fit into \.png"
    ):
        check_ending(".png", Levels(0, 1, "float32"), 1)
    for kind in (Kind(3), Kind(1, SIXTEEN), Kind(4, Levels(0, 255, "uint8", alpha=True))):
        kind.check()


def test_transparency_is_read_where_the_run_keeps_it() -> None:
    levels = Levels(0, 255, "uint8", alpha=True)
    kind = Kind(4, levels, reading=Reading.of(levels))
    image = Image.new("RGBA", (4, 4), (10, 20, 30, 40))
    picture = kind.read(image)
    assert picture.pixels[:, 0, 0].tolist() == [10, 20, 30, 40]
    back = kind.image(iter(from_bytes(picture.pixels[None]).split(2, 2)), picture)
    assert (back.mode, back.getpixel((3, 3))) == ("RGBA", (10, 20, 30, 40))


def test_numbers_in_the_way_are_not_replaced(tmp_path: Path) -> None:
    image, path = torch.zeros(1, 4, 4), tmp_path / "0.png"
    write_image(image, path, SIXTEEN, replace=False)
    write_image(image, path, SIXTEEN, replace=False)
    with pytest.raises(RunError, match="is another image; remove it, or add --overwrite"):
        write_image(image + 0.5, path, SIXTEEN, replace=False)
    write_image(image + 0.5, path, SIXTEEN, replace=True)
    assert read_picture(path, 1, None, Reading.of(SIXTEEN)).pixels.mean().item() == pytest.approx(
        0.5, abs=1e-4
    )
