"""Latents in and out, walks between them, and the directions that change most."""

from __future__ import annotations

import io
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import trainer_of
from PIL import Image
from test_cli import QUICK, error_of
from torch import nn

import ganwright
from ganwright.app.abilities import abilities
from ganwright.cli import main
from ganwright.errors import SettingsError
from ganwright.function import linear, spherical
from ganwright.inference.animation import FORMATS, encoder
from ganwright.inference.model import Model
from ganwright.inference.projection import Search, project
from ganwright.inference.walk import along, directions, route
from ganwright.networks import MLP
from ganwright.run.load import load


def model_of(name: str) -> Model:
    game = trainer_of(name).game.eval().requires_grad_(False)
    for weight in game.parameters():
        if weight.ndim > 1:
            nn.init.normal_(weight, 0, 1 / math.sqrt(weight[0].numel()))
    return Model(name, game, game.spec, 0, Path("none"))


def test_the_way_along_the_sphere_is_worked_out_by_hand() -> None:
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    t = torch.tensor([0.0, 1 / 3, 0.5, 1.0])
    half = math.sqrt(2)
    wanted = torch.tensor([[2, 0], [math.sqrt(3), 1], [half, half], [0, 2]])
    assert torch.allclose(spherical(a, b, t), wanted, atol=1e-6)
    assert torch.allclose(spherical(a, 3 * a, t)[:, 0], 2 + 4 * t)
    assert torch.allclose(spherical(a, -a, t)[:, 0], 2 - 4 * t)
    assert torch.allclose(linear(a, b, t)[:, 0], 2 - 2 * t)


@pytest.mark.parametrize("name", ["dcgan", "infogan", "acgan", "ebgan", "sgan", "aae-clusters"])
def test_samples_are_made_of_their_latents(name: str) -> None:
    model = model_of(name)
    z = model.latents(11, seed=3)
    assert torch.equal(z[:2], model.latents(2, seed=3))
    assert torch.equal(model.sample(11, latents=z), model.sample(11, seed=3))
    if name == "acgan":
        labels = [4, "7"]
        wanted = model.sample(11, seed=3, labels=labels)
        assert torch.equal(model.sample(11, latents=z, labels=labels), wanted)


def test_labels_of_clusters_are_their_numbers() -> None:
    """`--labels 3` was the fourth class of the data, and the clusters from ten on had no label."""
    model = model_of("aae-clusters")
    z = model.latents(2, seed=3)
    (made,) = along(model, z, [12, "15"])
    assert torch.equal(made, model.game.generate(z, torch.tensor([12, 15])))
    images = torch.zeros(1, *model.spec.shape)
    found = project(model, images, labels=12, search=Search(steps=1))
    assert found.latents["labels"].tolist() == [12]
    for label in ("16", "A", -1):
        with pytest.raises(SettingsError, match=r"no classes of its data, but the numbers 0 to 15"):
            next(along(model, z, [label]))
    assert not abilities(model).walk_named
    assert abilities(model_of("aae-semi")).walk_named


def test_latents_of_more_than_a_chunk() -> None:
    model = model_of("gan")
    z = model.latents(70)
    parts = list(model.samples(70, latents=z, start=60))
    assert torch.equal(torch.cat(parts), model.sample(70)[60:])


def test_wrong_latents_are_refused() -> None:
    model = model_of("gan")
    with pytest.raises(SettingsError, match=r"latents are \[2, 7\]; this model takes \[2, 100\]"):
        model.sample(2, latents=torch.zeros(2, 7))
    with pytest.raises(SettingsError, match=r"give floats \[n, 100\]"):
        model.sample(2, latents=torch.zeros(2, 100, dtype=torch.long))
    with pytest.raises(SettingsError, match="NaN"):
        model.sample(1, latents=torch.full((1, 100), math.nan))
    with pytest.raises(SettingsError, match="draws each pixel at random"):
        model_of("bgan").latents(1)
    with pytest.raises(SettingsError, match="cyclegan cannot sample"):
        model_of("cyclegan").latents(1)


def test_a_walk_visits_its_seeds() -> None:
    model = model_of("gan")
    seeds = [5, 2, 9]
    way = route(model, seeds, frames=4)
    assert way.shape == (12, 100)
    points = [model.latents(1, seed=seed)[0] for seed in seeds]
    assert torch.allclose(way[::4], torch.stack(points), atol=1e-6)
    assert torch.allclose(way[2], spherical(points[0], points[1], torch.tensor([0.5]))[0])
    lengths = way.norm(dim=1)
    assert lengths.min() > 0.9 * min(float(p.norm()) for p in points)
    open_way = route(model, seeds, frames=4, loop=False)
    assert torch.allclose(open_way, torch.cat([way[:8], points[2][None]]), atol=1e-6)
    images = torch.cat(list(along(model, way)))
    assert torch.allclose(images[4], model.sample(1, seed=2)[0], atol=1e-6)
    with pytest.raises(SettingsError, match="got 1, give 2 or more"):
        route(model, [3])


def test_uniform_latents_and_codes_go_straight() -> None:
    began = model_of("began")
    way = route(began, [0, 1], frames=2)
    assert torch.allclose(way[1], began.latents(1)[0].lerp(began.latents(1, seed=1)[0], 0.5))
    infogan = model_of("infogan")
    a, b = infogan.latents(1)[0], infogan.latents(1, seed=1)[0]
    middle = route(infogan, [0, 1], frames=2)[1]
    assert torch.allclose(middle[62:], (a + b)[62:] / 2)
    assert torch.allclose(middle[:62], spherical(a[:62], b[:62], torch.tensor([0.5]))[0])


def test_labels_follow_the_walk() -> None:
    model = model_of("acgan")
    way = model.latents(1).expand(8, -1)
    images = torch.cat(list(along(model, way, labels=[3, "6"])))
    three, six = model.sample(2, latents=way[:2], labels=[3, 6])
    assert torch.allclose(images, torch.stack([three] * 4 + [six] * 4), atol=1e-6)
    with pytest.raises(SettingsError, match="trained without labels"):
        list(along(model_of("gan"), torch.zeros(2, 100), labels=[1]))
    with pytest.raises(SettingsError, match=r"3 labels cannot share 2 images; .* more frames"):
        list(along(model, way[:2], labels=[3, 6, 1]))


@pytest.mark.parametrize("name", ["dcgan", "sagan", "aae-clusters"])
def test_directions_are_those_that_the_first_layer_stretches_most(name: str) -> None:
    model = model_of(name)
    z = model.game.function().arguments[0].draw(1).shape[1]
    found = directions(model, min(3, z))
    network = model.game.P if name == "aae-clusters" else model.game.G
    assert isinstance(network, nn.Module)
    first = next(m for m in network.modules() if isinstance(m, nn.Linear))
    A = first.weight[:, -z:]
    stretch = (A @ found.T).norm(dim=0)
    assert torch.allclose(stretch, torch.linalg.svdvals(A)[: len(found)], rtol=1e-3)
    assert torch.allclose(found @ found.T, torch.eye(len(found)), atol=1e-4)
    assert all(a >= b for a, b in pairwise(stretch.tolist()))
    with pytest.raises(SettingsError, match=f"count is {z + 1}"):
        directions(model, z + 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    small = ["--game.networks", "ConvNet(width=4, std=0.5)"]
    assert main(["train", "dcgan", *QUICK, *small, "--out", str(out)]) == 0
    return out


def test_walks_and_directions_are_written(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for ending in (".gif", ".webp"):
        file = tmp_path / f"walk{ending}"
        asked = ["walk", str(run), "--seeds", "1", "2", "--frames", "3", "--out", str(file)]
        assert main(asked) == 0
        with Image.open(file) as image:
            assert (image.size, getattr(image, "n_frames", 1)) == ((64, 64), 6)
    capsys.readouterr()
    assert "exists; add --overwrite" in error_of(asked, capsys)
    assert f"ends in {', '.join(FORMATS)}" in error_of(
        ["walk", str(run), "--out", str(tmp_path / "walk.avi")], capsys
    )
    assert main(["directions", str(run), "--count", "2", "--steps", "3"]) == 0
    with Image.open(run / "sampled" / "directions.png") as image:
        assert image.size == (3 * 66 + 2, 2 * 66 + 2)


@pytest.mark.parametrize(("fps", "total"), [(15, 533), (30, 267), (50, 160)])
def test_a_gif_is_as_long_as_its_frames_a_second_say(fps: float, total: int) -> None:
    """Eight frames; GIF counts in hundredths of a second, which 15 and 30 a second are not in."""
    frames = [np.full((4, 4, 1), 30 * i, np.uint8) for i in range(8)]
    with Image.open(io.BytesIO(encoder(Path("x.gif"), fps)(frames, fps))) as made:
        shown = []
        for i in range(8):
            made.seek(i)
            shown.append(made.info["duration"])
    assert abs(sum(shown) - total) <= 5
    assert max(shown) - min(shown) <= 10


@pytest.mark.parametrize(("name", "fps", "most"), [("x.gif", 60, 50), ("x.webp", 0.001, 500)])
def test_speeds_that_a_format_does_not_have(name: str, fps: float, most: int) -> None:
    with pytest.raises(SettingsError, match=f"files show from 1/60 to {most} images a second"):
        encoder(Path(name), fps)


def test_a_walk_as_mp4(run: Path, tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    file = tmp_path / "walk.mp4"
    asked = ["walk", str(run), "--seeds", "1", "2", "--frames", "8", "--out", str(file)]
    assert main(asked) == 0
    frames, seconds = ffmpeg.count_frames_and_secs(str(file))
    assert frames == 16
    assert seconds == pytest.approx(16 / 15, abs=0.1)


def test_latents_and_images_are_written_together(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked, images, z = tmp_path / "file", tmp_path / "images", tmp_path / "z.npy"
    blocked.write_text("a file")
    asked = ["sample", str(run), "-n", "2", "--device", "cpu", "--save-latents"]
    told = error_of([*asked, str(blocked / "z.npy"), "--out", str(images)], capsys)
    assert "z.npy cannot be written" in told
    assert "cannot be written" in error_of(
        [*asked, str(z), "--out", str(blocked / "x.png")], capsys
    )
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert main([*asked, str(z), "--out", str(images)]) == 0
    assert len(list(images.iterdir())) == len(np.load(z)) == 2


def test_latents_go_out_and_come_in(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    z, one, two = tmp_path / "z.npy", tmp_path / "one.png", tmp_path / "two.png"
    ask = ["sample", str(run), "--out"]
    assert main([*ask, str(one), "-n", "5", "--seed", "4", "--save-latents", str(z)]) == 0
    assert np.load(z).shape == (5, 100)
    assert main([*ask, str(two), "--latents", str(z)]) == 0
    assert one.read_bytes() == two.read_bytes()
    folder = tmp_path / "files"
    assert main([*ask, str(folder), "--latents", str(z), "-n", "3"]) == 0
    assert sorted(p.name for p in folder.iterdir()) == [f"{i:05}.png" for i in range(3)]
    capsys.readouterr()
    three = str(tmp_path / "three.png")
    assert "it must be [n, length of z] with 9 rows or more" in error_of(
        [*ask, three, "--latents", str(z), "-n", "9"], capsys
    )
    np.save(z, np.zeros((2, 7), np.float32))
    assert "this model takes [2, 100]" in error_of([*ask, three, "--latents", str(z)], capsys)
    z.write_bytes(b"none")
    assert "is no .npy or .npz file" in error_of([*ask, three, "--latents", str(z)], capsys)
    assert "name a .npy file" in error_of([*ask, three, "--save-latents", "z.txt"], capsys)
    assert not Path(three).exists()


@pytest.mark.parametrize("data", ["ring", "sines", "rows.csv?label=b"])
def test_what_is_no_image_is_not_shown_as_one(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`directions` drew all rows into one scatter plot, and `classify` ended in a traceback."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("a,b,c\n" + "1,x,4\n2,y,2\n" * 8, encoding="utf-8")
    Image.new("L", (8, 8)).save("x.png")
    family = "acgan" if "label" in data else "gan"
    mlp = MLP(hidden_G=(8,), hidden_D=(8,))
    ganwright.train(family, data=data, networks=mlp, steps=1, batch_size=4, device="cpu", out="run")
    capsys.readouterr()
    for command in ("walk", "directions"):
        assert "are no images, which this command shows" in error_of([command, "run"], capsys)
    if family == "acgan":
        assert "classify tensors from Python" in error_of(["classify", "run", "x.png"], capsys)
        with pytest.raises(SettingsError, match=r"learned no images; give a tensor \[n, 2\]"):
            load("run").classify(Image.new("L", (8, 8)))


@pytest.mark.parametrize(("steps", "sentence"), [("1", "at least 3"), ("4", "such as 5")])
def test_the_sample_is_in_the_middle_of_its_directions(
    steps: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sentence in error_of(["directions", "run", "--steps", steps], capsys)
