"""Moving averages of networks, for inference."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ganwright._torch import with_children
from ganwright.config.schedule import CONSTANT, Schedule
from ganwright.game import Game

IMAGES, SHARE = 16, 0.01
"""An average waits for so many images, but for no more than this share of its half-life."""


class EMA:
    """The average of some of a game's networks, with a half-life counted in images.

    As in StyleGAN2 (arXiv:1912.04958): the half-life is ramped up, at most `ramp` times the images
    seen, so that early averages forget the initial weights. Weights and the game's
    `averaged_buffers`, such as BatchNorm's statistics, are averaged; other buffers are copied.

    Where steps have fewer than 16 images, the average takes in the weights every 16 images: they
    change little in between, and each time all weights and averages are read and written.

    Args:
        game: whose networks are averaged.
        names: which of its children; the game's `averaged` by default.
        half_life: images after which a weight counts half; with 0 there is no average, and
            `networks` are the game's own.
        ramp: the ramp-up's slope; 0 for none.
        schedule: the factor on the half-life at each step.
    """

    def __init__(
        self,
        game: Game,
        half_life: float,
        names: Sequence[str] | None = None,
        ramp: float = 0.05,
        schedule: Schedule = CONSTANT,
    ) -> None:
        self.half_life = half_life
        self.waiting = 0
        """Images since the average last took in the weights."""
        self.ramp = ramp
        self.schedule = schedule
        names = game.averaged if names is None else names
        live = nn.ModuleDict({n: getattr(game, n) for n in names})
        self.networks = live
        self._lerp: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._copy: list[tuple[torch.Tensor, torch.Tensor]] = []
        if not self.kept:
            return
        self.networks = copy.deepcopy(live)  # as a whole, so that what is shared stays shared
        self.networks.requires_grad_(False).eval()
        lerped = {n for n, _ in live.named_parameters()}
        lerped |= {n for n, _ in live.named_buffers() if n.endswith(game.averaged_buffers)}
        mine, theirs = _tensors(self.networks), _tensors(live)
        self._lerp = [(mine[n], theirs[n]) for n in mine if n in lerped]
        self._copy = [(mine[n], theirs[n]) for n in mine if n not in lerped]

    @property
    def kept(self) -> bool:
        """Whether there are averages besides the weights."""
        return self.half_life > 0

    def beta(self, images: int, seen: int, step: int = 0) -> float:
        """How much of the old average stays after `images` more, `seen` in all, in this step."""
        half_life = self._half_life(seen, step)
        return float(0.5 ** (images / half_life)) if half_life > 0 and seen else 0.0

    def _half_life(self, seen: int, step: int) -> float:
        half_life = self.half_life * self.schedule.factor(step)
        return min(half_life, self.ramp * seen) if self.ramp else half_life

    @torch.no_grad()
    def update(self, images: int, seen: int, step: int = 0) -> None:
        """Take in the weights after a step of `images` images, now or with those of later steps."""
        self.waiting += images
        if seen and self.waiting < min(IMAGES, SHARE * self._half_life(seen, step)):
            return
        if self._lerp:
            averages, weights = (list(t) for t in zip(*self._lerp, strict=True))
            average = get_ema_multi_avg_fn(self.beta(self.waiting, seen, step))
            average(averages, weights, seen)
        for mean, buffer in self._copy:
            mean.copy_(buffer)
        self.waiting = 0

    def view(self, game: Game) -> Game:
        """The game with the averages instead of the networks; all else is shared with it."""
        return with_children(game, dict(self.networks.items()))


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}
