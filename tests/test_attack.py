"""Attacks and cleaners by hand, and `ganwright attack` with its table and its sentences."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import makers
import pytest
import torch
from helpers import tiny
from PIL import Image
from test_cli import error_of
from torch import Tensor

from ganwright.attacks import CW, FGSM, PGD, Attack
from ganwright.cli import main
from ganwright.config.factory import Factory
from ganwright.data.options import DataOptions
from ganwright.errors import SettingsError
from ganwright.function import Argument, Function
from ganwright.inference.cleaning import Projection, cleaner
from ganwright.inference.model import Model
from ganwright.run import attack as runs
from ganwright.run.attack import Trial, attack
from ganwright.run.train import train

WEIGHTS = torch.tensor([1.0, -2.0, 0.5, 0.0])


def linear(x: Tensor) -> Tensor:
    """Logits (w x, 0) of images of 2x2."""
    lead = (x.flatten(1) * WEIGHTS).sum(1)
    return torch.stack([lead, 0 * lead], 1)


def image(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, 1, 2, 2)


ZERO = torch.zeros(1, dtype=torch.long)


def test_fgsm_by_hand() -> None:
    x = image(0.5, -0.5, 0.0, 0.9)
    # class 0 wants the first and the third up and the second down; the fourth does not matter
    fooling = FGSM(eps=0.1).examples(linear, x, ZERO)
    assert torch.allclose(fooling, image(0.3, -0.3, -0.2, 0.9))
    aimed = FGSM(eps=0.1).examples(linear, x, ZERO + 1, toward=0)
    assert torch.allclose(aimed, image(0.7, -0.7, 0.2, 0.9))
    far = FGSM(eps=0.9).examples(linear, x, ZERO)
    assert torch.allclose(far, image(-1.0, 1.0, -1.0, 0.9))


def test_an_attack_is_a_constant_that_needs_no_gradients_around_it() -> None:
    x = image(0.5, -0.5, 0.0, 0.9).requires_grad_()
    assert not FGSM().examples(linear, x, ZERO).requires_grad
    with torch.no_grad():
        assert not torch.equal(FGSM().examples(linear, x, ZERO), x)


def digits() -> tuple[Any, Tensor, Tensor]:
    """A network, images, and the classes that it gives them."""
    net = makers.make_classifier((1, 8, 8), 3).eval().requires_grad_(False)
    x = torch.rand(16, 1, 8, 8) * 2 - 1
    return net, x, net(x).argmax(1)


def test_fgsm_is_the_librarys() -> None:
    pytest.importorskip("foolbox")
    from ganwright.attacks import _found

    net, x, y = digits()
    theirs = _found("LinfFastGradientAttack", {}, 0.2, net, x, y, False)
    assert torch.allclose(FGSM(eps=0.2).examples(net, x, y), theirs, atol=1e-6)


@pytest.mark.parametrize("how", [FGSM(eps=0.1), PGD(eps=0.1, steps=10, step=0.02)])
def test_changes_have_a_bound(how: Attack) -> None:
    if isinstance(how, PGD):
        pytest.importorskip("foolbox")
    net, x, y = digits()
    found = how.examples(net, x, y)
    assert (found - x).abs().max() <= 0.2 + 1e-6
    assert found.abs().max() <= 1
    # a bound that the random start keeps to is reached where it pays
    assert (found - x).abs().max() > 0.19


def test_pgd_does_at_least_what_fgsm_does() -> None:
    pytest.importorskip("foolbox")
    net, x, y = digits()
    right = [(net(how.examples(net, x, y)).argmax(1) == y).sum() for how in (PGD(0.1), FGSM(0.1))]
    assert right[0] <= right[1]


def test_cw_finds_the_nearest_point_of_the_other_class() -> None:
    pytest.importorskip("foolbox")
    x = image(0.5, -0.2, 0.4, -0.4)
    found = CW(steps=300, searches=6).examples(linear, x, ZERO)
    # w x is 1.1, and |w| is sqrt 5.25: the plane is .4801 away
    assert linear(found).argmax(1).item() == 1
    assert (found - x).norm().item() == pytest.approx(1.1 / 5.25**0.5, rel=0.1)


def test_cw_leaves_an_image_as_it_is_where_it_finds_nothing() -> None:
    pytest.importorskip("foolbox")

    def stubborn(x: Tensor) -> Tensor:
        return linear(x) * 0 + torch.tensor([1.0, 0.0])

    x = image(0.5, -0.2, 0.4, -0.4)
    found = CW(steps=3, searches=1).examples(stubborn, x, ZERO)
    assert torch.allclose(found, x, atol=1e-6)


def test_attacks_repeat_themselves_under_a_seed() -> None:
    pytest.importorskip("foolbox")
    net, x, y = digits()
    found = []
    for _ in range(2):
        torch.manual_seed(5)
        found.append(PGD(steps=2).examples(net, x, y))
    assert torch.equal(*found)


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "foolbox", None)
    with pytest.raises(ImportError, match=r'pip install "ganwright\[attacks\]"'):
        PGD().examples(linear, image(0, 0, 0, 0), ZERO)


def test_what_is_not_installed_is_said_before_the_first_attack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also of the attack through the cleaner, which comes last: a projection may take hours."""
    monkeypatch.setitem(__import__("sys").modules, "foolbox", None)
    trial = Trial("nothing that could be opened")
    for kinds, clean in (({"fgsm": FGSM(), "cw": CW()}, None), ({"fgsm": FGSM()}, "cleaner")):
        with pytest.raises(ImportError, match=r'pip install "ganwright\[attacks\]"'):
            attack("runs/classifier", kinds, trial, clean=clean)


class Drawn:
    """A G that shows its latents, which come in this order."""

    def __init__(self, *rows: Tensor) -> None:
        self.rows = torch.cat(rows)
        self.calls = 0

    def function(self) -> Function:
        def call(z: Tensor) -> Tensor:
            self.calls += 1
            return z.reshape(-1, 1, 2, 2)

        return Function(call, (Argument("z", lambda n: self.rows[:n].flatten(1)),))


X = image(0.8, -0.4, 0.2, 0.0)


@pytest.mark.parametrize(("steps", "share"), [(1, 1.25), (2, 1.8125)])
def test_the_projection_by_hand(steps: int, share: float) -> None:
    """G shows z: the slope is (z - x) / 8, so 10 of it from 0 is 1.25 x.

    Then .7 (-x / 8) + .25 x / 8 is -.05625 x, and 10 of that more is 1.8125 x.
    """
    G = Drawn(torch.zeros(1, 1, 2, 2)).function()
    found = Projection(steps=steps, restarts=1).nearest(G, X)
    assert torch.allclose(found, share * X, atol=1e-6)


def test_the_last_fifth_of_the_projection_is_slower() -> None:
    G = Drawn(torch.zeros(1, 1, 2, 2)).function()
    found = Projection(steps=5, restarts=1, momentum=0.0).nearest(G, X)
    # each step multiplies what is missing by -.25, and the last by .875
    assert torch.allclose(found, X * (1 - 0.25**4 * 0.875), atol=1e-6)


def test_the_best_restart_is_kept_for_each_image() -> None:
    a, b = X, -X
    G = Drawn(a + 0.1, b, a, b + 0.1).function()
    found = Projection(steps=1, restarts=2, lr=1e-9).nearest(G, torch.cat([a, a]))
    # the first image's draws are a + .1 and b, the second's a and b + .1
    assert torch.allclose(found, torch.cat([a + 0.1, a]), atol=1e-6)


def test_gradients_pass_straight_through_the_projection(tmp_path: Path) -> None:
    cls, settings = tiny("dcgan", steps=1)
    model = train(cls, settings, tmp_path / "run", quiet=True)
    clean = cleaner(model, (1, 8, 8), Projection(steps=2, restarts=2))
    x = (torch.rand(3, 1, 8, 8) * 2 - 1).requires_grad_()
    torch.manual_seed(0)
    made = clean(x)
    torch.manual_seed(0)
    nearest = Projection(steps=2, restarts=2).nearest(model.game.function(), x)
    assert torch.allclose(made, nearest, atol=1e-6)
    w = torch.randn_like(x)
    assert torch.equal(torch.autograd.grad((w * made).sum(), x)[0], w)


def test_more_steps_come_nearer(tmp_path: Path) -> None:
    cls, settings = tiny("dcgan", steps=1)
    model = train(cls, settings, tmp_path / "run", quiet=True)
    x = model.sample(4, seed=1)
    errors = []
    for steps in (1, 60):
        torch.manual_seed(0)
        found = Projection(steps=steps, restarts=2, lr=2.0).nearest(model.game.function(), x)
        errors.append(float((found - x).square().mean()))
    assert errors[1] < errors[0]


@pytest.fixture(scope="module")
def runs_of(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of one step: what classifies, generates, changes and cleans."""
    place = tmp_path_factory.mktemp("runs")
    for name in ("acgan", "dcgan", "cgan", "advgan", "apegan", "cyclegan"):
        cls, settings = tiny(name, steps=1)
        train(cls, settings, place / name, quiet=True)
    cls, settings = tiny("advgan", steps=1, channels=3)
    train(cls, settings, place / "colour", quiet=True)
    return place


def test_the_table_counts_by_hand(runs_of: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bright images are class 0; the attack darkens by .5; the cleaner lightens dark ones."""
    levels = torch.tensor([0.75, 0.75, 0.25, -0.75])
    x = levels[:, None, None, None].expand(-1, 1, 8, 8).contiguous()
    y = torch.tensor([0, 1, 0, 1])

    def bright(u: Tensor) -> Tensor:
        m = u.mean((1, 2, 3))
        return torch.stack([m, -m], 1)

    class Darken(Attack):
        def search(self, f: Any, x: Tensor, y: Tensor, targeted: bool) -> Tensor:
            return x - 0.5

    monkeypatch.setattr(runs, "frozen", lambda *_: bright)
    monkeypatch.setattr(runs, "load", lambda *_, **__: None)
    monkeypatch.setattr(runs, "cleaner", lambda *_: lambda u: torch.where(u < 0, u + 0.5, u))
    trial = Trial((x, y), batch_size=3, split="train", device="cpu")
    rows, shown = attack("any", {"dark": Darken()}, trial, clean="any", adaptive=Darken())
    nothing, plain, through = rows
    # .75 .75 .25 -.75, cleaned -.25 in the last, which stays dark
    assert (nothing.attack, nothing.attacked, nothing.cleaned) == ("none", 3 / 4, 3 / 4)
    assert nothing.success == 0
    assert math.isnan(nothing.L2)
    # .75 .75 .25 -.75 with 0 1 0 1: right are the first, the third and the last
    assert plain[:4] == ("dark", 4, 3 / 4, 2 / 4)
    # darkened .25 .25 -.25 -1.25, cleaned .25 .25 .25 -.75
    assert plain.cleaned == 3 / 4
    assert plain.success == pytest.approx(1 / 3)
    assert (plain.L2, plain.Linf) == pytest.approx((8 * 0.25, 0.25), rel=1e-5)
    assert through.attack == "darken through the cleaner"
    # the cleaner makes -.75 to -.25, and of what is dark then -1.25 to -.75: all as before
    assert through.success == 0
    assert shown["dark"].shape == (3, 1, 8, 8)


def test_a_class_to_aim_at_is_no_image_to_fool(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = torch.tensor([-0.1, -0.1, 0.5, 0.5])
    x, y = levels[:, None, None, None].expand(-1, 1, 8, 8).contiguous(), (levels > 0).long()

    class Name(Attack):
        def search(self, f: Any, x: Tensor, y: Tensor, targeted: bool) -> Tensor:
            assert targeted
            assert y.unique().tolist() == [1]
            return x + 0.5

    def f(u: Tensor) -> Tensor:
        one = u.mean((1, 2, 3)) > 0.25
        return torch.stack([~one, one], 1).float()

    monkeypatch.setattr(runs, "frozen", lambda *_: f)
    trial = Trial((x, y), toward=1, split="train", device="cpu")
    ((row,), _) = attack("any", {"name": Name()}, trial)
    assert (row.clean, row.attacked, row.cleaned, row.success) == (1.0, 0.5, None, 1.0)


def test_the_command_prints_a_table_and_keeps_it(
    runs_of: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    argv = ["attack", str(runs_of / "acgan"), "--data", "digits", "-n", "6", "--device", "cpu"]
    argv += ["--kinds", "FGSM(eps=0.2)", f"advgan={runs_of / 'advgan'}"]
    argv += ["--cleaner", str(runs_of / "apegan"), "--adaptive", "FGSM", "--out", str(out)]
    assert main(argv) == 0
    said = capsys.readouterr().out.splitlines()
    columns = "attack images clean attacked cleaned success L2 Linf"
    assert said[0].split() == columns.split()
    assert [line.split("  ")[0] for line in said[1:5]] == [
        "none",
        "FGSM(eps=0.2)",
        f"advgan={runs_of / 'advgan'}",
        "fgsm through the cleaner",
    ]
    with (out / "attack.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["images"] for row in table] == ["6"] * 4
    assert all(0 <= float(row["cleaned"]) <= 1 for row in table)
    assert (out / "attack.png").is_file()
    assert "2 of the outputs exist" in error_of(argv, capsys)


def test_the_same_seed_gives_the_same_table(
    runs_of: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["attack", str(runs_of / "acgan"), "--data", "digits", "-n", "4", "--kinds", "fgsm"]
    argv += ["--device", "cpu", "--cleaner", str(runs_of / "dcgan"), "--adaptive", "FGSM"]
    argv += ["--projection", "Projection(steps=2, restarts=2)"]
    said = []
    for _ in range(2):
        torch.rand(3)
        assert main(argv) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--cleaner", "cyclegan"], "which cannot clean; take a run of apegan"),
        (["--cleaner", "cgan"], "cgan generates from z, labels"),
        (["--cleaner", "nowhere"], "nowhere"),
        (["--kinds", "advgan=dcgan"], "dcgan is a run of dcgan; advgan= takes advgan's"),
        (["--kinds", "advgan=advgan", "--toward", "3"], "trained with toward=None, and --toward"),
        (["--kinds", "fgsm", "advgan=colour"], "colour attacks images of [3, 8, 8], and these"),
        (["--kinds", "PGD(eps=-1)"], "eps of PGD is -1.0; it must be above 0"),
        (["--kinds"], "--kinds names no attack; choose one of cw, fgsm, pgd"),
        (["--kinds", "hinge"], "--kinds names hinge, which is no attack"),
        (["--kinds", "FGSM(eps=8)"], "eps of FGSM is 8.0; it must be above 0, at most 1"),
        (["--cleaner", "dcgan", "--adaptive", "hinge"], "--adaptive names hinge, which is no"),
        (["--out", "result.csv"], "--out is result.csv, the name of a file; name a folder"),
        (["--eps", "0"], "--eps is 0.0; it must be"),
        (["--split", "test", "--data", "labelled"], "labelled"),
    ],
)
def test_what_does_not_fit_is_a_sentence(
    words: list[str],
    sentence: str,
    runs_of: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(runs_of)
    argv = ["attack", "acgan", "--data", "digits", "-n", "4", "--device", "cpu"]
    kinds = [] if "--kinds" in words else ["--kinds", "fgsm"]
    assert sentence in error_of([*argv, *kinds, *words], capsys)


@pytest.mark.parametrize("word", ["FGSM", "fgsm", "ganwright.attacks.FGSM"])
def test_an_attack_through_the_cleaner_takes_eps(
    word: str, runs_of: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Any] = []

    def keep(*_: Any, adaptive: Attack, **__: Any) -> None:
        found.append(adaptive)
        raise SettingsError("enough")

    monkeypatch.setattr(runs, "attack", keep)
    argv = ["attack", "acgan", "--data", "digits", "--cleaner", "dcgan", "--eps", "0.1"]
    monkeypatch.chdir(runs_of)
    assert main([*argv, "--adaptive", word]) == main([*argv, "--adaptive", "PGD(steps=3)"]) == 2
    assert main(argv) == 2
    assert found == [FGSM(eps=0.1), PGD(steps=3), PGD(eps=0.1)]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"toward": -1}, "toward of Trial is -1; it must be at least 0"),
        ({"batch_size": 0}, "batch_size of Trial is 0; it must be at least 1"),
        ({"n": 0}, "n of Trial is 0; it must be at least 1"),
        ({"n": -3}, "n of Trial is -3; it must be at least 1"),
        ({"seed": -1}, "seed of Trial is -1; it must be at least 0"),
        ({"n": "few"}, "n of Trial is 'few'; it must be a whole number"),
    ],
)
def test_a_trial_is_checked(how: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Trial("digits", **how)


def test_numbers_of_a_trial_may_be_text() -> None:
    assert Trial("digits", n="20", toward="8") == Trial("digits", n=20, toward=8)  # type: ignore[arg-type]


def test_images_are_read_as_the_classifier_read_its_own(tmp_path: Path) -> None:
    """In its range, and in its channels at a size that is named, too."""
    for name in ("a/0.png", "a/1.png", "b/0.png", "b/1.png"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (120, 120, 120)).save(tmp_path / "data" / name)
    cls, settings = tiny("sgan", steps=1, channels=1, range=(0, 100), data=str(tmp_path / "data"))
    train(cls, settings, tmp_path / "run", quiet=True)
    trial = Trial(tmp_path / "data", options=DataOptions(image_size=8), device="cpu")
    _, shown = attack(str(tmp_path / "run"), {"fgsm": FGSM()}, trial)
    assert shown["image"].shape == (4, 1, 8, 8)
    assert (shown["image"] == 1).all()


def test_images_are_read_as_the_cleaner_read_its_own(tmp_path: Path) -> None:
    """Where the classifier is a function, which has read none."""
    for name in ("a/0.png", "b/1.png"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 120).save(tmp_path / "data" / name)
    cls, settings = tiny("wgan-gp", steps=1, range=(0, 100), data=str(tmp_path / "data"))
    train(cls, settings, tmp_path / "run", quiet=True)
    trial = Trial(tmp_path / "data", device="cpu")
    few = Projection(steps=1, restarts=1)
    target, kinds = Factory("makers.make_classifier"), {"fgsm": FGSM()}
    _, shown = attack(target, kinds, trial, clean=tmp_path / "run", projection=few)
    assert (shown["image"] == 1).all()


def test_packs_are_attacked_as_folders_are(tmp_path: Path) -> None:
    for name in ("a/0.png", "b/1.png"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (120, 20, 20)).save(tmp_path / "data" / name)
    cls, settings = tiny("sgan", steps=1, channels=3, data=str(tmp_path / "data"))
    train(cls, settings, tmp_path / "run", quiet=True)
    assert main(["data", settings.data or "", "--pack", str(tmp_path / "pack")]) == 0
    found = [
        attack(str(tmp_path / "run"), {"fgsm": FGSM()}, Trial(tmp_path / name, device="cpu"))[0]
        for name in ("data", "pack")
    ]
    assert repr(found[0]) == repr(found[1])


def test_a_cleaner_for_other_images_is_refused(runs_of: Path) -> None:
    cls, settings = tiny("dcgan")
    game = cls(settings.game, replace(_spec(runs_of), shape=(1, 16, 16)))
    with pytest.raises(SettingsError, match=r"makes images of shape \(1, 16, 16\), and the class"):
        cleaner(Model("dcgan", game, game.spec, 1, runs_of), (1, 8, 8), Projection())


def _spec(place: Path) -> Any:
    from ganwright.run.load import load

    return load(place / "dcgan", device="cpu").spec
