"""Tar shards and data sets of Hugging Face's hub, read as they stream."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ganwright.data import DataOptions, Images, Paired, RunData, open_data
from ganwright.data.named import absolute
from ganwright.errors import DataError

datasets = pytest.importorskip("datasets")
pytestmark = pytest.mark.filterwarnings("ignore:labels of an iterable are left out")


@pytest.fixture
def shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two tar files of 12 pictures, each of one grey level."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    for shard in range(2):
        with tarfile.open(tmp_path / f"{shard}.tar", "w") as tar:
            for i in range(12):
                buffer = io.BytesIO()
                level = 10 * (12 * shard + i)
                Image.new("RGB", (20, 16), (level, level, level)).save(buffer, "PNG")
                for ending, data in (("png", buffer.getvalue()), ("cls", b"1")):
                    member = tarfile.TarInfo(f"{shard}{i:03}.{ending}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
    return tmp_path


def opened(text: str, **options: Any) -> RunData:
    return open_data(text, task=Images, options=DataOptions(image_size=8, **options))


def levels(data: RunData, draw: int, size: int) -> list[int]:
    images = data.batch(draw, size).images
    assert images.shape == (size, 3, 8, 8)
    return [round((float(image.mean()) + 1) * 127.5 / 10) for image in images]


def test_each_picture_of_all_shards_comes_once_a_pass_shuffled(shards: Path) -> None:
    data = opened(f"tar:{shards}/*.tar")
    first = levels(data, 0, 24)
    assert sorted(first) == list(range(24))
    assert first != list(range(24))
    assert sorted(levels(data, 1, 24)) == list(range(24))


def test_batches_are_a_function_of_seed_and_number(shards: Path) -> None:
    text = f"tar:{shards}/*.tar"
    unbroken = opened(text)
    drawn = [unbroken.batch(i, 5).images for i in range(6)]
    for number in (5, 2):  # as a resumed run has it
        assert torch.equal(opened(text).batch(number, 5).images, drawn[number])
    assert levels(opened(text, seed=1), 0, 24) != levels(opened(text), 0, 24)


def test_a_set_of_the_hub_streams(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load, asked = datasets.load_dataset, []

    def offline(path: str, name: str | None = None, **how: Any) -> Any:
        asked.append((path, name, how))
        files = str(shards / "*.tar")
        return load("webdataset", data_files=files, split=how["split"], streaming=True)

    monkeypatch.setattr(datasets, "load_dataset", offline)
    assert sorted(levels(opened("hf:owner/name:large?stream"), 0, 24)) == list(range(24))
    assert asked == [("owner/name", "large", {"streaming": True, "split": "train"})]


def test_what_cannot_be_streamed(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no file is called"):
        opened(f"tar:{shards}/none-*.tar")
    with pytest.raises(DataError, match="gives single images as they come"):
        open_data(f"tar:{shards}/*.tar", task=Paired)

    def missing(*_: Any, **__: Any) -> None:
        raise FileNotFoundError("there is no such data set")

    monkeypatch.setattr(datasets, "load_dataset", missing)
    with pytest.raises(DataError, match=r"cannot be streamed \(there is no such data set"):
        opened("hf:owner/name?stream")


def test_a_relative_pattern_holds_from_any_folder(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shards)
    assert absolute("tar:*.tar") == f"tar:{shards}/*.tar"
    assert absolute("tar:https://host/a.tar") == "tar:https://host/a.tar"
