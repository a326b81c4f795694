"""A trained generator as a prior: frozen, with codes for its layers and changes of its features.

Wang, Li, Zhang and Shan (2021), arXiv:2101.04061, section 3.3: what is made from the codes is
realistic, and half of the features of each size follow the image that is to be restored.
"""

from __future__ import annotations

import pkgutil
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ganwright.config.factory import Factory
from ganwright.errors import SettingsError
from ganwright.networks.custom import made
from ganwright.networks.style import StyleGenerator, StyleNet, Synthesis

CONFIG, LOADER = "ganwright.run.run_folder:read_config", "ganwright.run.load:load"
"""What reads a run. It stands above the networks, so it is found by name, as tables of settings."""
_TAKE = "its networks must be a StyleNet's without tanh: take a run of stylegan2"


class Guide(NamedTuple):
    """What leads a prior to an image; sizes rise.

    Args:
        codes: what is added to the mean style for each layer, [n, layers, styles].
        scales, shifts: for each size but the smallest, [n, half of the channels, h, w].
    """

    codes: Tensor
    scales: tuple[Tensor, ...]
    shifts: tuple[Tensor, ...]


class Prior(nn.Module):
    """A frozen synthesis network: `Guide` -> float32 [n, C, H, W], not cut off at [-1, 1].

    Args:
        synthesis: of a `StyleGenerator`.
        mean: its mean style, [styles].
    """

    mean: Tensor

    def __init__(self, synthesis: Synthesis, mean: Tensor) -> None:
        super().__init__()
        self.synthesis = synthesis
        self.register_buffer("mean", mean.detach().clone())
        self.requires_grad_(False)

    @property
    def halves(self) -> list[int]:
        """How many channels of each size but the smallest are scaled and shifted."""
        blocks: Any = self.synthesis.blocks
        widths = [len(block.convs[0].weight) for block in blocks]
        return [width - width // 2 for width in widths[1:]]

    def forward(self, guide: Guide) -> Tensor:
        pairs = zip(guide.scales, guide.shifts, strict=True)
        changes = [partial(half_changed, scale, shift) for scale, shift in pairs]
        image: Tensor = self.synthesis(self.mean + guide.codes, changes=changes)
        return image


def half_changed(scale: Tensor, shift: Tensor, x: Tensor) -> Tensor:
    """The last channels of x [n, C, h, w], as many as scale and shift have, scaled and shifted."""
    kept, led = x.split([x.shape[1] - scale.shape[1], scale.shape[1]], 1)
    return torch.cat([kept, led * scale.to(x.dtype) + shift.to(x.dtype)], 1)


def architecture_of(run: Path) -> StyleNet:
    """The networks of a run whose G can be a prior.

    Raises:
        RunError: it is no run folder.
        SettingsError: its G has no features at several sizes.
    """
    cls, settings = pkgutil.resolve_name(CONFIG)(run)
    networks = getattr(settings.game, "networks", None)
    if not isinstance(networks, StyleNet) or getattr(cls, "squashes", True):
        raise SettingsError(
            f"{run} is a run of {cls.title}, whose G has no features of several sizes that can be "
            f"led; {_TAKE}"
        )
    return networks


def built(
    prior: Factory | Path | None, networks: StyleNet | None, shape: tuple[int, ...]
) -> Prior | None:
    """The prior that the settings name; that of a run has no weights yet.

    Raises:
        SettingsError: a function of your own makes none.
    """
    if isinstance(prior, Factory):
        G = made(prior, shape)
        if not isinstance(G, StyleGenerator) or not isinstance(G.synthesis, Synthesis):
            raise SettingsError(
                f"{prior.path} makes {type(G).__name__}; {_TAKE}, or make a generator by "
                "StyleNet().generator(latent, shape, tanh=False)"
            )
        return Prior(G.synthesis, G.typical.mean)
    if networks is None:
        return None
    return Prior(Synthesis(networks, shape, False), torch.zeros(networks.styles))


def fill(prior: Prior, run: Path, shape: tuple[int, ...]) -> None:
    """Give a prior the weights of a run, averaged.

    Args:
        shape: of the images, (C, H, W).

    Raises:
        RunError: it is no run, or has no usable checkpoint.
        SettingsError: it makes images of another shape, or has other networks.
    """
    model = pkgutil.resolve_name(LOADER)(run, device="cpu")
    if model.spec.shape != shape:
        raise SettingsError(
            f"{run} makes images of shape {model.spec.shape}, and those to restore have the shape "
            f"{shape}; bring them to its size and channels, as by --image-size "
            f"{model.spec.shape[-1]} --channels {model.spec.shape[0]}"
        )
    G: StyleGenerator = model.game.G
    try:
        prior.synthesis.load_state_dict(G.synthesis.state_dict())
        prior.mean.copy_(G.typical.mean)
    except RuntimeError as error:
        raise SettingsError(
            f"{run} has other networks than prior_networks; leave prior_networks out, or in a fork "
            "set it to none"
        ) from error
