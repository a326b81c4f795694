"""What a metric cannot measure is one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import FULL, tiny

import ganwright
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.metrics.distances import FID, KID
from ganwright.metrics.diversity import Diversity, PathLength
from ganwright.metrics.evaluation import evaluate
from ganwright.metrics.features import Extractor, Features
from ganwright.metrics.image_set import ImageSet, of_tensor
from ganwright.metrics.labelled import ClassificationAccuracy
from ganwright.metrics.metric import Metric
from ganwright.metrics.neighbours import PrecisionRecall
from ganwright.run.evaluation import Choice

FAST = ClassificationAccuracy(steps=1)


def labelled(shape: tuple[int, ...] = (1, 8, 8), *, labels: bool = True, **about: Any) -> ImageSet:
    kinds = torch.arange(4) % 2 if labels else None
    images = torch.rand(4, *shape) * 2 - 1
    return of_tensor(images, kinds, classes=("a", "b"), shape=shape, name="theirs", **about)


@pytest.mark.parametrize(
    ("real", "said"),
    [
        (
            labelled(labels=False, spec=Spec(Images, (1, 8, 8), several=True)),
            "needs one class per image, and these images have several labels each; leave it out",
        ),
        (labelled(labels=False), "needs the class of each image, and theirs has none; compare"),
        (
            labelled((1, 16, 16)),
            r"of one shape, got samples \(1, 8, 8\) and real images \(1, 16, 16\); bring them",
        ),
    ],
)
def test_what_cannot_be_classified_is_said(real: ImageSet, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        FAST.judge(real, labelled())


def test_a_path_of_points_has_no_length_in_digits(tmp_path: Path) -> None:
    small: dict[str, Any] = {"networks": FULL, "steps": 1, "batch_size": 4, "device": "cpu"}
    model = ganwright.train("gan", data="ring", out=tmp_path / "run", quiet=True, **small)
    with pytest.raises(SettingsError, match=r"compares images, got samples of shape \(2,\); leave"):
        ganwright.evaluate(model, [PathLength(samples=2)], choice=Choice(n=4, device="cpu"))


def test_a_step_of_a_path_is_a_share_of_it() -> None:
    with pytest.raises(SettingsError, match=r"step of PathLength is 2\.0; .* above 0, at most 1$"):
        PathLength(step=2)


@dataclass(frozen=True)
class Means(Features):
    """The mean of each row of pixels, over `least`."""

    least: float = 1.0

    def build(self, device: torch.device) -> Extractor:
        return lambda x: (x.mean((1, 3)) / self.least, None)


def test_features_of_one_s_own_go_by_their_spelling() -> None:
    assert Means().key == "test_metric_sentences.Means(least=1.0)"
    assert Means(2.0).key == "test_metric_sentences.Means(least=2.0)"
    images = of_tensor(torch.rand(60, 1, 8, 8) * 2 - 1)
    found: Mapping[str, float] = FID(Means()).judge(images, images)
    assert found["FID (Means)"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("metric", [FID, KID, Diversity])
def test_features_that_are_not_finite_are_said(metric: Any) -> None:
    """Over 0, black rows are NaN and others infinite."""
    images = of_tensor(torch.zeros(60, 1, 8, 8))
    with pytest.raises(SettingsError, match="features of these images are NaN or infinite; take"):
        metric(Means(0.0)).judge(images, images)


@pytest.mark.parametrize("metric", [FID(), KID(), PrecisionRecall(k=9)])
def test_the_side_that_has_too_few_is_the_one_to_add_to(metric: Any) -> None:
    """More samples do not help where the data is small."""
    few, many = (of_tensor(torch.rand(n, 1, 8, 8) * 2 - 1) for n in (5, 80))
    with pytest.raises(
        SettingsError, match=r"; compare with more real images \(evaluate --against"
    ):
        metric.judge(few, many)
    with pytest.raises(SettingsError, match=r"; take more \(-n; in training, --evaluate-samples\)"):
        metric.judge(many, few)


def test_two_settings_of_one_metric_are_no_two_names(tmp_path: Path) -> None:
    """In training before the run, and in `evaluate`, where nothing is kept."""
    both = [KID(size=20, subsets=3), KID(size=60, subsets=3)]
    said = (
        r"^KID\(subsets=3, size=20\) and KID\(subsets=3, size=60\) both measure KID \(digits\), "
        "and one name has one number; leave one of them out$"
    )
    cls, settings = tiny("dcgan", steps=1)
    with pytest.raises(SettingsError, match=said):
        ganwright.train(cls, settings, tmp_path / "run", metrics=both, evaluate_samples=70)
    assert not (tmp_path / "run").exists()
    images = of_tensor(torch.rand(70, 1, 8, 8) * 2 - 1)
    with pytest.raises(SettingsError, match=said):
        evaluate(both, lambda _: images, images)


@dataclass(frozen=True)
class Widths(Metric):
    """Numbers of which one is a spread by its own name, and one the spread of another."""

    def judge(self, real: ImageSet | None, fake: ImageSet) -> Mapping[str, float]:
        return {"pixel spread": 2.0, "mean (grey)": 1.0, "mean spread (grey)": 0.5}


def test_only_the_spread_of_another_number_is_no_number() -> None:
    images = of_tensor(torch.zeros(4, 1, 8, 8))
    found = [(r.name, r.value, r.spread) for r in evaluate([Widths()], lambda _: None, images)]
    assert found == [("pixel spread", 2.0, None), ("mean (grey)", 1.0, 0.5)]


def test_multi_label_data_is_said_before_the_run(tmp_path: Path) -> None:
    cls, settings = tiny("cgan", steps=1)
    rows = torch.tensor([[0, 1], [1, 1], [1, 0], [1, 1]] * 10)
    data = (torch.rand(40, 1, 8, 8) * 2 - 1, rows)
    with pytest.raises(SettingsError, match="needs one class per image"):
        ganwright.train(
            cls, settings, tmp_path / "run", data=data, metrics=[FAST], evaluate_samples=4
        )
    assert not (tmp_path / "run").exists()


@dataclass(frozen=True)
class Gives(Metric):
    """A user's metric that gives what it should not."""

    what: Any = None

    def measure(self, real: torch.Tensor | None, fake: torch.Tensor) -> Mapping[str, float]:
        found: Mapping[str, float] = self.what
        return found


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (None, "None; it must be a dict of numbers, such as {'deviation': 0.5}"),
        (3.0, "a float; it must be a dict of numbers, such as {'deviation': 0.5}"),
        ({"d": torch.zeros(3)}, "a tensor of shape (3,) as 'd'; it must be a number"),
        ({"d": "3"}, "a str as 'd'; it must be a number"),
        ({"d": None}, "None as 'd'; it must be a number"),
        ({1: 3.0}, "a number the name 1; names must be text"),
    ],
)
def test_what_is_no_dict_of_numbers_is_said(what: Any, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Gives(what).judge(None, labelled())
    assert str(caught.value) == f"Gives's measure gives {said}"


def test_numbers_of_other_kinds_become_pythons() -> None:
    found = Gives({"a": torch.tensor(0.5), "b": np.float32(2), "c": 3, "d": np.array([4.0])})
    values = found.judge(None, labelled())
    assert values == {"Gives/a": 0.5, "Gives/b": 2.0, "Gives/c": 3, "Gives/d": 4.0}
    assert {type(value) for value in values.values()} == {float, int}
