"""Class-balanced draws: every class equally often, every picture of a class equally often."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ganwright.data import open_data
from ganwright.data.options import DataOptions
from ganwright.data.serve.order import Draw
from ganwright.data.types import Images, Paired, SemiSupervised
from ganwright.errors import SettingsError

LABELS = torch.tensor([0] * 90 + [2] * 10 + [5] * 4)
PICTURES = torch.arange(104, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4)


def opened(task: Any = Images, source: Any = (PICTURES, LABELS), **options: Any) -> Any:
    return open_data(source, task=task, options=DataOptions(balance=True, **options))


def numbers(images: torch.Tensor) -> list[int]:
    levels = (images[:, 0, 0, 0] * 127.5 + 127.5).round()
    return [int(level) for level in levels]


def test_each_class_is_drawn_equally_often() -> None:
    data = opened()
    for draw in range(5):
        batch = data.batch(draw, 30)
        assert batch.labels.bincount().tolist() == [10, 0, 10, 0, 0, 10]
        assert torch.equal(LABELS[numbers(batch.images)], batch.labels)


def test_each_picture_of_a_class_is_drawn_equally_often() -> None:
    seen = [i for draw in range(60) for i in numbers(opened().batch(draw, 9).images)]
    counts = torch.tensor(seen).bincount(minlength=104)
    assert counts[:90].tolist() == [2] * 90  # 180 rounds, each with one picture of the class
    assert counts[90:100].tolist() == [18] * 10
    assert counts[100:].tolist() == [45] * 4


def test_processes_share_a_balanced_batch_and_seeds_order_it() -> None:
    whole = opened().batch(3, 8).images
    parts = [opened().batch(3, 8, rank, 2).images for rank in (0, 1)]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(opened(seed=1).batch(3, 8).images, whole)


def test_one_order_is_kept_for_each_class() -> None:
    stream = opened()._streams[0]
    for draw in range(200):
        stream.picks(Draw(draw, 30))
    assert sorted(stream._newest) == [0, 1, 2]
    again = opened()._streams[0]
    assert torch.equal(stream.picks(Draw(3, 30)).members, again.picks(Draw(3, 30)).members)


def test_few_labels_are_balanced_and_unlabelled_pictures_are_not() -> None:
    batch = opened(SemiSupervised).batch(0, 24)
    assert batch.labels.bincount().tolist() == [8, 0, 8, 0, 0, 8]
    assert sum(number < 90 for number in numbers(batch.unlabelled)) > 12


@pytest.mark.parametrize(
    ("source", "task"), [(PICTURES, Images), ("digits-paired", Paired), (iter([]), Images)]
)
def test_without_labels_it_is_refused(source: Any, task: Any) -> None:
    with pytest.raises(SettingsError, match=r"balance (draws classes|has no effect)"):
        opened(task, source)
