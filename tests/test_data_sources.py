"""Sources: embedded sets, torchvision's, the hub's, and what Python callers hand over."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import importlib.util
import os
import struct
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganwright.data import Data, DataOptions, Images, Paired, SemiSupervised, Unpaired, open_data
from ganwright.data import named as sources
from ganwright.data.read import embedded
from ganwright.errors import DataError, MissingExtraError, SettingsError


def opened(source: Any, task: type = Images, size: int | None = None, **options: Any) -> Data:
    return open_data(source, task=task, options=DataOptions(image_size=size, **options))


def accuracy(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> float:
    """Of the nearest neighbour: what a picture's class can be told by."""
    distance = torch.cdist(test[0].flatten(1), train[0].flatten(1))
    return float((train[1][distance.argmin(1)] == test[1]).float().mean())


@pytest.mark.parametrize("size", [16, 28, 32])
def test_digits_stay_readable_and_keep_a_margin(size: int) -> None:
    data = opened("digits", size=size)
    assert data.spec.shape == (1, size, size)
    assert (data.spec.count, data.spec.classes) == (1617, tuple("0123456789"))
    train, test = data.batch(0, 1617), data.held_out(1000)
    assert test is not None
    assert len(test.images) == 180
    assert torch.bincount(test.labels).min() >= 17
    assert accuracy((train.images, train.labels), (test.images, test.labels)) > 0.95
    border = torch.cat([train.images[..., 0, :], train.images[..., -1, :]])
    assert float((border > -0.9).float().mean()) < 0.01
    # Crisp: most pixels are ink or paper, few are between.
    between = (train.images.abs() < 0.8).float().mean()
    assert float(between) < 0.25


def test_no_digit_is_in_both_splits() -> None:
    data = opened("digits")
    train = {image.numpy().tobytes() for image in data.batch(0, 1617).images}
    held = data.held_out(180)
    assert held is not None
    assert not train & {image.numpy().tobytes() for image in held.images}


def test_glyphs_are_coloured_letters_of_which_each_has_as_many() -> None:
    data = opened("glyphs")
    assert data.spec.shape == (3, 32, 32)
    assert data.spec.classes == tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    batch = data.batch(0, data.spec.count)
    assert torch.bincount(batch.labels).tolist() == [180] * 26
    # Every letter stands out: somewhere it differs much from its paper, the corner.
    contrast = (batch.images - batch.images[..., :1, :1]).abs().amax((1, 2, 3))
    assert float(contrast.min()) > 0.5
    again = opened("glyphs").batch(0, data.spec.count)
    assert torch.equal(again.images, batch.images)


def test_large_glyphs_are_fewer() -> None:
    assert opened("glyphs", size=72).spec.count == 1170


@pytest.mark.parametrize("name", ["digits", "glyphs"])
def test_paired_shapes_agree_and_colours_tell_the_class(name: str) -> None:
    data = opened(name, Paired, 32)
    assert (data.spec.shape, data.spec.target) == ((3, 32, 32), (3, 32, 32))
    batch = data.batch(0, 64)
    # An outline lies where the picture's colours change: there b's gradient is above average.
    step = (batch.b[..., 1:, 1:] - batch.b[..., :-1, :-1]).abs().sum(1)
    edge = batch.a[:, 0, 1:, 1:] > 0
    assert step[edge].mean() > 3 * step[~edge].mean()
    assert 0.05 < edge.float().mean() < 0.4


@pytest.mark.parametrize("name", ["digits", "glyphs"])
def test_unpaired_domains_share_no_shape(name: str) -> None:
    data = opened(name, Unpaired, 32)
    assert data.spec.classes
    batch = data.batch(0, 32)
    # Paper is pale on one side, and dark green on the other.
    assert float(batch.a[..., 0, 0].mean()) > 0.7
    assert float(batch.b[..., 0, 0].mean()) < -0.4


def test_the_shifted_domain_defeats_a_classifier_of_the_plain_one() -> None:
    data = opened("digits-domains", Unpaired, 32)
    batch, held = data.batch(0, 809), data.held_out(90)
    assert held is not None
    plain = (batch.a, batch.a_labels)
    at_home = accuracy(plain, (held.a, held.a_labels))
    abroad = accuracy(plain, (held.b, held.b_labels))
    assert at_home > 0.85
    assert abroad < 0.6


def test_low_resolution_letters_need_no_size() -> None:
    data = opened("glyphs-lowres", Paired)
    assert (data.spec.shape, data.spec.target) == ((3, 16, 16), (3, 64, 64))


@pytest.mark.parametrize(
    ("name", "modes", "radius", "deviation"), [("ring", 8, 1.0, 0.01), ("grid", 25, None, 0.05)]
)
def test_gaussians(name: str, modes: int, radius: float | None, deviation: float) -> None:
    data = opened(name, size=28, flip=True)
    assert (data.spec.shape, data.spec.count, len(data.spec.classes)) == ((2,), 100_000, modes)
    points, labels = data.batch(0, 100_000)
    assert torch.bincount(labels).min() > 0.9 * 100_000 / modes
    centres = torch.stack([points[labels == k].mean(0) for k in range(modes)])
    assert torch.allclose((points - centres[labels]).std(), torch.tensor(deviation), rtol=0.02)
    if radius is None:
        assert centres.round().unique(dim=0).tolist() == [
            [float(x), float(y)] for x in range(-4, 5, 2) for y in range(-4, 5, 2)
        ]
    else:
        assert torch.allclose(centres.norm(dim=1), torch.tensor(radius), atol=1e-3)
    assert data.preview(10).images.shape == (10, 2)


def test_two_sets_become_two_domains_of_one_shape() -> None:
    data = opened("digits -> glyphs", Unpaired, 16)
    assert data.spec.shape == data.spec.target == (3, 16, 16)
    batch = data.batch(0, 8)
    # 10 classes against 26: the second labels mean nothing to the first.
    assert batch.a_labels is not None
    assert batch.b_labels is None
    assert opened("digits->digits", Unpaired, 16).batch(0, 8).b_labels is not None


def test_stacked_digits_have_a_thousand_modes() -> None:
    data = opened("digits?stack=3", size=8)
    assert (data.spec.shape, data.spec.count) == ((3, 8, 8), 128_000)
    assert data.spec.classes[42] == "042"
    batch = data.batch(0, 500)
    singles = opened("digits", size=8).batch(0, 1617)
    for channel, place in ((0, 100), (1, 10), (2, 1)):
        match = torch.cdist(batch.images[:, channel].flatten(1), singles.images.flatten(1))
        found = singles.labels[match.argmin(1)]
        assert torch.equal(found, batch.labels // place % 10)


REFUSED: list[tuple[Any, type, str]] = [
    ("digitts", Images, r"no data set or folder is called digitts; did you mean digits"),
    ("mnsit", Images, "did you mean .*mnist"),
    ("ring", Unpaired, "ring holds images, but two domains of images are needed"),
    ("digits-paired", Images, "digits-paired holds pairs of images, but images are needed"),
    ("glyphs-domains", SemiSupervised, "but images with labels are needed"),
    ("digits->", Unpaired, 'must name two sets, as in "mnist->usps"'),
    ("digits-paired->digits", Unpaired, "is not a set of single images"),
    ("glyphs?stack=3", Images, "glyphs cannot be stacked"),
    (torch.zeros(3, 1, 5, 4, 4), Images, r"data of shape \(3, 1, 5, 4, 4\) cannot be read"),
    (torch.zeros(3, 4, 4).long(), Images, "the data holds numbers from 0 to 0 in int64, which"),
    (torch.rand(3, 1, 4, 4), Images, r"are in \[0, 1\]; bring them to \[-1, 1\] with x \* 2 - 1"),
    (torch.randn(3, 1, 4, 4) * 5, Images, r"must be in \[-1, 1\], got \["),
    (torch.zeros(0, 1, 4, 4), Images, "the data is empty"),
    ((torch.zeros(3, 1, 4, 4), [0, 1]), Images, "labels must be 3 whole numbers"),
    (5, Images, "data of type int cannot be read"),
    ([{"x": 1}], Images, "items of the data set hold dict"),
    (torch.zeros(3, 1, 4, 4), SemiSupervised, "the data has no labels, which this family needs"),
]


@pytest.mark.parametrize(("source", "task", "sentence"), REFUSED, ids=[r[2] for r in REFUSED])
def test_what_can_not_serve_is_refused(source: Any, task: type, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        opened(source, task)
    assert "\n" not in str(caught.value)


def test_low_resolution_must_divide() -> None:
    with pytest.raises(SettingsError, match=r"images of 30x30 do not divide by low=4"):
        opened("digits?low=4", Paired, 30)


def test_arrays_of_every_layout_are_one_data_set() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 5, 4), dtype=np.uint8)
    last = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
    frozen = last.copy()
    frozen.setflags(write=False)
    floats = torch.from_numpy(pixels) / 127.5 - 1
    expected = opened(torch.from_numpy(pixels)).batch(0, 6).images
    for given in (pixels, last, frozen, last[:, ::-1][:, ::-1], floats):
        assert torch.equal(opened(given).batch(0, 6).images, expected)
    grey = opened(pixels[:, 0])
    assert grey.spec.shape == (1, 5, 4)
    assert opened(pixels, size=2).batch(0, 6).images.shape == (6, 3, 2, 2)
    assert opened(pixels[:, 0], channels=3).spec.shape == (3, 5, 4)


def test_points_may_be_given() -> None:
    data = opened(torch.randn(50, 2) * 9)
    assert data.spec.shape == (2,)
    assert data.batch(0, 8).images.shape == (8, 2)


class Items(torch.utils.data.Dataset[Any]):
    """A map-style data set of grey pictures with labels."""

    def __init__(self, convert: Any) -> None:
        self.convert = convert

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < 6:
            raise IndexError
        return self.convert(np.full((4, 4), 40 * index, np.uint8)), index % 3


@pytest.mark.parametrize(
    "convert",
    [Image.fromarray, torch.from_numpy, lambda x: torch.from_numpy(x)[None] / 127.5 - 1],
    ids=["pillow", "bytes", "floats"],
)
def test_map_style_data_sets(convert: Any) -> None:
    data = opened(Items(convert))
    assert (data.spec.shape, data.spec.classes) == ((1, 4, 4), ("0", "1", "2"))
    batch = data.batch(0, 6)
    levels = ((batch.images[:, 0, 0, 0] + 1) * 127.5).round().long()
    assert torch.equal(levels // 40 % 3, batch.labels)
    assert sorted(levels.tolist()) == [0, 40, 80, 120, 160, 200]


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """The format of the original MNIST files, compressed."""
    head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(head + array.tobytes())


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server on this machine that has MNIST's files, of 20 and 10 pictures."""
    from torchvision import datasets

    served = tmp_path / "served"
    served.mkdir()
    resources = []
    for split, count in (("train", 20), ("t10k", 10)):
        pictures = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((28, 28), np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        for name, array in ((f"{split}-images-idx3", pictures), (f"{split}-labels-idx1", labels)):
            content = idx(array.astype(np.uint8))
            (served / f"{name}-ubyte.gz").write_bytes(content)
            digest = hashlib.md5(content).hexdigest()
            resources.append((f"{name}-ubyte.gz", digest))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(served))

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(datasets.MNIST, "mirrors", [address])
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def test_torchvision_sets_are_downloaded_only_when_allowed(mirror: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    with pytest.raises(DataError, match=f"mnist is not in the folder {root}; pass --download"):
        opened("mnist", data_root=root)
    first = opened("mnist", data_root=root, download=True)
    assert (first.spec.shape, first.spec.count) == ((1, 28, 28), 20)
    assert first.spec.classes == tuple("0123456789")
    held = first.held_out(99)
    assert held is not None
    assert len(held.images) == 10
    # The second time nothing is asked of the server.
    for file in mirror.iterdir():
        file.unlink()
    batch = opened("mnist", data_root=root).batch(0, 20)
    levels = ((batch.images[:, 0, 0, 0] + 1) * 127.5).round().long()
    assert torch.equal(levels % 10, batch.labels)


def test_a_download_that_fails_is_one_sentence_and_leaves_no_connection(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[HTTPError] = []

    def noted(*args: Any, **keywords: Any) -> Any:
        try:
            return urlopen(*args, **keywords)
        except HTTPError as error:
            refused.append(error)
            raise

    monkeypatch.setattr(urllib.request, "urlopen", noted)
    next(mirror.glob("train-images*")).unlink()
    with pytest.raises(DataError, match=r"mnist could not be downloaded to .* try") as caught:
        opened("mnist", data_root=tmp_path / "root", download=True)
    assert "\n" not in str(caught.value)
    assert [(error.code, error.fp.closed) for error in refused] == [(404, True)]
    assert urllib.request.urlopen is noted, "it is put back"


@pytest.mark.parametrize(
    ("name", "package"),
    [("svhn", "scipy"), ("flowers102", "scipy"), ("stanford-cars", "scipy"), ("pcam", "h5py")],
)
def test_sets_whose_reader_is_not_installed(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda n: None if n == package else installed(n)
    )
    sentence = f"^{name} needs a package that is not installed: pip install {package}$"
    with pytest.raises(MissingExtraError, match=sentence):
        opened(name, data_root=tmp_path)


class Flowers:
    """A torchvision set that reads files, with a label for each."""

    def __init__(self, root: str, split: str, download: bool) -> None:
        self._labels = [2, 0] if split == "train" else [1]
        self.classes = ["rose", "tulip", "daisy"]

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        label = self._labels[index]
        return Image.new("RGB", (6 + index, 8), (label * 50, 0, 0)), label


def test_torchvision_sets_that_read_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("torchvision.datasets.Flowers102", Flowers)
    data = opened("flowers102", size=4, data_root=tmp_path)
    assert (data.spec.shape, data.spec.classes) == ((3, 4, 4), ("rose", "tulip", "daisy"))
    batch = data.batch(0, 2)
    levels = ((batch.images[:, 0, 0, 0] + 1) * 127.5).round().long()
    assert torch.equal(levels // 50, batch.labels)
    with pytest.raises(DataError, match=r"flowers102 number 1 \(is 7x8, not 6x8\)"):
        opened("flowers102", data_root=tmp_path)


def test_the_table_names_sets_that_torchvision_has() -> None:
    from torchvision import datasets

    missing = [n for n, entry in sources.SETS.items() if not hasattr(datasets, entry.builder)]
    assert missing == []
    assert len(set(sources.known_sets())) == len(sources.EMBEDDED) + len(sources.SETS)


class Image_:  # noqa: N801
    """Stands for the `datasets` library's feature of the same name."""


class ClassLabel:
    """Stands for the `datasets` library's feature of the same name."""

    names = ("no", "yes")


class HubRows:
    """Three rows, as the `datasets` library hands them out."""

    def __init__(self, labels: list[int]) -> None:
        self.labels = labels
        picture = type("Image", (), {})()
        self.features = {"picture": picture, "answer": ClassLabel()}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, key: Any) -> Any:
        if key == "answer":
            return self.labels
        return {"picture": Image.new("L", (4, 4), key * 10), "answer": self.labels[key]}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A library whose calls are recorded."""
    asked: list[Any] = []

    def load_dataset(name: str, config: str | None, split: str | None) -> Any:
        asked.append((name, config, split))
        if name == "a/missing":
            raise FileNotFoundError("no such set\non the hub")
        if name == "a/text":
            rows = HubRows([0])
            rows.features = {"words": object()}
            return {"train": rows}
        parts = {"train": HubRows([0, 1, 1]), "validation": HubRows([-1, -1])}
        return parts if split is None else parts[split]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    return asked


def test_hub_sets(hub: list[Any]) -> None:
    data = opened("hf:a/set:small")
    assert hub == [("a/set", "small", None)]
    assert (data.spec.shape, data.spec.classes, data.spec.count) == ((1, 4, 4), ("no", "yes"), 3)
    batch = data.batch(0, 3)
    levels = ((batch.images[:, 0, 0, 0] + 1) * 127.5).round().long() // 10
    assert torch.equal((levels > 0).long(), batch.labels)
    held = data.held_out(9)
    assert held is not None
    assert len(held.images) == 2
    assert held.labels is None
    assert opened("hf:a/set/validation").held_out(1) is None
    assert hub[-1] == ("a/set", None, "validation")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("hf:a/missing", r"hf:a/missing cannot be loaded \(no such set\); check the name"),
        ("hf:a/text", "hf:a/text has no column of images; it has words"),
        ("hf:alone", '"hf:alone" must read hf:owner/name'),
    ],
)
def test_hub_mistakes(hub: list[Any], text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        opened(text)
    assert "\n" not in str(caught.value)


def test_the_hub_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"not installed: pip install datasets$"):
        opened("hf:a/set")


def test_the_digits_are_those_of_their_authors() -> None:
    from sklearn.datasets import load_digits

    theirs = load_digits()
    with np.load(Path(embedded.__file__).with_name("digits.npz")) as ours:
        np.testing.assert_array_equal(ours["images"], theirs.images)
        np.testing.assert_array_equal(ours["labels"], theirs.target)


def test_importing_the_batches_loads_no_reader() -> None:
    code = (
        "import sys, ganwright.data.types, ganwright.data; "
        "print(sorted({'PIL', 'torchvision', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.fixture
def real() -> Path:
    folder = os.environ.get("GANWRIGHT_DATA")
    if folder is None:
        pytest.skip("GANWRIGHT_DATA does not name a folder of real data")
    return Path(folder)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "query", "task", "size", "shape", "target", "count"),
    [
        ("anime", "", Images, None, (3, 64, 64), None, 15_896),
        ("usps", "", Images, None, (1, 16, 16), None, 7_291),
        ("facades", "", Paired, 256, (3, 256, 256), (3, 256, 256), 302),
        ("facades", "?onehot=a", Paired, 64, (12, 64, 64), (3, 64, 64), 302),
        ("horse2ink", "", Unpaired, 128, (3, 128, 128), (3, 128, 128), 1_331),
        ("photos", "?low=4", Paired, 96, (3, 24, 24), (3, 96, 96), 200),
    ],
)
def test_real_folders(
    real: Path,
    name: str,
    query: str,
    task: type,
    size: int | None,
    shape: tuple[int, ...],
    target: tuple[int, ...] | None,
    count: int,
) -> None:
    spec = opened(f"{real / name}{query}", task, size).spec
    assert (spec.shape, spec.target, spec.count) == (shape, target, count)


@pytest.mark.realdata
def test_real_mnist(real: Path) -> None:
    data = opened("mnist", data_root=real)
    held = data.held_out(10_000)
    assert held is not None
    assert (data.spec.count, len(held.images)) == (60_000, 10_000)
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(data.batch(0, 60_000).labels).tolist() == counts


@pytest.mark.parametrize("depth", [6, 7, 10**9])
def test_too_many_combinations_are_refused(depth: int) -> None:
    with pytest.raises(DataError, match=f"stacked {depth} times has more combinations of its 10"):
        opened(f"digits?stack={depth}")
