"""AdvGAN and APE-GAN: networks, objectives by hand, the bound, and the classifier left alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import makers
import pytest
import torch
from helpers import tensors, tiny, trainer_of
from torch import Tensor, nn

from ganwright.attacks import FGSM
from ganwright.config.factory import Factory
from ganwright.data.types import Images, Spec
from ganwright.errors import SettingsError
from ganwright.families.advgan import AdvGAN, lead
from ganwright.families.apegan import APEGAN
from ganwright.networks import AdvCritic, AdvTranslator, APECritic, APETranslator
from ganwright.networks.classifiers import ModelA, ModelB, ModelC
from ganwright.networks.frozen import Frozen, frozen
from ganwright.run.load import load
from ganwright.run.train import train

DIGIT = (1, 28, 28)
SPEC = Spec(Images, (1, 8, 8), classes=("0", "1", "2"))
CPU = torch.device("cpu")


def parameters(net: nn.Module) -> int:
    return sum(w.numel() for w in net.parameters())


@pytest.mark.parametrize(
    ("net", "count"),
    [
        (AdvTranslator().translator(DIGIT, DIGIT), 86_176),
        (AdvCritic().discriminator(DIGIT), 10_553),
        (ModelA(DIGIT, 10), 1_285_194),
        (ModelB(DIGIT, 10), 710_218),
        (ModelC(DIGIT, 10), 312_202),
        # 5x5: 1,664 + 204,928 + 204,864 + 1,601, and 512 of batch norm
        (APETranslator().translator(DIGIT, DIGIT), 413_569),
        # 5x5: 1,664 + 204,928 + 819,456, 768 of batch norm, and 4,097 of the head
        (APECritic().discriminator(DIGIT), 1_030_913),
    ],
)
def test_networks_have_the_parameters_of_their_originals(net: nn.Module, count: int) -> None:
    assert parameters(net) == count


@pytest.mark.parametrize("size", [(16, 16), (28, 28), (32, 48)])
def test_translators_keep_the_size(size: tuple[int, int]) -> None:
    shape = (3, *size)
    for settings in (AdvTranslator(width=2, blocks=1), APETranslator(width=2)):
        made = settings.translator(shape, shape)(torch.randn(2, *shape))
        assert made.shape == (2, *shape)
        assert made.abs().max() < 1


def test_critics_score_and_give_features() -> None:
    for settings, h in ((AdvCritic(width=2), 1), (APECritic(width=2), 1)):
        D = settings.discriminator(DIGIT)
        x = torch.randn(3, *DIGIT)
        assert D(x).shape == (3, 1, h, h)
        assert [f.shape[1] for f in D.features(x)] == [2, 4, 8]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: AdvTranslator().translator((1, 30, 30), (1, 30, 30)), "sides that 4 divides"),
        (lambda: AdvCritic().discriminator((1, 16, 16)), "22 pixels or more"),
        (lambda: APECritic().discriminator((1, 4, 4)), "8 pixels or more"),
        (lambda: ModelB((1, 20, 20), 10), "ModelB classifies images .* of 28 pixels or more"),
        (lambda: ModelC(DIGIT, 10, "nowhere.safetensors"), "does not hold ModelC's weights"),
    ],
)
def test_networks_refuse_what_they_cannot_take(make: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        make()


def test_a_classifiers_weights_come_from_a_file(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    file = tmp_path / "c.safetensors"
    net = ModelC(DIGIT, 4)
    save_file(net.state_dict(), file)
    again = ModelC(DIGIT, 4, str(file))
    x = torch.randn(2, *DIGIT)
    assert torch.equal(net.eval()(x), again.eval()(x))
    with pytest.raises(SettingsError, match="does not hold ModelA's weights"):
        ModelA(DIGIT, 4, str(file))


def test_the_lead_by_hand() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.5], [0.0, 4.0, 1.0]])
    y = torch.tensor([0, 2])
    # .5 over the second best; the other is wrong already
    assert lead(logits, y).item() == pytest.approx(0.5 / 2)
    # towards class 2: .5 behind, and 3 behind
    assert lead(logits, y, 2).item() == pytest.approx((0.5 + 3) / 2)


class Constant(nn.Module):
    """A G that gives the same everywhere."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x) + self.value


def brightness(x: Tensor) -> Tensor:
    return x.mean((1, 2, 3))


class Brightness(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return brightness(x)


def by_brightness(x: Tensor) -> Tensor:
    """Logits (m, 0, -m) of images of mean m."""
    m = brightness(x)
    return torch.stack([m, 0 * m, -m], 1)


def advgan(value: float = 0.5, **settings: Any) -> AdvGAN:
    """Images change by 2 * .25 * value; D's score is the mean, f's logits are by_brightness."""
    _, made = tiny("advgan")
    cfg = replace(made.game, eps=0.25, **({"student": None} | settings))
    game = AdvGAN(cfg, SPEC)
    game.G, game.D, game.target = Constant(value), Brightness(), Frozen(by_brightness)
    return game


GREY = Images(torch.full((4, 1, 8, 8), 0.4), torch.zeros(4, dtype=torch.long))


def test_advgans_objectives_by_hand() -> None:
    game = advgan(norm=0.6)
    # .4 becomes .65
    found = game.discriminator(GREY)["adv"]
    assert found.item() == pytest.approx((0.4 - 1) ** 2 + 0.65**2)
    terms = game.generator(GREY)
    assert terms["attack"].item() == pytest.approx(10 * 0.65)
    assert terms["adv"].item() == pytest.approx((0.65 - 1) ** 2)
    # 64 pixels that change by .125 of [0, 1] have norm 1
    assert terms["hinge"].item() == pytest.approx(1 - 0.6)
    terms = advgan(toward=2, attack=2.0, adversarial=3.0, hinge=5.0, norm=0.9).generator(GREY)
    assert terms["attack"].item() == pytest.approx(2 * (0.65 + 0.65))
    assert terms["adv"].item() == pytest.approx(3 * 0.1225)
    assert terms["hinge"].item() == pytest.approx(5 * 0.1)
    assert advgan(norm=1.1).generator(GREY)["hinge"].item() == 0


def test_changes_stay_within_the_bound_and_keep_their_slope_there() -> None:
    game = advgan()
    game.G = nn.Tanh()
    x = torch.linspace(-1, 1, 64).reshape(1, 1, 8, 8).requires_grad_()
    change = (game.changed(9 * x) - 9 * x).abs()[(9 * x).abs() < 0.5]
    assert change.max() <= 0.5
    # a clamp to eps would give 0 where the tanh's output is near its end
    weight = torch.tensor(3.0, requires_grad=True)
    game.G = Times(weight)
    (slope,) = torch.autograd.grad(game.changed(torch.full((1, 1, 8, 8), 0.4)).sum(), weight)
    wanted = 64 * 0.5 * 0.4 * (1 - math.tanh(1.2) ** 2)
    assert slope.item() == pytest.approx(wanted, rel=1e-4)
    assert game.changed(torch.ones(1, 1, 8, 8)).max() == 1


class Times(nn.Module):
    """tanh(weight x)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x: Tensor) -> Tensor:
        return (self.weight * x).tanh()


def test_the_student_is_distilled_from_outputs_and_stands_in_for_the_classifier() -> None:
    game = advgan(student=Factory("makers.make_classifier"))
    game.S = Doubled()
    terms = game.distil(GREY)

    def wanted(m: float) -> float:
        p = torch.tensor([m, 0.0, -m]).softmax(0)
        return -float((p * (2 * torch.tensor([m, 0.0, -m])).log_softmax(0)).sum())

    assert terms["distil"].item() == pytest.approx(wanted(0.4), rel=1e-5)
    assert terms["distil_changed"].item() == pytest.approx(wanted(0.65), rel=1e-5)
    game.target = Frozen(refused)
    assert game.generator(GREY)["attack"].item() == pytest.approx(10 * 2 * 0.65)


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * by_brightness(x)


def refused(x: Tensor) -> Tensor:
    raise AssertionError("the black box is closed")


def test_g_attacks_an_undisturbed_student() -> None:
    game = trainer_of("advgan").game
    assert isinstance(game, AdvGAN)
    assert game.S is not None
    x = torch.randn(3, 1, 8, 8)
    assert torch.equal(game.attacked(x), game.attacked(x))
    assert not torch.equal(game.S(x), game.S(x))
    assert all(m.training for m in game.S.modules())
    assert [p.name for p in game.players()] == ["D", "G", "S"]
    assert [p.name for p in advgan().players()] == ["D", "G"]


def test_success_counts_known_images_of_other_classes() -> None:
    game = advgan(-1.0)  # every image darkens by .5: .4 to -.1, .9 to .4, -.3 to -.8
    levels, y = torch.tensor([0.4, 0.9, -0.3, 0.4]), torch.tensor([0, 0, 2, 1])
    x = levels[:, None, None, None].expand(-1, 1, 8, 8)
    found = {k: v.item() for k, v in game.measure(Images(x, y)).items()}
    assert found["accuracy"] == 3 / 4
    assert found["accuracy_changed"] == 2 / 4
    assert found["success"] == pytest.approx(1 / 3)
    assert (found["L2"], found["Linf"]) == pytest.approx((8 * 0.25, 0.25))
    aimed = advgan(-1.0, toward=2).measure(Images(x, y))
    assert aimed["success"].item() == pytest.approx(1 / 2)  # of the two of class 0


def test_apegans_objectives_by_hand() -> None:
    _, made = tiny("apegan")
    game = APEGAN(replace(made.game, attack=FGSM(eps=0.1)), SPEC)
    game.G, game.D, game.target = Half(), Brightness(), Frozen(by_brightness)
    # class 0 is the bright one: .4 darkens to .2, which G halves
    assert game.attacked(GREY).unique().tolist() == pytest.approx([0.2])
    terms = game.generator(GREY)
    assert terms["mse"].item() == pytest.approx(0.7 * 0.3**2)
    assert terms["adv"].item() == pytest.approx(0.3 * math.log1p(math.exp(-0.1)))
    adv = game.discriminator(GREY)["adv"].item()
    assert adv == pytest.approx(math.log1p(math.exp(-0.4)) + math.log1p(math.exp(0.1)))


class Half(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / 2


def test_apegan_measures_all_four_accuracies() -> None:
    _, made = tiny("apegan")
    game = APEGAN(replace(made.game, attack=FGSM(eps=0.3)), SPEC)
    game.G, game.target = Lighter(), Frozen(by_brightness)
    found = {k: v.item() for k, v in game.measure(GREY).items()}
    # .4 is class 0, -.2 is class 2, and .7 lighter both are class 0
    assert found == {
        "accuracy": 1,
        "accuracy_attacked": 0,
        "accuracy_cleaned": 1,
        "accuracy_clean": 1,
    }


class Lighter(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x + 0.7).clamp(-1, 1)


@pytest.mark.parametrize("name", ["advgan", "apegan"])
def test_the_classifier_stays_as_it_is_and_in_no_checkpoint(name: str, tmp_path: Path) -> None:
    trainer = trainer_of(name)
    target: Any = trainer.game.target
    before = {k: v.clone() for k, v in target.net.state_dict().items()}
    list(trainer.play(3))
    after = target.net.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert not any(m.training for m in target.net.modules())
    assert all(w.grad is None and not w.requires_grad for w in target.net.parameters())
    assert not any("target" in k for k in trainer.game.state_dict())
    cls, settings = tiny(name, steps=1)
    train(cls, settings, tmp_path / "run", quiet=True)
    assert not any("target" in k for k in tensors(tmp_path / "run"))
    model = load(tmp_path / "run", device="cpu")  # which needs no classifier
    assert model.translate(torch.zeros(2, 1, 8, 8)).shape == (2, 1, 8, 8)
    with pytest.raises(SettingsError, match=r"learns one direction, a2b, not .b2a."):
        model.translate(torch.zeros(2, 1, 8, 8), direction="b2a")


def test_a_run_classifies_by_the_logarithms_of_its_probabilities(tmp_path: Path) -> None:
    cls, settings = tiny("acgan", steps=1)
    model = train(cls, settings, tmp_path / "judge", quiet=True)
    f = frozen(tmp_path / "judge", model.spec, CPU)
    x = torch.rand(3, 1, 8, 8) * 2 - 1
    assert torch.allclose(f(x).exp(), model.classify(x), atol=1e-6)
    x.requires_grad_()
    assert torch.autograd.grad(f(x)[:, 0].sum(), x)[0].abs().sum() > 0


def test_a_program_of_torch_export_is_a_classifier(tmp_path: Path) -> None:
    net = makers.make_classifier((1, 8, 8), 3).eval()
    n = torch.export.Dim("n", min=1, max=1024)
    program = torch.export.export(net, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: n},))
    torch.export.save(program, tmp_path / "c.pt2")
    f = frozen(tmp_path / "c.pt2", SPEC, CPU)
    x = torch.rand(5, 1, 8, 8) * 2 - 1
    assert torch.allclose(f(x), net(x), atol=1e-6)
    assert FGSM(0.1).examples(f, x, torch.zeros(5, dtype=torch.long)).shape == x.shape


def two(shape: tuple[int, ...], classes: int) -> nn.Module:
    return makers.make_classifier(shape, 2)


def deaf(shape: tuple[int, ...], classes: int) -> nn.Module:
    return nn.Linear(3, classes)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (None, "there is no classifier to attack; name a run"),
        (Path("nowhere"), "the classifier nowhere is no run folder, no .pt2 file"),
        (Path("cut.pt2"), "the classifier cut.pt2 cannot be read"),
        (Factory("test_adversarial.two"), r"gives a tensor of shape \(2, 2\) .* logits \[2, 3\]"),
        (Factory("makers.make_patch"), "makers.make_patch.* fails"),
        (Factory("test_adversarial.deaf"), r"cannot take images \[2, 1, 8, 8\]: "),
    ],
)
def test_what_classifies_nothing_is_refused(
    target: Any, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cut.pt2").write_bytes(b"PK")
    with pytest.raises(SettingsError, match=sentence):
        frozen(target, SPEC, CPU)


def test_a_run_of_other_images_or_classes_is_refused(tmp_path: Path) -> None:
    cls, settings = tiny("acgan", steps=1)
    spec = train(cls, settings, tmp_path / "judge", quiet=True).spec
    run = tmp_path / "judge"
    with pytest.raises(SettingsError, match=r"shape \(1, 8, 8\), and those given .*--image-size 8"):
        frozen(run, replace(spec, shape=(1, 16, 16)), CPU)
    with pytest.raises(SettingsError, match=r"knows 10 classes .* and the images have 3"):
        frozen(run, replace(spec, classes=("0", "1", "2")), CPU)
    with pytest.raises(SettingsError, match="the same in one order"):
        frozen(run, replace(spec, classes=spec.classes[::-1]), CPU)
    cls, settings = tiny("dcgan", steps=1)
    train(cls, settings, tmp_path / "plain", quiet=True)
    with pytest.raises(SettingsError, match="dcgan cannot classify"):
        frozen(tmp_path / "plain", spec, CPU)


def test_a_class_that_does_not_exist_cannot_be_aimed_at() -> None:
    with pytest.raises(SettingsError, match=r"toward is 3, and the data has the classes 0 to 2"):
        advgan(toward=3)


def test_digits_of_28_pixels_are_translated_as_they_are(tmp_path: Path) -> None:
    """The layers of G leave 26, 12 and 5 pixels, which tiles must not round up."""
    cls, settings = tiny("advgan", steps=1, image_size=28)
    game = replace(settings.game, translator=AdvTranslator(width=2, blocks=1), student=None)
    model = train(cls, replace(settings, game=game), tmp_path / "run", quiet=True)
    x = torch.rand(2, 1, 28, 28) * 2 - 1
    assert torch.allclose(model.translate(x), model.game.translate(x), atol=1e-6)
