"""What a model can do on a page, found by asking the model instead of by its name."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch

from ganwright.config.hints import hints_of, ranges
from ganwright.config.ranges import Range
from ganwright.errors import SettingsError
from ganwright.families.priors import Gaussian, Uniform
from ganwright.function import Argument, spherical
from ganwright.inference.model import Model
from ganwright.inference.walk import first_map

DIRECTIONS = 8
"""Latent directions that are offered, the strongest first."""
WIDEST = 3.0
"""The end of a slider of truncation that has no largest value: there, nothing is truncated."""
_NARROWEST = 0.05


@dataclass(frozen=True)
class Abilities:
    """What a page offers.

    Args:
        sample: it draws samples.
        named: samples of a class can be asked for.
        truncation: the least and the largest of its own truncation, where the family has one.
        scaled: where it has none, latents may be scaled, as their prior is centred at 0.
        walk: there are images between two samples.
        walk_named: those can be of a class.
        directions: how many latent directions there are to change a sample along.
        translate: the directions in which it translates images; none if it fills holes.
        seeded: a translation is made of a code too, which a seed draws.
        styled: that code can be the style of a photo.
        fill: it fills holes in images.
        reconstruct: it takes images apart and puts them together.
        classify: it tells the class of images.
    """

    sample: bool = False
    named: bool = False
    truncation: tuple[float, float] | None = None
    scaled: bool = False
    walk: bool = False
    walk_named: bool = False
    directions: int = 0
    translate: tuple[str, ...] = ()
    seeded: bool = False
    styled: bool = False
    fill: bool = False
    reconstruct: bool = False
    classify: bool = False

    @property
    def any(self) -> bool:
        """Whether there is something to show."""
        return bool(self.sample or self.translate or self.fill or self.reads)

    @property
    def reads(self) -> bool:
        """Whether images are taken apart or classified."""
        return self.reconstruct or self.classify


def abilities(model: Model) -> Abilities:
    """Ask a model what it can do."""
    game, images = model.game, len(model.spec.shape) == 3
    fill = images and "known" in _parameters(game, "translate")
    ways = tuple(w for w in ("a2b", "b2a") if images and not fill and _translates(game, w))
    latents = _latents(model)
    walk = images and bool(latents) and latents[0].between is not None
    named = _named(model)
    return Abilities(
        sample=hasattr(game, "sample"),
        named=named,
        truncation=(narrow := _truncation(game)),
        scaled=not narrow and bool(latents) and _centred(game, latents[0]),
        walk=walk,
        walk_named=walk and named and len(latents) > 1,
        directions=_directions(model) if walk else 0,
        translate=ways,
        seeded=bool(ways) and len(game.function(ways[0]).arguments) > 1,
        styled=bool(ways) and "style" in _parameters(game, "translate") and _encodes(model),
        fill=fill,
        reconstruct=images and _reconstructs(model),
        classify=images and hasattr(game, "classify"),
    )


def _parameters(game: Any, name: str) -> tuple[str, ...]:
    method = getattr(game, name, None)
    return tuple(inspect.signature(method).parameters) if method else ()


def _translates(game: Any, way: str) -> bool:
    """A family that learned one direction refuses the other."""
    if not hasattr(game, "translate"):
        return False
    try:
        game.function(way)
    except SettingsError:
        return False
    return True


def _latents(model: Model) -> tuple[Argument, ...]:
    """What samples are a function of: z, and labels in some; nothing where there is no function."""
    if not hasattr(model.game, "sample"):
        return ()
    try:
        return tuple(model.game.function().arguments)
    except SettingsError:
        return ()


def _truncation(game: Any) -> tuple[float, float] | None:
    """The range of the family's truncation."""
    if not hasattr(game.cfg, "truncation"):
        return None
    allowed = next(iter(ranges(hints_of(type(game.cfg))["truncation"])), Range(0, 1))
    return _NARROWEST if allowed.low_open else allowed.low, min(allowed.high, WIDEST)


def _centred(game: Any, z: Argument) -> bool:
    """Whether z is Gaussian, or uniform around 0, and holds no codes besides."""
    prior = getattr(game.cfg, "prior", None)
    if prior is None:
        return z.between is spherical
    centred = isinstance(prior, Gaussian) or (
        isinstance(prior, Uniform) and prior.low == -prior.high
    )
    return centred and z.draw(1).shape[1] == game.cfg.latent


def _named(model: Model) -> bool:
    if "labels" not in _parameters(model.game, "sample") or not model.spec.classes:
        return False
    try:
        model.sample(1, labels=model.spec.classes[model.spec.asked[0]])
    except SettingsError:
        return False
    return True


def _directions(model: Model) -> int:
    try:
        return min(DIRECTIONS, first_map(model).shape[1])
    except SettingsError:
        return 0


def _encodes(model: Model) -> bool:
    try:
        photo = torch.zeros(1, *(model.spec.target or ()), device=model.game.device)
        model.ability("style_of")(photo)
    except SettingsError:
        return False
    return True


def _reconstructs(model: Model) -> bool:
    if not hasattr(model.game, "reconstruct"):
        return False
    try:
        model.reconstruct(torch.zeros(1, *model.spec.shape))
    except SettingsError:  # such as a styled decoder, which needs the class
        return False
    return True
