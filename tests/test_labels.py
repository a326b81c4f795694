"""Labels as users give them: numbers are numbers, and words are names first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_walk import model_of

from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.inference.labels import one_class, wanted
from ganwright.inference.walk import directions, shifted

ONE_TO_THREE = Spec(Images, (1, 8, 8), classes=("1", "2", "3"))


def test_a_number_is_that_of_a_class_whatever_the_classes_are_called() -> None:
    assert [int(wanted(ONE_TO_THREE, k)) for k in (0, 1, 2)] == [0, 1, 2]
    assert [int(wanted(ONE_TO_THREE, np.int64(k))) for k in (0, 1, 2)] == [0, 1, 2]
    assert [int(wanted(ONE_TO_THREE, name)) for name in ("1", "2", "3", "0")] == [0, 1, 2, 0]
    with pytest.raises(SettingsError, match="unknown label '3'"):
        wanted(ONE_TO_THREE, 3)
    with pytest.raises(SettingsError, match="unknown label '-1'"):
        wanted(ONE_TO_THREE, -1)


def test_the_same_holds_where_images_have_several_labels() -> None:
    several = replace(ONE_TO_THREE, several=True)
    assert wanted(several, 1).tolist() == [0, 1, 0]
    assert wanted(several, "1").tolist() == [1, 0, 0]
    assert wanted(several, "1+3").tolist() == [1, 0, 1]


def test_samples_of_a_number_are_of_that_class(tmp_path: Path) -> None:
    model = model_of("cgan")
    named = tuple(str(k + 1) for k in range(len(model.spec.classes)))
    by_number = model.sample(4, labels=[2])
    model.spec = replace(model.spec, classes=named)
    assert torch.equal(model.sample(4, labels=[2]), by_number)
    assert torch.equal(model.sample(4, labels=["3"]), by_number)


def test_what_shows_one_class_takes_no_two() -> None:
    for one in (None, (), "3", 3, ["3"]):
        one_class(one)
    with pytest.raises(SettingsError, match="labels names 2 classes, and all images here are of"):
        one_class(["3", "5"])
    model = model_of("cgan")
    found, strengths = directions(model, 1), torch.tensor([-1.0, 0.0, 1.0])
    with pytest.raises(SettingsError, match="labels names 2 classes"):
        shifted(model, found, strengths, labels=["3", "5"])
