"""Pictures that are not square: in every family, from the setting to the samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import CONV, SIZES, TINY, trainer_of

import ganwright
from ganwright.cli import main
from ganwright.config.settings import Settings
from ganwright.config.sizes import sides, size_of
from ganwright.data import open_data
from ganwright.data.options import DataOptions
from ganwright.data.types import Images
from ganwright.errors import SettingsError
from ganwright.networks import ResNet


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(64, (64, 64)), ("64", (64, 64)), ("64x32", (64, 32)), (" 8 x 16", (8, 16))],
)
def test_a_size_is_one_number_or_two(given: Any, wanted: tuple[int, int]) -> None:
    assert sides(given) == wanted
    assert Settings(image_size=given).image_size == size_of(*wanted)


@pytest.mark.parametrize("wrong", [0, "0x4", "4x", "x", "4x4x4", "wide", "-4x4"])
def test_what_is_no_size_is_one_sentence(wrong: Any) -> None:
    with pytest.raises(SettingsError, match=r"image_size is .* whole number, at least 1,? or "):
        Settings(image_size=wrong)


def test_pictures_just_cover_the_size_and_are_cut_in_the_middle() -> None:
    rows = torch.arange(16, dtype=torch.uint8)[:, None].expand(16, 16)
    data = open_data(rows[None], task=Images, options=DataOptions(image_size="8x16"))
    found = data.batch(0, 1).images[0, 0]
    assert found.shape == (8, 16)
    assert torch.equal((found[:, 0] * 127.5 + 127.5).round(), torch.arange(4.0, 12))


@pytest.mark.parametrize("family", sorted(TINY.keys() - {"stylegan3"}))
def test_every_family_plays_with_pictures_twice_as_high_as_wide(family: str) -> None:
    size, changes = SIZES.get(family, 8), {}
    if family == "sagan":  # attention stands at heights, which are others now
        nets = ResNet(width_G=4, width_D=4, spectral_G=True, attention=(16,))
        changes["game"] = ganwright.families.family(family).Config(networks=nets)
    trainer = trainer_of(family, image_size=f"{2 * size}x{size}", **changes)
    trainer.play(1)
    grid = trainer.game.preview(trainer.batches.preview(4))  # type: ignore[attr-defined]
    assert grid.shape[2:] == (2 * size, size)


def test_a_network_that_cannot_says_the_nearest_size() -> None:
    with pytest.raises(SettingsError, match=r"cannot so halve 31x20; .*--image-size 32x20\)"):
        CONV.generator(4, (3, 31, 20))


def test_a_run_of_oblong_pictures_from_the_command_line(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    networks = ["--game.networks", "ConvNet(width=4)", "--device", "cpu", "--batch-size", "4"]
    given = ["train", "dcgan", "--image-size", "16x8", "--steps", "1", "--out", run, *networks]
    assert main(given) == 0
    assert ganwright.load(run).sample(2).shape == (2, 1, 16, 8)
    assert main(["resume", run, "--steps", "2"]) == 0
