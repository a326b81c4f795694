"""A family has the settings that it plays by and no others; earlier runs are read all the same."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from helpers import tensors, tiny

import ganwright
from ganwright.errors import SettingsError
from ganwright.families import FAMILIES, family
from ganwright.families.acgan import ACGAN
from ganwright.formats import RETIRED
from ganwright.run import run_folder
from ganwright.run import train as runs
from ganwright.run.assembly import resolved
from ganwright.run.config_file import from_yaml, to_yaml

EVERY = {"pack", "unroll", "unroll_lr", "regularisers", "conditional"}
HAVE: dict[str, set[str]] = {
    **dict.fromkeys(
        ("gan", "dcgan", "lsgan", "wgan", "wgan-gp", "dragan", "sagan", "biggan"), EVERY
    ),
    "bgan-continuous": EVERY,
    "cgan": {"unroll", "unroll_lr", "regularisers"},
    "acgan": {"regularisers"},
    "infogan": {"regularisers"},
    "bgan": {"conditional"},
    "jojogan": {"conditional"},
    "r3gan": {"conditional", "regularisers"},
    "cdc": {"conditional", "regularisers"},
    "stylegan2": {"conditional", "regularisers"},
    "stylegan3": {"conditional", "regularisers"},
}


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_family_has_what_it_supports(name: str) -> None:
    own = {f.name for f in fields(family(name).Config)}
    assert own & EVERY == HAVE.get(name, set())


@pytest.mark.parametrize(
    ("name", "setting"), [(n, s) for n, row in sorted(RETIRED.items()) for s in row]
)
def test_what_a_family_does_not_have_is_unknown(name: str, setting: str) -> None:
    with pytest.raises(SettingsError, match=rf"^unknown setting {setting}; "):
        ganwright.train(name, **{setting: 1})
    with pytest.raises(SettingsError, match=rf"unknown setting game.{setting}; "):
        from_yaml(f"family: {name}\ngame: {{{setting}: 0}}")


def as_before(name: str, settings: Any) -> str:
    """config.yaml as a version wrote it whose families inherited all settings."""
    config = yaml.safe_load(to_yaml(name, settings))
    gone = {k: 0.7 if k == "unroll_lr" else v for k, v in RETIRED[name].items()}
    assert not gone.keys() & config["game"].keys()
    config["game"] = gone | config["game"]
    return yaml.safe_dump(config)


@pytest.mark.parametrize("name", sorted(RETIRED))
def test_runs_of_before_load_and_resume(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cls, settings = tiny(name, steps=2, save_every=2, log_every=1, sample_every=2)
    runs.train(cls, replace(settings, steps=4), tmp_path / "whole", quiet=True)
    with monkeypatch.context() as then:
        then.setattr(run_folder, "to_yaml", as_before)
        runs.train(cls, settings, tmp_path / "run", quiet=True)
    sealed = tmp_path / "run/checkpoints/step-000002/config.yaml"
    for file in (sealed, tmp_path / "run/config.yaml"):
        assert "unroll: 0\n" in (text := file.read_text(encoding="utf-8")) or name == "cgan"
        assert "pack: 1\n" in text
    assert ganwright.load(tmp_path / "run", device="cpu").step == 2
    ganwright.resume(tmp_path / "run", steps=4, quiet=True)
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "run")
    assert [k for k in whole if not torch.equal(whole[k], parts[k])] == []
    assert "pack" not in (tmp_path / "run/config.yaml").read_text(encoding="utf-8")


class Mine(ACGAN):
    """A family of one's own, which inherited them too."""


def test_a_family_that_derives_from_one_is_read_too() -> None:
    path = f"{Mine.__module__}:{Mine.__qualname__}"
    text = to_yaml(path, resolved(Mine, ganwright.run.config_file.defaults(Mine)))
    before = text + "  pack: 1\n  conditional: true\n"
    assert from_yaml(before, game=Mine) == from_yaml(text, game=Mine)
    with pytest.raises(SettingsError, match=r"unknown setting game\.pack; "):
        from_yaml(before.replace("pack: 1", "pack: 2"), game=Mine)
