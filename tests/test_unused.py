"""Settings without effect: refused where the user names them, said where they come from a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers import tiny

import ganwright
from ganwright import Callback, Run
from ganwright.augment import ADA
from ganwright.commands.train import parsed
from ganwright.config.settings import Settings
from ganwright.errors import SettingsError
from ganwright.families import FAMILIES, family
from ganwright.recipes import recipes
from ganwright.run.config_file import from_yaml, game_class
from ganwright.run.unused import unused

RAMP = "ema_ramp has no effect with ema_half_life 0, which keeps no average"
HISTOGRAMS = "histogram_every has no effect without a tracker in log"


class Notes(Callback):
    found: Sequence[str] = ()

    def started(self, run: Run) -> None:
        self.found = run.notes


def test_what_is_named_is_refused(tmp_path: Path) -> None:
    cls, settings = tiny("dcgan", steps=1)
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"ema_half_life": 0, "ema_ramp": 0.0}, RAMP),
        ({"histogram_every": 5}, HISTOGRAMS),
        ({"augment_d": ADA(target=None, every=2)}, "every of ADA has no effect with target=none"),
    )
    for changes, sentence in wrong:
        with pytest.raises(SettingsError) as caught:
            ganwright.train(cls, settings, tmp_path / "run", quiet=True, **changes)
        assert str(caught.value) == f"{sentence}; leave it out"
    assert not list(tmp_path.iterdir())


def test_a_run_of_an_earlier_version_resumes_and_forks(tmp_path: Path) -> None:
    """It has settings that are refused today, and says so."""
    old, new = tmp_path / "old", tmp_path / "new"
    cls, settings = tiny("gan", steps=1, ema_half_life=0.0, ema_ramp=0.1, histogram_every=5)
    for go in (
        partial(ganwright.train, cls, settings, old),
        partial(ganwright.resume, old, steps=2),
        partial(ganwright.fork, old, new, steps=3, ema_half_life=0.0),
    ):
        notes = Notes()
        go(callbacks=[notes], quiet=True)
        assert {RAMP, HISTOGRAMS} <= set(notes.found)
    with pytest.raises(SettingsError, match=HISTOGRAMS):
        ganwright.resume(old, steps=4, histogram_every=7, quiet=True)
    with pytest.raises(SettingsError, match=RAMP):
        ganwright.fork(old, tmp_path / "other", steps=4, ema_ramp=0.2, quiet=True)


def test_a_flag_that_makes_a_recipe_s_setting_idle_is_taken() -> None:
    _, _, _, settings = parsed(None, ["--config", "biggan-128", "--ema-half-life", "0"])
    assert unused(settings) == {"ema_ramp": RAMP}
    with pytest.raises(SettingsError, match=RAMP):
        parsed(None, ["--config", "biggan-128", "--ema-half-life=0", "--ema-ramp=0"])
    with pytest.raises(SettingsError, match="speed of ADA has no effect"):
        parsed("r3gan", ["--game.augment-d.speed", "100"])
    parsed("stylegan2", ["--game.augment-d", "ADA(speed=100)"])


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("stylegan2", {"path_weight": 0, "path_every": 2}, "path_every .* with path_weight 0"),
        ("cdc", {"path_weight": 0, "path_share": 1}, "path_share .* with path_weight 0"),
        ("cdc", {"distance_weight": 0, "compared": 5}, "compared .* with distance_weight 0"),
        ("stylegan3", {"blur_steps": 10}, "blur_steps .* with blur 0"),
        ("dcgan", {"unroll_lr": 0.2}, "unroll_lr .* with unroll 0"),
        ("restore", {"identity_weight": 1}, "identity_weight .* without identity"),
        ("restore", {"pyramid": 0, "pyramid_steps": 3}, "pyramid_steps .* with pyramid 0"),
        ("spade", {"kl": 1}, "kl .* without encoder"),
        (
            "wgan",
            {"warm_steps": 0, "warm_every": 0, "warm_moves": 7},
            "warm_moves has no effect with warm_steps 0 and with warm_every 0; leave it out",
        ),
    ],
)
def test_a_family_s_setting_whose_switch_is_off_is_refused(
    name: str, changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    cls, settings = tiny(name, steps=1)
    with pytest.raises(SettingsError, match=sentence):
        ganwright.train(cls, settings, tmp_path / "run", quiet=True, **changes)
    assert not list(tmp_path.iterdir())


def test_a_setting_whose_switch_is_on_is_taken() -> None:
    parsed("stylegan3", ["--game.blur", "2", "--game.blur-steps", "10"])
    with pytest.raises(SettingsError, match="blur_steps has no effect with blur 0"):
        parsed("stylegan3", ["--game.blur-steps", "10"])
    parsed("wgan", ["--game.warm-moves", "7", "--game.warm-steps", "0"])


def test_every_switch_is_a_setting_of_its_family() -> None:
    for name in FAMILIES:
        config = family(name).Config
        known = {field.name for field in dataclasses.fields(config)}
        for kind in config.__mro__:
            for setting, switch in vars(kind).get("switches", ()):
                both = (switch,) if isinstance(switch, str) else switch
                assert known.issuperset((setting, *both)), name


def test_all_recipes_and_families_use_what_they_set() -> None:
    for name, path in recipes().items():
        family, settings = from_yaml(path.read_text(encoding="utf-8"))
        assert unused(settings) == {}, name
        fresh = dataclasses.replace(Settings(), game=game_class(family).Config())
        assert unused(fresh) == {}, family
