"""Files for the use of a run are read as those that it was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import tiny
from PIL import Image

import ganwright
from ganwright.cli import main
from ganwright.data import open_data
from ganwright.data.cached import pack
from ganwright.data.levels import Levels, Reading
from ganwright.data.options import DataOptions
from ganwright.data.types import Images, RunData
from ganwright.inference.array_files import png
from ganwright.inference.given_images import fitted_all
from ganwright.inference.image_files import read_picture
from ganwright.inference.model import Model
from ganwright.pixels import as_floats
from ganwright.run.run_folder import read_spec
from ganwright.run.train import train

STEPS = np.linspace(0, 1, 64).reshape(8, 8)
TWELVE = {"range": (0, 4095), "depth": 8}


def opened(source: Any, **options: Any) -> RunData:
    return open_data(source, task=Images, options=DataOptions(**options))


def deep(path: Path, most: int = 4095) -> Path:
    """A grey image of 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((STEPS * most).astype(np.uint16)).save(path)
    return path


def grey(path: Path) -> None:
    Image.fromarray((STEPS * 200).astype(np.uint8)).save(path)


def ink(path: Path) -> None:
    """Hidden colours, of which half can be seen."""
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    Image.fromarray(colours).save(path)


def deep_ink(path: Path) -> None:
    path.write_bytes(png(np.random.default_rng(0).integers(0, 65536, (4, 8, 8), np.uint16)))


def array(numbers: Any) -> Callable[[Path], None]:
    return lambda path: np.save(path, numbers)


@pytest.mark.parametrize(
    ("name", "write", "options"),
    [
        ("x.png", deep, TWELVE),
        ("x.png", deep, {"range": (0, 4095)}),
        ("x.png", grey, {"range": (0, 200), "depth": 8}),
        ("x.png", ink, {"alpha": "drop"}),
        ("x.png", ink, {"alpha": "white"}),
        ("x.png", ink, {"alpha": "keep"}),
        ("x.png", ink, {"alpha": "drop", "range": (0, 200), "depth": 8}),
        ("x.png", deep_ink, {"alpha": "drop"}),
        ("x.png", deep_ink, {"alpha": "keep", "depth": 8}),
        ("x.npy", array(STEPS > 0.5), {}),
        ("x.npy", array((STEPS * 2000 - 1000).astype(np.int16)), {"range": (-900, 900)}),
        ("x.npy", array((STEPS * 900).astype(np.uint16)), {"depth": 8}),
        ("x.npy", array(STEPS.astype(np.float32) - 0.2), {"depth": 8}),
    ],
)
def test_a_file_is_read_as_in_training(
    name: str, write: Callable[[Path], None], options: dict[str, Any], tmp_path: Path
) -> None:
    write(tmp_path / name)
    data = opened(str(tmp_path), **options)
    image = data.batch(0, 1).images[0]
    read = read_picture(tmp_path / name, len(image), None, data.spec.read_as())
    assert torch.equal(as_floats(read.pixels), image)


def test_types_of_one_folder_are_all_known(tmp_path: Path) -> None:
    deep(tmp_path / "a.png", 60_000)
    grey(tmp_path / "b.png")
    np.save(tmp_path / "c.npy", STEPS.astype(np.float32))
    data = opened(str(tmp_path))
    for image, name in zip(data.preview(3).images, ("a.png", "b.png", "c.npy"), strict=True):
        read = read_picture(tmp_path / name, 1, None, data.spec.read_as())
        assert torch.equal(as_floats(read.pixels), image)


def test_arrays_and_items_say_how_their_files_would_be_read(tmp_path: Path) -> None:
    file, pixels = deep(tmp_path / "x.png"), (STEPS * 4095).astype(np.uint16)
    np.save(tmp_path / "set.npy", pixels[None])
    for source in (str(tmp_path / "set.npy"), pixels[None], [Image.open(file)], iter_of(file)):
        data = opened(source, **TWELVE)
        image, reading = data.batch(0, 1).images[0], data.spec.read_as()
        assert torch.equal(as_floats(read_picture(file, 1, None, reading).pixels), image)
        assert torch.equal(fitted_all(Image.open(file), (1, 8, 8), reading)[0], image)


def iter_of(file: Path) -> Any:
    class Endless(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter([Image.open(file)])

    return Endless()


def test_a_pack_keeps_how_its_files_were_read(tmp_path: Path) -> None:
    file = deep(tmp_path / "data" / "x.png")
    pack(str(tmp_path / "data"), tmp_path / "pack", options=DataOptions(**TWELVE), say=str)
    data = opened(str(tmp_path / "pack"))
    read = read_picture(file, 1, None, data.spec.read_as())
    assert read.pixels.flatten()[[0, -1]].tolist() == [0, 255]
    assert torch.equal(as_floats(read.pixels), data.batch(0, 1).images[0])


def test_dropped_transparency_is_dropped_from_later_files_too(tmp_path: Path) -> None:
    """Though no image of the training data has any."""
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    reading = opened(str(tmp_path), alpha="drop").spec.read_as()
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "y.png")
    read = read_picture(tmp_path / "y.png", 3, None, reading)
    assert read.pixels[:, 0, 0].tolist() == [255, 0, 0]


def test_eight_bits_are_whole_for_a_run_that_knows_more_bits_alone() -> None:
    reading = Reading((0, 4095), known={"uint16": Levels(0, 4095, "uint16", clip=True)})
    assert reading.levels("uint8") == Levels(0, 255, "uint8")
    assert reading.levels("int32") == Levels(0, 4095, "int32", clip=True)


def test_commands_read_files_as_the_run_read_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """12 bits that a range brings to 8; also from what is shared, and from its folder of before."""
    for side in "ab":
        for i in range(2):
            deep(tmp_path / "pairs" / side / f"{i}.png")
    cls, settings = tiny("pix2pix", steps=1, data=f"{tmp_path / 'pairs'}?a=a&b=b", **TWELVE)
    train(cls, settings, tmp_path / "run", quiet=True)
    monkeypatch.setattr(cls, "translate", lambda game, x, direction: x)
    model = ganwright.load(tmp_path / "run", device="cpu")
    file, expected = tmp_path / "pairs" / "a" / "0.png", np.round(STEPS * 4095 // 1 / 4095 * 255)
    assert main(["translate", str(tmp_path / "run"), str(file), str(tmp_path / "y.png")]) == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "y.png")), expected)
    assert np.array_equal(np.asarray(model.translate(Image.open(file))), expected)
    shared = ganwright.from_pretrained(model.save_pretrained(tmp_path / "shared"), device="cpu")
    assert isinstance(shared, Model)
    assert np.array_equal(np.asarray(shared.translate(Image.open(file))), expected)
    values = json.loads((tmp_path / "run" / "spec.json").read_text(encoding="utf-8"))
    assert values.pop("reading")["known"] == values.pop("target_reading")["known"]
    (tmp_path / "run" / "spec.json").write_text(json.dumps(values), encoding="utf-8")
    assert read_spec(tmp_path / "run", cls).read_as() == Reading.of(None)


def test_twelve_bits_are_recognised_where_they_are_brought_to_eight(tmp_path: Path) -> None:
    colour = np.stack([(STEPS * 4095).astype(np.uint16)] * 3)
    (tmp_path / "colour").mkdir()
    (tmp_path / "colour" / "x.png").write_bytes(png(colour))
    file = deep(tmp_path / "grey" / "x.png")
    listed = [Image.open(file)]
    for source in (str(tmp_path / "grey"), str(tmp_path / "colour"), listed, iter_of(file)):
        data = opened(source, depth=8)
        assert data.batch(0, 1).images.aminmax() == (-1, 1)
        assert "taken for 12 bits, 0 to 4095" in " ".join(data.notes)
        assert data.spec.levels is None


def test_sixteen_bits_are_scaled_as_eight_where_they_are_brought_to_eight(tmp_path: Path) -> None:
    file = deep(tmp_path / "deep" / "x.png", 65535)
    (tmp_path / "plain").mkdir()
    eight = (np.asarray(Image.open(file)).astype(int) + 128) // 257
    Image.fromarray(eight.astype(np.uint8)).save(tmp_path / "plain" / "x.png")
    for size in (None, 5, 12):
        deeper, plain = (
            opened(str(tmp_path / name), depth=8, image_size=size).batch(0, 1).images
            for name in ("deep", "plain")
        )
        assert torch.equal(deeper, plain)


def test_a_scaled_file_of_eight_bits_is_that_of_training(tmp_path: Path) -> None:
    file = deep(tmp_path / "x.png")
    data = opened(str(tmp_path), image_size=5, **TWELVE)
    read = read_picture(file, 1, None, data.spec.read_as())
    assert torch.equal(as_floats(read.fitted((1, 5, 5))), data.batch(0, 1).images)


def test_floats_for_a_run_of_eight_bits_are_those_that_files_hold(tmp_path: Path) -> None:
    """From 0 to 1, or from -1 to 1; a run of Python's floats knows that its own are the latter."""
    grey(tmp_path / "x.png")
    eight = opened(str(tmp_path)).spec.read_as()
    floats = opened(torch.rand(3, 1, 8, 8) * 2 - 1).spec.read_as()
    for name, write in (("x.npy", np.save), ("x.tif", lambda p, x: Image.fromarray(x).save(p))):
        write(tmp_path / name, STEPS.astype(np.float32))
        with pytest.warns(UserWarning, match="without negative numbers are read from 0 to 1"):
            read = read_picture(tmp_path / name, 1, None, eight)
        assert read.pixels.flatten()[[0, -1]].tolist() == [-1, 1]
        assert read_picture(tmp_path / name, 1, None, floats).pixels.flatten()[0] == 0
        write(tmp_path / name, (STEPS * 2 - 1).astype(np.float32))
        again = read_picture(tmp_path / name, 1, None, eight)
        assert torch.allclose(again.pixels, read.pixels)


def test_a_run_of_floats_keeps_what_a_file_of_eight_bits_carries(tmp_path: Path) -> None:
    ink(tmp_path / "x.png")
    reading = opened(torch.rand(3, 3, 8, 8) * 2 - 1).spec.read_as()
    assert read_picture(tmp_path / "x.png", 3, None, reading).alpha is not None
