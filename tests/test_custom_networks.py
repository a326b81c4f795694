"""Any module is a network: the functions that make them are settings, and their runs resume."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import makers
import pytest
import torch
from helpers import tensors
from processes import processes, reads_weights
from torch import nn
from torch.testing import assert_close

import ganwright
from ganwright.config.factory import Factory
from ganwright.config.spelling import parse, spell
from ganwright.errors import SettingsError
from ganwright.networks import (
    ConvNet,
    Custom,
    CustomPatch,
    CustomTranslator,
    Networks,
)

ADVICE = "give a function of a module of its own"
TINY: dict[str, Any] = {"image_size": 8, "batch_size": 4, "device": "cpu", "precision": "fp32"}


def test_a_function_is_spelled_by_its_path_and_its_settings() -> None:
    ways: list[Any] = [
        functools.partial(makers.make_D, width=3),
        "makers.make_D(width=3)",
        Factory("makers.make_D", (("width", 3),)),
    ]
    for way in ways:
        custom = Custom(D=way, other=ConvNet(width=4))
        text = spell(custom, brief=True)
        assert text == "Custom(D=makers.make_D(width=3), other=ConvNet(width=4))"
        assert parse(text, Networks) == parse(spell(custom), Networks) == custom
    assert spell(Custom(G=makers.make_G), brief=True) == "Custom(G=makers.make_G())"
    assert parse("Custom(D=makers.make_D(width=a, z=(1, none)))", Networks) == Custom(
        D=Factory("makers.make_D", (("width", "a"), ("z", (1, "none"))))
    )


def local(shape: tuple[int, ...], classes: int) -> nn.Module:
    return makers.make_D(shape, classes)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            makers.ready,
            f"D of Custom is a Linear, which no other process could make again; {ADVICE}",
        ),
        (lambda *_: makers.ready, "defined in a script, a notebook or a function"),
        (functools.partial(makers.make_D, (1, 8, 8)), "name the settings of makers.make_D"),
        (functools.partial(makers.make_D, width=makers.ready), "it must be a number, a text or"),
        ("makers.make_E", "makers.make_E cannot be imported"),
        ("makers.TRIES", f"makers.TRIES is an int; {ADVICE}"),
        ("1 +", "write a name, or a call"),
        (3, "D of Custom is an int"),
    ],
)
def test_what_no_other_process_could_make_is_refused(given: Any, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Custom(D=given)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "family", "advice"),
    [
        ("networks", "dcgan", "Custom(G=mine.make_G, D=mine.make_D)"),
        ("translator", "pix2pix", "CustomTranslator(G=mine.make_G)"),
        ("patch", "pix2pix", "CustomPatch(D=mine.make_D)"),
    ],
)
@pytest.mark.parametrize("given", [nn.Sequential(nn.Linear(1, 1)), makers.make_D])
def test_a_ready_network_is_told_how_to_come(
    setting: str, family: str, advice: str, given: Any, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as caught:
        ganwright.train(family, out=tmp_path / "run", **{setting: given})
    assert str(caught.value).startswith(f"{setting} is ")
    assert str(caught.value).endswith(f"come from functions in a module: {advice}") or str(
        caught.value
    ).endswith(f"comes from a function in a module: {advice}")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("fails", "makers.fails((1, 8, 8), 0) fails: KeyError: 'no such backbone'"),
        (
            "no_module",
            "makers.no_module((1, 8, 8), 0) gives an int; it must make a torch.nn.Module",
        ),
        ("one_row", "makes a tensor of shape (128,) of [2, 1, 8, 8]; it must give a tensor with"),
        ("takes_nothing", "the network of makers.takes_nothing cannot take [2, 1, 8, 8]: Runtime"),
    ],
)
def test_a_function_that_makes_no_network_is_named(function: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Custom(D=f"makers.{function}").discriminator((1, 8, 8))
    assert sentence in str(caught.value)


def test_a_generator_must_draw_the_data_s_shape() -> None:
    with pytest.raises(SettingsError, match=r"returns samples of shape \(1, 8, 8\), and they must"):
        CustomTranslator(G=makers.make_T).translator((3, 8, 8), (1, 16, 16))
    with pytest.raises(SettingsError, match="this family needs a G that returns logits"):
        Custom(G=makers.make_G).generator(4, (1, 8, 8), tanh=False)


def test_what_a_discriminator_needs_is_filled_in() -> None:
    """A map of logits is averaged to the score; features are averaged, and scored by a layer."""
    x = torch.randn(5, 1, 8, 8)
    D = Custom(D=makers.make_D).discriminator((1, 8, 8)).eval()
    assert (D.width, D.classes) == (1, 0)
    assert_close(D(x), D.net(x).mean((1, 2, 3)))  # type: ignore[operator]
    D = Custom(D=functools.partial(makers.make_D, width=3)).discriminator((1, 8, 8)).eval()
    h = D.features(x)
    assert D.width == h.shape[1] == 3
    assert D.disturbed(h) is h
    assert_close(h, D.net(x).mean((2, 3)))  # type: ignore[operator]
    assert_close(D(x), D.score(h))
    assert D(x).shape == (5,)


def test_an_encoder_reads_features_and_not_a_logit() -> None:
    few = Custom(D=functools.partial(makers.make_D, width=3))
    assert few.encoder((1, 8, 8), 2)(torch.randn(4, 1, 8, 8)).shape == (4, 2)
    assert few.classifier((1, 8, 8), 5)(torch.randn(4, 1, 8, 8)).shape == (4, 5)
    with pytest.raises(SettingsError, match=r"makers\.make_D ends in a logit; let it end in feat"):
        Custom(D=makers.make_D).encoder((1, 8, 8), 2)


def test_trying_a_network_leaves_its_statistics_and_its_mode() -> None:
    D = Custom(D=functools.partial(makers.make_D, width=3)).discriminator((1, 8, 8))
    norm = D.net[1]  # type: ignore[index]
    assert norm.num_batches_tracked == 0
    assert D.training
    assert norm.training


def test_half_precision_ends_in_float32() -> None:
    custom, x = Custom(G=makers.make_G, D=makers.make_D), torch.rand(2, 1, 8, 8)
    patch = CustomPatch(D=makers.make_patch).discriminator((1, 8, 8))
    with torch.autocast("cpu", torch.bfloat16):
        made = custom.generator(4, (1, 8, 8))(torch.randn(2, 4))
        scores, logits = custom.discriminator((1, 8, 8))(x), patch(x)
    assert {t.dtype for t in (made, scores, logits, *patch.features(x))} == {torch.float32}
    assert logits.shape == (2, 1, 4, 4)


WIDE = "makers.make_D(width=3)"
GAMES: dict[str, tuple[str, dict[str, Any]]] = {
    "both": ("dcgan", {"networks": Custom(G=makers.make_G, D=makers.make_D)}),
    "conditional": (
        "dcgan",
        {"networks": Custom(G=makers.make_G, D=makers.make_D), "conditional": True},
    ),
    "G": ("gan", {"networks": Custom(G="makers.make_G(hidden=4)", other=ConvNet(width=4))}),
    "features": (
        "dcgan",
        {
            "networks": Custom(D=WIDE, other=ConvNet(width=4)),
            "regularisers": "FeatureMatching",
            "penalties": "R1(weight=1)",
        },
    ),
    "acgan": ("acgan", {"networks": Custom(D=WIDE, other=ConvNet(width=4))}),
    "sgan": ("sgan", {"networks": Custom(D=WIDE, other=ConvNet(width=4))}),
    "aae": ("aae", {"networks": Custom(D=WIDE, other=ConvNet(width=4)), "latent": 4}),
    "pix2pix": (
        "pix2pix",
        {
            "translator": CustomTranslator(G=makers.make_T),
            "patch": CustomPatch(D=makers.make_patch),
        },
    ),
    "discogan": (
        "discogan",
        {
            "translator": CustomTranslator(G=makers.make_T),
            "patch": CustomPatch(D=makers.make_patch),
        },
    ),
}

OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "timm": ("dcgan", {"networks": Custom(D=makers.timm_D, other=ConvNet(width=4))}),
    "diffusers": (
        "dcgan",
        {"networks": Custom(G=makers.diffusers_G, other=ConvNet(width=4)), "latent": 16},
    ),
    "diffusers-unet": (
        "pix2pix",
        {
            "translator": CustomTranslator(G=makers.diffusers_T),
            "patch": CustomPatch(D=makers.make_patch),
        },
    ),
}


@pytest.mark.parametrize("case", GAMES)
def test_plain_modules_train_and_resume_bitwise(case: str, tmp_path: Path) -> None:
    _resumes_bitwise(*GAMES[case], tmp_path)


@pytest.mark.parametrize("case", OTHERS)
def test_modules_of_other_libraries_train_resume_and_load(case: str, tmp_path: Path) -> None:
    pytest.importorskip(case.partition("-")[0])
    _loads_elsewhere(_resumes_bitwise(*OTHERS[case], tmp_path))


def _resumes_bitwise(family: str, settings: dict[str, Any], folder: Path) -> Path:
    """Train at once, and in two parts; the second run's folder."""
    whole, part = folder / "whole", folder / "part"
    ganwright.train(family, out=whole, steps=4, quiet=True, **TINY, **settings)
    ganwright.train(family, out=part, steps=2, quiet=True, **TINY, **settings)
    ganwright.resume(part, steps=4, quiet=True)
    one, two = tensors(whole), tensors(part)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    return part


def _loads_elsewhere(run: Path) -> None:
    """Another process, which has not imported the functions' module yet, reads the same weights."""
    kept = run.parent / "weights.pt"
    torch.save(dict(ganwright.load(run, device="cpu").game.state_dict()), kept)
    with processes(reads_weights, run, kept, folder=run.parent / "said") as one:
        assert one.wait() == [0], one.said()


def test_another_process_finds_the_functions(tmp_path: Path) -> None:
    run = tmp_path / "run"
    custom = Custom(G=functools.partial(makers.make_G, hidden=5), D=makers.make_D)
    ganwright.train("gan", networks=custom, out=run, steps=2, quiet=True, **TINY)
    assert "makers.make_G(hidden=5)" in (run / "config.yaml").read_text(encoding="utf-8")
    _loads_elsewhere(run)
