"""Edges of instances: one more channel of one-hot label maps, from ids as Cityscapes has them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import LUCK, tiny
from PIL import Image
from test_cli import error_of
from torch import Tensor

import ganwright
from ganwright.app import uploaded
from ganwright.cli import main
from ganwright.data import Data, DataOptions, Paired, open_data
from ganwright.data.image import Fit
from ganwright.data.label_map import LabelMap, classes_of, edges, seams
from ganwright.data.transforms import Flip
from ganwright.errors import DataError
from ganwright.families.spade import Spade
from ganwright.inference.image_files import read_picture
from ganwright.inference.model import Model
from ganwright.inference.pictures import picture_of
from ganwright.run.load import load
from ganwright.run.run_folder import read_spec
from ganwright.run.train import train

ROAD, CAR, OTHER_CAR, SIGN, NONE = 7, 26001, 26002, 20, 255
GREYS = {ROAD: 40, CAR: 120, OTHER_CAR: 200, SIGN: 240, NONE: 0}
"""What photographs show of each id."""
MAPS = LabelMap(tuple(range(7, 27)), onehot=True, ignore=255, instances=True)
ASKED = "a=label&b=photo&onehot=a&instances=a"


def scene(size: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """A road with two cars that touch, a sign, and a pixel of no class."""
    ids = np.full((size, size), ROAD)
    top, left = rng.integers(2, size // 2, 2)
    ids[top : top + size // 2, left - 1 : left + 1] = CAR
    ids[top : top + size // 2, left + 1 : left + 4] = OTHER_CAR
    ids[0, rng.integers(0, size)] = SIGN
    ids[1, rng.integers(0, size)] = NONE
    return ids


def city(folder: Path, size: int = 16) -> Path:
    """Six pairs: ids in 16 bits, and photographs whose grey is that of the id."""
    rng = np.random.default_rng(LUCK)
    for side in ("label", "photo"):
        (folder / side).mkdir(parents=True)
    for i in range(6):
        ids = scene(size, rng)
        Image.fromarray(ids.astype(np.uint16)).save(folder / f"label/{i}.png")
        grey = np.vectorize(GREYS.get)(ids).astype(np.uint8)
        Image.fromarray(grey).convert("RGB").save(folder / f"photo/{i}.png")
    return folder


def by_neighbours(ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Edges by the definition, a pixel at a time."""
    height, width = ids.shape
    found = np.zeros(ids.shape, bool)
    for y in range(height):
        for x in range(width):
            around = ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
            inside = [(v, u) for v, u in around if 0 <= v < height and 0 <= u < width]
            found[y, x] = any(ids[place] != ids[y, x] for place in inside)
    return found


def opened(text: str, **options: Any) -> Data:
    data = open_data(text, task=Paired, options=DataOptions(**options))
    assert isinstance(data, Data)
    return data


def ids_of(photo: Tensor) -> np.ndarray[Any, Any]:
    """The ids that a photograph [3, H, W] in [-1, 1] was made of."""
    known = {grey: number for number, grey in GREYS.items()}
    grey = ((photo[0] + 1) * 127.5).round().int().numpy()
    return np.vectorize(known.get)(grey)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    """A run of two steps on ids of instances, and the folder of its data and itself."""
    folder = tmp_path_factory.mktemp("instances")
    cls, settings = tiny("spade", data=f"{city(folder / 'city')}?{ASKED}", steps=2)
    return train(cls, settings, folder / "run", quiet=True), folder


def test_two_cars_that_touch_have_an_edge_between_them() -> None:
    ids = np.array([[7, 7, 26001, 26001, 26002]] * 2 + [[7, 7, 7, 7, 7]] * 2)
    numbers = LabelMap((7, 26), onehot=True, instances=True).numbers(ids)
    assert numbers.dtype == torch.uint8
    assert numbers[0].tolist() == [[0, 0, 1, 1, 1]] * 2 + [[0] * 5] * 2
    # 1 to the right, 2 below
    assert numbers[1].tolist() == [[0, 1, 0, 1, 0], [0, 1, 2, 3, 2], [0] * 5, [0] * 5]
    seen = LabelMap((7, 26), onehot=True, instances=True).channelled(numbers)
    assert seen[1].div(255).tolist() == [[0, 0, 1, 1, 1]] * 2 + [[0] * 5] * 2
    wanted = [[0, 1, 1, 1, 1], [0, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0] * 5]
    assert seen[2].div(255).tolist() == wanted
    assert LabelMap((7, 26), onehot=True).channelled(numbers[:1]).equal(seen[:2])


def test_class_numbers_of_ids() -> None:
    ids = np.array([0, 7, 255, 999, 1000, 26000, 26003, 33999, 255_001])
    assert classes_of(ids).tolist() == [0, 7, 255, 999, 1, 26, 26, 33, 255]
    assert MAPS.numbers(np.array([[26004, 20, 255, 255_001]]))[0].tolist() == [[19, 13, 20, 20]]
    for number, own in ((300, 300), (27_001, 27), (256_000, 256), (-1, -1), (2**31 - 1, 2_147_483)):
        with pytest.raises(ValueError, match=f"holds class {own}; known are the .* 7 to 26, and"):
            MAPS.numbers(np.array([[number]]))


def test_windows_have_the_edges_of_what_they_show() -> None:
    ids = torch.randint(0, 3, (3, 9, 8))
    whole = seams(ids)
    for top, left, height, width in ((0, 0, 9, 8), (2, 3, 5, 4), (4, 0, 1, 8), (8, 7, 1, 1)):
        window = (..., slice(top, top + height), slice(left, left + width))
        wanted = np.stack([by_neighbours(x) for x in ids[window].numpy()])
        assert np.array_equal(edges(whole[window]).numpy(), wanted)


def test_edges_are_those_of_the_size_that_networks_see() -> None:
    """Enlarged to twice its size, only the columns in the middle are edges, not all four."""
    ids = np.array([[26001, 26002]] * 2)
    maps = LabelMap((26,), onehot=True, instances=True)
    for image in (Image.fromarray(ids.astype(np.uint16)), ids[None].astype(np.uint16)):
        numbers = Fit((4, 4), 3, maps).picture(image)
        assert maps.channelled(numbers)[1].div(255).tolist() == [[0, 1, 1, 0]] * 4


@pytest.mark.parametrize(
    ("query", "size", "options"),
    [("", 16, {}), ("", 16, {"flip": True}), ("&crop=random", 8, {"flip": True})],
)
def test_maps_and_photographs_are_cut_and_mirrored_together(
    query: str, size: int, options: dict[str, Any], tmp_path: Path
) -> None:
    data = opened(f"{city(tmp_path / 'city')}?{ASKED}{query}", image_size=size, **options)
    assert data.spec.label_map == MAPS
    assert data.spec.shape == (21, size, size)
    batch = data.batch(0, 12)
    assert batch.a.unique().tolist() == [-1, 1]
    for a, b in zip(batch.a, batch.b, strict=True):
        ids = ids_of(b)
        assert np.array_equal(a[-1].numpy() > 0, by_neighbours(ids))
        wanted = classes_of(ids)[None] == np.arange(7, 27)[:, None, None]
        assert np.array_equal(a[:-1].numpy() > 0, wanted)


def test_moved_maps_keep_their_edges(tmp_path: Path) -> None:
    folder, turned = f"{city(tmp_path / 'city')}?{ASKED}", (Flip(p=1.0, vertical=True),)
    plain, moved = (opened(folder, image_size=16, augment=own).batch(0, 6) for own in ((), turned))
    assert plain.a.flip(-2).equal(moved.a)


@pytest.mark.parametrize(
    ("kind", "ids", "wanted"),
    [
        (np.uint8, (7, 20, 20, 20, 255), [1, 1, -1, 1, 1]),
        (np.int32, (7, 20_001, 20_001, 20_002, 255), [1, 1, 1, 1, 1]),
    ],
)
def test_files_of_8_and_of_32_bits(
    kind: type, ids: tuple[int, ...], wanted: list[int], tmp_path: Path
) -> None:
    """Without ids there are edges between classes, and around pixels of no class."""
    for side in ("label", "photo"):
        (tmp_path / side).mkdir()
    Image.fromarray(np.array([ids] * 5).astype(kind)).save(tmp_path / "label/0.tif")
    Image.new("RGB", (5, 5)).save(tmp_path / "photo/0.png")
    data = opened(f"{tmp_path}?{ASKED}")
    assert data.spec.label_map == LabelMap(tuple(range(7, 21)), True, 255, instances=True)
    a = data.batch(0, 1).a[0, :, 2]
    assert a[-1].tolist() == wanted
    assert a[:-1, :4].argmax(0).tolist() == [0, 13, 13, 13]
    assert a[:-1].sum(0).tolist() == [-12.0] * 4 + [-14.0]


def test_people_see_classes_with_darker_edges() -> None:
    maps = LabelMap((0, 1), onehot=True, instances=True)
    seen = torch.tensor([[[[1, -1, -1]], [[-1, 1, -1]], [[-1, 1, 1]]]]).float()
    shown = (maps.shown(seen)[0, :, 0].T + 1) * 127.5
    first, second, none = maps.palette().tolist()
    wanted = [first, [c // 2 for c in second], [c // 2 for c in none]]
    assert shown.round().int().tolist() == wanted


def inputs_of(model: Model, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What the network is given to translate, from now on."""
    seen: list[Tensor] = []
    plain = model.game.translate

    def spy(images: Tensor, **options: Any) -> Tensor:
        seen.append(images)
        return plain(images, **options)  # type: ignore[operator]

    monkeypatch.setattr(model.game, "translate", spy)
    return seen


def test_files_are_translated_as_they_were_for_training(
    trained: tuple[Model, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = trained
    model = load(folder / "run", device="cpu")
    assert model.spec.label_map == MAPS
    seen, found = inputs_of(model, monkeypatch), []
    files = sorted((folder / "city/label").iterdir())
    for file in files:
        made = model.translate(Image.open(file))
        found.append(seen[-1][0].numpy().tobytes())
    wanted = opened(f"{folder / 'city'}?{ASKED}", image_size=16).preview(6).a
    assert sorted(found) == sorted(a.numpy().tobytes() for a in wanted)
    given = ["translate", str(folder / "run"), str(files[-1]), str(tmp_path / "out.png")]
    assert main([*given, "--device", "cpu"]) == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), np.asarray(made))
    a = wanted[:1].clone()
    a[:, -1] *= -1
    assert not model.translate(a).equal(model.translate(wanted[:1])), "edges have an effect"


def test_a_resumed_run_is_the_uninterrupted_one(
    trained: tuple[Model, Path], tmp_path: Path
) -> None:
    folder = trained[1]
    shutil.copytree(folder / "run", tmp_path / "run")
    resumed = ganwright.resume(tmp_path / "run", steps=3, quiet=True)
    cls, settings = tiny("spade", data=f"{folder / 'city'}?{ASKED}", steps=3)
    whole = train(cls, settings, tmp_path / "whole", quiet=True)
    for one, other in zip(resumed.game.parameters(), whole.game.parameters(), strict=True):
        assert one.equal(other)


def test_painted_maps_have_edges_between_classes(
    trained: tuple[Model, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = trained
    seen = inputs_of(model, monkeypatch)
    canvas = uploaded.blank(model, "a2b")
    canvas.paste(tuple(MAPS.palette()[13].tolist()), (canvas.width // 2, 0, *canvas.size))
    uploaded.drawn(model, {"composite": canvas}, "a2b", folder=tmp_path)
    painted = seen[-1]
    assert painted[0, -1].tolist() == [[-1.0] * 7 + [1, 1] + [-1.0] * 7] * 16
    numbers = np.array([[7] * 8 + [20] * 8] * 16, np.uint8)
    model.translate(Image.fromarray(numbers))
    assert seen[-1].equal(painted)
    label = folder / "city/label/0.png"
    shown = np.asarray(uploaded.translated(model, str(label), "a2b", folder=tmp_path).given)
    step = len(shown) // 16
    edge = by_neighbours(np.asarray(Image.open(label)).astype(int))
    assert shown[::step, ::step].max(-1)[edge].max() < 128
    assert shown[::step, ::step].max(-1)[~edge].min() > 128


def test_a_run_from_before_instances_is_read(trained: tuple[Model, Path], tmp_path: Path) -> None:
    values = json.loads((trained[1] / "run/spec.json").read_text(encoding="utf-8"))
    assert values["label_map"].pop("instances") is True
    (tmp_path / "spec.json").write_text(json.dumps(values), encoding="utf-8")
    assert read_spec(tmp_path, Spade).label_map == replace(MAPS, instances=False)


def test_look_says_that_there_are_edges(trained: tuple[Model, Path]) -> None:
    looked = ganwright.look(f"{trained[1] / 'city'}?{ASKED}")
    said = "20 classes, 7 to 26, and 255 for no class; a channel each, and one for the edges of"
    assert said in str(looked)
    assert looked.sheet is not None


def test_unknown_classes_and_other_files_are_refused(
    trained: tuple[Model, Path], tmp_path: Path
) -> None:
    model, folder = trained
    Image.fromarray(np.full((16, 16), 33_001, np.uint16)).save(tmp_path / "train.png")
    Image.new("RGB", (16, 16)).save(tmp_path / "colour.png")
    for name, why in (
        ("train", "holds class 33; known are the training images' 7 to 26, and 255 for no class"),
        ("colour", "is RGB, and this run takes label maps: grey or palette images"),
    ):
        with pytest.raises(DataError, match=rf"{name}\.png cannot be read as an image \({why}"):
            read_picture(tmp_path / f"{name}.png", model.channels(), model.label_map())
    with pytest.raises(ValueError, match="is I;16, and this run takes label maps"):
        picture_of(Image.open(folder / "city/label/0.png"), 20, replace(MAPS, instances=False))


@pytest.mark.parametrize("number", [300, -1])
def test_a_file_of_other_numbers_is_named(number: int, tmp_path: Path) -> None:
    city(tmp_path / "city")
    (tmp_path / "city/label/2.png").unlink()
    file = tmp_path / "city/label/2.tif"
    Image.fromarray(np.full((16, 16), number, np.int32)).save(file)
    why = rf"2\.tif \(holds class {number}; known are the training images' 7 to 26, and 255 for"
    with pytest.raises(DataError, match=why):
        opened(f"{tmp_path / 'city'}?{ASKED}")
    with pytest.warns(UserWarning, match="skipped 1 image"):
        assert opened(f"{tmp_path / 'city'}?{ASKED}", on_bad_file="skip").spec.count == 5


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("a=label&b=photo&instances=a", "instances=a adds a channel to those of the classes; add"),
        ("a=label&b=photo&onehot=a", "0.png is no label map (a grey or palette image of class"),
        ("a=label&b=photo&onehot=a", "but I;16; for ids of instances, add onehot=a&instances=a"),
        ("a=photo&b=label&onehot=a&instances=a", "photo/0.png is no label map (a grey or palette"),
        (f"{ASKED}&low=2", "data options a and b are for two domains, and low=2 makes both of one"),
    ],
)
def test_wrong_data_is_one_sentence(
    query: str, says: str, trained: tuple[Model, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = trained[1] / "refused"
    data = f"{trained[1] / 'city'}?{query}"
    assert says in error_of(["train", "spade", "--data", data, "--out", str(out)], capsys)
    assert not out.exists()
