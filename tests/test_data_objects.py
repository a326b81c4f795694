"""Data from Python beyond pictures: iterables, DataLoaders, Hugging Face, one's own batches."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import numpy as np
import pytest
import torch
from helpers import CONV, tensors
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, WeightedRandomSampler

import ganwright
import ganwright.families
from ganwright.data import DataOptions, HuggingFace, Images, Paired, RunData, Spec, open_data
from ganwright.data.levels import EIGHT_BITS
from ganwright.errors import DataError, RunError, SettingsError
from ganwright.game import Game, Player

QUICK: dict[str, Any] = {
    "image_size": 8, "batch_size": 4, "device": "cpu", "precision": "fp32", "workers": 0,
    "networks": CONV, "quiet": True, "save_every": 3, "sample_every": 3,
}  # fmt: skip


def opened(source: Any, task: type = Images, **options: Any) -> RunData:
    return open_data(source, task=task, options=DataOptions(**({"workers": 0} | options)))


def picture(number: int) -> Tensor:
    return torch.full((3, 8, 8), number, dtype=torch.uint8)


def levels(batch: Any) -> list[int]:
    return ((batch.images[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


class Passing(IterableDataset[Any]):
    """Pictures 0, 1, 2 ... that only pass by."""

    def __init__(self, count: int = 20, make: Any = picture) -> None:
        self.count, self.make, self.begun = count, make, 0

    def __iter__(self) -> Iterator[Any]:
        self.begun += 1
        for number in range(self.count):
            yield self.make(number)


class Labelled(Passing):
    classes = ("even", "odd")

    def __init__(self) -> None:
        super().__init__(make=lambda n: (picture(n), n % 2))


def augmented(number: int) -> Tensor:
    """A picture that every global generator has a part in."""
    noise = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8)
    noise[0] = torch.from_numpy(np.random.randint(0, 256, (8, 8), dtype=np.uint8))
    noise[1] = random.randrange(256)
    return noise


def test_an_iterable_is_read_in_its_order_and_over_again() -> None:
    given = Passing()
    data = opened(given)
    assert (data.spec.shape, data.spec.count, given.begun) == ((3, 8, 8), 0, 1)
    assert levels(data.preview(6)) == [0, 1, 2, 3, 4, 5]
    assert [levels(data.batch(draw, 8)) for draw in range(3)] == [
        list(range(8)), list(range(8, 16)), [16, 17, 18, 19, 0, 1, 2, 3],
    ]  # fmt: skip
    assert given.begun == 2
    assert data.held_out(8) is None
    assert "reads past" in data.notes[0]


def test_any_batch_of_an_iterable_can_be_asked_for() -> None:
    """As by a resumed run, which begins at a later draw, and by one that goes back."""
    one, other = opened(Passing(make=augmented), seed=3), opened(Passing(make=augmented), seed=3)
    first, early, late = one.batch(0, 8), one.batch(1, 8), one.batch(5, 8)
    assert torch.equal(other.batch(5, 8).images, late.images)
    assert torch.equal(other.batch(0, 8).images, first.images), "kept, so the trial step costs none"
    assert torch.equal(other.batch(1, 8).images, early.images), "started over"
    assert not torch.equal(opened(Passing(make=augmented), seed=4).batch(0, 8).images, first.images)


def test_an_iterable_leaves_the_global_generators_alone() -> None:
    before = (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate())
    data = opened(Passing(make=augmented))
    data.batch(3, 8)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before[1:]


def test_processes_share_a_batch_of_an_iterable() -> None:
    parts = [levels(opened(Passing()).batch(1, 8, rank, 2)) for rank in (0, 1)]
    assert parts == [[8, 9, 10, 11], [12, 13, 14, 15]]


def test_labels_of_an_iterable_need_the_names_of_their_classes() -> None:
    data = opened(Labelled())
    assert data.spec.classes == ("even", "odd")
    assert data.batch(1, 4).labels.tolist() == [0, 1, 0, 1]
    with pytest.warns(UserWarning, match="unless it has `classes`"):
        data = opened(Passing(make=lambda n: (picture(n), n % 2)))
    assert data.spec.classes == ()
    assert data.batch(0, 4).labels is None


def test_classes_of_an_iterable_that_are_no_list_are_none() -> None:
    given = Passing(make=lambda n: (picture(n), n % 2))
    given.classes = lambda: ["even", "odd"]  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match="unless it has `classes`"):
        assert opened(given).spec.classes == ()


@pytest.mark.parametrize("alpha", ["keep", "drop", "white"])
def test_transparency_of_an_iterable_is_as_that_of_a_list(alpha: str) -> None:
    clear = np.full((8, 8, 4), (200, 100, 50, 0), np.uint8)
    items = [Image.fromarray(clear)] * 20
    passing, listed = (opened(x, alpha=alpha) for x in (Passing(make=items.__getitem__), items))
    shown = {"keep": [200, 100, 50, 0], "drop": [200, 100, 50], "white": [255] * 3}[alpha]
    for data in (passing, listed):
        pixel = data.batch(0, 4).images[0, :, 0, 0]
        assert ((pixel + 1) * 127.5).round().tolist() == shown
    assert passing.spec.levels == listed.spec.levels
    said = any("transparency in the iterable" in note for note in passing.notes)
    assert said == (alpha != "keep")


def test_bands_of_an_iterable_are_written_as_those_of_a_list() -> None:
    items = [torch.full((4, 8, 8), n, dtype=torch.uint8) for n in range(20)]
    passing, listed = opened(Passing(make=items.__getitem__)), opened(items)
    assert passing.spec.shape == listed.spec.shape == (4, 8, 8)
    assert passing.spec.levels == listed.spec.levels == EIGHT_BITS


def test_a_generator_lasts_as_long_as_it_does() -> None:
    data = opened(picture(n) for n in range(20))
    assert levels(data.batch(0, 10)) == list(range(10))
    assert levels(data.batch(1, 10)) == list(range(10, 20))
    with pytest.raises(DataError, match="gave 20 items and none the second time; pass one"):
        data.batch(2, 10)


def bad(number: int) -> Any:
    if number == 18:
        return torch.zeros(3, 4, 4, dtype=torch.uint8)
    return picture(number)


def test_bad_items_of_an_iterable_are_named_or_passed_over() -> None:
    with pytest.raises(DataError, match=r"item 18 of the iterable \(is 4x4, not 8x8\)"):
        opened(Passing(make=bad)).batch(2, 8)
    data = opened(Passing(make=bad), on_bad_file="skip")
    with pytest.warns(UserWarning, match="skipped 1 items so far, the last item 18"):
        assert levels(data.batch(2, 8)) == [16, 17, 19, 0, 1, 2, 3, 4]


def test_floats_of_an_iterable_that_began_with_bytes_are_named() -> None:
    mixed = Passing(make=lambda n: picture(n) if n < 18 else picture(n) / 255)
    with pytest.raises(DataError, match=r"item 18 .* \(holds float32, which the others do not\)"):
        opened(mixed).batch(2, 8)


def broken(number: int) -> Tensor:
    if number == 17:
        raise KeyError("gone")
    return picture(number)


@pytest.mark.parametrize(
    ("given", "options", "sentence"),
    [
        (Passing(0), {}, "the iterable gives no items; pass one"),
        (Passing(make=lambda n: "text"), {}, "items of the data set hold str"),
        (Passing(), {"cache": True}, "cache has no effect with an iterable"),
    ],
)
def test_what_no_iterable_may_be(given: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises((DataError, SettingsError), match=sentence):
        opened(given, **options)


def test_iterables_raise_and_pair_in_sentences() -> None:
    with pytest.raises(DataError, match=r"item 17 .* raised KeyError: 'gone', in test_data_obj"):
        opened(Passing(make=broken)).batch(3, 8)
    with pytest.raises(DataError, match="single images as they come, and pairs of images are"):
        opened(Passing(), Paired)


def test_a_run_on_an_iterable_resumes_to_the_bit(tmp_path: Path) -> None:
    whole = Passing(make=augmented)
    ganwright.train("dcgan", data=whole, steps=6, out=tmp_path / "whole", **QUICK)
    ganwright.train("dcgan", data=Passing(make=augmented), steps=3, out=tmp_path / "part", **QUICK)
    ganwright.resume(tmp_path / "part", steps=6, data=Passing(make=augmented), quiet=True)
    one, other = tensors(tmp_path / "whole"), tensors(tmp_path / "part")
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.warns(UserWarning, match="starts with other items"):
        ganwright.resume(tmp_path / "part", steps=7, data=Passing(make=picture), quiet=True)
    with pytest.raises(RunError, match="was trained on: 2 classes are new"):
        ganwright.resume(tmp_path / "part", steps=8, data=Labelled(), quiet=True)


PICTURES = torch.stack([picture(n) for n in range(20)])
NUMBERS = torch.arange(20) % 2


def test_a_data_loader_that_orders_is_its_data_set() -> None:
    own = opened(TensorDataset(PICTURES, NUMBERS))
    for loader in (
        DataLoader(TensorDataset(PICTURES, NUMBERS), batch_size=4, shuffle=True),
        DataLoader(TensorDataset(PICTURES, NUMBERS), batch_size=4, drop_last=True),
    ):
        data = opened(loader)
        assert (data.spec, data.fingerprint) == (own.spec, own.fingerprint)
        assert levels(data.batch(3, 4)) == levels(own.batch(3, 4))


class Named(TensorDataset):
    classes = ("even", "odd")


def test_a_data_loader_that_does_more_gives_its_batches() -> None:
    odd = WeightedRandomSampler(NUMBERS.double(), 10)
    data = opened(DataLoader(Named(PICTURES, NUMBERS), batch_size=4, sampler=odd))
    assert data.spec.classes == ("even", "odd")
    seen = [data.batch(draw, 4) for draw in range(6)]
    assert all(batch.labels.tolist() == [1] * 4 for batch in seen)
    assert all(level % 2 for batch in seen for level in levels(batch))
    again = opened(DataLoader(Named(PICTURES, NUMBERS), batch_size=4, sampler=odd))
    assert levels(again.batch(5, 4)) == levels(seen[5]), "the sampler draws what it drew"
    mirrored = DataLoader(
        Passing(), batch_size=5, collate_fn=lambda items: torch.stack(items[::-1])
    )
    assert levels(opened(mirrored).batch(0, 5)) == [4, 3, 2, 1, 0]
    alone = DataLoader(Passing(), batch_size=None)
    assert levels(opened(alone).batch(1, 5)) == [5, 6, 7, 8, 9]


def test_mistaken_data_loaders() -> None:
    table = DataLoader(Passing(make=lambda n: {"x": picture(n), "y": n}), batch_size=4)
    with pytest.raises(DataError, match="batches are dictionaries of x, y; give it a collate_fn"):
        opened(table)
    sampler = torch.utils.data.DistributedSampler(range(20), num_replicas=2, rank=0)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="has a DistributedSampler"):
        opened(DataLoader(TensorDataset(PICTURES), batch_size=4, sampler=sampler))


def test_a_data_loader_says_the_batch_size(tmp_path: Path) -> None:
    loader = DataLoader(TensorDataset(PICTURES), batch_size=5, shuffle=True)
    quick = {name: value for name, value in QUICK.items() if name != "batch_size"}
    ganwright.train("dcgan", data=loader, steps=1, out=tmp_path / "run", **quick)
    assert "batch_size: 5" in (tmp_path / "run/config.yaml").read_text(encoding="utf-8")
    with pytest.raises(SettingsError, match="makes batches of 5, and batch_size is 4; make them"):
        ganwright.train("dcgan", data=loader, steps=1, out=tmp_path / "other", **QUICK)
    assert not (tmp_path / "other").exists()
    ganwright.resume(tmp_path / "run", steps=2, data=loader, quiet=True)
    other = DataLoader(TensorDataset(PICTURES), batch_size=6)
    with pytest.raises(SettingsError, match="makes batches of 6, and batch_size is 5"):
        ganwright.resume(tmp_path / "run", steps=3, data=other, quiet=True)


def table(count: int = 6) -> Any:
    """Three columns: pictures whose grey is ten times the row's number, classes, words."""
    rows = {
        "img": [np.full((8, 8), min(10 * n, 255), np.uint8) for n in range(count)],
        "kind": [n % 2 for n in range(count)],
        "word": [("cat", "dog", "eel")[n % 3] for n in range(count)],
    }
    features = datasets.Features(
        img=datasets.Image(), kind=datasets.ClassLabel(names=["no", "yes"]),
        word=datasets.Value("string"),
    )  # fmt: skip
    return datasets.Dataset.from_dict(rows, features=features)


def test_a_hugging_face_data_set_is_known_by_its_features() -> None:
    data = opened(table())
    assert (data.spec.shape, data.spec.classes, data.spec.count) == ((1, 8, 8), ("no", "yes"), 6)
    batch = data.batch(0, 6)
    assert sorted(levels(batch)) == [0, 10, 20, 30, 40, 50]
    assert batch.labels.tolist() == [level // 10 % 2 for level in levels(batch)]


def test_columns_of_a_hugging_face_data_set_are_named() -> None:
    data = opened(HuggingFace(table(), image="img", label="word"))
    assert data.spec.classes == ("cat", "dog", "eel")
    batch = data.batch(0, 6)
    assert batch.labels.tolist() == [level // 10 % 3 for level in levels(batch)]
    with pytest.raises(DataError, match="has no column picture; it has img, kind, word"):
        opened(HuggingFace(table(), image="picture"))
    with pytest.raises(DataError, match="has no column of images; it has kind, word"):
        opened(table().remove_columns("img"))


def deep(white: int) -> Any:
    """Twenty pictures of 16 bits, the n-th a twentieth of white brighter than the one before."""
    rows = {"img": [np.full((8, 8), white * n // 20, np.uint16) for n in range(20)]}
    return datasets.Dataset.from_dict(rows, features=datasets.Features(img=datasets.Image()))


def test_sixteen_bits_of_hugging_face_reach_the_networks() -> None:
    data = opened(deep(65535))
    found = data.batch(0, 20).images[:, 0, 0, 0].sort().values
    assert torch.allclose(found, torch.arange(20) / 10 - 1, atol=1e-4)
    assert data.spec.levels is not None
    assert (data.spec.levels.high, data.spec.levels.type) == (65535, "uint16")


def test_twelve_bits_and_a_range_of_hugging_face_are_heeded() -> None:
    expected = torch.arange(20) / 10 - 1
    twelve = opened(deep(4095))
    assert torch.allclose(twelve.batch(0, 20).images[:, 0, 0, 0].sort().values, expected, atol=1e-3)
    assert any("taken for 12 bits" in note for note in twelve.notes)
    for depth in ("keep", 8):
        ranged = opened(datasets.DatasetDict(train=deep(1000)), range=(0.0, 1000.0), depth=depth)
        found = ranged.batch(0, 20).images[:, 0, 0, 0].sort().values
        assert torch.allclose(found, expected, atol=0.005)
    eight = opened(deep(65535), depth=8).batch(0, 20).images[:, 0, 0, 0].sort().values
    assert torch.allclose(eight, expected, atol=0.005)


def test_arrays_of_hugging_face_are_as_those_of_python() -> None:
    rows = deep(65535)
    data = opened(rows.with_transform(lambda r: {"img": [np.asarray(x) for x in r["img"]]}))
    found = data.batch(0, 20).images[:, 0, 0, 0]
    assert torch.allclose(found.sort().values.unique(), torch.arange(20) / 10 - 1, atol=1e-4)


def test_splits_of_hugging_face_are_splits() -> None:
    data = opened(datasets.DatasetDict(train=table(6), test=table(3)))
    held = data.held_out(9)
    assert held is not None
    assert sorted(levels(held)) == [0, 10, 20]
    with pytest.raises(DataError, match="no split train; pass one of test, as in"):
        opened(datasets.DatasetDict(test=table(3)))


def test_formats_and_transforms_of_hugging_face_are_heeded() -> None:
    assert sorted(levels(opened(table().with_format("torch")).batch(0, 6))) == [
        0, 10, 20, 30, 40, 50,
    ]  # fmt: skip
    noisy = table().with_transform(lambda rows: {"img": [augmented(0) for _ in rows["img"]]})
    data = opened(noisy)
    assert data.spec.classes == ("no", "yes")
    seen = {x.numpy().tobytes() for draw in range(4) for x in data.batch(draw, 6).images}
    assert len(seen) == 24, "read again each time"
    again = opened(noisy)
    assert torch.equal(again.batch(3, 6).images, data.batch(3, 6).images)


def test_a_hugging_face_data_set_may_stream() -> None:
    data = opened(table(20).to_iterable_dataset())
    assert (data.spec.shape, data.spec.classes, data.spec.count) == ((1, 8, 8), ("no", "yes"), 0)
    batch = data.batch(1, 4)
    assert (levels(batch), batch.labels.tolist()) == ([40, 50, 60, 70], [0, 1, 0, 1])


def test_pairs_of_hugging_face_data_sets_and_loaders() -> None:
    data = opened((table(), DataLoader(TensorDataset(PICTURES[:6]), batch_size=2)), Paired)
    batch = data.batch(0, 6)
    low = ((batch.b[:, 0, 0, 0] + 1) * 127.5).round()
    assert torch.equal(((batch.a[:, 0, 0, 0] + 1) * 127.5).round(), low * 10)


def test_a_run_on_hugging_face_rows_resumes(tmp_path: Path) -> None:
    ganwright.train("cgan", data=table(), steps=3, out=tmp_path / "run", **QUICK)
    ganwright.resume(tmp_path / "run", steps=4, data=table(), quiet=True)
    assert ganwright.load(tmp_path / "run").spec.classes == ("no", "yes")
    other = HuggingFace(table(), label="word")
    with pytest.raises(RunError, match=r"2 classes are gone \(no, yes\) and 3 classes are new"):
        ganwright.resume(tmp_path / "run", steps=5, data=other, quiet=True)


class Waves:
    """Sines of random phases, drawn anew for each batch."""

    spec = Spec(Images, (1, 8, 8), classes=("low", "high"))

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Images:
        generator = torch.Generator().manual_seed(draw)
        phases = torch.rand(size, 1, 1, 1, generator=generator)
        images = (torch.arange(8.0) + phases).sin().expand(-1, 1, 8, -1)
        share = slice(rank * size // world, (rank + 1) * size // world)
        return Images(images[share], torch.arange(size)[share] % 2)


def test_batches_of_ones_own_train_and_resume_to_the_bit(tmp_path: Path) -> None:
    ganwright.train("cgan", data=Waves(), steps=6, out=tmp_path / "whole", **QUICK)
    ganwright.train("cgan", data=Waves(), steps=3, out=tmp_path / "part", **QUICK)
    ganwright.resume(tmp_path / "part", steps=6, data=Waves(), quiet=True)
    one, other = tensors(tmp_path / "whole"), tensors(tmp_path / "part")
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(RunError, match="data given in Python; pass it again"):
        ganwright.resume(tmp_path / "part", steps=7, quiet=True)


class Points(NamedTuple):
    """A batch type of one's own: positions, and what is no tensor."""

    positions: Tensor
    unit: str


class Cloud(Game):
    """Pushes a constant onto the mean of what it sees."""

    title = "Cloud"
    paper = "1406.2661"
    task = Points
    batch_size = 4
    image_size = None

    def __init__(self, cfg: Game.Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        self.G = nn.Linear(1, spec.shape[0], bias=False)

    def players(self) -> Any:
        yield Player("G", [self.G], self.distance)

    def distance(self, batch: Points) -> dict[str, Tensor]:
        assert batch.unit == "metres"
        return {"distance": (self.G.weight[:, 0] - batch.positions).square().mean()}

    def preview(self, batch: Points) -> Tensor:
        return batch.positions

    def measure(self, batch: Points) -> dict[str, Tensor]:
        return self.distance(batch)


class Sky:
    spec = Spec(Points, (2,))  # type: ignore[arg-type]
    fingerprint = "first sky"

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Points:
        return Points(torch.ones(size // world, 2) * draw, "metres")

    def held_out(self, count: int) -> Points:
        return Points(torch.zeros(count, 2), "metres")


def test_a_batch_type_of_ones_own(tmp_path: Path) -> None:
    quick = {"steps": 2, "device": "cpu", "sample_every": 1, "log_every": 1, "quiet": True}
    run = tmp_path / "run"
    ganwright.train(Cloud, data=Sky(), out=run, **quick)
    assert "held_out/distance" in (run / "metrics.jsonl").read_text(encoding="utf-8")
    assert ganwright.load(run, game=Cloud).spec.task is Points
    other = Sky()
    other.fingerprint = "second sky"
    with pytest.raises(RunError, match="the images are other ones"):
        ganwright.resume(run, steps=3, data=other, game=Cloud, quiet=True)
    with pytest.raises(DataError, match="digits holds images, but batches of Points are needed"):
        ganwright.train(Cloud, data="digits", out=tmp_path / "other", **quick)


def test_batches_of_another_type_are_refused() -> None:
    with pytest.raises(DataError, match="a Sky makes batches of Points, and the family takes Im"):
        opened(Sky())

    class Liar(Waves):
        spec = Spec(Paired, (1, 8, 8), (1, 8, 8))

    with pytest.raises(DataError, match=r"Liar made an Images; its spec says .* are Paired"):
        opened(Liar(), Paired).batch(0, 4)


def test_what_cannot_be_read_is_told_what_can() -> None:
    with pytest.raises(DataError, match=r"data of type int cannot be read; .* `batch` and `spec`"):
        opened(3)


def test_the_examples_of_the_docs_are_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parent.parent / "docs/data.md").read_text(encoding="utf-8")
    found: dict[str, RunData] = {}

    def train(game: str, data: Any, out: str, image_size: int | None = None, **rest: Any) -> None:
        task = ganwright.families.family(game).task
        found[out.removeprefix("runs/")] = opened(data, task, image_size=image_size)

    monkeypatch.setattr(ganwright, "train", train)
    monkeypatch.chdir(tmp_path)
    exec("".join(re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)), {})
    assert list(found) == [
        "fields",
        "mine",
        "colours",
        "noisy",
        "loader",
        "pets",
        "named",
        "passing",
        "waves",
    ]
    assert {name: len(data.batch(2, 8).images) for name, data in found.items()} == dict.fromkeys(
        found, 8
    )
    assert found["pets"].spec == found["named"].spec
    assert found["passing"].spec.classes == found["pets"].spec.classes == ("cat", "dog")
