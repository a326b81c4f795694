"""`ganwright augment`: which samples are written, where, and which are left out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny
from PIL import Image
from test_cli import error_of
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

import ganwright
from ganwright.cli import main
from ganwright.data import DataOptions, Images, open_data
from ganwright.errors import RunError, SettingsError
from ganwright.metrics.features import Extractor, Features
from ganwright.metrics.image_set import of_tensor
from ganwright.pixels import to_bytes
from ganwright.run import augment_data as augmenting
from ganwright.run.train import train


@dataclass(frozen=True)
class Level(Features):
    """The mean of an image, times 100."""

    @property
    def key(self) -> str:
        return "level"

    def build(self, device: torch.device) -> Extractor:
        return lambda x: (100 * x.mean((1, 2, 3))[:, None], None)


def flat(*levels: float) -> Tensor:
    """Images of one value each, in 127.5ths."""
    return torch.tensor(levels)[:, None, None, None].div(127.5).sub(1).expand(-1, 1, 4, 4)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "cgan"
    cls, settings = tiny("cgan", steps=2, sample_every=50)
    train(cls, settings, folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "sgan"
    cls, settings = tiny("sgan", steps=2, sample_every=50)
    train(cls, settings, folder, quiet=True)
    return folder


def written(folder: Path) -> Tensor:
    """The images of a folder, uint8 [n, C, H, W]."""
    return torch.stack([pil_to_tensor(Image.open(file)) for file in sorted(folder.glob("*.png"))])


def test_a_copy_is_nearer_to_an_image_than_the_images_own_neighbour() -> None:
    """Training images at 0, 1 and 10: their nearest others are 1, 1 and 9 away."""
    passes = augmenting._original(of_tensor(flat(0, 1, 10)), Level(), torch.device("cpu"))
    # 5 is 4 from 1, farther than 1; 2 is 1 from 1, no farther; 14 is 4 from 10, nearer than 9
    assert passes(flat(5, 2, 14, 20), 0).tolist() == [True, False, False, True]


def test_each_class_gets_its_samples_and_continues(run: Path, tmp_path: Path) -> None:
    model, out = ganwright.load(run, device="cpu"), tmp_path / "more"
    keep_all = {"per_class": 3, "seed": 5, "agree": False, "copies": True}
    counts = ganwright.augment_data(model, out, **keep_all)
    assert [(c.name, c.kept, c.other_class, c.copies) for c in counts] == [
        (str(k), 3, 0, 0) for k in range(10)
    ]
    for k in range(10):
        expected = to_bytes(model.sample(3, seed=5, labels=[k]))
        assert torch.equal(written(out / str(k)), expected)
    said = json.loads((out / augmenting.SUMMARY).read_text(encoding="utf-8"))
    assert [row["kept"] for row in said["classes"]] == [3] * 10
    spec = open_data(str(out), task=Images, options=DataOptions(held_out=0)).spec
    assert (spec.count, spec.classes) == (30, tuple(map(str, range(10))))

    (out / "4" / "00001.png").unlink()
    ganwright.augment_data(model, out, **keep_all)
    assert torch.equal(written(out / "4"), to_bytes(model.sample(3, seed=5, labels=[4])))
    with pytest.raises(RunError, match="is another image"):
        ganwright.augment_data(model, out, **keep_all | {"seed": 6})


def test_no_image_of_an_earlier_call_stays(run: Path, tmp_path: Path) -> None:
    model, out = ganwright.load(run, device="cpu"), tmp_path / "more"
    keep_all: dict[str, Any] = {"seed": 5, "agree": False, "copies": True}
    ganwright.augment_data(model, out, 4, **keep_all)
    (out / "3" / "00000.npy").touch()
    (out / "3" / "mine.png").touch()
    (out / "3" / "2024.png").touch()
    (out / "3" / "00007.png").touch()
    before = sorted(out.rglob("*"))
    with pytest.raises(RunError, match=r"0 holds 2 images of an earlier call, .* 00002\.png"):
        ganwright.augment_data(model, out, 2, **keep_all)
    assert sorted(out.rglob("*")) == before
    ganwright.augment_data(model, out, 2, **keep_all | {"seed": 6}, replace=True)
    assert torch.equal(written(out / "0"), to_bytes(model.sample(2, seed=6, labels=[0])))
    names = ["00000.png", "00001.png", "00007.png", "2024.png", "mine.png"]
    assert sorted(file.name for file in (out / "3").iterdir()) == names


def test_each_class_has_a_folder_of_its_own_that_every_system_takes() -> None:
    names = ["cat", "a/b", "a_b", "A:B", "..", ".x", "y ", "", "cat"]
    found = augmenting.folders(names)
    assert found == ["cat-0", "a_b-1", "a_b-2", "A_B-3", "__", "_x", "y_", "_", "cat-8"]
    assert augmenting.folders(["A", "a", "a-1"]) == ["A-0", "a-1-1", "a-1-2"]


def test_a_classifier_must_agree(run: Path, judge: Path, tmp_path: Path) -> None:
    model, reader = (ganwright.load(folder, device="cpu") for folder in (run, judge))
    out, options = tmp_path / "agreed", {"per_class": 8, "tries": 8, "copies": True}
    counts = ganwright.augment_data(model, out, classifier=judge, **options)
    for k, count in enumerate(counts):
        images = model.sample(64, seed=0, labels=[k])  # 8 x 8 are one part
        right = reader.classify(images).argmax(1) == k
        assert (count.drawn, count.other_class) == (64, int((~right).sum()))
        assert count.kept == min(8, int(right.sum()))
        if count.kept:
            assert torch.equal(written(out / str(k)), to_bytes(images[right][:8]))


def test_by_default_both_filters_use_the_runs_own_data(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After two steps G draws noise, which passes as original and not as its class."""
    asked = ["augment", str(run), "--per-class", "2", "--tries", "2", "--device", "cpu"]
    assert main([*asked, "--out", str(tmp_path / "few")]) == 0
    out, error = capsys.readouterr()
    head, *rows, last = out.splitlines()
    assert head.split() == ["class", "drawn", "kept", "other", "class", "copies"]
    counts = [list(map(int, row.split())) for row in rows]
    assert [row[0] for row in counts] == list(range(10))
    assert last == str(tmp_path / "few")
    assert all(kept <= 2 and drawn == 4 for _, drawn, kept, _, _ in counts)
    wrong = sum(row[3] for row in counts)
    assert 20 <= wrong <= 40  # of 40: a network that saw digits names at most half of noise
    assert "ganwright: warning: fewer than 2 samples of" in error


def test_wrong_input_is_a_sentence(
    run: Path, judge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, large = tmp_path / "dcgan", tmp_path / "large"
    cls, settings = tiny("dcgan", steps=1)
    train(cls, settings, plain, quiet=True)
    with pytest.raises(SettingsError, match="does not draw images of one class each"):
        ganwright.augment_data(plain, tmp_path / "x")
    with pytest.raises(SettingsError, match="cannot classify"):
        ganwright.augment_data(run, tmp_path / "x", classifier=run)
    cls, settings = tiny("sgan", steps=1, image_size=16)
    train(cls, settings, large, quiet=True)
    with pytest.raises(SettingsError, match="does not draw images of one class each"):
        ganwright.augment_data(large, tmp_path / "x")  # it knows classes, and draws any of them
    with pytest.raises(SettingsError, match="classifies 1x16x16 of 10 classes, or other names"):
        ganwright.augment_data(run, tmp_path / "x", classifier=large)
    with pytest.raises(SettingsError, match="per_class is 0; it must be at least 1"):
        ganwright.augment_data(run, tmp_path / "x", 0)
    for given, sentence in (
        ({"features": "Nothing"}, "features: unknown Features Nothing"),
        ({"steps": 1}, "augment_data takes no steps; did you mean step"),
        ({"out": None}, "out is None"),
    ):
        with pytest.raises(SettingsError, match=sentence):
            ganwright.augment_data(**{"run": run, "out": tmp_path / "x", **given})
    with pytest.raises(SettingsError, match="best chooses the weights of a run folder"):
        ganwright.augment_data(ganwright.load(run), tmp_path / "x", best=True)
    assert "name a folder" in error_of(["augment", str(run), "--out", "x.png"], capsys)
    assert not (tmp_path / "x").exists()
