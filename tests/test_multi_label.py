"""Several labels a picture: rows of 0 and 1, in CGAN and ACGAN."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import CONV, TINY

import ganwright
from ganwright.cli import main
from ganwright.data import open_data
from ganwright.data.options import DataOptions
from ganwright.data.types import Images, SemiSupervised
from ganwright.errors import DataError, SettingsError
from ganwright.families.acgan import _accuracy, _class
from ganwright.inference.labels import wanted

ROWS = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 1]]).repeat(8, 1)
PICTURES = torch.arange(24, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8)


@pytest.mark.parametrize("kind", [torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.bool])
def test_batches_hold_the_rows(kind: Any) -> None:
    data = open_data((PICTURES, kind(ROWS)), task=Images)
    assert data.spec.several
    assert data.spec.classes == ("0", "1", "2", "3")
    assert data.spec.asked == (0, 1, 3)  # no picture is of class 2
    batch = data.batch(0, 24)
    numbers = (batch.images[:, 0, 0, 0] * 127.5 + 127.5).round().long()
    assert torch.equal(batch.labels, ROWS[numbers].float())


@pytest.mark.parametrize("kind", [torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.bool])
def test_one_column_is_one_label_an_image(kind: Any, tmp_path: Path) -> None:
    column = ROWS[:, :1]
    data = open_data((PICTURES, kind(column)), task=Images)
    assert (data.spec.several, data.spec.classes) == (False, ("0", "1"))
    assert data.batch(0, 24).labels.sum() == column.sum()
    np.savez(tmp_path / "set.npz", x=PICTURES.numpy(), y=np.asarray(kind(column)))
    assert open_data(tmp_path / "set.npz", task=Images).spec == data.spec
    named = open_data((PICTURES, [["cat"], ["dog"]] * 12), task=Images)
    assert named.spec.classes == ("cat", "dog")


def test_class_losses_are_sums_over_each_yes_and_no() -> None:
    logits, y = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]]), torch.tensor([[1.0, 0], [0, 1]])
    # -log .5 three times, and -log .25 of a wrong yes: a sum over classes, a mean over two images
    assert float(_class(logits, y)) == pytest.approx((3 * math.log(2) + math.log(4)) / 2)
    assert float(_accuracy(torch.tensor([[1.0, -1], [1, 1]]), y)) == 0.75
    assert float(_accuracy(torch.tensor([[1.0, -1], [1, 1]]), torch.tensor([0, 1]))) == 0.5


@pytest.mark.parametrize("family", ["cgan", "acgan"])
def test_a_family_learns_and_draws_several_at_once(family: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = {"steps": 2, "batch_size": 6, "image_size": 8, "device": "cpu", **TINY[family]}
    trained = ganwright.train(family, data=(PICTURES, ROWS), out=run, **settings)
    model = ganwright.load(run)
    assert model.spec == trained.spec
    both = model.sample(2, labels="0+3")
    assert torch.equal(both, model.sample(2, labels=["3 + 0"]))
    assert not torch.equal(both, model.sample(2, labels="0"))
    assert wanted(model.spec, "0+3").tolist() == [1, 0, 0, 1]
    assert wanted(model.spec, "none").tolist() == [0, 0, 0, 0]
    assert not torch.equal(model.sample(2, labels="none"), model.sample(2, labels="0"))
    with pytest.raises(SettingsError, match="no training image was of class 2"):
        model.sample(1, labels="1+2")
    assert main(["sample", str(run), "--labels", "0+1", "3", "--out", str(tmp_path / "x.png")]) == 0
    if family == "acgan":
        found = model.classify(torch.zeros(5, 1, 8, 8))
        assert found.shape == (5, 4)
        assert 0 < float(found.min()) < float(found.max()) < 1
        assert not torch.allclose(found.sum(1), torch.ones(5))


def test_one_label_is_drawn_as_before() -> None:
    assert not open_data((PICTURES, torch.arange(24) % 3), task=Images).spec.several


def test_what_takes_one_label_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="several labels per image, which cgan and acgan alone"):
        open_data((PICTURES, ROWS), task=SemiSupervised)
    with pytest.raises(DataError, match="without balance"):
        open_data((PICTURES, ROWS), task=Images, options=DataOptions(balance=True))
    with pytest.raises(SettingsError, match=r"takes one label an image, and this data has several"):
        ganwright.train(
            "dcgan",
            data=(PICTURES, ROWS),
            networks=CONV,
            conditional=True,
            image_size=8,
            out=tmp_path / "run",
        )
    with pytest.raises(DataError, match=r"labels of shape \(24, 4\) .* must be 0 or 1 in 24 rows"):
        open_data((PICTURES, ROWS * 2), task=Images)
    with pytest.raises(DataError, match=r"labels of shape \(23, 4\) .* in 24 rows"):
        open_data((PICTURES, ROWS[1:]), task=Images)


def test_a_class_called_none_is_that_class() -> None:
    spec = open_data((PICTURES, ROWS), task=Images).spec
    named = dataclasses.replace(spec, classes=("none", "red", "green", "blue"))
    assert wanted(named, "none").tolist() == [1, 0, 0, 0]
