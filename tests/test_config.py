"""Settings as text: spelling and parsing of objects, config.yaml, and what errors say."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
import yaml
from torch import Tensor, nn

from ganwright import __version__
from ganwright.config.changes import change, differences
from ganwright.config.registry import TABLES, table
from ganwright.config.settings import Settings
from ganwright.config.spelling import convert, parse, spell
from ganwright.config.trust import trusting
from ganwright.data.types import Images, Spec
from ganwright.errors import RunError, SettingsError
from ganwright.formats import FORMAT
from ganwright.game import Game, Player, Terms
from ganwright.losses import Hinge, LeastSquares, Loss, NonSaturating
from ganwright.optim import Adam, Constant, LinearDecay, Optimizer, Schedule, WarmUp
from ganwright.penalties import R1, R2, Penalty
from ganwright.run.config_file import defaults, from_yaml, game_class, to_yaml


@dataclass(frozen=True)
class Doubled(Loss):
    """A user's own loss."""

    weight: float = 2.0


class Toy(Game):
    """A family of your own, outside the package."""

    title = "Toy (2024)"
    paper = "0000.00000"

    @dataclass(frozen=True, kw_only=True)
    class Config(Game.Config):
        latent: int = 4
        """Length of z: 100% of it."""
        loss: Loss = NonSaturating()
        """How scores become losses."""
        penalties: tuple[Penalty, ...] = ()
        """Regularisers of D."""
        optimizer_d: Optimizer = Adam(betas=(0.0, 0.9))
        """How D moves."""
        span: tuple[int, int] = (1, 2)
        """Two numbers."""
        scale: float | None = None
        """A number that may be missing."""

    def __init__(self, cfg: Config, spec: Spec) -> None:
        super().__init__(cfg, spec)
        size = math.prod(spec.shape)
        self.G = nn.Sequential(nn.Linear(cfg.latent, size), nn.Tanh(), nn.Unflatten(1, spec.shape))
        self.D = nn.Sequential(nn.Flatten(), nn.Linear(size, 1), nn.Flatten(0))

    def players(self) -> Iterable[Player]:
        yield Player("D", [self.D], self.discriminator, self.cfg.optimizer_d)
        yield Player("G", [self.G], self.generator)

    def discriminator(self, batch: Images) -> Terms:
        fake = self.sample(len(batch.images))
        return {"adv": self.cfg.loss.discriminator(self.D, batch.images, fake)}

    def generator(self, batch: Images) -> Terms:
        fake = self.sample(len(batch.images))
        return {"adv": self.cfg.loss.generator(self.D, batch.images, fake)}

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        images: Tensor = self.G(torch.randn(n, self.cfg.latent))
        return images if labels is None else images * 0 + labels[:, None, None, None] / 5 - 1

    def translate(self, images: Tensor, direction: str = "a2b") -> Tensor:
        return -images if direction == "a2b" else images

    def preview(self, batch: Images) -> Tensor:
        return self.sample(4)


TOY = f"{Toy.__module__}.{Toy.__qualname__}"


@pytest.mark.parametrize(
    ("text", "base", "expected"),
    [
        ("Hinge", Loss, Hinge()),
        ("LeastSquares(-1, b=1, c=0)", Loss, LeastSquares(-1.0, 1.0, 0.0)),
        ("R1(weight=1e-2, every=16)", Penalty, R1(0.01, 16)),
        (
            "Adam(lr=4e-4, betas=(0, .9), schedule=LinearDecay(hold=100, horizon=200))",
            Optimizer,
            Adam(lr=4e-4, schedule=LinearDecay(100, 200), betas=(0.0, 0.9)),
        ),
        ("WarmUp(10, then=Constant)", Schedule, WarmUp(10, Constant())),
        (f"{__name__}.Doubled(3)", Loss, Doubled(3.0)),
    ],
)
def test_parse_builds_what_a_call_spells(text: str, base: type, expected: Any) -> None:
    found = parse(text, base)
    assert found == expected
    assert type(found) is type(expected)


def test_arguments_take_the_type_of_their_field() -> None:
    loss = parse("LeastSquares(a=-1)", LeastSquares)
    assert isinstance(loss.a, float)


def test_spelling_and_parsing_undo_each_other_for_everything_registered() -> None:
    seen = 0
    for topic in TABLES:
        for name, kind in table(topic).items():
            required = {
                f.name: "torch.nn.Identity" if f.type == "Factory" else 1
                for f in dataclasses.fields(kind)
                if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
            }
            if "horizon" in required:
                required["horizon"] = 10
            value = kind(**required)
            text = spell(value)
            assert text.startswith(f"{name}("), text
            assert parse(text, kind) == value
            seen += 1
    assert seen > 20


def test_a_brief_spelling_leaves_defaults_out() -> None:
    assert spell(R1(every=16), brief=True) == "R1(every=16)"
    assert spell(Adam(schedule=WarmUp(5)), brief=True) == "Adam(schedule=WarmUp(steps=5))"
    assert parse(spell(LinearDecay(1, 2), brief=True), Schedule) == LinearDecay(1, 2)


def test_own_classes_are_spelled_by_their_path() -> None:
    assert spell(Doubled(3.0)) == f"{__name__}.Doubled(weight=3.0)"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Hing", "unknown Loss Hing; did you mean Hinge?"),
        ("LeastSquares(d=1)", "LeastSquares has no argument d; choose one of a, b, c"),
        ("LeastSquares(a='x')", "a of LeastSquares is 'x'; it must be a number"),
        ("LeastSquares(1, 2, 3, 4, 5, 6)", "arguments by position, got 6"),
        ("Wasserstein(1)", "Wasserstein takes 0 arguments by position, got 1"),
        ("Wasserstein(a=1)", "Wasserstein has no argument a; it takes none"),
        ("R1", "unknown Loss R1; choose one of"),
        ("os.system('true')", "os.system is not a Loss"),
        ("nowhere.MyLoss", "nowhere.MyLoss cannot be imported"),
        (f"{__name__}.Toy", "Toy is not a Loss"),
        ("LeastSquares(**{})", "write a name, or a call"),
        ("LeastSquares(", "write a name, or a call"),
        ("LeastSquares(a=1 + 1)", "write a name, or a call"),
        ("3", "it must be one of NonSaturating, "),
    ],
)
def test_a_wrong_spelling_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text, Loss, "--game.loss")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("--game.loss")
    assert "\n" not in str(caught.value)


def test_nothing_in_a_text_is_executed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for text in (
        f"open({str(mark)!r}, 'w')",
        f"LeastSquares(a=open({str(mark)!r}, 'w'))",
        f"pathlib.Path({str(mark)!r}).touch()",
    ):
        with pytest.raises(SettingsError):
            parse(text, Loss)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("text", "base", "sentence"),
    [
        ("LinearDecay(5)", Schedule, "LinearDecay needs the argument horizon"),
        ("LinearDecay(5, 2)", Schedule, "LinearDecay needs hold < horizon, got 5 and 2"),
        ("Adam(betas=(1,))", Optimizer, "betas of Adam is (1.0,); it must be 2 values"),
        ("Adam(schedule=Hinge)", Optimizer, "schedule of Adam: unknown Schedule Hinge"),
        ("R1(every=1.5)", Penalty, "every of R1 is 1.5; it must be a whole number"),
    ],
)
def test_what_a_constructor_refuses_is_said(text: str, base: type, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text, base)
    assert sentence.replace("1.0,", "1,") in str(caught.value)


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        ("12", int, 12),
        ("1e4", int, 10_000),
        (str(2**62 + 1), int, 2**62 + 1),
        ("2e-4", float, 2e-4),
        (3, float, 3.0),
        ("false", bool, False),
        (True, bool, True),
        ("none", int | None, None),
        (None, int | None, None),
        ("3", int | None, 3),
        ("3", Literal[1, 3], 3),
        ("bf16", Literal["fp32", "bf16"], "bf16"),
        (["1", "2"], tuple[int, int], (1, 2)),
        ("(1, 2)", tuple[int, int], (1, 2)),
        ("R2", tuple[Penalty, ...], (R2(),)),
        (["R1(2)", "R2"], tuple[Penalty, ...], (R1(2.0), R2())),
        ([], tuple[str, ...], ()),
        ("x", str | int, "x"),
        ("7", str | int, 7),
        ("data", Path, Path("data")),
    ],
)
def test_convert(value: Any, hint: Any, expected: Any) -> None:
    found = convert(value, hint, "it")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "hint", "words"),
    [
        ("1.5", int, "a whole number"),
        ("inf", int, "a whole number"),
        ("nan", int, "a whole number"),
        (True, int, "a whole number"),
        ("yes", bool, "true or false"),
        (5, str, "text"),
        ("2", Literal[1, 3], "1 or 3"),
        (["1"], tuple[int, int], "2 values (a whole number, a whole number)"),
        ("x", float | None, "a number"),
    ],
)
def test_convert_refuses(value: Any, hint: Any, words: str) -> None:
    with pytest.raises(SettingsError, match="it must be") as caught:
        convert(value, hint, "it")
    assert words in str(caught.value)


def test_config_holds_everything_and_comes_back() -> None:
    settings = Settings(
        data_root=Path("some/folder"),
        flip=True,
        channels=3,
        seed=2**62 + 1,
        log=("tensorboard",),
        game=Toy.Config(
            loss=Doubled(0.5),
            penalties=(R1(1.0, 16), R2()),
            optimizer_d=Adam(lr=1e-5, schedule=LinearDecay(1, 2)),
            span=(3, 4),
        ),
    )
    text = to_yaml(TOY, settings)
    with trusting(True):
        assert from_yaml(text) == (TOY, settings)
    plain = yaml.safe_load(text)
    assert plain["ganwright"] == __version__
    assert plain["data_root"] == "some/folder"
    assert plain["game"]["penalties"] == [
        "R1(weight=1.0, every=16, schedule=Constant())",
        "R2(weight=10.0, every=1, schedule=Constant())",
    ]
    ours = {"format", "ganwright", "family"}
    assert set(plain) == {f.name for f in dataclasses.fields(Settings)} | ours


def test_what_a_config_leaves_out_is_the_default() -> None:
    name, settings = from_yaml("steps: 5\ngame: {loss: Hinge, scale: 1e-4}", TOY)
    assert name == TOY
    assert settings == Settings(steps=5, game=Toy.Config(loss=Hinge(), scale=1e-4))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("stpes: 5", "unknown setting stpes; did you mean steps?"),
        ("game: {los: Hinge}", "unknown setting game.los; did you mean loss?"),
        ("game: {loss: Hing}", "game.loss: unknown Loss Hing; did you mean Hinge?"),
        ("loss: Hinge", "loss is a setting of the family; write loss below game, as in"),
        ("game.loss: Hinge", "game.loss is a setting of the family; write loss below game"),
        ("game: [1]", "it must be a mapping"),
        ("steps: many", "steps is 'many'; it must be a whole number"),
        ("steps: 0", "steps is 0; it must be at least 1"),
        ("precision: fp64", "precision is 'fp64'; it must be auto or fp32 or bf16 or fp16"),
        ("[1, 2]", "must be a YAML mapping"),
        ("a: [", "the configuration, line 1, cannot be read as YAML: "),
        ("steps: 5\nsteps: 6", "line 2, cannot be read as YAML: steps stands twice"),
        ("family: dcgan", f"is for dcgan, not for {TOY}"),
    ],
)
def test_a_wrong_config_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_yaml(text, TOY)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_config_without_family_asks_for_one() -> None:
    with pytest.raises(SettingsError, match="names no family"):
        from_yaml("steps: 5")


def test_only_a_newer_format_is_refused_whoever_wrote_it() -> None:
    for written in ("0.0.1", "0.999.0", "7.0"):
        assert from_yaml(f"ganwright: {written}", TOY)[0] == TOY
    for number in range(1, FORMAT + 1):
        from_yaml(f"format: {number}", TOY)
    with pytest.raises(
        RunError,
        match=rf"newer version of Ganwright \(format 99; this one reads up to {FORMAT}\); update",
    ):
        from_yaml("format: 99\nganwright: 7.0", TOY)
    with pytest.raises(RunError, match="has the format 'new'; it must be a whole number from 1"):
        from_yaml("format: new", TOY)


def test_differences_name_each_setting() -> None:
    a = defaults(Toy)
    b = dataclasses.replace(a, seed=1, game=Toy.Config(loss=Hinge(), span=(1, 3)))
    assert differences(a, a) == []
    assert differences(a, dataclasses.replace(a, ema_half_life=a.ema_half_life * 1.0)) == []
    assert differences(a, b) == [
        "game.loss: NonSaturating() -> Hinge()",
        "game.span: (1, 2) -> (1, 3)",
        "seed: 0 -> 1",
    ]


def test_what_a_changed_object_refuses_is_said() -> None:
    a = Settings(game=Toy.Config(optimizer_d=Adam(schedule=LinearDecay(1, 2))))
    b = change(a, {"game": {"optimizer_d": {"schedule": {"horizon": "9"}}}})
    assert b.game.optimizer_d == Adam(schedule=LinearDecay(1, 9))
    with pytest.raises(SettingsError, match=r"game\.optimizer_d\.schedule: LinearDecay needs"):
        change(a, {"game": {"optimizer_d": {"schedule": {"hold": "9"}}}})


def test_change_leaves_the_original_alone() -> None:
    a = defaults(Toy)
    b = change(a, {"steps": "7", "game": {"latent": "9"}})
    assert (b.steps, b.game.latent) == (7, 9)
    assert (a.steps, a.game.latent) == (10_000, 4)


def test_a_family_of_ones_own_is_named_by_its_path() -> None:
    assert game_class(TOY) is Toy
    assert game_class(f"{Toy.__module__}:{Toy.__qualname__}") is Toy
    with pytest.raises(SettingsError, match="is not a Game"):
        game_class(f"{__name__}.Doubled")
    with pytest.raises(SettingsError, match="did you mean dcgan"):
        game_class("dcgn")
