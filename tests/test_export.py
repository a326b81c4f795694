"""Exported files compute what the model computes, without the library."""

from __future__ import annotations

import errno
import math
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import TINY, tiny, trainer_of
from safetensors.torch import load_file
from test_cli import QUICK, error_of
from test_config import Toy
from torch import Tensor, nn

from ganwright import atomic
from ganwright.cli import main
from ganwright.data.types import Images, Spec
from ganwright.errors import MissingExtraError, RunError, SettingsError
from ganwright.export import FORMATS, TOLERANCE, available, export, program
from ganwright.export import formats as table
from ganwright.families.styled import StyledGame
from ganwright.inference.model import Model
from ganwright.layers.forward_state import spectral
from ganwright.run.load import load

SINGLE = sorted(set(TINY) - {"bgan"})
TWO_WAY = ("cyclegan", "discogan", "dualgan")
PLAIN = ("pt2", "state-dict")


FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "dcgan-classes": ("dcgan", {"conditional": True}),
    "r3gan-classes": ("r3gan", {"conditional": True}),
    "biggan-plain": ("biggan", {"conditional": False}),
    "stylegan2-classes": ("stylegan2", {"conditional": True, "truncation": 0.5}),
    "stylegan2-orig": (
        "stylegan2",
        {"networks": replace(TINY["stylegan2"]["networks"], skip_G=False)},
    ),
    "stylegan3-classes": ("stylegan3", {"conditional": True}),
    "stylegan3-r": (
        "stylegan3",
        {"networks": replace(TINY["stylegan3"]["networks"], rotation=True)},
    ),
    "spade-z": ("spade", {"latent": 4}),
}
"""Families in other forms: with classes or without, truncated, with other networks."""


def model_of(name: str, **changes: Any) -> Model:
    """A tiny model whose weights are large enough for images to depend on all of them."""
    _, settings = tiny(name)
    game = trainer_of(name, game=replace(settings.game, **changes)).game
    game.requires_grad_(False)
    for weight in game.parameters():
        if weight.ndim > 1 and isinstance(game, StyledGame):  # whose layers scale what they store
            weight += 0.2 * torch.randn_like(weight)
        elif weight.ndim > 1:
            nn.init.normal_(weight, 0, 1 / math.sqrt(weight[0].numel()))
        else:
            weight += 0.2 * torch.randn_like(weight)
    for norm in game.modules():
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm1d) and norm.running_mean is not None:
            nn.init.normal_(norm.running_mean, 0, 0.2)
            nn.init.uniform_(norm.running_var, 0.5, 2)
    for _ in range(20):  # until spectral norms are those of the new weights
        for _, iterate in spectral(game):
            iterate()
    return Model(name, game.eval(), game.spec, 7, Path("none"))


def in_onnx(file: Path, *inputs: Tensor) -> Tensor:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_inputs()]
    given = {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
    return torch.from_numpy(session.run(None, given)[0])


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", [*SINGLE, *FORMS])
def test_every_family_is_exported_as_it_is(name: str, format: str, tmp_path: Path) -> None:
    if missing := FORMATS[format].missing():
        pytest.skip(f"{missing} is not installed")
    family, changes = FORMS.get(name, (name, {}))
    model = model_of(family, **changes)
    for direction in ("a2b", "b2a") if name in TWO_WAY else ("a2b",):
        traced = program(model, direction)
        assert min(float(case.output.std()) for case in traced.cases) > 0.02
        assert [len(case.output) for case in traced.cases[:2]] == [1, 3]
        (written,) = export(model, tmp_path, formats=[format], direction=direction)
        assert written.difference <= TOLERANCE
        assert all(file.is_file() for file in written.files)


@pytest.mark.parametrize("form", ["stylegan2-classes", "spade-z"])
def test_the_number_of_rows_is_free(form: str, tmp_path: Path) -> None:
    family, changes = FORMS[form]
    model = model_of(family, **changes)
    function, traced = model.game.function(), program(model)
    files = tmp_path / "x.safetensors", tmp_path / f"{traced.name}.py"
    FORMATS["state-dict"].write(traced, files)
    for run in (traced.exported.module(), FORMATS["state-dict"].run(traced, files)):
        for n in (1, 2, 7):
            given = function.draw(n)
            assert (run(*given) - function(*given)).abs().max() < 1e-5


def test_labels_are_the_second_input(tmp_path: Path) -> None:
    model = model_of("cgan")
    (pt2, _) = export(model, tmp_path, formats=PLAIN)
    function = torch.export.load(pt2.files[0]).module()
    z, labels = torch.randn(5, 100), torch.tensor([0, 1, 2, 3, 9])
    wanted = model.game.generate(z, labels)
    assert (function(z, labels) - wanted).abs().max() < 1e-5
    assert (function(z, labels.flip(0)) - wanted).abs().max() > 0.01


def test_the_file_of_python_needs_no_ganwright(tmp_path: Path) -> None:
    model = model_of("cgan")
    ((weights, code),) = (w.files for w in export(model, tmp_path, formats=["state-dict"]))
    script = f"""
import runpy, sys
sys.modules["ganwright"] = None
sys.argv = ["x", {str(weights)!r}]
names = runpy.run_path({str(code)!r}, run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout == "torch.Size([3, 1, 8, 8])\n"
    assert "import ganwright" not in code.read_text(encoding="utf-8")
    G = model.game.G
    assert isinstance(G, nn.Module)
    held = load_file(weights)
    assert held.keys() == {f"G.{name}" for name in G.state_dict()}
    assert all(torch.equal(held[f"G.{name}"], w) for name, w in G.state_dict().items())


def test_translators_take_images_of_other_sizes(tmp_path: Path) -> None:
    model = model_of("cyclegan")
    for direction in ("a2b", "b2a"):
        (pt2,) = export(model, tmp_path, formats=["pt2"], direction=direction)
        function = torch.export.load(pt2.files[0]).module()
        for size in ((8, 8), (12, 20), (40, 8)):
            images = 2 * torch.rand(2, 3, *size) - 1
            wanted = model.translate(images, direction=direction)
            assert (function(images) - wanted).abs().max() < 1e-5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cyclegan-b2a.pt2", "cyclegan.pt2"]


def test_images_are_normalised_by_themselves_and_without_noise(tmp_path: Path) -> None:
    model = model_of("pix2pix")
    (written,) = export(model, tmp_path, formats=["pt2"])
    function = torch.export.load(written.files[0]).module()
    images = 2 * torch.rand(3, 3, 8, 8) - 1
    together = function(images)
    alone = torch.cat([function(image) for image in images.split(1)])
    assert (together - alone).abs().max() < 1e-6
    assert "dropout" in written.notes[0]
    # The model itself draws noise, again and again, around what is exported.
    drawn = torch.stack([model.translate(images, seed=seed) for seed in range(4)])
    assert drawn.std(0).max() > 0.01


def test_onnx_has_named_inputs_and_sizes(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model = model_of("srgan")
    (written,) = export(model, tmp_path, formats=["onnx"])
    import onnxruntime

    session = onnxruntime.InferenceSession(written.files[0])
    (images,) = session.get_inputs()
    assert (images.name, images.shape) == ("images", ["n", 3, "height", "width"])
    (output,) = session.get_outputs()
    assert (output.name, output.shape) == ("output", ["n", 3, "4*height", "4*width"])
    small = 2 * torch.rand(2, 3, 5, 9) - 1
    assert (in_onnx(written.files[0], small) - model.translate(small)).abs().max() < 1e-5


def test_what_has_no_single_network_says_why(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="draws each pixel at random"):
        export(model_of("bgan"), tmp_path / "out")
    spec = Spec(Images, (1, 8, 8))
    toy = Model("toy", Toy(Toy.Config(), spec), spec, 0, tmp_path)
    with pytest.raises(SettingsError, match="Toy does not say what is exported"):
        export(toy, tmp_path / "out")
    with pytest.raises(SettingsError, match="dcgan does not translate"):
        export(model_of("dcgan"), tmp_path / "out", direction="b2a")
    with pytest.raises(SettingsError, match="learns one direction"):
        export(model_of("pix2pix"), tmp_path / "out", direction="b2a")
    with pytest.raises(SettingsError, match="unknown format onx; did you mean onnx"):
        export(model_of("dcgan"), tmp_path / "out", formats=["onx"])
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"format onnx needs .*onnxscript"):
        export(model_of("dcgan"), tmp_path / "out", formats=["onnx"])
    assert len(export(model_of("dcgan"), tmp_path / "out")) == len(PLAIN)


def test_files_that_differ_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = FORMATS["pt2"].run

    def off(*arguments: object) -> object:
        run = right(*arguments)  # type: ignore[arg-type]
        return lambda *inputs: run(*inputs) + 2e-4

    monkeypatch.setitem(FORMATS, "pt2", FORMATS["pt2"]._replace(run=off))
    with pytest.raises(RunError, match=r"the pt2 file differs from the model by 2.0e-04"):
        export(model_of("dcgan"), tmp_path / "out", formats=PLAIN)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "toy"
    small = ["--game.networks", "ConvNet(width=4)"]
    assert main(["train", "dcgan", *QUICK, *small, "--out", str(out)]) == 0
    return out


def test_files_that_belong_together_are_all_there_or_none(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of today beside the code of yesterday's network would compute nonsense."""
    out = tmp_path / "out"
    out.mkdir()
    kept = {"dcgan.safetensors": b"old weights", "dcgan.py": b"old code"}
    for name, data in kept.items():
        (out / name).write_bytes(data)

    def full(path: Path) -> Any:
        if path.name == "dcgan.py":
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path)

    opened = atomic.opened
    monkeypatch.setattr(atomic, "opened", full)
    with pytest.raises(RunError, match="out cannot be written: no space left on the disk"):
        export(load(run), out, formats=["state-dict"])
    assert {file.name: file.read_bytes() for file in out.iterdir()} == kept


@pytest.mark.parametrize("name", available())
def test_no_room_for_temporary_files_is_one_sentence(name: str, run: Path, tmp_path: Path) -> None:
    model, (_, most) = load(run), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, most))
    try:
        with pytest.raises(RunError, match=r"compared .* File too large; set TMPDIR"):
            export(model, tmp_path / "out", formats=[name])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert not (tmp_path / "out").exists()


def test_the_command_exports_the_averages(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["export", str(run), "--formats", "state-dict"]
    capsys.readouterr()
    assert main(asked) == 0
    said = capsys.readouterr().out.splitlines()
    file = run / "exported" / "dcgan.safetensors"
    assert said[:2] == [str(file), str(file.with_suffix(".py"))]
    assert said[2].startswith("  within ")
    assert said[2].endswith(" of the model (at most 1e-04)")
    averaged, raw = load(run, device="cpu"), load(run, device="cpu", raw=True)
    assert "exist" in error_of(asked, capsys)
    held = load_file(file)
    assert all(torch.equal(w, averaged.game.state_dict()[name]) for name, w in held.items())
    assert main([*asked, "--raw", "--overwrite"]) == 0
    held = load_file(file)
    assert all(torch.equal(w, raw.game.state_dict()[name]) for name, w in held.items())
    assert any(not torch.equal(w, averaged.game.state_dict()[name]) for name, w in held.items())
