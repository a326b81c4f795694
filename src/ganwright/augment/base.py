"""What every augmentation of D's input is: settings, and a module that they build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ganwright.config.checked import Checked
from ganwright.precision import wide


class Augmenter(nn.Module):
    """What D sees instead of images; its state is buffers. This one changes nothing."""

    def forward(self, x: Tensor) -> Tensor:
        """Images [n, C, H, W] in [-1, 1] as D is to see them, of the same shape and type.

        Random numbers are those of `augment.draws`, so that two batches can get the same ones.
        """
        return x

    def watched(self) -> Mapping[str, Tensor]:
        """Scalars for the log, which D's main objective observes and no lazy one."""
        return {}

    def asks(self) -> Sequence[str]:
        """What that objective is to observe for `after`."""
        return ()

    def before_step(self, step: int) -> None:
        """Called before the first update of each step, counted from 0."""

    def after(self, seen: Mapping[str, Tensor], images: int) -> None:
        """Called, without gradients, once D has moved.

        Args:
            seen: D's terms and observations by name.
            images: how many real images the update used, over all processes.
        """


class Transformed(Augmenter):
    """Base of those that change images, in at least float32 under any arithmetic."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return self.transformed(wide(x)).to(x.dtype)

    def transformed(self, x: Tensor) -> Tensor:
        """Images [n, C, H, W], each changed by random numbers of its own."""
        raise NotImplementedError


class Augment(Checked):
    """Base of the augmentations: real and fake images get the same changes before D sees them.

    Gradients run through to G, so that it learns to draw what passes under every change.
    """

    def build(self) -> Augmenter:
        """The module that changes images, its state as at the first step."""
        raise NotImplementedError
