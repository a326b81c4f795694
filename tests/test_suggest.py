"""`ganwright suggest`: which rule takes which data, settings by numbers, and commands that work."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_cli import error_of

import ganwright
from ganwright.cli import main
from ganwright.commands.train import parsed
from ganwright.data.types import Images, Paired, Unpaired
from ganwright.families import names
from ganwright.optim import Cosine, CosineRise
from ganwright.penalties import R1, R2
from ganwright.run import suggest as suggesting
from ganwright.run.config_file import defaults, from_yaml, game_class
from ganwright.run.rules import RULES, rule_for
from ganwright.run.suggest import Suggestion, reasons
from ganwright.run.suited import Facts, r1_weight

CASES = {
    "rows of a table": (Facts(Images, 150, 3, (4,)), "wgan-gp"),
    "signals": (Facts(Images, 900, 0, (1, 64)), "wgan-gp"),
    "own pairs of sizes": (Facts(Paired, 900, 0, (3, 64, 64), least=64, factor=2), "srgan"),
    "pairs": (Facts(Paired, 400, 0, (3, 256, 256), side=256), "pix2pix"),
    "two folders": (Facts(Unpaired, 147, 0, (3, 256, 256), side=256), "cyclegan"),
    "a hundred photos": (Facts(Images, 100, 0, (3, 256, 256), side=256), "fastgan"),
    "many bands": (Facts(Images, 100, 0, (4, 64, 64), side=64), "r3gan"),
    "digits": (Facts(Images, 60_000, 10, (1, 28, 28), side=28), "dcgan"),
    "photos": (Facts(Images, 5000, 0, (3, 600, 800), side=600), "r3gan"),
    "thumbnails": (Facts(Images, 50_000, 10, (3, 32, 32), side=32), "r3gan"),
    "thumbnails on a GPU": (Facts(Images, 50_000, 0, (3, 32, 32), 32, gpu=True), "stylegan2"),
    "grey scans": (Facts(Images, 5000, 0, (1, 512, 512), side=512), "r3gan"),
}


@pytest.mark.parametrize(("facts", "family"), CASES.values(), ids=CASES)
def test_the_rule_that_fits(facts: Facts, family: str) -> None:
    assert rule_for(facts).family == family


def test_every_rule_names_a_family_and_gets_settings_that_it_accepts() -> None:
    taken = {rule_for(facts).suits for facts, _ in CASES.values()}
    assert taken == {rule.suits for rule in RULES}
    assert {rule.family for rule in RULES} <= set(names())


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("facts", [facts for facts, _ in CASES.values()], ids=CASES)
def test_the_printed_command_means_these_settings(facts: Facts, gpu: bool) -> None:
    facts = Facts(**vars(facts) | {"gpu": gpu})
    rule = rule_for(facts)
    cls = game_class(rule.family)
    usual = replace(defaults(cls), data="my photos")
    settings = rule.settings(facts, usual)
    profile: Any = SimpleNamespace(stretches=(SimpleNamespace(steps=1, seconds=0.1),))
    look: Any = None
    command = Suggestion(look, facts, rule, settings, profile).command
    ganwright_, train, family, *flags = shlex.split(command)
    assert (ganwright_, train, family) == ("ganwright", "train", rule.family)
    assert "my photos" in flags
    own = {"image_size": cls.image_size, "batch_size": cls.batch_size}
    read, meant = (
        vars(s) | {name: getattr(s, name) or usual for name, usual in own.items()}
        for s in (parsed(family, flags)[3], settings)
    )
    assert read == meant


def test_sizes_suit_the_machine() -> None:
    def size(side: int, gpu: bool) -> int:
        return Facts(Images, 1000, 0, (3, side, side), side, gpu=gpu).size

    # the next power of two, if images have half again as many pixels as the one below
    assert [size(side, False) for side in (20, 32, 47, 48, 64, 600)] == [32, 32, 32, 64, 64, 64]
    assert [size(side, True) for side in (48, 95, 96, 190, 192, 600)] == [
        64,
        64,
        128,
        128,
        256,
        256,
    ]


def test_the_weight_of_r1_by_hand() -> None:
    assert r1_weight(64 * 64, 32) == 0.0256  # .0002 x 4,096 / 32
    assert r1_weight(1024 * 1024, 32) == 6.55  # 6.5536


def test_a_cpu_has_short_runs() -> None:
    """Whose R1 is stronger, without mixing and path lengths; only from 402 pixels on is it less."""
    found = []
    for side, gpu in ((128, False), (448, False), (64, True)):
        facts = Facts(Images, 5000, 0, (3, side, side), side, gpu=gpu, asked=side)
        settings = rule_for(facts).settings(facts, defaults(game_class("stylegan2")))
        said = [reason for reason in reasons(facts, settings) if reason.startswith("R1 of")]
        cfg: Any = settings.game
        found.append((cfg.penalties[0].weight, cfg.mixing, cfg.path_weight, *said))
    rule = "is .0002 pixels / batch, as StyleGAN2-ADA has it"
    assert found == [
        (1.0, 0.0, 0.0, "R1 of 1 suits short runs"),
        (1.25, 0.0, 0.0, f"R1 of 1.25 {rule}"),  # .0002 x 448 x 448 / 32
        (0.0256, 0.9, 2.0, f"R1 of 0.0256 {rule}"),
    ]


def test_schedules_end_at_six_tenths_of_the_run() -> None:
    facts, _ = CASES["thumbnails"]
    rule = rule_for(facts)
    first = rule.settings(facts, defaults(game_class("r3gan")))
    settings = rule.lasting(replace(first, steps=1000))
    cfg: Any = settings.game
    falls = Cosine(600, floor=0.1)
    assert cfg.penalties == (R1(0.5, schedule=falls), R2(0.5, schedule=falls))
    assert cfg.optimizer_d == cfg.optimizer_g
    assert cfg.optimizer_d.schedule == Cosine(600, floor=0.25)
    assert (cfg.optimizer_d.lr, cfg.optimizer_d.beta2_schedule) == (2e-3, falls)
    assert (cfg.augment_d.p, cfg.augment_d.schedule) == (0.55, CosineRise(600))
    assert cfg.conditional
    many = rule.settings(replace(facts, count=200_000), defaults(game_class("r3gan")))
    assert rule.lasting(replace(many, steps=1000)).game.augment_d is None


def test_few_images_get_ada_and_many_do_not() -> None:
    usual = defaults(game_class("stylegan2"))
    for count, augmented in ((5000, True), (200_000, False)):
        facts = Facts(Images, count, 0, (3, 64, 64), 64, gpu=True)
        settings = rule_for(facts).settings(facts, usual)
        assert (settings.game.augment_d is not None) is augmented
        assert any("(ADA)" in reason for reason in reasons(facts, settings)) is augmented
    facts = Facts(Images, 100, 0, (3, 64, 64), 64)
    assert any("--init RUN" in reason for reason in reasons(facts, usual))


def test_a_suggestion_is_measured_and_fills_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ganwright.suggest("ring", hours=0.5, seconds=0.01, device="cpu")
    second = found.profile.stretches[0].seconds
    steps = min(1800 / second, 2_000_000 / 64)
    assert found.settings.steps == pytest.approx(steps, rel=0.1)  # two digits
    assert found.trial == max(1, found.settings.steps // 20)
    said = str(found)
    for line in ("family", "speed", "memory", "time", "trial", "look for", "then"):
        assert f"\n{line} " in said
    assert found.command in said
    rate = (found.settings.batch_size or 0) / second
    assert f"{rate:,.0f} rows a second on cpu" in said
    assert rate > 100
    assert f" steps see {found.settings.steps * 64:,} rows\n" in said
    monkeypatch.setattr(suggesting, "TRIAL", 100 * second)
    many = replace(found, settings=replace(found.settings, steps=10_000))  # on any machine
    assert many.trial == pytest.approx(100, abs=1)


def test_its_configuration_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ring.yaml"
    asked = ["suggest", "ring", "--hours", "0.1", "--seconds", "0.01", "--out", str(file)]
    assert main(asked) == 0
    out = capsys.readouterr().out
    assert out.endswith(f"{file}\n")
    family, settings = from_yaml(file.read_text(encoding="utf-8"))
    assert family == "wgan-gp"
    assert settings.data == "ring"
    run = tmp_path / "run"
    assert main(["train", "--config", str(file), "--steps", "1", "--out", str(run)]) == 0
    capsys.readouterr()
    assert f"{file} exists; add --overwrite to replace it" in error_of(asked, capsys)


def test_wrong_input_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = error_of(["suggest", "ring", "--out", str(tmp_path / "x.txt")], capsys)
    assert "a configuration is a .yaml file" in said
    assert "--hours is 0.0; it must be above 0" in error_of(
        ["suggest", "ring", "--hours", "0"], capsys
    )
    assert "no data set or folder is called" in error_of(["suggest", "nowhere"], capsys)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hours": -1}, "hours is -1.0; it must be above 0"),
        ({"hours": float("nan")}, "hours is nan; it must be above 0, and finite"),
        ({"hours": float("inf")}, "hours is inf; it must be above 0, and finite"),
        ({"hours": "long"}, "hours is 'long'; it must be a number, above 0"),
        ({"seconds": 0}, "seconds is 0.0; it must be above 0"),
        ({"data": np.zeros((9, 8, 8))}, "data of suggest is a tensor of shape .*; give a name or"),
        ({"hour": 8}, "there is no option hour; there are data_root, download"),
    ],
)
def test_wrong_words_in_python_are_a_sentence(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ganwright.GanwrightError, match=said):
        ganwright.suggest(**{"data": "ring", **given})


def test_a_suggested_run_is_no_longer_than_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of two digits are rounded down; a text of a number is one."""
    rule = rule_for(Facts(Images, 150, 3, (4,)))
    settings = replace(defaults(game_class(rule.family)), batch_size=64)
    for second, steps in ((3600 / 2579.5, 2500), (3600 / 99.5, 99), (3600, 1), (7200, 1)):
        profile: Any = SimpleNamespace(
            stretches=(SimpleNamespace(steps=1, seconds=second),), settings=settings
        )
        assert suggesting._lasting(profile, rule, 1.0).steps == steps
    monkeypatch.setattr(suggesting, "measure", lambda *_: profile)
    assert ganwright.suggest("ring", hours="8", device="cpu").settings.steps == 4  # type: ignore[arg-type]
