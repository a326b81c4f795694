"""JoJoGAN: its objective by hand, what learns and what stays, and the command from end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import tensors, tiny
from PIL import Image
from torch import Tensor

from ganwright.callbacks.callback import Callback, Run
from ganwright.cli import main
from ganwright.data.types import Images, Spec
from ganwright.errors import RunError, SettingsError
from ganwright.families.jojogan import JoJoGAN
from ganwright.inference.projection import Search
from ganwright.networks import MLP
from ganwright.networks.examples import Examples, read_examples
from ganwright.run import restyle as restyling
from ganwright.run.assembly import assemble, resolved
from ganwright.run.load import load
from ganwright.run.restyle import adapt, restyle
from ganwright.run.train import resume, train
from ganwright.training.engine import Engine

SPEC = Spec(Images, (1, 8, 8), count=3)
SHORT = Search(steps=3, draws=32)


def game(**changes: Any) -> JoJoGAN:
    torch.manual_seed(0)
    _, settings = tiny("jojogan")
    cfg = JoJoGAN.Config(**(vars(settings.game) | changes))
    made = JoJoGAN(cfg, SPEC).train()
    made.before_training()
    return made


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run of stylegan2 on digits."""
    cls, settings = tiny("stylegan2", steps=2)
    out = tmp_path_factory.mktemp("restyle") / "source"
    train(cls, settings, out, quiet=True)
    return out


def test_the_first_layers_keep_the_examples_style_and_the_others_take_that_of_z() -> None:
    made = game(swapped=2)
    made.G.typical.mean.copy_(torch.arange(8.0))
    torch.manual_seed(1)
    styles = made.mixture(Images(torch.zeros(3, 1, 8, 8)))
    torch.manual_seed(1)
    other = made.G.mapping(made.noise(3))
    assert styles.shape == (3, 4, 8)  # one convolution at 4x4, two at 8x8, and an image
    assert torch.equal(styles[:, :2], torch.arange(8.0).expand(3, 2, 8))
    assert torch.equal(styles[:, 2:], other[:, None].expand(3, 2, 8))


def test_each_image_has_the_style_of_its_example() -> None:
    images = torch.stack([torch.full((1, 8, 8), v) for v in (-1.0, 0.0, 1.0)])
    known = Examples(images, torch.arange(24.0).view(3, 8))
    order = torch.tensor([2, 0, 0, 1])
    assert torch.equal(known.of(images[order]), known.w[order])


def test_the_term_is_the_mean_over_blocks_of_mean_absolute_differences() -> None:
    made = game()
    x = torch.rand(2, 1, 8, 8) * 2 - 1
    torch.manual_seed(2)
    (term,) = made.generator(Images(x)).values()
    torch.manual_seed(2)
    fake = made.G.synthesis(made.mixture(Images(x)))
    h, g = made.D.read(fake), made.D.read(x)
    wanted = []
    for block in made.D.blocks:
        h, g = block(h), block(g)
        wanted.append((h - g).abs().mean())
    assert len(wanted) == 1  # 8x8 to 4x4
    torch.testing.assert_close(term, sum(wanted) / len(wanted), rtol=1e-6, atol=0)


def test_only_the_synthesis_learns_and_the_example_is_approached() -> None:
    cls, settings = tiny("jojogan", steps=60)
    trainer, data = assemble(cls, resolved(cls, settings), Engine.pick("cpu", "fp32"))
    before = {k: v.clone() for k, v in trainer.game.state_dict().items()}
    made: Any = trainer.game
    x = data.batch(0, 4)

    def distance() -> float:
        torch.manual_seed(3)
        with torch.no_grad():
            return float(made.generator(x)["style"])

    first = distance()
    list(trainer.play(60))
    assert distance() < 0.8 * first
    changed = {k for k, v in trainer.game.state_dict().items() if not torch.equal(v, before[k])}
    assert changed
    assert all(k.startswith("G.synthesis.") for k in changed)


def test_a_run_is_restyled_resumed_and_sampled(source: Path, tmp_path: Path) -> None:
    model = load(source, device="cpu")
    x = model.sample(2, seed=4)
    new = restyle(source, x, tmp_path / "new", search=SHORT, steps=3, device="cpu", quiet=True)
    assert new.family == "jojogan"
    start, end = tensors(source), tensors(tmp_path / "new")
    for name in (k for k in end if "mapping" in k):
        assert torch.equal(end[name], start[f"average.{name.removeprefix('game.')}"]), name
    for name in (k for k in end if k.startswith("game.D.")):
        assert torch.equal(end[name], start[name]), name
    found = read_examples(tmp_path / "new-examples" / "examples.npz", (1, 8, 8), 8)
    torch.testing.assert_close(found.images, x)
    longer = resume(tmp_path / "new", steps=6, quiet=True)
    at_once = restyle(source, x, tmp_path / "once", search=SHORT, steps=6, device="cpu", quiet=True)
    assert longer.step == at_once.step == 6
    for a, b in zip(longer.game.parameters(), at_once.game.parameters(), strict=True):
        assert torch.equal(a, b)
    latents = {"w": found.w} | {f"noise{i:02}": n for i, n in enumerate(maps())}
    assert new.sample(2, latents=latents).shape == (2, 1, 8, 8)


class Said(Callback):
    """Keeps what a run says when it begins."""

    def started(self, run: Run) -> None:
        self.text = "\n".join(run.notes)


@pytest.mark.parametrize(
    ("family", "command"),
    [("jojogan", "restyle RUN --example FILE"), ("cdc", "restyle RUN --data FOLDER")],
)
def test_a_family_that_adapts_says_that_it_begins_with_random_networks(
    source: Path, tmp_path: Path, family: str, command: str
) -> None:
    cls, settings = tiny(family, steps=1)
    said = Said()
    train(cls, settings, tmp_path / "anew", quiet=True, callbacks=said)
    assert f"`ganwright {command}`" in said.text
    assert "no --init" in said.text
    train(cls, settings, tmp_path / "from", quiet=True, callbacks=said, init=source)
    assert "no --init" not in said.text


def maps() -> list[Tensor]:
    return [torch.randn(2, 1, side, side) for side in (4, 8, 8)]


def test_the_command_restyles_by_an_image_file(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, out = tmp_path / "example.png", tmp_path / "styled"
    Image.fromarray(np.full((20, 24), 90, np.uint8)).save(picture)
    argv = ["restyle", str(source), "--example", str(picture), "--out", str(out), "--steps", "2"]
    argv += ["--search-steps", "2", "--device", "cpu"]
    assert main(argv) == 0
    assert load(out, device="cpu").step == 2
    with Image.open(tmp_path / "styled-examples" / "pictures" / "00000.png") as kept:
        assert (kept.mode, kept.size, kept.getextrema()) == ("L", (8, 8), (90, 90))
    assert main(argv) == 2
    assert "styled" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("examples", "sentence"),
    [
        (torch.zeros(0, 1, 8, 8), "takes one example or more, got none"),
        (torch.zeros(1, 3, 8, 8), r"\[n, 1, 8, 8\]"),
        (torch.zeros(1, 1, 9, 8), r"\[n, 1, 8, 8\]"),
    ],
)
def test_examples_that_do_not_fit_are_refused(
    source: Path, tmp_path: Path, examples: Tensor, sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        restyle(source, examples, tmp_path / "new")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"swapped": 99}, "swapped is 99; G has 4 layers, give 1 to 3"),
        ({"steps": -1}, "steps is -1; it must be at least"),
        ({"swaped": 2}, "unknown setting swaped; did you mean swapped"),
        ({"device": "tpu"}, "tpu"),
    ],
)
def test_wrong_settings_are_refused_before_the_search(
    source: Path,
    tmp_path: Path,
    changes: dict[str, Any],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(restyling, "project", lambda *_, **__: pytest.fail("it searched"))
    with pytest.raises(SettingsError, match=sentence):
        restyle(source, torch.zeros(1, 1, 8, 8), tmp_path / "new", **changes)
    assert not list(tmp_path.iterdir())


def test_runs_without_styles_or_with_classes_are_refused(tmp_path: Path) -> None:
    cls, settings = tiny("dcgan", steps=1)
    train(cls, settings, tmp_path / "plain", quiet=True)
    with pytest.raises(SettingsError, match="dcgan has no styles"):
        restyle(tmp_path / "plain", torch.zeros(1, 1, 8, 8), tmp_path / "new")
    cls, settings = tiny("stylegan2", steps=1)
    train(cls, settings, tmp_path / "classes", quiet=True, conditional=True)
    with pytest.raises(SettingsError, match="draws by class, and an example has none"):
        restyle(tmp_path / "classes", torch.zeros(1, 1, 8, 8), tmp_path / "new")
    (tmp_path / "new-examples").mkdir()
    with pytest.raises(SettingsError, match="no styles"):
        restyle(tmp_path / "plain", torch.zeros(1, 1, 8, 8), tmp_path / "new")


def test_a_taken_folder_of_examples_is_not_touched(source: Path, tmp_path: Path) -> None:
    (tmp_path / "new-examples").mkdir()
    with pytest.raises(RunError, match="where the examples go"):
        restyle(source, torch.zeros(1, 1, 8, 8), tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["new-examples"]


def test_settings_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="give 1 to 3"):
        game(swapped=4)
    with pytest.raises(SettingsError, match="needs the networks of stylegan2 or stylegan3"):
        game(networks=MLP())
    wrong = tmp_path / "wrong.npz"
    wrong.write_bytes(b"no zip")
    with pytest.raises(SettingsError, match=r"wrong\.npz cannot be read"):
        game(examples=wrong)
    Examples(torch.zeros(2, 1, 9, 9), torch.zeros(2, 8)).write(wrong)
    with pytest.raises(SettingsError, match=r"needs \[k, 1, 8, 8\] and \[k, 8\]"):
        game(examples=wrong)
    np.savez(wrong, images=np.array([object()]), w=np.zeros((1, 8)))
    with pytest.raises(SettingsError, match="cannot be read"):
        game(examples=wrong)


def test_the_weights_that_are_asked_for_are_restyled(tmp_path: Path) -> None:
    """`--step` and `--raw` say which, for the search and for training."""
    cls, settings = tiny("stylegan2", steps=4, save_every=2)
    train(cls, settings, tmp_path / "run", quiet=True)
    early = load(tmp_path / "run", device="cpu", step=2, raw=True)
    x = early.sample(1)
    new = restyle(early, x, tmp_path / "new", search=SHORT, steps=1, device="cpu", quiet=True)
    assert torch.equal(new.game.G.mapping.layers[0].weight, early.game.G.mapping.layers[0].weight)
    after = adapt(early, "digits", tmp_path / "few", steps=1, device="cpu", quiet=True)
    source: Any = after.game.source
    for name, tensor in early.game.G.state_dict().items():
        assert torch.equal(source.state_dict()[name], tensor), name


def test_the_command_adapts_to_a_few_images(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for i in range(10):
        Image.fromarray(np.full((12, 12), 20 * i, np.uint8)).save(few / f"{i}.png")
    argv = ["restyle", str(source), "--data", str(few), "--out", str(tmp_path / "new")]
    argv += ["--steps", "2", "--device", "cpu"]
    assert main(argv) == 0
    new = load(tmp_path / "new", device="cpu")
    assert (new.family, new.step, new.spec.shape) == ("cdc", 2, (1, 8, 8))
    capsys.readouterr()
    for extra, sentence in (
        (["--example", str(few)], "it got both"),
        (["--swapped", "1"], "--swapped belongs to --example; leave it out with --data"),
    ):
        assert main([*argv, *extra]) == 2
        assert sentence in capsys.readouterr().err
    assert main(["restyle", str(source)]) == 2
    assert "it got neither" in capsys.readouterr().err


def test_only_a_stylegan2_is_adapted(tmp_path: Path) -> None:
    cls, settings = tiny("dcgan", steps=1)
    train(cls, settings, tmp_path / "plain", quiet=True)
    with pytest.raises(SettingsError, match="dcgan cannot be adapted by cross-domain"):
        adapt(tmp_path / "plain", "digits", tmp_path / "new")
    assert not (tmp_path / "new").exists()
