"""The share of the pictures that is held out where the data has no test split."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from helpers import CONV, tensors
from PIL import Image
from torch import Tensor

import ganwright
from ganwright.config.settings import Settings
from ganwright.data import DataOptions, Images, Paired, RunData, SemiSupervised, Unpaired, open_data
from ganwright.errors import SettingsError
from ganwright.metrics.image_set import of_data, translated
from ganwright.run import run_folder
from ganwright.run.config_file import from_yaml, to_yaml

QUICK: dict[str, Any] = {
    "image_size": 8, "batch_size": 4, "device": "cpu", "precision": "fp32", "workers": 0,
    "networks": CONV, "sample_every": 3, "save_every": 3, "log_every": 3,
}  # fmt: skip


def opened(source: Any, task: type = Images, share: Any = "auto", **options: Any) -> RunData:
    chosen = DataOptions(**({"workers": 0, "held_out": share} | options))
    return open_data(source, task=task, options=chosen)


def numbered(count: int) -> Tensor:
    """Pictures that are told apart by two bytes."""
    numbers = torch.arange(count)
    two = torch.stack([numbers // 256, numbers % 256], 1).to(torch.uint8)
    return two[:, None, :, None].expand(-1, 1, -1, 4).contiguous()


def numbers(images: Tensor) -> list[int]:
    levels = ((images[:, 0, :, 0] + 1) * 127.5).round().long()
    return (levels[:, 0] * 256 + levels[:, 1]).tolist()


@pytest.mark.parametrize(
    ("count", "held"), [(199, 0), (200, 16), (320, 16), (1000, 50), (30_000, 1000)]
)
def test_how_many_are_held_out(count: int, held: int) -> None:
    data = opened(numbered(count))
    assert data.spec.count == count - held
    if not held:
        assert data.held_out(count) is None
        assert not any("held out" in note for note in data.notes)
        return
    assert f"held out {held:,} of {count:,} images for evaluation" in data.notes
    test = numbers(data.held_out(count).images)  # type: ignore[union-attr]
    train = numbers(data.batch(0, count - held).images)
    assert len(test) == held
    assert sorted(test + train) == list(range(count))


def test_the_seed_does_not_choose_what_is_held_out() -> None:
    one, other = (opened(numbered(300), seed=seed) for seed in (1, 2))
    assert numbers(one.held_out(300).images) == numbers(other.held_out(300).images)  # type: ignore[union-attr]
    assert numbers(one.batch(0, 64).images) != numbers(other.batch(0, 64).images)
    assert numbers(one.held_out(9).images) != list(range(9)), "nor the order"  # type: ignore[union-attr]


def test_a_share_may_be_asked_for() -> None:
    assert len(opened(numbered(50), share=0.1).held_out(50).images) == 5  # type: ignore[union-attr]
    assert opened(numbered(5000), share=0).held_out(50) is None
    assert opened(numbered(5000), share=0).spec.count == 5000
    points = torch.randn(400, 2)
    assert opened(points).spec.count == 400, "points are many or drawn"
    assert opened(points, share=0.25).spec.count == 300


@pytest.mark.parametrize(
    ("source", "share", "sentence"),
    [
        ("digits", 0.1, "held_out is 0.1, but digits has a test split of its own"),
        (numbered(1), 0.5, "held_out is 0.5, but no image can be spared"),
        (iter(numbered(9)), 0.5, "held_out has no effect with an iterable"),
    ],
)
def test_shares_that_cannot_be(source: Any, share: float, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        opened(source, share=share)


@pytest.mark.parametrize("name", ["digits", "glyphs-unpaired", "ring"])
def test_sets_that_come_with_the_package_stay_whole(name: str) -> None:
    task = Unpaired if "unpaired" in name else Images
    whole, data = opened(name, task, share=0), opened(name, task)
    assert data.spec == whole.spec
    assert torch.equal(data.batch(2, 8)[0], whole.batch(2, 8)[0])


def test_a_class_keeps_its_labels() -> None:
    labels = torch.zeros(400, dtype=torch.int64)
    labels[7], labels[8:12] = 1, 2
    data = opened((numbered(400), labels), share=0.9)
    train = data.batch(0, data.spec.count)
    assert data.spec.count == 40
    assert train.labels.unique().tolist() == [0, 1, 2]
    few = opened((numbered(400), labels.clamp(0, 1) * 0), SemiSupervised, 0.9, labels_per_class=60)
    assert few.spec.count == 60


def test_pairs_stay_together_and_domains_do_not() -> None:
    pairs = opened((numbered(300), numbered(300)), Paired)
    held = pairs.held_out(300)
    assert held is not None
    assert numbers(held.a) == numbers(held.b)
    domains = opened((numbered(300), numbered(400)), Unpaired)
    assert "held out 16 of 300 and 20 of 400 images for evaluation" in domains.notes


class Mean(ganwright.Metric):
    """How far the mean grey of samples is from that of held-out images."""

    def measure(self, real: Tensor | None, fake: Tensor) -> dict[str, float]:
        assert real is not None
        return {"count": float(len(real))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos")
    for i, pixels in enumerate(numbered(200).repeat_interleave(4, 2).repeat_interleave(2, 3)):
        Image.fromarray(pixels[0].numpy()).save(path / f"{i:03}.png")
    return path


def test_a_plain_folder_is_measured_and_resumes_to_the_bit(folder: Path, tmp_path: Path) -> None:
    said = io.StringIO()
    with redirect_stdout(said):
        ganwright.train(
            "dcgan", data=folder, steps=6, out=tmp_path / "a", metrics=[Mean()], **QUICK
        )
    head = json.loads(said.getvalue().splitlines()[0])
    assert "held out 16 of 200 images for evaluation" in head["notes"]
    assert head["samples"] == 184
    row = json.loads((tmp_path / "a/metrics.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert row["Mean/count"] == 16
    ganwright.train("dcgan", data=folder, steps=3, out=tmp_path / "b", quiet=True, **QUICK)
    ganwright.resume(tmp_path / "b", steps=6, quiet=True)
    one, other = tensors(tmp_path / "a"), tensors(tmp_path / "b")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_of_an_older_version_goes_on_with_all_images(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = QUICK | {"quiet": True, "data": folder, "held_out": 0}
    ganwright.train("dcgan", steps=6, out=tmp_path / "whole", **quick)

    def as_it_was(family: str, settings: Settings) -> str:
        return to_yaml(family, settings).replace("held_out: 0.0\n", "")

    monkeypatch.setattr(run_folder, "to_yaml", as_it_was)
    ganwright.train("dcgan", steps=3, out=tmp_path / "old", **quick)
    monkeypatch.undo()
    assert "held_out" not in (tmp_path / "old/config.yaml").read_text(encoding="utf-8")
    ganwright.resume(tmp_path / "old", steps=6, quiet=True)
    one, other = tensors(tmp_path / "whole"), tensors(tmp_path / "old")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_a_whole_configuration_lacks_was_not_held_out() -> None:
    whole = to_yaml("dcgan", Settings())
    assert "held_out: auto\n" in whole
    assert from_yaml(whole)[1].held_out == "auto"
    assert from_yaml(whole.replace("held_out: auto\n", ""))[1].held_out == 0.0
    assert from_yaml("family: dcgan")[1].held_out == "auto", "a person leaves out what is usual"
    assert from_yaml("family: dcgan\nheld_out: 0.1")[1].held_out == 0.1


def test_metrics_of_domains_use_all_images_of_either() -> None:
    """Not as many as the smaller domain has: row i of one says nothing of row i of the other."""
    a, b = (torch.rand(n, 1, 8, 8) * 2 - 1 for n in (20, 70))
    for pair, real, made in (((a, b), 70, 20), ((b, a), 20, 70)):
        data = open_data(pair, task=Unpaired, options=DataOptions())
        found = of_data(data, "train", None, "the data")
        assert found.count == len(found.tensor(1000)) == real
        few = of_data(data, "train", 10, "the data")
        assert torch.equal(found.tensor(10), few.tensor(1000))
        game = cast(Any, SimpleNamespace(spec=data.spec, device="cpu"))
        game.translate = lambda x, direction: x
        fake = translated(game, data, "train", None, 0)
        assert fake.count == len(fake.tensor(1000)) == made
