"""Batches: drawn by number, pure, the same from memory and from disk."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganwright.data import Data, DataOptions, Images, Paired, SemiSupervised, Unpaired, open_data
from ganwright.data.batches import lowered
from ganwright.data.serve import load as memory
from ganwright.errors import DataError, SettingsError

CPU = torch.device("cpu")


def opened(source: Any, task: type = Images, size: int | None = None, **options: Any) -> Data:
    return open_data(source, task=task, options=DataOptions(image_size=size, **options))


def numbered(count: int, size: int = 4) -> Tensor:
    """Pictures that are told apart by their brightness, 2 grey levels apart."""
    levels = torch.arange(count, dtype=torch.uint8) * 2
    return levels[:, None, None, None].expand(-1, 3, size, size).contiguous()


def numbers(images: Tensor) -> list[int]:
    """The inverse of `numbered`."""
    return ((images.mean((1, 2, 3)) + 1) * 127.5 / 2).round().int().tolist()


def same(one: Any, other: Any) -> bool:
    return all(
        (a is None and b is None) or torch.equal(a, b) for a, b in zip(one, other, strict=True)
    )


def write(path: Path, pixels: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def photographs(folder: Path, count: int, sizes: tuple[tuple[int, int], ...] = ((12, 12),)) -> Path:
    generator = np.random.default_rng(0)
    for i in range(count):
        height, width = sizes[i % len(sizes)]
        pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        write(folder / f"{i:03}.png", pixels)
    return folder


def test_each_epoch_shows_each_picture_once_and_batches_cross_epochs() -> None:
    data = opened(numbered(10))
    shown = [n for draw in range(10) for n in numbers(data.batch(draw, 3).images)]
    epochs = [shown[i : i + 10] for i in range(0, 30, 10)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 3
    assert epochs[0] != epochs[1] != epochs[2] != list(range(10))


def test_a_batch_may_be_larger_than_the_data_set() -> None:
    shown = numbers(opened(numbered(3)).batch(1, 7).images)
    assert len(shown) == 7
    assert sorted(shown[2:5]) == [0, 1, 2]


def test_a_batch_depends_on_the_seed_and_its_number_alone() -> None:
    one, other = opened(numbered(20), flip=True, seed=3), opened(numbered(20), flip=True, seed=3)
    later = one.batch(7, 5)
    one.batch(0, 5)
    assert same(later, other.batch(7, 5))
    assert same(later, one.batch(7, 5))
    assert not same(later, opened(numbered(20), seed=4).batch(7, 5))


@pytest.mark.parametrize("limit", [1 << 20, 1])
def test_the_global_generator_is_left_alone(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "RESIDENT_BYTES", limit)
    data = opened(str(photographs(tmp_path, 20)), flip=True, workers=0)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    data.batch(0, 5)
    data.preview(4)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("world", [2, 3])
def test_the_ranks_share_one_batch(world: int) -> None:
    pictures = torch.randint(0, 256, (11, 3, 6, 6), dtype=torch.uint8)
    data = opened((pictures, torch.arange(11)), flip=True)
    whole = data.batch(4, 6)
    parts = [data.batch(4, 6, rank, world) for rank in range(world)]
    assert whole.labels is not None
    assert torch.equal(whole.images, torch.cat([part.images for part in parts]))
    assert torch.equal(whole.labels, torch.cat([part.labels for part in parts]))


def test_a_batch_that_ranks_can_not_share_is_refused() -> None:
    with pytest.raises(SettingsError, match="a batch of 5 cannot be shared evenly by 2 processes"):
        opened(numbered(4)).batch(0, 5, 0, 2)


def test_labels_stay_with_their_pictures() -> None:
    batch = opened((numbered(30), torch.arange(30))).batch(2, 16)
    assert batch.labels.tolist() == numbers(batch.images)
    assert batch.labels.dtype == torch.int64


def test_pixels_span_minus_one_to_one() -> None:
    pixels = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    images = opened(pixels).batch(0, 2).images
    assert images.dtype == torch.float32
    assert sorted(images[:, 0, 0, 0].tolist()) == [-1.0, 1.0]


def test_flips_mirror_about_half_and_nothing_else() -> None:
    pixels = torch.arange(4, dtype=torch.uint8).expand(1, 1, 4, 4).contiguous()
    rows = opened(pixels, flip=True).batch(0, 400).images[:, 0, 0]
    plain, mirrored = rows[0].sort().values, rows[0].sort(descending=True).values
    flipped = (rows == mirrored).all(1)
    assert torch.equal(flipped, ~(rows == plain).all(1))
    assert 150 < flipped.sum() < 250


def test_domains_are_shuffled_apart_and_pairs_together() -> None:
    same_pictures = (numbered(50), numbered(50))
    unpaired = opened(same_pictures, Unpaired).batch(0, 50)
    paired = opened(same_pictures, Paired).batch(0, 50)
    assert numbers(unpaired.a) != numbers(unpaired.b)
    assert sorted(numbers(unpaired.a)) == sorted(numbers(unpaired.b)) == list(range(50))
    assert numbers(paired.a) == numbers(paired.b)


def test_pairs_are_mirrored_and_cut_alike(tmp_path: Path) -> None:
    photographs(tmp_path / "a", 6)
    photographs(tmp_path / "b", 6)
    batch = opened(f"{tmp_path}?jitter=1.5", Paired, 8, flip=True).batch(0, 24)
    assert torch.equal(batch.a, batch.b)
    # The same picture comes four times, turned and cut in several ways.
    assert len(torch.unique(batch.a.flatten(1), dim=0)) > 12


def test_a_held_out_picture_is_never_cut_at_random(tmp_path: Path) -> None:
    for split in ("train", "test"):
        photographs(tmp_path / split / "a", 3)
        photographs(tmp_path / split / "b", 3)
    data = opened(f"{tmp_path}?jitter=1.5", Paired, 12, flip=True)
    held = data.held_out(3)
    assert held is not None
    files = []
    for i in range(3):
        with Image.open(tmp_path / "test" / "a" / f"{i:03}.png") as file:
            files.append(np.array(file))
    expected = torch.from_numpy(np.stack(files)).permute(0, 3, 1, 2) / 127.5 - 1
    order = [int((held.a - x).abs().amax((1, 2, 3)).argmin()) for x in expected]
    assert sorted(order) == [0, 1, 2]
    assert torch.equal(held.a[order], expected)
    assert same(held, data.held_out(3))


STREAMED = [
    ("", Images, 8, {"flip": True}),
    ("?jitter=1.3", Images, 8, {}),
    ("?crop=random", Images, 8, {"flip": True}),
    ("?low=2", Paired, 8, {}),
    ("", Unpaired, 8, {"flip": True}),
]


@pytest.mark.parametrize(("query", "task", "size", "settings"), STREAMED)
def test_streamed_batches_are_the_resident_ones(
    query: str,
    task: type,
    size: int,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photographs(tmp_path / "one", 7, ((12, 16), (9, 9), (20, 11)))
    photographs(tmp_path / "two", 5, ((10, 10),))
    text = f"{tmp_path}{query}"
    resident = opened(text, task, size, **settings)
    monkeypatch.setattr(memory, "RESIDENT_BYTES", 1)
    streamed = opened(text, task, size, workers=0, **settings)
    assert streamed.spec == resident.spec
    # In order, then from the middle, on, and back.
    for draw in (0, 1, 2, 9, 10, 3):
        assert same(streamed.batch(draw, 4), resident.batch(draw, 4))
    assert same(streamed.batch(5, 4, 1, 2), resident.batch(5, 4, 1, 2))
    assert same(streamed.preview(4), resident.preview(4))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_read_ahead_and_keep_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs(tmp_path / "cats", 6)
    photographs(tmp_path / "dogs", 5)
    resident = opened(str(tmp_path))
    monkeypatch.setattr(memory, "RESIDENT_BYTES", 1)
    streamed = opened(str(tmp_path), workers=1)
    for draw in (2, 3, 4, 0, 1):
        batch = streamed.batch(draw, 4)
        assert batch.labels is not None
        assert same(batch, resident.batch(draw, 4))
    (worker,) = multiprocessing.active_children()
    streamed.close()
    assert not worker.is_alive(), "nothing is left to the garbage collector"
    assert same(streamed.batch(2, 4), resident.batch(2, 4)), "and it starts again"
    streamed.close()


def test_a_broken_file_in_a_stream_is_named_or_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs(tmp_path, 4)
    broken = tmp_path / "002.png"
    broken.write_bytes(broken.read_bytes()[:200])
    monkeypatch.setattr(memory, "RESIDENT_BYTES", 1)
    with pytest.raises(DataError, match=r"1 image cannot be used: .*002\.png \(.*truncated"):
        opened(str(tmp_path), workers=0).batch(0, 4)
    with pytest.warns(UserWarning, match=r"skipped 1 image so far, the last .*002\.png \("):
        batch = opened(str(tmp_path), workers=0, on_bad_file="skip").batch(0, 4)
    assert batch.images.shape == (4, 3, 12, 12)
    assert len(torch.unique(batch.images.flatten(1), dim=0)) == 3


def test_low_resolution_is_made_of_the_very_window(tmp_path: Path) -> None:
    photographs(tmp_path, 3, ((20, 30), (16, 16)))
    data = opened(f"{tmp_path}?low=4", Paired, 16)
    batch = data.batch(0, 6)
    assert (data.spec.shape, data.spec.target) == ((3, 4, 4), (3, 16, 16))
    assert torch.equal(batch.a, lowered(batch.b, 4))


def test_low_resolution_is_the_bicubic_that_image_tools_write() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize((6, 4), Image.Resampling.BICUBIC))
    high = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
    levels = (lowered(high, 4)[0].permute(1, 2, 0) + 1) * 127.5
    assert torch.allclose(levels, levels.round(), atol=1e-4)
    assert np.abs(levels.round().numpy() - expected).max() <= 1


def test_few_labels_are_balanced_and_the_rest_stay_hidden() -> None:
    labels = torch.arange(60) % 3
    data = opened((numbered(60), labels), SemiSupervised, labels_per_class=2, seed=1)
    seen: dict[int, int] = {}
    for draw in range(20):
        batch = data.batch(draw, 6)
        assert batch._fields == ("images", "labels", "unlabelled")
        seen |= dict(zip(numbers(batch.images), batch.labels.tolist(), strict=True))
    assert len(seen) == 6
    assert all(labels[number] == label for number, label in seen.items())
    assert sorted(seen.values()) == [0, 0, 1, 1, 2, 2]
    everything = [n for draw in range(10) for n in numbers(data.batch(draw, 6).unlabelled)]
    assert sorted(everything) == list(range(60))


def test_the_choice_of_labels_follows_the_seed() -> None:
    labels = torch.arange(60) % 3

    def labelled(seed: int) -> set[int]:
        data = opened((numbered(60), labels), SemiSupervised, labels_per_class=2, seed=seed)
        return set(numbers(data.batch(0, 6).images))

    assert labelled(0) == labelled(0) != labelled(1)


def test_more_labels_than_there_are_is_refused() -> None:
    with pytest.raises(DataError, match="class 1 has 2 images, fewer than the 3"):
        opened((numbered(5), [0, 0, 0, 1, 1]), SemiSupervised, labels_per_class=3)


def test_labels_per_class_needs_a_family_that_heeds_it() -> None:
    with pytest.raises(SettingsError, match="labels_per_class is for families"):
        opened("digits", labels_per_class=3)


def test_preview_is_fixed_and_held_out_where_it_can_be(tmp_path: Path) -> None:
    data = opened("digits", flip=True)
    held = data.held_out(9)
    assert held is not None
    assert same(data.preview(9), held)
    assert same(data.preview(4), [x[:4] for x in held])
    own = opened(numbered(8), flip=True)
    assert own.held_out(3) is None
    assert same(own.preview(3), own.preview(3))
    assert len(own.preview(64).images) == 8


def test_a_preview_of_a_folder_shows_all_its_classes(tmp_path: Path) -> None:
    for label in "abc":
        photographs(tmp_path / label, 10)
    labels = opened(str(tmp_path)).preview(16).labels
    assert labels is not None
    assert set(labels.tolist()) == {0, 1, 2}


@pytest.mark.gpu
@pytest.mark.parametrize("limit", [1 << 30, 1])
@pytest.mark.parametrize(("query", "task"), [("?jitter=1.3", Images), ("?low=2", Paired)])
def test_a_gpu_gets_the_batches_of_the_cpu(
    limit: int, query: str, task: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{photographs(tmp_path, 7, ((12, 16), (20, 11)))}{query}"
    here = opened(text, task, 8, flip=True)
    monkeypatch.setattr(memory, "RESIDENT_BYTES", limit)
    options = DataOptions(flip=True, workers=0, image_size=8)
    there = open_data(text, task=task, options=options, device=torch.device("cuda"))
    for draw in (0, 5, 6):
        for one, other in zip(here.batch(draw, 4), there.batch(draw, 4), strict=True):
            if one is not None:
                assert other.is_cuda
                assert torch.allclose(one, other.cpu(), atol=1.1 / 127.5)
