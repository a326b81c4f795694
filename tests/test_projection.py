"""Projection into latent space, and style mixing: own samples found again, replay, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import tiny, trainer_of
from PIL import Image
from test_cli import QUICK, error_of
from test_walk import model_of

from ganwright.cli import main
from ganwright.commands.project import _places
from ganwright.errors import RunError, SettingsError
from ganwright.inference.mixing import mix
from ganwright.inference.model import Model
from ganwright.inference.projection import Search, likeness, project, rate
from ganwright.networks.features import Pixels

SHORT = Search(steps=200, draws=500)
ROUNDING = (2 / 255) ** 2 / 12
"""The mean square of what rounding to 8 bits changes."""


def styled(strength: float = 0.0, **changes: Any) -> Model:
    """A tiny StyleGAN2 whose images are not clipped, and show its noise so strongly."""
    _, settings = tiny("stylegan2")
    game: Any = trainer_of("stylegan2", game=replace(settings.game, **changes)).game
    game.eval().requires_grad_(False)
    for name, weight in game.G.named_parameters():
        if name.endswith("strength"):
            weight.fill_(strength)
    for block in game.G.synthesis.blocks:
        block.image.weight.mul_(0.2)
    return Model("stylegan2", game, game.spec, 0, Path("none"))


def test_the_rate_rises_and_falls_and_is_never_0() -> None:
    rates = [rate(step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / 50)
    assert rates[24] == pytest.approx(1 / 2)
    assert rates[49:751] == [1.0] * 702
    assert rates[875] == pytest.approx(1 / 2)
    assert min(rates) == rates[-1] > 0
    assert rate(0, 1) > 0


def test_likeness_of_neighbours_by_hand() -> None:
    ones = torch.ones(1, 1, 16, 16)
    # 1 in two ways at 16x16; at 8x8 each pixel is 2, products are 4, and squared 16
    assert float(likeness([ones])) == pytest.approx(2 + 32)
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    assert float(likeness([board.expand(3, 1, 8, 8)])) == pytest.approx(6)
    # products of white noise have the mean 0 and the variance 1 / pixels, at each of three scales
    noise = torch.randn(64, 1, 32, 32)
    wanted = 64 * 2 * (1 / 32**2 + 1 / 16**2 + 1 / 8**2)
    assert float(likeness([noise])) == pytest.approx(wanted, rel=0.8)


@pytest.mark.parametrize("conditional", [False, True])
def test_own_samples_are_found_again_by_their_styles(conditional: bool) -> None:
    model = styled(conditional=conditional)
    labels = {"labels": ["3", "7"]} if conditional else {}
    x = model.sample(2, seed=5, **labels)
    found = project(model, x, search=SHORT, **labels)
    assert list(found.latents) == ["w", "noise00", "noise01", "noise02"]
    assert found.latents["w"].shape == (2, 8)
    # over twelve seeds: 260 times and more, and a 60th at most
    assert (found.start > 50 * ROUNDING).all()
    assert (found.distance < found.start / 20).all()
    error = (found.images - x).square().flatten(1).mean(1)
    assert torch.allclose(found.psnr, 10 * (4 / error).log10(), atol=1e-3)
    assert torch.equal(model.sample(2, latents=found.latents), found.images)


def test_maps_of_noise_are_searched_for_and_stay_noise() -> None:
    model = styled(strength=0.1)
    found = project(model, model.sample(2, seed=5), search=SHORT)
    _, *maps = found.latents.values()
    assert (found.distance < found.start / 2).all()  # over twelve seeds, .27 at most
    assert torch.equal(model.sample(2, latents=found.latents), found.images)
    for noise in maps:
        assert torch.allclose(noise.mean((1, 2, 3)), torch.zeros(2), atol=1e-5)
        assert torch.allclose(noise.square().mean((1, 2, 3)), torch.ones(2), atol=1e-4)
    # of white noise it would be 2 images, 2 ways, 1 / pixels of each map
    assert float(likeness(maps)) < 0.01 * 2 * 2 * (1 / 16 + 1 / 64 + 1 / 64)
    other = found.latents | {"noise02": maps[2].flip(0)}
    assert not torch.equal(model.sample(2, latents=other), found.images)


@pytest.mark.parametrize("name", ["gan", "cgan", "dcgan"])
def test_own_samples_are_found_again_by_z(name: str) -> None:
    model = model_of(name)
    x = model.sample(2, seed=5)
    found = project(model, x, labels=None if name != "cgan" else [0, 1], search=SHORT)
    assert list(found.latents) == (["z", "labels"] if name == "cgan" else ["z"])
    assert (found.distance < found.start / 5).all()
    assert torch.equal(model.sample(2, latents=found.latents), found.images)
    assert torch.equal(
        model.sample(1, latents={k: v[1:] for k, v in found.latents.items()}), found.images[1:]
    )


def test_the_best_is_kept_not_the_last() -> None:
    """Steps as large as these only lead away."""
    model = model_of("gan")
    x = model.sample(1, latents=torch.zeros(1, 100))
    wild = Search(steps=4, lr=1e3, draws=500, shake=0.0, features=Pixels())
    found = project(model, x, search=wild)
    assert torch.allclose(found.distance, found.start, rtol=1e-4)
    again = project(model, x, search=wild)
    assert torch.equal(found.latents["z"], again.latents["z"])


def test_what_cannot_be_projected_is_refused() -> None:
    model = model_of("gan")
    with pytest.raises(SettingsError, match=r"takes images \[n, 1, 8, 8\], got \[1, 3, 8, 8\]"):
        project(model, torch.zeros(1, 3, 8, 8))
    with pytest.raises(SettingsError, match="one image or more, got none"):
        project(model, torch.zeros(0, 1, 8, 8))
    with pytest.raises(SettingsError, match="without labels"):
        project(model, torch.zeros(1, 1, 8, 8), labels=3)
    with pytest.raises(SettingsError, match="draws each pixel at random"):
        project(model_of("bgan"), torch.zeros(1, 1, 8, 8))
    with pytest.raises(SettingsError, match="cyclegan cannot sample"):
        project(model_of("cyclegan"), torch.zeros(1, 3, 8, 8))


def test_wrong_latents_by_name_are_refused() -> None:
    model = styled()
    w = model.game.by_style().draw(2)  # type: ignore[operator, union-attr]
    names = ["w", "noise00", "noise01", "noise02"]
    good = dict(zip(names, w, strict=True))
    assert model.sample(2, latents=good).shape == (2, 1, 8, 8)
    with pytest.raises(SettingsError, match="hold w; this model takes z or w, noise00"):
        model.sample(2, latents={"w": good["w"]})
    with pytest.raises(SettingsError, match=r"w in latents is \[2, 7\]; this model takes \[2, 8\]"):
        model.sample(2, latents=good | {"w": torch.zeros(2, 7)})
    with pytest.raises(SettingsError, match="noise01 in latents holds NaN"):
        model.sample(2, latents=good | {"noise01": torch.full((2, 1, 8, 8), torch.nan)})
    with pytest.raises(SettingsError, match="leave labels out"):
        model.sample(2, latents=good, labels=[1])


def test_given_noise_replaces_the_layers_own() -> None:
    model = styled(strength=0.1)
    G: Any = model.game.G
    w = torch.randn(1, 4, 8)
    own = [conv.noise[None, None] for block in G.synthesis.blocks for conv in block.convs]
    assert [tuple(m.shape[2:]) for m in own] == G.synthesis.maps == [(4, 4), (8, 8), (8, 8)]
    with torch.no_grad():
        assert torch.equal(G.synthesis(w), G.synthesis(w, own))
        assert not torch.equal(G.synthesis(w), G.synthesis(w, [2 * m for m in own]))


@pytest.mark.parametrize("conditional", [False, True])
def test_a_grid_has_the_rows_coarse_and_the_columns_fine_styles(conditional: bool) -> None:
    model = styled(conditional=conditional)
    label = ["4"] if conditional else None
    grid = mix(model, [1, 2], [3, 4, 5], layer=3, labels=label)
    assert grid.shape == (3, 4, 1, 8, 8)
    assert (grid[0, 0] == 1).all()
    for place, seed in {(1, 0): 1, (2, 0): 2, (0, 1): 3, (0, 3): 5}.items():
        own = model.sample(1, seed=seed, labels=label)[0]
        assert torch.allclose(grid[place], own, atol=1e-5)
    G: Any = model.game.G
    z = torch.cat([model.latents(1, seed=2), model.latents(1, seed=5)])
    y = torch.tensor([4, 4]) if conditional else None
    with torch.no_grad():
        coarse, fine = G.styles(z, y)
        wanted = G.synthesis(torch.cat([coarse[:3], fine[3:]])[None]).clamp(-1, 1)[0]
    assert torch.allclose(grid[2, 3], wanted, atol=1e-5)
    assert torch.equal(
        mix(model, [1], [3], labels=label), mix(model, [1], [3], layer=2, labels=label)
    )


def test_what_cannot_be_mixed_is_refused() -> None:
    model = styled()
    with pytest.raises(SettingsError, match="layer is 4; this stylegan2 has 4 layers, give 1 to 3"):
        mix(model, [1], [2], layer=4)
    with pytest.raises(SettingsError, match="one seed or more"):
        mix(model, [], [2])
    with pytest.raises(SettingsError, match="labels names 2 classes"):
        mix(model, [1], [2], labels=["3", "5"])
    with pytest.raises(SettingsError, match="dcgan has no styles to mix"):
        mix(model_of("dcgan"), [1], [2])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("runs")
    nets = "StyleNet(base=64, most=8, styles=8, mapping_G=2, mapping_D=2)"
    small = ["--game.networks", nets, "--game.latent", "8"]
    made = {"stylegan2": root / "stylegan2", "gan": root / "gan"}
    assert main(["train", "stylegan2", *QUICK, *small, "--out", str(made["stylegan2"])]) == 0
    assert main(["train", "gan", *QUICK, "--out", str(made["gan"])]) == 0
    return made


@pytest.mark.parametrize(("name", "ending"), [("stylegan2", ".npz"), ("gan", ".npy")])
def test_a_folder_is_projected_and_replayed(
    runs: dict[str, Path],
    name: str,
    ending: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    (photos / "more").mkdir(parents=True)
    for place in ("a.png", "more/b.jpg"):
        pixels = torch.randint(0, 256, (20, 30), dtype=torch.uint8).numpy()
        Image.fromarray(pixels).save(photos / place)
    (photos / "c.png").write_text("no image")
    few = ["--steps", "3", "--draws", "50"]
    asked = ["project", str(runs[name]), str(photos), *few, "--out", str(out)]
    assert main(asked) == 1
    told = capsys.readouterr()
    assert told.out.count("PSNR") == 2
    assert "skipped: " in told.err
    rows = json.loads((out / "projected.json").read_text(encoding="utf-8"))
    assert [Path(row["latents"]) for row in rows] == [out / f"a{ending}", out / f"more/b{ending}"]
    with Image.open(out / "a.png") as pair:
        assert pair.size == (2 * 66 + 2, 66 + 2)
        shown = np.asarray(pair)[2:66:8, 68:132:8]
    again = tmp_path / "again"
    assert (
        main(["sample", str(runs[name]), "--latents", rows[0]["latents"], "--out", str(again)]) == 0
    )
    with Image.open(again / "00000.png") as image:
        assert np.array_equal(np.asarray(image), shown)
    capsys.readouterr()
    assert "exist" in error_of(asked, capsys)


def test_wrong_commands_get_a_sentence(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, empty = str(runs["stylegan2"]), tmp_path / "empty"
    empty.mkdir()
    assert "has no images" in error_of(["project", run, str(empty)], capsys)
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    inside = ["project", run, str(tmp_path / "a.png"), "--out", str(tmp_path), "--overwrite"]
    assert "is the folder of the images" in error_of(inside, capsys)
    for within in (str(tmp_path), f"{tmp_path}/**/*.png"):
        among = ["project", run, within, "--out", str(tmp_path / "found")]
        assert "would be read as input next time" in error_of(among, capsys)
    named = [*inside[:3], "--out", str(tmp_path / "found.png")]
    assert "found.png, the name of a file; name a folder" in error_of(named, capsys)
    two = [*inside[:3], "--labels", "3", "5"]
    assert "labels names 2 classes, and all images here are of one" in error_of(two, capsys)
    assert "unknown Content" in error_of([*inside[:3], "--features", "Nothing()"], capsys)
    latents = tmp_path / "w.npz"
    np.savez(latents, w=np.zeros((2, 8), np.float32), noise00=np.zeros((1, 1, 4, 4), np.float32))
    assert "same number of rows" in error_of(["sample", run, "--latents", str(latents)], capsys)
    np.savez(latents, w=np.zeros((2, 8), np.float32))
    assert "this model takes z or w" in error_of(["sample", run, "--latents", str(latents)], capsys)
    keep = ["sample", run, "--latents", str(latents), "--save-latents", str(tmp_path / "z.npy")]
    assert "copy that file" in error_of(keep, capsys)
    assert "gan has no styles" in error_of(["mix", str(runs["gan"])], capsys)
    assert main(["mix", run, "--rows", "1", "--columns", "2", "3"]) == 0
    with Image.open(runs["stylegan2"] / "sampled" / "mixed.png") as image:
        assert image.size == (3 * 66 + 2, 2 * 66 + 2)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"labels": torch.tensor([3, 99])}, "labels in latents holds 99; this model takes classes"),
        ({"labels": torch.tensor([-1, 3])}, "labels in latents holds -1; this model takes classes"),
        ({"labels": torch.tensor([1.0, 1.5])}, "labels in latents holds 1.5"),
        ({"z": torch.zeros(2, 100, dtype=torch.complex64)}, "z in latents is of torch.complex64"),
        ({"z": [[0.0]]}, "z in latents is a list; give a tensor of real numbers"),
    ],
)
def test_latents_by_name_are_of_the_models_classes(change: dict[str, Any], sentence: str) -> None:
    model = model_of("cgan")
    latents = {"z": model.latents(2), "labels": torch.tensor([3, 4])}
    assert model.sample(2, latents=latents).shape[0] == 2
    with pytest.raises(SettingsError, match=sentence):
        model.sample(2, latents=latents | change)


@pytest.mark.parametrize("name", ["z.npy", "z.npz"])
def test_files_of_other_numbers_or_none_are_refused(
    runs: dict[str, Path], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, z = tmp_path / name, np.zeros((2, 100))

    def save(place: Path, z: Any) -> None:
        if name == "z.npy":
            np.save(place, z)
        else:
            np.savez(place, z=z)

    asked = ["sample", str(runs["gan"]), "--out", str(tmp_path / "x"), "--latents", str(place)]
    save(place, z + 1j)
    assert "holds complex128; it must hold real numbers" in error_of(asked, capsys)
    Image.new("L", (8, 8)).save(place, "PNG")
    assert "is no .npy or .npz file of numbers" in error_of(asked, capsys)
    save(place, z)
    place.write_bytes(place.read_bytes()[:-400])
    assert "is no .npy or .npz file of numbers" in error_of(asked, capsys)
    save(place, z + 1e300)
    assert "NaN or infinity" in error_of(asked, capsys)
    assert not (tmp_path / "x").exists()


def test_latents_never_replace_the_arrays_that_they_are_of(tmp_path: Path) -> None:
    """A run of .npy images writes .npy latents."""
    np.save(tmp_path / "x.npy", np.zeros((8, 8), np.float32))
    with pytest.raises(RunError, match="is the folder of the images; choose another"):
        _places(tmp_path, [tmp_path / "x.npy"], tmp_path, ".npy")
    assert _places(tmp_path, [tmp_path / "x.npy"], tmp_path / "out", ".npy")
