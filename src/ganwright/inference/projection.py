"""Projection: the latent whose image is nearest to a given one.

Karras et al. (2020), arXiv:1912.04958, appendix D. With w at first the mean of 10,000 styles, s the
deviation of styles from it, and t from 0 to 1 over the search:

    w~ = w + .05 s max(0, 1 - t/.75)² e         e ~ N(0, I)
    minimise over w and n   |F(G(w~, n)) - F(x)|² + 1e5 sum of R(n_i)    F: features

    R(n) = sum over scales of (E[n(u,v) n(u-1,v)])² + (E[n(u,v) n(u,v-1)])²

A map n_i of noise is halved by averaging 2x2 pixels, times 2, down to 8x8, and has mean 0 and
deviation 1 after each step. Adam's learning rate rises over the first 5 % of the steps, and falls
by half a cosine over the last 25 %.

Generators without styles are searched by z, in the same way. Departures: F are the features of
`ganwright.networks.features`, not LPIPS; no step has the learning rate 0; and what is kept is the
best that was seen, with its noise, not the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ganwright.config.checked import Named
from ganwright.config.ranges import Count, NonNegative, Positive, Whole
from ganwright.errors import SettingsError
from ganwright.function import Function
from ganwright.inference.labels import rows_of
from ganwright.inference.model import Model
from ganwright.inference.tiling import check
from ganwright.layers.fidelity import psnr
from ganwright.networks.features import Content, Pixels, SmallFeatures
from ganwright.pixels import as_floats
from ganwright.seeds import seed_torch


@dataclass(frozen=True, kw_only=True)
class Search(Named):
    """How latents of images are searched for."""

    steps: Count = 1000
    """Steps of the search."""
    lr: Positive = 0.1
    """Adam's highest learning rate."""
    draws: Count = 10_000
    """Latents whose mean is the start."""
    shake: NonNegative = 0.05
    """Noise on the latent at first, in deviations of latents from their mean."""
    noise_weight: NonNegative = 1e5
    """Weight of the noise maps' regulariser, in families that have such maps."""
    features: Content | None = None
    """What images are compared by, as "VGG(weights='FILE')"; SmallFeatures() when not given."""
    seed: Whole = 0
    """Random seed of the search."""

    def content(self, shape: tuple[int, ...]) -> Content:
        """The features for images of `shape`; pixels alone where these have other channels."""
        return self.features or (SmallFeatures() if shape[0] in (1, 3) else Pixels())


class Projection(NamedTuple):
    """What was found for n images."""

    latents: dict[str, Tensor]
    """All that the generator needs, by name, n rows each; `Model.sample` takes them."""
    images: Tensor
    """What it makes of them, float32 [n, C, H, W] in [-1, 1]."""
    distance: Tensor
    """Of these from the given images, by the features, [n]."""
    start: Tensor
    """The same distance of the mean latent's image, [n]."""
    psnr: Tensor
    """Peak signal-to-noise ratio in dB, [n]."""


class _Found(NamedTuple):
    """Candidates, and the distance of each row's image."""

    latents: list[Tensor]
    distance: Tensor


def project(
    model: Model, images: Tensor, *, labels: Any = None, search: Search | None = None
) -> Projection:
    """Search for the latents whose images are nearest to given ones.

    Args:
        model: a family that samples images from latents.
        images: [n, C, H, W] in [-1, 1], or uint8, of the size of the model's.
        labels: numbers or names of the images' classes, repeated to length n, where the model is
            conditional; by default the first class.
        search: its settings; the paper's when not given.

    Returns:
        Latents in w, with maps of noise, for StyleGAN's families; in z for all others.

    Raises:
        SettingsError: the family makes no images from latents, or images or labels do not fit.
    """
    search = search or Search()
    model.ability("sample")
    function = model.game.function()
    shape = model.spec.shape
    if len(shape) != 3:
        raise SettingsError(f"project takes images, and this {model.family} makes none")
    check("project", images, shape)
    if not len(images):
        raise SettingsError("project takes one image or more, got none")
    rows = rows_of(model.game, labels, len(images))
    distance = search.content(shape).build(shape).to(model.game.device)
    x = as_floats(images).to(model.game.device)
    seed_torch(search.seed, "project")
    by_style: Callable[[Tensor | None], Function] | None = getattr(model.game, "by_style", None)
    if by_style is None:
        names, found, start = _searched(function, x, rows, distance, search)
    else:
        names, found, start = _searched(by_style(rows), x, None, distance, search)
    latents = {name: row.cpu() for name, row in zip(names, found.latents, strict=True)}
    if by_style is None and rows is not None:
        latents[function.arguments[1].name] = rows.cpu()
    made = model.sample(len(x), latents=latents)
    error = _apart(distance, made.to(x), x)
    return Projection(latents, made, error.cpu(), start.cpu(), psnr(made, x.cpu(), 2.0))


def _searched(
    function: Function, x: Tensor, fixed: Tensor | None, distance: nn.Module, search: Search
) -> tuple[list[str], _Found, Tensor]:
    """The names of what is searched for, the best of it, and the start's distance.

    Args:
        function: of a latent, and then of `fixed` or of maps of noise.
        x: the images.
        fixed: labels.
        distance: of two images.
    """
    latent, *maps = function.arguments[: None if fixed is None else 1]
    more = () if fixed is None else (fixed,)

    def render(*searched: Tensor) -> Tensor:
        return _apart(distance, function(*searched, *more), x)

    with torch.no_grad():
        drawn = latent.draw(search.draws)
        mean = drawn.mean(0)
        spread = (drawn - mean).square().sum(1).mean().sqrt()
        start = [mean.repeat(len(x), 1), *(each.draw(len(x)) for each in maps)]
        first = _Found(start, render(*start))
    best = _best(render, first, float(spread), search)
    return [latent.name, *(each.name for each in maps)], best, first.distance


def _best(render: Callable[..., Tensor], start: _Found, spread: float, search: Search) -> _Found:
    """The best candidates that the search sees."""
    latent, *maps = (x.clone().requires_grad_() for x in start.latents)
    optimizer = torch.optim.Adam([latent, *maps], search.lr)
    best = start
    for step in range(search.steps):
        optimizer.param_groups[0]["lr"] = search.lr * rate(step, search.steps)
        strength = search.shake * spread * max(0.0, 1 - step / search.steps / 0.75) ** 2
        shaken = latent + strength * torch.randn_like(latent)
        apart = render(shaken, *maps)
        best = _better(best, _Found([shaken, *maps], apart))
        loss = apart.sum() + search.noise_weight * likeness(maps)
        gradients = torch.autograd.grad(loss, [latent, *maps])
        for x, gradient in zip((latent, *maps), gradients, strict=True):
            x.grad = gradient
        optimizer.step()
        _standardise(maps)
    with torch.no_grad():
        return _better(best, _Found([latent, *maps], render(latent, *maps)))


@torch.no_grad()
def _better(a: _Found, b: _Found) -> _Found:
    """Row by row the one that is nearer."""
    nearer = b.distance < a.distance

    def chosen(old: Tensor, new: Tensor) -> Tensor:
        return torch.where(nearer.view(-1, *[1] * (new.ndim - 1)), new, old)

    latents = [chosen(old, new) for old, new in zip(a.latents, b.latents, strict=True)]
    return _Found(latents, chosen(a.distance, b.distance))


def _apart(distance: nn.Module, made: Tensor, x: Tensor) -> Tensor:
    """The distance of each image from its own, [n]."""
    return torch.stack([distance(a, b) for a, b in zip(made.split(1), x.split(1), strict=True)])


def rate(step: int, steps: int) -> float:
    """The factor on the learning rate in a step, counted from 0; above 0 in each."""
    up = min(1.0, (step + 1) / (0.05 * steps))
    down = min(1.0, (steps - step) / (0.25 * steps))
    return up * (0.5 - 0.5 * math.cos(math.pi * down))


def likeness(maps: Sequence[Tensor]) -> Tensor | float:
    """How much neighbours in maps of noise [n, 1, H, W] resemble each other: a sum over all."""
    total: Tensor | float = 0.0
    for noise in maps:
        while True:
            for side in (2, 3):
                product = (noise * noise.roll(1, side)).flatten(1)
                total = total + product.mean(1).square().sum()
            if min(noise.shape[2:]) <= 8:
                break
            noise = 2 * avg_pool2d(noise, 2)
    return total


@torch.no_grad()
def _standardise(maps: Sequence[Tensor]) -> None:
    """Mean 0 and deviation 1 for each map."""
    for noise in maps:
        centred = noise - noise.mean((1, 2, 3), keepdim=True)
        noise.copy_(centred * centred.square().mean((1, 2, 3), keepdim=True).rsqrt())
