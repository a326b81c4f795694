"""Features: what images are compared by. A metric with other features is another metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganwright.config.checked import Checked
from ganwright.config.spelling import spell

Extractor = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""Images [n, 1 or 3, H, W] in [-1, 1] to features [n, d] and, where there are, logits [n, k]."""


@dataclass(frozen=True)
class Features(Checked):
    """Base of the networks whose features metrics compare."""

    resize: ClassVar[str] = "none"
    """How images are brought to the network's size, for the protocol."""
    classes: ClassVar[tuple[str, ...]] = ()
    """What the logits tell apart."""

    @property
    def title(self) -> str:
        """What a metric's name says in brackets; empty for the features that a bare name means."""
        return type(self).__name__

    @property
    def key(self) -> str:
        """What tells these features from others, weights included; how they are spelled by default.

        Features whose weights may change under one spelling say more.
        """
        return spell(self)

    def build(self, device: torch.device) -> Extractor:
        """The network, ready on a device.

        Raises:
            SettingsError: its weights cannot be loaded.
            MissingExtraError: a package that it needs is not installed.
        """
        raise NotImplementedError

    def named(self, metric: str) -> str:
        """The name of a metric with these features, such as `FID (digits)`."""
        return f"{metric} ({self.title})" if self.title else metric


@lru_cache(maxsize=2)
def built(features: Features, device: torch.device) -> Extractor:
    """The network of features, loaded once."""
    return features.build(device)


def brought(x: Tensor, side: int, mode: str) -> Tensor:
    """Images at side x side pixels, with antialiasing."""
    if x.shape[-2:] == (side, side):
        return x
    return interpolate(x, (side, side), mode=mode, antialias=True)
