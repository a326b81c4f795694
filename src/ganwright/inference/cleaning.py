"""Cleaning: what is done to an image before a classifier sees it, so that attacks have no effect.

A cleaner maps images [n, C, H, W] in [-1, 1] to images. Gradients flow through it, since an attack
through the cleaner is what measures it: those of a network are its own, and for a projection, which
has none, the identity's stand in (straight-through; Athalye et al. 2018, arXiv:1802.00420, BPDA).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ganwright.config.checked import Checked
from ganwright.config.ranges import BelowOne, Count, Positive
from ganwright.errors import SettingsError
from ganwright.function import Function
from ganwright.inference.model import Model

Cleaner: TypeAlias = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Projection(Checked):
    """Defense-GAN's projection (Samangouei et al. 2018, arXiv:1805.06605, section 3.1).

        G(z*), z* = argmin mean (G(z) - x)²      by gradient descent from several draws of z

    In the last fifth the learning rate is a tenth.

    Args:
        steps: of the descent (L).
        restarts: draws of z, of which the best is kept (R).
        lr: learning rate, for pixels in [0, 1].
        momentum: of the descent.
    """

    steps: Count = 200
    restarts: Count = 10
    lr: Positive = 10.0
    momentum: BelowOne = 0.7

    def nearest(self, G: Function, x: Tensor) -> Tensor:
        """The samples of G nearest to images [n, C, H, W] in [-1, 1] that the descent finds."""
        aim = x.detach().repeat_interleave(self.restarts, 0)
        z = G.arguments[0].draw(len(aim))
        velocity = torch.zeros_like(z)
        for step in range(self.steps):
            lr = self.lr * (0.1 if step >= 0.8 * self.steps else 1.0)
            velocity = self.momentum * velocity + _slope(G, z, aim)
            z = z - lr * velocity
        with torch.no_grad():
            made = torch.cat([G(part) for part in z.split(len(x))])
            best = _error(made, aim).view(len(x), self.restarts).argmin(1)
            return made.view(len(x), self.restarts, *x.shape[1:])[torch.arange(len(x)), best]


def _error(made: Tensor, aim: Tensor) -> Tensor:
    """The mean squared error of each image, of pixels in [0, 1]: [n]."""
    return ((made - aim) / 2).square().flatten(1).mean(1)


def _slope(G: Function, z: Tensor, aim: Tensor) -> Tensor:
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        (slope,) = torch.autograd.grad(_error(G(z), aim).sum(), z)
    return slope


def cleaner(model: Model, shape: tuple[int, ...], how: Projection) -> Cleaner:
    """What cleans images by a run: an apegan's network, or the projection on a generator.

    Args:
        model: the run.
        shape: of the images, (C, H, W).
        how: of the projection.

    Raises:
        SettingsError: it does neither, or makes images of another shape.
    """
    game: Any = model.game
    clean, sample = getattr(game, "clean", None), getattr(game, "sample", None)
    if clean is None and sample is None:
        raise SettingsError(
            f"{model.run} is a run of {model.family}, which cannot clean; take a run of apegan, or "
            "one that generates such images from noise alone, as wgan-gp"
        )
    if model.spec.shape != shape:
        raise SettingsError(
            f"{model.run} makes images of shape {model.spec.shape}, and the classifier's have the "
            f"shape {shape}; train it with the --image-size and channels of the classifier's data"
        )
    return clean if clean is not None else partial(_through, how, _generator(model))


def _generator(model: Model) -> Function:
    function = model.game.function()
    if len(function.arguments) > 1:
        names = ", ".join(a.name for a in function.arguments)
        raise SettingsError(
            f"{model.run} generates from {names}, and what the class of an image is, is the "
            "question; project on a run that was trained without labels"
        )
    return function


def _through(how: Projection, G: Function, x: Tensor) -> Tensor:
    """The projection of x, with the gradient of the identity."""
    return x + (how.nearest(G, x) - x).detach()
