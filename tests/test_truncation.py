"""Truncation of samples and walks, and directions of styles (SeFa)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import tiny, trainer_of
from PIL import Image
from test_cli import QUICK, TOY, error_of
from torch import nn

from ganwright.app import generated
from ganwright.app.abilities import WIDEST, abilities
from ganwright.cli import main
from ganwright.errors import RunError, SettingsError
from ganwright.inference.model import Model
from ganwright.inference.sample_files import write_samples
from ganwright.inference.walk import along, directions, route, shifted
from ganwright.run.load import load
from ganwright.run.pretrained import from_pretrained

STYLED = ("stylegan2", "stylegan3")
SMALL = ["--game.networks", "StyleNet(base=64, most=8, styles=8, mapping_G=2, mapping_D=2)"]


def model_of(name: str, **changes: Any) -> Model:
    """A tiny model; styles, if it has them, differ, and their mean is far from 0."""
    _, settings = tiny(name)
    game: Any = trainer_of(name, game=replace(settings.game, **changes)).game
    game.eval().requires_grad_(False)
    if name in STYLED:
        nn.init.normal_(game.G.typical.mean, 0, 1)
    return Model(name, game, game.spec, 0, Path("none"))


@pytest.mark.parametrize("name", STYLED)
def test_styles_come_nearer_to_their_mean(name: str) -> None:
    model = model_of(name)
    game: Any = model.game
    z, mean = model.latents(3, seed=5), game.G.typical.mean
    w = game.G.mapping(z)
    wanted = game.G.synthesis(
        (0.3 * w + 0.7 * mean)[:, None].expand(-1, game.G.synthesis.count, -1)
    )
    found = model.sample(3, seed=5, truncation=0.3)
    assert torch.allclose(found, wanted.clamp(-1, 1), atol=1e-5)
    assert torch.equal(model.sample(3, latents=z, truncation=0.3), found)
    assert torch.equal(model.sample(3, seed=5, truncation=1), model.sample(3, seed=5))
    assert (found - model.sample(3, seed=5)).abs().max() > 1e-3
    ends = torch.cat([model.sample(2, seed=seed, truncation=0) for seed in (0, 1)])
    assert torch.allclose(ends, ends[:1].expand_as(ends), atol=1e-5)
    assert model.truncation == 1


def test_z_is_drawn_again_where_it_is_large() -> None:
    model = model_of("biggan")
    narrow = model.truncated(0.3)
    z = narrow.latents(64, seed=2)
    assert 0.25 < z.abs().max() <= 0.3
    assert model.latents(64, seed=2).abs().max() > 1
    found = model.sample(64, seed=2, truncation=0.3)
    assert torch.equal(found, model.sample(64, latents=z))
    assert torch.equal(found, narrow.sample(64, latents=z))
    assert torch.equal(narrow.truncated(None).sample(4), model.sample(4))


@pytest.mark.parametrize("name", ["stylegan2", "biggan"])
def test_walks_are_truncated(name: str) -> None:
    model = model_of(name).truncated(0.4)
    images = torch.cat(list(along(model, route(model, [3, 4], frames=2))))
    wanted = torch.cat([model.sample(1, seed=seed) for seed in (3, 4)])
    assert torch.allclose(images[::2], wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "truncation", "latents", "said"),
    [
        ("dcgan", 0.7, None, "dcgan has no truncation; biggan, stylegan2 and stylegan3 have"),
        ("stylegan2", 1.5, None, "truncation is 1.5; it must be from 0 to 1"),
        ("biggan", 0.0, None, "truncation is 0.0; it must be above 0"),
        ("biggan", 0.5, torch.full((1, 5), 0.6), "as they are; leave truncation or latents out"),
        ("stylegan2", 0.5, {"w": torch.zeros(1, 8)}, "leave truncation or latents out"),
    ],
)
def test_what_cannot_be_truncated_is_one_sentence(
    name: str, truncation: float, latents: Any, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        model_of(name).sample(1, latents=latents, truncation=truncation)


def test_a_folder_of_other_truncation_is_not_continued(tmp_path: Path) -> None:
    model = model_of("stylegan2")
    next(write_samples(model.truncated(0.5), tmp_path, 70))
    with pytest.raises(RunError, match="unfinished samples of other truncation"):
        next(write_samples(model, tmp_path, 70))


@pytest.mark.parametrize("name", STYLED)
def test_directions_of_styles_by_hand(name: str) -> None:
    """A^T A is diagonal: 3² + 4² for one number of w, and 4² for another."""
    model = model_of(name)
    game: Any = model.game
    layers = [part.style for part in game.G.synthesis.modules() if hasattr(part, "style")]
    for layer in layers:
        layer.weight.zero_()
    layers[0].weight[0, 2], layers[1].weight[0, 2], layers[-1].weight[0, 5] = 3.0, 4.0, 4.0
    found = directions(model, 2)
    assert torch.allclose(found, torch.eye(8)[[2, 5]], atol=1e-6)
    with pytest.raises(SettingsError, match="count is 9; w has 8 numbers"):
        directions(model, 9)


@pytest.mark.parametrize("name", [*STYLED, "dcgan"])
def test_a_sample_is_changed_along_directions(name: str) -> None:
    model = model_of(name)
    found, steps = directions(model, 3), torch.tensor([-2.0, 0.0, 2.0])
    images = shifted(model, found, steps, seed=4)
    assert images.shape[:2] == (3, 3)
    same = model.sample(1, seed=4).expand(3, -1, -1, -1)
    assert torch.allclose(images[:, 1], same, atol=1e-5)
    z, game = model.latents(1, seed=4), model.game
    if name == "dcgan":
        wanted = model.sample(1, latents=z + 2 * found[2])
    else:
        w: Any = game.G.mapping(z) + 2 * found[2]  # type: ignore[union-attr, operator]
        wanted = model.sample(1, latents={"w": w} | _noise(model))
    assert torch.allclose(images[2, 2], wanted[0], atol=1e-5)
    assert (images[2, 2] - images[2, 1]).abs().max() > 1e-3


def _noise(model: Model) -> dict[str, torch.Tensor]:
    """The noise of samples, by the names that latents have."""
    parts = [part for part in model.game.G.modules() if hasattr(part, "noise")]  # type: ignore[union-attr]
    return {f"noise{i:02}": part.noise[None, None] for i, part in enumerate(parts)}  # type: ignore[index, misc]


def test_the_page_has_the_familys_truncation() -> None:
    model = model_of("stylegan2")
    can = abilities(model)
    assert (can.truncation, can.scaled, can.directions) == ((0.0, 1.0), False, 8)
    shown = np.asarray(generated.grid(model, 3, 4, None, 1.0, 0.5))
    np.testing.assert_array_equal(shown, generated.grid(model.truncated(0.5), 3, 4))
    assert (shown != np.asarray(generated.grid(model, 3, 4, None, 1.0, 1.0))).any()
    pair = np.asarray(generated.changed(model, 1, 2, 0))
    np.testing.assert_array_equal(pair[4:196, 4:196], pair[4:196, 200:392])
    pair = np.asarray(generated.changed(model, 1, 2, 5))
    assert (pair[4:196, 4:196] != pair[4:196, 200:392]).any()
    model = model_of("biggan")
    assert abilities(model).truncation == (0.05, WIDEST)
    narrow = model.truncated(0.5)
    plain = np.asarray(generated.grid(model, 3, 4))
    np.testing.assert_array_equal(generated.grid(narrow, 3, 4, None, 1.0, WIDEST), plain)
    assert (np.asarray(generated.grid(narrow, 3, 4, None, 1.0, 0.5)) != plain).any()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "styles"
    assert (
        main(["train", "stylegan2", *QUICK, *SMALL, "--game.latent", "8", "--out", str(out)]) == 0
    )
    return out


def test_a_shared_model_is_as_truncated_as_it_was(run: Path, tmp_path: Path) -> None:
    model = load(run, device="cpu").truncated(0.25)
    again = from_pretrained(model.save_pretrained(tmp_path / "shared"), device="cpu")
    assert again.truncation == 0.25
    assert torch.equal(again.sample(3), model.sample(3))
    assert load(run, device="cpu").truncation == 1


def test_the_commands_take_truncation(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, name in (
        (["sample", "-n", "4"], "seed-0.png"),
        (["walk", "--frames", "2"], "walk.gif"),
        (["directions", "--count", "2", "--steps", "3"], "directions.png"),
        (["mix"], "mixed.png"),
    ):
        at = [command[0], str(run), *command[1:], "--device", "cpu"]
        assert main([*at, "--truncation", "0"]) == 0
        with Image.open(run / "sampled" / name) as image:
            image.load()
        assert main([*at, "--overwrite"]) == 0
    z = load(run, device="cpu").latents(2)
    np.save(run / "z.npy", z.numpy())
    given = ["sample", str(run), "--latents", str(run / "z.npy"), "--out", str(run / "z.png")]
    assert main([*given, "--truncation", "0"]) == 0
    with Image.open(run / "z.png") as image:
        grid = np.asarray(image)
    np.testing.assert_array_equal(grid[2:66, 2:66], grid[2:66, 68:132])
    capsys.readouterr()
    assert "from 0 to 1" in error_of(["sample", str(run), "--truncation", "2"], capsys)


def test_a_run_without_truncation_refuses_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "toy"
    assert main(["train", TOY, *QUICK, "--out", str(out)]) == 0
    capsys.readouterr()
    said = error_of(["sample", str(out), "--truncation", "0.7"], capsys)
    assert said.endswith("has no truncation; biggan, stylegan2 and stylegan3 have")
    assert not (out / "sampled").exists()
