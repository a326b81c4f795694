"""Packs: the decoded set in one file, from which the same run is trained."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from test_cli import error_of
from torch import Tensor

from ganwright import atomic
from ganwright.cli import main
from ganwright.data import DataOptions, Images, Paired, RunData, Unpaired, named, open_data
from ganwright.data.cached import pack
from ganwright.data.read.files import Tree
from ganwright.data.serve import load
from ganwright.data.types import Batch
from ganwright.errors import DataError, SettingsError

SIZE = DataOptions(image_size=16)


def picture(path: Path, size: tuple[int, int] = (40, 32), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = torch.randint(0, 256, (size[1], size[0], 3), dtype=torch.uint8).numpy()
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.fixture
def cats(tmp_path: Path) -> Path:
    """Two classes and a test split, JPEGs and PNGs of several sizes."""
    for i in range(6):
        name = f"{'cat' if i % 2 else 'dog'}/{i}.{'png' if i % 3 else 'jpg'}"
        picture(tmp_path / "pets" / "train" / name, (200 + i, 150))
        picture(tmp_path / "pets" / "test" / name)
    return tmp_path / "pets"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ganwright"


def same(a: RunData, b: RunData, batches: int = 4) -> None:
    """All batches and held-out pictures are equal, bit for bit."""
    assert a.spec == b.spec
    assert a.fingerprint == b.fingerprint
    pairs = [(a.batch(i, 4), b.batch(i, 4)) for i in range(batches)]
    for one, other in [*pairs, (a.held_out(4), b.held_out(4)), (a.preview(3), b.preview(3))]:
        assert (one is None) == (other is None)
        for x, y in zip(one or (), other or (), strict=True):
            assert torch.equal(x, y) if isinstance(x, Tensor) else x is y


@pytest.mark.parametrize("resident", [True, False])
def test_batches_are_bitwise_those_of_the_folder(
    cats: Path, resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not resident:
        monkeypatch.setattr(load, "RESIDENT_BYTES", 1)
    pack(str(cats), cats / "x.pack", options=SIZE, say=lambda text: None)
    options = DataOptions(image_size=16, flip=True, seed=3, workers=0)
    same(
        open_data(cats, task=Images, options=options),
        open_data(cats / "x.pack", task=Images, options=options),
    )


@pytest.mark.parametrize(
    ("make", "query", "task", "options"),
    [
        (("a/{}.png", "b/{}.jpg"), "", Paired, SIZE),
        (("trainA/{}.png", "trainB/{}.png"), "", Unpaired, SIZE),
        (("{}.png",), "?low=2", Paired, SIZE),
        (("{}.png",), "?crop=random", Images, SIZE),
        (("{}.png",), "?jitter=1.5", Images, SIZE),
        (("{}.png",), "", Images, DataOptions(channels=1)),
    ],
)
def test_every_kind_of_source(
    tmp_path: Path, make: tuple[str, ...], query: str, task: type[Batch], options: DataOptions
) -> None:
    for i in range(7):
        for name in make:
            picture(tmp_path / "set" / name.format(i))
    text, file = f"{tmp_path / 'set'}{query}", tmp_path / "x.pack"
    pack(text, file, task=task, options=options, say=lambda text: None)
    same(open_data(text, task=task, options=options), open_data(file, task=task, options=options))


def test_what_is_held_out_is_the_same(tmp_path: Path) -> None:
    for i in range(12):
        picture(tmp_path / "set" / f"{i}.png")
    options = DataOptions(image_size=16, held_out=0.25)
    pack(str(tmp_path / "set"), tmp_path / "x.pack", options=options, say=lambda text: None)
    data = open_data(tmp_path / "x.pack", task=Images, options=options)
    assert data.splits() == {"train": 9, "test": 3}
    same(open_data(tmp_path / "set", task=Images, options=options), data)


def test_its_size_is_said_before_and_is_right(cats: Path) -> None:
    said: list[str] = []

    def say(text: str) -> None:
        assert not (cats / "x.pack").exists()
        said.append(text)

    options = DataOptions(image_size=512)
    pack(str(cats), cats / "x.pack", options=options, say=say)
    assert said == [f"12 images of {cats} become 9.0 MiB, in {cats / 'x.pack'}"]
    assert 0 < (cats / "x.pack").stat().st_size - 12 * 3 * 512 * 512 < 10_000


def test_interrupted_packing_leaves_nothing(
    cats: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(json, "dumps", stop)
    with pytest.raises(KeyboardInterrupt):
        pack(str(cats), cats / "x.pack", options=SIZE, say=lambda text: None)
    with pytest.raises(KeyboardInterrupt):
        open_data(cats, task=Images, options=DataOptions(image_size=16, cache=True))
    assert not (cats / "x.pack").exists()
    assert list(own_cache.iterdir()) == []
    assert sorted(p.name for p in cats.iterdir()) == ["test", "train"]


def test_a_killed_packing_is_not_taken_for_whole(cats: Path) -> None:
    pack(str(cats), cats / "x.pack", options=SIZE, say=lambda text: None)
    whole = (cats / "x.pack").read_bytes()
    (cats / "x.pack").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged"):
        open_data(cats / "x.pack", task=Images, options=SIZE)
    # What stands beside until it is whole has a hidden name.
    assert atomic.beside_of(cats / "x.pack").name.startswith(".x.pack.")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"image_size": 32},
            "packed with image_size 16, and 32 is asked for; give --image-size 16",
        ),
        ({}, "packed with image_size 16, and None is asked for"),
        ({"image_size": 16, "channels": 1}, "packed with channels not given, and 1 is asked for"),
    ],
)
def test_pictures_are_not_asked_for_as_they_were_not_packed(
    cats: Path, options: dict[str, Any], sentence: str
) -> None:
    pack(str(cats), cats / "x.pack", options=SIZE, say=lambda text: None)
    with pytest.raises(SettingsError, match=sentence):
        open_data(cats / "x.pack", task=Images, options=DataOptions(**options))


def test_options_of_a_pack_s_string_are_refused(cats: Path) -> None:
    pack(str(cats), cats / "x.pack", options=SIZE, say=lambda text: None)
    for text in (f"{cats / 'x.pack'}?crop=random", f"{cats / 'x.pack'}->{cats}"):
        with pytest.raises(DataError, match="settled when it was packed"):
            open_data(text, task=Images, options=SIZE)
    for text in ("digits", str(cats / "x.pack")):
        with pytest.raises(DataError, match="in memory or packed already"):
            pack(text, cats / "y.pack", options=SIZE)


def test_files_that_cannot_be_read(cats: Path) -> None:
    bad = cats / "train" / "cat" / "1.png"
    bad.write_bytes(bad.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"cat/1\.png"):
        pack(str(cats), cats / "x.pack", options=SIZE, say=lambda text: None)
    assert not (cats / "x.pack").exists()
    skip = DataOptions(image_size=16, on_bad_file="skip")
    with pytest.warns(UserWarning, match=r"skipped 1 image: .*cat/1\.png"):
        pack(str(cats), cats / "x.pack", options=skip, say=lambda text: None)
    with pytest.warns(UserWarning, match="skipped 1 image"):
        a = open_data(cats, task=Images, options=skip)
    with pytest.warns(UserWarning, match="skipped 1 image"):
        b = open_data(cats / "x.pack", task=Images, options=skip)
    same(a, b)


def test_cache_reads_pictures_once_and_notices_changes(
    cats: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = DataOptions(image_size=16, cache=True)
    plain = open_data(cats, task=Images, options=SIZE)
    same(plain, open_data(cats, task=Images, options=options))
    assert "12 images of" in capsys.readouterr().err
    scan = Tree.scan
    monkeypatch.setattr(Tree, "scan", lambda self: pytest.fail("files are opened again"))
    same(plain, open_data(cats, task=Images, options=options))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(Tree, "scan", scan)
    picture(changed := cats / "train" / "cat" / "1.png")
    os.utime(changed, ns=(1, 1))
    same(open_data(cats, task=Images, options=SIZE), open_data(cats, task=Images, options=options))
    assert len(list(own_cache.iterdir())) == 2


def deep(folder: Path) -> str:
    """Six pictures of 16 bits, the n-th all of 200 times n."""
    folder.mkdir()
    for i in range(6):
        Image.fromarray(np.full((8, 8), 200 * i, np.uint16)).save(folder / f"{i}.png")
    return str(folder)


@pytest.mark.parametrize("options", [{}, {"range": (0.0, 1000.0)}])
def test_more_bits_are_packed_once_they_are_brought_to_eight(
    options: dict[str, Any], tmp_path: Path, own_cache: Path
) -> None:
    text = deep(tmp_path / "deep")
    sentence = "cannot be packed: .* no label maps; to bring them to 8 bits, train with --depth 8 "
    with pytest.raises(DataError, match=sentence):
        open_data(text, task=Images, options=DataOptions(cache=True, **options))
    with pytest.raises(DataError, match=sentence):
        pack(text, tmp_path / "x.pack", options=DataOptions(**options))
    plain = open_data(text, task=Images, options=DataOptions(depth=8, **options))
    for _ in range(2):
        data = open_data(text, task=Images, options=DataOptions(depth=8, cache=True, **options))
        same(plain, data)
    grey = data.batch(0, 6).images[:, 0, 0, 0].sort().values  # type: ignore[attr-defined]
    white = 1000 if options else 4095  # 12 bits
    expected = torch.arange(6) * 400 / white - 1
    assert torch.allclose(grey, expected, atol=0.005)


def test_a_range_that_was_not_packed_is_refused(cats: Path) -> None:
    pack(str(cats), cats / "x.pack", options=SIZE, say=lambda text: None)
    options = DataOptions(image_size=16, range=(0.0, 100.0))
    with pytest.raises(SettingsError, match=r"without the range asked for.*; leave --range out"):
        open_data(cats / "x.pack", task=Images, options=options)


def test_a_reader_travels_to_other_processes(cats: Path) -> None:
    pack(str(cats), cats / "x.pack", options=SIZE, say=lambda text: None)
    source = named.resolve(str(cats / "x.pack"), Images, SIZE)
    read = source.train[0].read  # type: ignore[union-attr]
    first = read(0).tobytes()
    copy = pickle.dumps(read)
    assert len(copy) < 2000
    assert pickle.loads(copy)(0).tobytes() == first


def test_no_room_is_said_before(cats: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    with pytest.raises(DataError, match=r"needs 0\.0 MiB, and 0\.0 MiB are free there"):
        pack(str(cats), cats / "x.pack", options=SIZE, say=lambda text: None)
    assert not (cats / "x.pack").exists()


def test_the_command_takes_height_and_width(cats: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `data` and `train` do; 16x16 is 16."""
    for size, other in (("8x16", "16"), ("16x16", "8x16")):
        file = cats / f"{size}.pack"
        assert main(["pack", str(cats), str(file), "--family", "gan", "--image-size", size]) == 0
        assert main(["data", str(file), "--image-size", size]) == 0
        capsys.readouterr()
        said = error_of(["data", str(file), "--image-size", other], capsys)
        assert f"give --image-size {size.replace('16x16', '16')}" in said


def test_the_command(cats: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["pack", str(cats), str(cats / "x.pack"), "--family", "gan", "--image-size", "16"]
    assert main(argv) == 0
    assert capsys.readouterr().out.startswith("12 images of")
    assert "exists; add --overwrite" in error_of(argv, capsys)
    run = ["train", "gan", "--data", str(cats / "x.pack"), "--image-size", "16", "--steps", "1"]
    run += ["--batch-size", "4", "--device", "cpu", "--out", str(cats / "run")]
    assert main([*run, "--game.networks", "MLP(hidden_G=(8,), hidden_D=(8,))"]) == 0
    known = json.loads((cats / "run" / "data.json").read_text(encoding="utf-8"))
    assert known["fingerprint"]["train"][0]["count"] == 6
