"""A history of fakes, shown to D together with the newest."""

from __future__ import annotations

import torch
from torch import Tensor

from ganwright.layers.forward_state import Memory


class ReplayPool(Memory):
    """Shrivastava et al. (2017), arXiv:1612.07828, section 2.3, as CycleGAN uses it.

    Until it is full, fakes are stored and returned. Then each fake is, with chance 1/2, swapped for
    a stored one. The store is a buffer: it is seeded, checkpointed and moved with the weights.
    While it is held, it shows as it would otherwise and stores nothing.

    Args:
        size: how many images it holds; 0 returns every fake as it is.
        shape: (C, H, W) of an image.
    """

    images: Tensor
    count: Tensor

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def forget(self) -> None:
        """Empty it: a count of images that are not there would show them as fakes."""
        self.count.zero_()

    def forward(self, fakes: Tensor) -> Tensor:
        """[n, C, H, W] of fakes -> as many, including some from the past."""
        if not self.size:
            return fakes
        with torch.no_grad():
            shown = torch.stack([self._swap(fake) for fake in self.of_all(fakes)])
        return self.own(shown, len(fakes))

    def _swap(self, fake: Tensor) -> Tensor:
        # Written without a branch on tensors, so that the host never waits for the device.
        full = self.count >= self.size
        swap = full & (torch.rand((), device=fake.device) < 0.5)
        slot = torch.where(full, torch.randint(self.size, (), device=fake.device), self.count)
        old = self.images.index_select(0, slot[None])[0]
        stored = torch.where(swap | ~full, fake, old)
        if not self.held:
            self.images.index_copy_(0, slot[None], stored[None])
            self.count.copy_((self.count + 1).clamp(max=self.size))
        return torch.where(swap, old, fake)
