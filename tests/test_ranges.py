"""Every number that can be set has a range, stated in its type, and nothing outside it passes."""

from __future__ import annotations

import dataclasses
import importlib
import math
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import numpy as np
import pytest
import torch

import ganwright
from ganwright.commands.flags import Parser
from ganwright.config.changes import change
from ganwright.config.checked import Checked
from ganwright.config.factory import Factory
from ganwright.config.hints import hints_of
from ganwright.config.ranges import (
    BelowOne,
    Count,
    NonNegative,
    Positive,
    Range,
    Real,
    Share,
    Whole,
)
from ganwright.config.settings import Settings
from ganwright.config.spelling import convert, describe
from ganwright.errors import SettingsError
from ganwright.families import FAMILIES, family
from ganwright.layers.activation import LeakyReLU
from ganwright.layers.norm import BatchNorm
from ganwright.losses import Hinge, LeastSquares, NonSaturating
from ganwright.networks import ConvNet
from ganwright.optim import SGD, Adam, Constant, Cosine, Decay, WarmUp
from ganwright.penalties import R1, R2, Penalty, WeightClipping

for module in pkgutil.walk_packages(ganwright.__path__, "ganwright."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)


def below(kind: type) -> Iterator[type]:
    """All settings classes of the library that derive from `kind`."""
    for sub in kind.__subclasses__():
        if sub.__module__.startswith("ganwright."):
            yield sub
            yield from below(sub)


KINDS = sorted(
    {kind for kind in below(Checked) if dataclasses.is_dataclass(kind)},
    key=lambda kind: (kind.__module__, kind.__qualname__),
)


def numbers(hint: Any) -> Iterator[tuple[type, list[Range]]]:
    """The number types that a field's type names, each with the ranges that stand with it."""
    if get_origin(hint) is Annotated:
        base, *extras = get_args(hint)
        yield base, [extra for extra in extras if isinstance(extra, Range)]
    elif hint in (int, float):
        yield hint, []
    else:
        for option in get_args(hint):
            yield from numbers(option)


FIELDS = [(kind, name, hint) for kind in KINDS for name, hint in hints_of(kind).items()]
NUMBERS = [
    (kind, name, hint, base, limits)
    for kind, name, hint in FIELDS
    for base, limits in numbers(hint)
]


def outside(base: type, limits: Range) -> list[float]:
    """Numbers that the range has not: beyond each end, at an open end, and what is no number."""
    found = [math.nan, math.inf, -math.inf]
    if math.isfinite(limits.low):
        found += [limits.low - 1, *([limits.low] if limits.low_open else [])]
    if math.isfinite(limits.high):
        found += [limits.high + 1, *([limits.high] if limits.high_open else [])]
    return [base(x) if math.isfinite(x) else x for x in found]


def test_the_walk_reaches_everything() -> None:
    assert {family(name).Config for name in FAMILIES} <= set(KINDS)
    assert {Settings, Adam, WarmUp, R1, NonSaturating, ConvNet, BatchNorm, LeakyReLU} <= set(KINDS)
    assert len(NUMBERS) > 150


def test_whatever_a_setting_holds_is_checked() -> None:
    """No settings class of the library stands outside of the one mechanism."""
    loose = [
        (kind.__qualname__, name)
        for kind, name, hint in FIELDS
        for option in (hint, *get_args(hint))
        if isinstance(option, type)
        if dataclasses.is_dataclass(option) and not issubclass(option, (Checked, Factory))
    ]
    assert loose == []


def test_every_number_states_its_range_once() -> None:
    missing = [(k.__qualname__, name) for k, name, _, _, limits in NUMBERS if len(limits) != 1]
    assert missing == []


@pytest.mark.parametrize(
    ("kind", "name", "hint", "base", "limits"),
    NUMBERS,
    ids=[f"{kind.__qualname__}-{name}" for kind, name, *_ in NUMBERS],
)
def test_a_number_outside_its_range_is_one_sentence(
    kind: type, name: str, hint: Any, base: type, limits: list[Range]
) -> None:
    (allowed,) = limits
    required = {
        f.name: Constant() if f.name == "then" else 1
        for f in dataclasses.fields(kind)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    count = len(get_args(hint)) if get_origin(hint) is tuple else 1
    for value in outside(base, allowed):
        given = (value,) * count if get_origin(hint) is tuple else value
        with pytest.raises(SettingsError) as caught:
            kind(**(required | {name: given}))
        said = str(caught.value)
        assert "\n" not in said
        assert said.startswith((f"{name} is {value}", f"{name} of {kind.__name__} is {value}"))
        assert f"must be {allowed}" in said or f", {allowed}" in said or allowed == Range()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Adam(lr=math.nan), "lr of Adam is nan; it must be at least 0, and finite"),
        (lambda: Adam(lr=-1), "lr of Adam is -1.0; it must be at least 0"),
        (lambda: Adam(betas=(2, 0)), "betas of Adam is 2.0; it must be from 0 to below 1"),
        (lambda: SGD(momentum=5), "momentum of SGD is 5.0; it must be from 0 to below 1"),
        (lambda: ConvNet(std=-1), "std of ConvNet is -1.0; it must be above 0"),
        (lambda: WarmUp(steps=0), "steps of WarmUp is 0; it must be at least 1"),
        (lambda: Decay(rate=2, every=1), "rate of Decay is 2.0; it must be from 0 to 1"),
        (lambda: Cosine(0), "horizon of Cosine is 0; it must be at least 1"),
        (lambda: NonSaturating(smooth=9), "smooth of NonSaturating is 9.0; it must be from 0 to"),
        (lambda: LeastSquares(a=math.inf), "a of LeastSquares is inf; it must be finite"),
        (lambda: WeightClipping(c=-1), "c of WeightClipping is -1.0; it must be above 0"),
        (lambda: R1(weight=math.inf), "weight of R1 is inf; it must be at least 0, and finite"),
        (lambda: R1(every=1.5), "every of R1 is 1.5; it must be a whole number, at least 1"),
        (
            lambda: Settings(ema_half_life=math.nan),
            "ema_half_life is nan; it must be at least 0, and finite",
        ),
        (lambda: Settings(steps=0), "steps is 0; it must be at least 1"),
        (lambda: family("gan").Config(noise=-1), "noise is -1.0; it must be at least 0"),
    ],
)
def test_values_that_mean_nothing(make: Any, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make()
    assert str(caught.value).startswith(sentence)


def test_ranges_are_checked_in_text_too() -> None:
    with pytest.raises(SettingsError, match=r"^it: lr of Adam is -1\.0; it must be at least 0$"):
        convert("Adam(lr=-1)", Adam, "it")
    with pytest.raises(
        SettingsError, match=r"^game\.noise is nan; it must be at least 0, and finite$"
    ):
        change(Settings(game=family("gan").Config()), {"game": {"noise": "nan"}})


@pytest.mark.parametrize(
    ("limits", "inside", "out", "words"),
    [
        (Range(), [-1e300, 0, 1e300], [math.nan, math.inf, -math.inf], "finite"),
        (Range(1), [1, 10**400], [0, math.inf], "at least 1"),
        (Range(high=2.5), [2.5, -9], [2.6, -math.inf], "at most 2.5"),
        (Range(0, low_open=True), [1e-300], [0, -1, math.nan], "above 0"),
        (Range(high=1, high_open=True), [0], [1], "below 1"),
        (Range(0, 1), [0, 1], [-0.1, 1.1], "from 0 to 1"),
        (Range(0, 1, high_open=True), [0, 0.999], [1], "from 0 to below 1"),
        (Range(0, 1, low_open=True), [1e-9, 1], [0], "above 0, at most 1"),
        (Range(0, 1, True, True), [0.5], [0, 1], "above 0, below 1"),
    ],
)
def test_a_range_says_what_it_holds(
    limits: Range, inside: list[float], out: list[float], words: str
) -> None:
    assert all(x in limits for x in inside)
    assert not any(x in limits for x in out)
    assert str(limits) == words


@pytest.mark.parametrize(
    ("limits", "value", "words"),
    [
        (Range(0), math.inf, "at least 0, and finite"),
        (Range(high=2), math.nan, "at most 2, and finite"),
        (Range(0), -1.0, "at least 0"),
        (Range(1), -(10**400), "at least 1"),
        (Range(), math.inf, "finite"),
        (Range(0, 1), math.inf, "from 0 to 1"),
        (Range(0, 1, low_open=True), math.nan, "above 0, at most 1"),
    ],
)
def test_of_what_is_no_finite_number_it_is_said_that_it_must_be(
    limits: Range, value: float, words: str
) -> None:
    assert limits.wanted(value) == words


def test_types_are_described_with_their_ranges() -> None:
    assert describe(Count) == "a whole number, at least 1"
    assert describe(Whole | None) == "a whole number, at least 0 or none"
    assert describe(tuple[BelowOne, ...]) == "a list, each a number, from 0 to below 1"
    assert [describe(h) for h in (Real, Share, Positive, NonNegative)] == [
        "a number",
        "a number, from 0 to 1",
        "a number, above 0",
        "a number, at least 0",
    ]


def test_a_field_that_is_declared_anew_keeps_its_range() -> None:
    @dataclass(frozen=True)
    class Drift(Penalty):
        weight: float = 1e-3

    with pytest.raises(SettingsError, match="weight of Drift is -1"):
        Drift(weight=-1)

    @dataclass(frozen=True)
    class Signed(Penalty):
        weight: Real = 1e-3

    assert Signed(weight=-1).weight == -1


def test_what_can_be_meant_is_taken() -> None:
    config = family("dcgan").Config(
        loss="Hinge", penalties=R1(weight="1e-2"), networks="ConvNet(width=4)", latent="10"
    )
    assert config.loss == Hinge()
    assert config.penalties == (R1(0.01),)
    assert family("dragan").Config(penalties=None).penalties == ()
    assert config.networks == ConvNet(width=4)
    assert config.latent == 10
    assert family("dcgan").Config(loss=Hinge, penalties=[R1, "R2"]).penalties == (R1(), R2())
    assert Adam(lr=np.float32(0.5), betas=[0, torch.tensor(0.5)]) == Adam(0.5, betas=(0.0, 0.5))
    assert type(Adam(lr=np.float64(0.5)).lr) is float
    settings = Settings(steps=np.int64(3), device=torch.device("cpu"), flip=np.bool_(True))
    assert (settings.steps, settings.device, settings.flip) == (3, "cpu", True)
    assert type(settings.flip) is bool


def test_the_help_states_ranges(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    parser = Parser("x", "y", {})
    parser.add("settings", Settings(game=family("dcgan").Config()))
    with pytest.raises(SystemExit):
        parser.read(["--help"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if "--" in line}
    assert lines["--steps"].endswith("(at least 1; default: 10000)")
    assert lines["--batch-size"].endswith("(at least 1)")
    assert lines["--game.noise"].endswith("(at least 0; default: 0.0)")
