"""Families that draw from noise learn: trained by their gallery recipes, and judged.

Slow: a minute each. The judge must be sure of a share of 256 drawings and see so many classes;
both bars stand below what three seeds reached, and above what a network reaches that collapsed
or draws mush (under .1 sure, or 3 classes).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from recipe import train_gallery

from ganwright.data.types import Images, Spec
from ganwright.metrics.judge import judge
from ganwright.recipes import find
from ganwright.run.config_file import from_yaml, game_class

BARS = {
    "gan": (0.3, 9),
    "dcgan": (0.3, 9),
    "lsgan": (0.3, 9),
    "wgan": (0.2, 8),
    "wgan-gp": (0.3, 9),
    "dragan": (0.3, 9),
    "bgan": (0.2, 8),
    "bgan-continuous": (0.3, 9),
    "ebgan": (0.3, 9),
    "began": (0.2, 8),
}
"""The least share that the judge is sure of, and the fewest classes seen."""


RECIPES = [
    name
    for family in BARS
    for name in (f"gallery/{family}", f"mnist-{family}", f"faces64-{family}")
    if name != "faces64-gan"  # fully connected networks do not suit colour at 64 pixels
]


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_build_networks_that_fit(name: str) -> None:
    family, settings = from_yaml(find(Path(name)).read_text(encoding="utf-8"))
    assert name.removeprefix("gallery/").removeprefix("mnist-").removeprefix("faces64-") == family
    channels, size = 3 if name.startswith("faces64") else 1, settings.image_size
    assert size is not None
    with torch.device("meta"):
        game_class(family)(settings.game, Spec(Images, (channels, size, size)))


@pytest.mark.slow
@pytest.mark.parametrize("name", BARS)
def test_drawings_are_digits_of_many_classes(name: str, tmp_path: Path) -> None:
    model = train_gallery(name, tmp_path)
    drawings = model.sample(256)
    verdict = judge(drawings, "digits")
    share, classes = BARS[name]
    assert verdict.confident >= share
    assert len(verdict.seen) >= classes
    if name == "bgan":
        assert drawings.unique().tolist() == [-1, 1]
    rows = [
        json.loads(r)
        for r in (tmp_path / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    if name == "began":
        M = torch.tensor([row["G/M"] for row in rows])
        assert M[-5:].mean() < M[:2].mean() / 2, "the measure of convergence falls"
        assert 0 < rows[-1]["D/k"] < 1
    if name == "wgan":
        distance = torch.tensor([row["D/wasserstein"] for row in rows])
        assert distance[-5:].mean() < distance[:2].mean() / 2, "the estimate falls"
