"""The page of a SPADE run: a brush for each class by its name, a seed, and a photo's style."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ganwright.app import uploaded
from ganwright.app.abilities import Abilities, abilities
from ganwright.app.painting import canvas_of
from ganwright.data.label_map import LabelMap
from ganwright.data.types import Paired, Spec
from ganwright.errors import DataError
from ganwright.families.pix2pix import Pix2Pix
from ganwright.families.spade import Spade
from ganwright.inference.model import Model
from ganwright.networks import PatchGAN, UNet
from ganwright.networks.spade import SpadeNet, StyleEncoder

MAPS = LabelMap((1, 2, 9), onehot=True, names=("wall", "<window>", "door"))
STYLED = {"latent": 4, "encoder": StyleEncoder(width=4)}


def model_of(**own: Any) -> Model:
    """A tiny model whose weights are large enough for images to depend on all of them."""
    patch = PatchGAN(field=16, width=4, spectral=True)
    cfg = Spade.Config(translator=SpadeNet(width=4, hidden=4), patch=patch, **own)
    spec = Spec(Paired, (3, 16, 16), (3, 16, 16), label_map=MAPS)
    game = Spade(cfg, spec).eval().requires_grad_(False)
    for weight in game.parameters():
        if weight.ndim > 1:
            nn.init.normal_(weight, 0, weight[0].numel() ** -0.5)
    return Model("spade", game, spec, 1, Path("none"))


@pytest.mark.parametrize(
    ("own", "seeded", "styled"),
    [({}, False, False), ({"latent": 4}, True, False), (STYLED, True, True)],
)
def test_it_offers_what_the_run_has(own: dict[str, Any], seeded: bool, styled: bool) -> None:
    wanted = Abilities(translate=("a2b",), seeded=seeded, styled=styled)
    assert abilities(model_of(**own)) == wanted


def test_what_is_painted_becomes_an_image_of_the_seed_or_of_the_style(tmp_path: Path) -> None:
    model = model_of(**STYLED)
    canvas = uploaded.blank(model, "a2b")
    canvas.paste(tuple(MAPS.palette()[2].tolist()), (160, 0, 320, 320))
    numbers = Image.fromarray(np.repeat([[1] * 8 + [9] * 8], 16, 0).astype(np.uint8))
    photo = tmp_path / "photo.png"
    Image.linear_gradient("L").resize((40, 30)).convert("RGB").save(photo)
    style = Image.open(photo)
    for given, options in (((3, None), {"seed": 3}), ((3.0, str(photo)), {"style": style})):
        found = uploaded.drawn(model, {"composite": canvas}, "a2b", *given, folder=tmp_path)
        with Image.open(found.file) as made:
            wanted = np.asarray(model.translate(numbers, **options))
            np.testing.assert_array_equal(np.asarray(made), wanted)
    file = tmp_path / "map.png"
    numbers.save(file)
    again = uploaded.translated(model, str(file), "a2b", 3, str(photo), folder=tmp_path)
    np.testing.assert_array_equal(np.asarray(again.made), np.asarray(found.made))
    photo.write_text("no photo", encoding="utf-8")
    with pytest.raises(DataError, match=r"^photo\.png cannot be read as an image"):
        uploaded.drawn(model, {"composite": canvas}, "a2b", 0, str(photo), folder=tmp_path)


def test_masks_that_are_drawn_are_shown_as_their_file_has_them(tmp_path: Path) -> None:
    cfg = Pix2Pix.Config(translator=UNet(width=4), patch=PatchGAN(field=16, width=4))
    spec = Spec(Paired, (3, 16, 16), (3, 16, 16), target_map=MAPS)
    model = Model("pix2pix", Pix2Pix(cfg, spec).eval(), spec, 1, Path("none"))
    file = tmp_path / "photo.jpg"
    Image.linear_gradient("L").resize((16, 16)).convert("RGB").save(file)
    found = uploaded.translated(model, str(file), "a2b", folder=tmp_path)
    with Image.open(found.file) as made:
        assert made.mode == "P"
        assert set(np.unique(np.asarray(made))) <= set(MAPS.values)
        shown = np.asarray(found.made)[::20, ::20]  # as large as a canvas
        np.testing.assert_array_equal(np.asarray(made.convert("RGB")), shown)


class Recorder:
    """Stands in for Gradio: keeps what the page asks of it."""

    def __init__(self) -> None:
        self.html, self.brush = "", {}

    def HTML(self, text: str) -> None:
        self.html = text

    def Brush(self, size: int, **options: Any) -> None:
        self.brush = options

    def ImageEditor(self, *_: Any, **__: Any) -> None:
        """Nothing is shown."""


def test_the_brush_has_the_colours_of_the_classes_with_their_names() -> None:
    page = Recorder()
    canvas_of(page, model_of(), "a2b")
    colours = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in MAPS.palette()[:3].tolist()]
    # the canvas has the first colour, in which a stroke would not show
    assert page.brush == {"default_color": colours[1], "colors": colours, "color_mode": "fixed"}
    places = [
        page.html.index(part)
        for pair in zip(colours, ("wall", "&lt;window&gt;", "door"), strict=True)
        for part in pair
    ]
    assert places == sorted(places)
    assert "<window>" not in page.html


def test_the_page_has_a_seed_and_a_style() -> None:
    pytest.importorskip("gradio")
    from test_app_page import labels

    from ganwright.app import build

    style = "Style: a photo, instead of the seed"
    assert {"Draw", "Translate", "Seed", style} <= set(labels(build(model_of(**STYLED))))
    plain = set(labels(build(model_of())))
    assert not {"Seed", style} & plain
    assert torch.is_grad_enabled()
