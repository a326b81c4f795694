"""The recipes that come with the package: each makes a game, and no family is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ganwright.data.types import Images, SemiSupervised, Spec
from ganwright.errors import SettingsError
from ganwright.families import FAMILIES, family
from ganwright.recipes import find, recipes
from ganwright.run.config_file import from_yaml

COLOUR = sorted(
    n
    for n in recipes()
    if n.startswith(("faces64-", "classes64-", "sagan-anime")) and n != "faces64-restore"
)
DIGITS = sorted(n for n in recipes() if n.startswith("mnist-"))


def named(recipe: str) -> str:
    return from_yaml(find(Path(recipe)).read_text(encoding="utf-8"))[0]


def test_every_family_that_draws_has_recipes_for_digits_and_for_colour() -> None:
    draws = {n for n in FAMILIES if family(n).task in (Images, SemiSupervised)}
    draws -= {"ccgan", "srgan", "restore", "advgan", "apegan"}  # they change images that are there
    draws -= {"jojogan", "cdc"}  # they start from another's run
    assert draws <= {named(recipe) for recipe in DIGITS}
    assert draws <= {named(recipe) for recipe in COLOUR}


@pytest.mark.parametrize("recipe", COLOUR)
def test_recipes_for_colour_draw_at_64_pixels(recipe: str) -> None:
    name, settings = from_yaml(find(Path(recipe)).read_text(encoding="utf-8"))
    task = family(name).task
    spec = Spec(task, (3, settings.image_size or 0, 64), classes=("a", "b"), count=1000)
    game: Any = family(name)(settings.game, spec).eval()
    with torch.no_grad():
        drawn = game.sample(2)
    assert drawn.shape == (2, 3, 64, 64)
    assert drawn.abs().max() <= 1


@pytest.mark.parametrize("recipe", sorted(recipes()))
def test_every_recipe_is_read(recipe: str) -> None:
    name, settings = from_yaml(find(Path(recipe)).read_text(encoding="utf-8"))
    assert name in FAMILIES
    assert isinstance(settings.game, family(name).Config)
    assert settings.steps


def test_r3gan_for_cifar10_is_conditional_and_mirrors_images() -> None:
    """As in the authors' runs: the model with classes has 20,781,952 and 21,280,512 weights."""
    name, settings = from_yaml(find(Path("r3gan-cifar10")).read_text(encoding="utf-8"))
    assert settings.flip
    spec = Spec(Images, (3, 32, 32), classes=tuple("0123456789"), count=50_000)
    with torch.device("meta"):
        game: Any = family(name)(settings.game, spec)
    counts = [sum(w.numel() for w in net.parameters()) for net in (game.G, game.D)]
    assert counts == [20_781_952, 21_280_512]


def test_a_name_of_no_recipe_is_a_short_sentence() -> None:
    """There are more than a hundred recipes: too many to name for one that resembles none."""
    with pytest.raises(SettingsError, match=r"; `ganwright list recipes` names all$"):
        find(Path("nope"))
    with pytest.raises(SettingsError, match="; did you mean faces64-dcgan or "):
        find(Path("faces64-dcgn"))
