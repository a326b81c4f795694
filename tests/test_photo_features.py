"""The packaged features of photographs, and which features a metric takes when none are given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from helpers import tiny

import ganwright
from ganwright.data import DataOptions, Images, open_data
from ganwright.data.image import grey
from ganwright.errors import SettingsError
from ganwright.metrics.digit_features import DigitFeatures
from ganwright.metrics.distances import FID, InceptionScore
from ganwright.metrics.diversity import PathLength
from ganwright.metrics.image_set import of_tensor
from ganwright.metrics.labelled import ConditionalAccuracy
from ganwright.metrics.neighbours import PrecisionRecall
from ganwright.metrics.photo_features import PhotoFeatures
from ganwright.metrics.photo_net import CLASSES, SHIPPED
from ganwright.run.evaluation import Choice, evaluate

GREY, COLOUR = of_tensor(torch.zeros(4, 1, 8, 8)), of_tensor(torch.zeros(4, 3, 8, 8))


def letters(count: int) -> torch.Tensor:
    """Embedded letters in colours, [n, 3, 32, 32] in [-1, 1]."""
    data = open_data("glyphs", task=Images, options=DataOptions(image_size=32))
    batch = data.batch(0, count)
    assert isinstance(batch, Images)
    return batch.images.float()


def test_the_file_is_below_a_megabyte() -> None:
    assert SHIPPED.stat().st_size < 1 << 20


@pytest.mark.parametrize(("channels", "size"), [(1, 16), (3, 32), (3, 100)])
def test_any_grey_or_colour_image_has_features(channels: int, size: int) -> None:
    x = torch.rand(2, channels, size, size + 4) * 2 - 1
    vectors, logits = PhotoFeatures().build(torch.device("cpu"))(x)
    assert vectors.shape == (2, 64)
    assert logits is not None
    assert logits.shape == (2, len(CLASSES))


def test_they_see_colours_which_those_of_digits_do_not() -> None:
    x = letters(300)
    pale = grey(x).expand_as(x)
    (digits,) = FID(DigitFeatures()).measure(x, pale).values()
    (photos,) = FID(PhotoFeatures()).measure(x, pale).values()
    (halves,) = FID(PhotoFeatures()).measure(x[:150], x[150:]).values()
    assert digits < 0.01
    assert photos > 2 * halves


def test_metrics_take_features_by_the_channels_of_the_samples() -> None:
    assert FID().fitted(GREY).features == DigitFeatures()
    assert FID().fitted(COLOUR).features == PhotoFeatures()
    assert FID(DigitFeatures()).fitted(COLOUR).features == DigitFeatures()
    assert PathLength().fitted(COLOUR).features == PhotoFeatures()
    assert PathLength(lpips=True).fitted(COLOUR).features is None
    found = PrecisionRecall(k=1).measure(torch.rand(5, 3, 8, 8), torch.rand(5, 3, 8, 8))
    assert found.keys() == {"precision (photos)", "recall (photos)"}
    assert InceptionScore(splits=1).measure(None, torch.rand(5, 3, 8, 8)).keys() == {
        "IS (photos)",
        "IS spread (photos)",
    }


def test_conditional_accuracy_takes_features_that_know_the_classes() -> None:
    """Digits are read as digits in colour, too."""
    x, labels = torch.zeros(4, 3, 8, 8), torch.arange(4)
    digits = of_tensor(x, labels, classes=("0", "1", "2", "3"))
    assert ConditionalAccuracy().fitted(digits).features == DigitFeatures()
    found = ConditionalAccuracy().judge(None, of_tensor(x, labels, classes=CLASSES[:4]))
    assert found == {"conditional accuracy (photos)": 0.25}
    with pytest.raises(SettingsError, match=r"PhotoFeatures knows airplane, .* not cats, dogs; "):
        ConditionalAccuracy().judge(None, of_tensor(x, labels % 2, classes=("cats", "dogs")))


def test_a_run_in_colour_keeps_the_best_by_photo_features(tmp_path: Path) -> None:
    """In training and in `evaluate` alike; a name without its features means them."""
    cls, settings = tiny("dcgan", steps=2, data="glyphs")
    given = {"metrics": [PrecisionRecall(k=1)], "evaluate_every": 1, "evaluate_samples": 8}
    model = ganwright.train(
        cls, settings, tmp_path / "run", quiet=True, **given, keep_best="recall"
    )
    assert model.spec.shape[0] == 3
    assert "recall (photos)" in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8")
    assert ganwright.load(tmp_path / "run", best=True, device="cpu").step in (1, 2)
    found = evaluate(tmp_path / "run", [PrecisionRecall(k=1)], choice=Choice(n=8))
    assert [r.name for r in found] == ["precision (photos)", "recall (photos)"]
    assert found[0].protocol["features"] == PhotoFeatures().key


@pytest.mark.realdata
def test_they_name_what_held_out_photographs_show() -> None:
    """Of 1,000 of CIFAR-10's test images; its training script prints the share of all."""
    folder = Path(os.environ.get("GANWRIGHT_DATA", "nowhere")) / "cifar10"
    if not folder.is_dir():
        pytest.skip("GANWRIGHT_DATA does not name a folder that holds cifar10")
    data = open_data(str(folder), task=Images, options=DataOptions(image_size=32))
    batch = data.held_out(1000)
    assert isinstance(batch, Images)
    assert batch.labels is not None
    assert data.spec.classes == CLASSES
    extract = PhotoFeatures().build(torch.device("cpu"))
    parts = [extract(x.float())[1] for x in batch.images.split(100)]
    named = torch.cat([part for part in parts if part is not None]).argmax(1)
    assert float((named == batch.labels).float().mean()) > 0.75
