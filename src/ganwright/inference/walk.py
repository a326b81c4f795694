"""Ways through latent space: from seed to seed, and along the directions that change most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ganwright.config.ranges import Count
from ganwright.config.spelling import convert
from ganwright.errors import SettingsError
from ganwright.function import Function
from ganwright.inference.chunks import CHUNK
from ganwright.inference.labels import one_class, rows_of, several, value
from ganwright.inference.model import Model


def route(model: Model, seeds: Sequence[int], *, frames: int = 30, loop: bool = True) -> Tensor:
    """Latents on the way from one seed's first sample to the next one's.

    Gaussian latents go along the sphere (see `function.spherical`), others straight.

    Args:
        model: a family that samples.
        seeds: two or more.
        frames: how many from each seed to the next.
        loop: return to the first.

    Returns:
        float32 [frames * seeds, length of z]; without `loop`, [frames * (seeds - 1) + 1, ...].

    Raises:
        SettingsError: there are too few seeds, or no latents that can be interpolated.
    """
    frames = convert(frames, Count, "frames")
    if len(seeds) < 2:
        raise SettingsError(f"a walk goes from seed to seed; got {len(seeds)}, give 2 or more")
    points = [model.latents(1, seed=seed)[0] for seed in seeds]
    between = model.game.function().arguments[0].between
    if between is None:
        raise SettingsError(f"the latents of {model.family} cannot be interpolated")
    t = torch.arange(frames) / frames
    ends = [*points, points[0]] if loop else points
    parts = [between(a, b, t) for a, b in pairwise(ends)]
    return torch.cat(parts if loop else [*parts, points[-1][None]])


@torch.no_grad()
def along(model: Model, latents: Tensor, labels: Any = ()) -> Iterator[Tensor]:
    """Images of latents on a way, each label for an equal share of it.

    Args:
        model: a family that samples.
        latents: [n, length of z].
        labels: numbers or names of classes, in order; the first class when not given.

    Yields:
        float32 [at most 64, C, H, W] in [-1, 1], on the CPU.

    Raises:
        SettingsError: there are labels, and the model has none; or an unknown one; or more labels
            than latents.
    """
    function, device = model.game.function(), model.game.device
    others = function.arguments[1:]
    names = several(labels)
    if names and not others:
        raise SettingsError(f"this {model.family} was trained without labels; leave labels out")
    asked = [value(model.game, name) for name in names]
    if len(asked) > len(latents):
        raise SettingsError(
            f"{len(asked)} labels cannot share {len(latents)} images; give at most as many labels "
            "as images, or more frames"
        )
    given = torch.stack(asked).to(device) if asked else None
    for part in torch.arange(len(latents)).split(CHUNK):
        rows = [argument.draw(1).repeat_interleave(len(part), 0) for argument in others]
        if given is not None:
            rows = [given[part * len(given) // len(latents)]]
        yield function(latents[part].to(device), *rows).float().cpu()


def directions(model: Model, count: int) -> Tensor:
    """The unit vectors in latent space that G's first layer A stretches most.

    They are the eigenvectors of A^T A with the largest eigenvalues: Shen and Zhou (2021),
    arXiv:2007.06600 (SeFa). They need no data and no training. Where G has styles, they are of w,
    and A has the weights of all layers' maps from w, one below the other (section 3.2).

    Args:
        model: a family with styles, or whose first layer on z is linear.
        count: how many, at most the length of z or w.

    Returns:
        float32 [count, length of z or w], the strongest first.

    Raises:
        SettingsError: there are not so many, or the first layer is not linear.
    """
    count = convert(count, Count, "count")
    A = first_map(model)
    if count > A.shape[1]:
        space = "w" if _styled(model) else "z"
        raise SettingsError(
            f"count is {count}; {space} has {A.shape[1]} numbers, and as many directions"
        )
    _, vectors = torch.linalg.eigh(A.T @ A)
    strongest: Tensor = vectors.flip(1).T[:count]
    largest = strongest.gather(1, strongest.abs().argmax(1, keepdim=True))
    return (strongest * largest.sign()).float()  # an eigenvector's sign is arbitrary


@torch.no_grad()
def first_map(model: Model) -> Tensor:
    """The weights A that directions come from, float64 [outputs, length of z or w], on the CPU.

    Raises:
        SettingsError: the family does not sample, or the first layer on z is not linear.
    """
    model.ability("sample")
    if styled := _styled(model):
        weights: Tensor = styled.affine()
        return weights.double().cpu()
    return _first_layer(model, model.game.function())


@torch.no_grad()
def shifted(
    model: Model, found: Tensor, strengths: Tensor, *, seed: int = 0, labels: Any = ()
) -> Tensor:
    """A seed's first sample, changed along directions.

    Args:
        model: where they were found.
        found: [count, length of z or w], as `directions` gives them.
        strengths: [steps], how far to go along each; 0 is the sample itself.
        seed: of the sample.
        labels: its class, by number or name; by default the first.

    Returns:
        float32 [count, steps, C, H, W] in [-1, 1], on the CPU.

    Raises:
        SettingsError: there are labels, and the model has none; or an unknown one, or several.
    """
    one_class(labels)
    z = model.latents(1, seed=seed)
    steps = (found[:, None] * strengths[:, None]).flatten(0, 1)
    parts: Iterator[Tensor]
    if styled := _styled(model):
        y = rows_of(styled, labels or None, 1)
        w = styled.styles(z.to(styled.device), y)
        parts = (styled.drawn(w + part.to(w)).float().cpu() for part in steps.split(CHUNK))
    else:
        parts = along(model, z + steps, labels)
    images = torch.cat(list(parts))
    return images.view(len(found), len(strengths), *images.shape[1:])


def _styled(model: Model) -> Any:
    """The game, if its G has styles; else None."""
    return model.game if hasattr(model.game, "affine") else None


@torch.no_grad()
def _first_layer(model: Model, function: Function) -> Tensor:
    """The weights of the first linear layer that sees z, float64 [outputs, length of z]."""
    z, *more = function.draw(2)
    step = torch.randn_like(z)
    seen = (_inputs(model, function, x, *more) for x in (z, z + step))
    for (layer, before), (_, after) in zip(*seen, strict=True):
        change = (after - before)[-len(z) :]  # a reference batch stands before the rows
        if not change.any():
            continue
        for start in range(change.shape[-1] - z.shape[1] + 1):  # labels may stand next to z
            part = slice(start, start + z.shape[1])
            if torch.allclose(change[..., part], step, atol=1e-4):
                weight: Tensor = layer.weight
                return weight[:, part].double().cpu()
        break
    raise SettingsError(f"the first layer of this {model.family} on z is not linear")


def _inputs(model: Model, function: Function, *inputs: Tensor) -> list[tuple[nn.Linear, Tensor]]:
    """The linear layers in the order in which they are called, each with its input."""
    found: list[tuple[nn.Linear, Tensor]] = []

    def met(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, nn.Linear)
        found.append((layer, given[0]))

    linear = [part for part in model.game.modules() if isinstance(part, nn.Linear)]
    hooks = [layer.register_forward_pre_hook(met) for layer in linear]
    function(*inputs)
    for hook in hooks:
        hook.remove()
    return found
