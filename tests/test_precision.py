"""Reduced precision is widened, float64 stays, and data do not depend on the default type."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers import trainer_of

import ganwright
from ganwright.data import DataOptions
from ganwright.data.named import EMBEDDED
from ganwright.data.open import open_data
from ganwright.families import family
from ganwright.precision import default_type, wide


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
        (torch.int64, torch.float32),
        (torch.bool, torch.float32),
    ],
)
def test_wide_is_float32_at_least(given: torch.dtype, made: torch.dtype) -> None:
    assert wide(torch.ones(2, dtype=given)).dtype is made


@pytest.mark.parametrize("part", ["layers", "networks", "families"])
def test_no_network_falls_back_to_float32(part: str) -> None:
    folder = Path(ganwright.__file__).parent / part
    found = [p.name for p in folder.rglob("*.py") if ".float()" in p.read_text(encoding="utf-8")]
    assert found == [], "`wide` leaves float64 alone"


def test_wide_takes_counts_to_the_default_type_and_copies_nothing_else() -> None:
    x = torch.ones(2)
    assert wide(x) is x
    with default_type(torch.float64):
        assert wide(torch.ones(2, dtype=torch.int64)).dtype is torch.float64
        assert wide(x) is x
    assert torch.get_default_dtype() is torch.float32


def test_the_default_type_comes_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), default_type(torch.float64):
        _ = 1 / 0
    assert torch.get_default_dtype() is torch.float32


@pytest.mark.parametrize("name", sorted(EMBEDDED))
def test_embedded_data_are_the_same_in_every_default_type(name: str) -> None:
    task = family(
        {"paired": "pix2pix", "unpaired": "cyclegan", "domains": "pixelda", "lowres": "srgan"}.get(
            name.partition("-")[2], "gan"
        )
    ).task

    def first() -> torch.Tensor:
        data = open_data(name, task=task, options=DataOptions(image_size=8))
        return data.batch(0, 4)[0]

    single = first()
    with default_type(torch.float64):
        double = first()
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    assert torch.allclose(single.double(), double, atol=1e-6)


def test_a_game_in_float64_has_gradients_of_float64_accuracy() -> None:
    with default_type(torch.float64):
        trainer = trainer_of("wgan-gp", seed=0)
        trainer.play_step()
        means, _ = trainer.meter.read()
        again = trainer_of("wgan-gp", seed=0)
        with torch.no_grad():
            for w in again.game.parameters():
                w.mul_(1 + 1e-12)
        again.play_step()
        moved, _ = again.meter.read()
    # fp32 anywhere on the way would round a change of 1e-12 away, or up to 1e-8
    assert all(0 < abs(moved[k] / means[k] - 1) < 1e-9 for k in means if means[k])
