"""Rejection sampling by D: of what G draws, keep what D takes for data.

D's score tells the ratio r(x) = p_data(x) / p_G(x), up to a factor. A sample x is kept with
probability min(1, c r(x)). Of all rules that keep the same share of samples, this one brings their
distribution nearest to the data's, in every f-divergence: optimal budgeted rejection sampling,
Verine et al. (2024), arXiv:2311.00460. The smaller the share, the nearer it comes to
discriminator rejection sampling, Azadi et al. (2019), arXiv:1810.06758, which is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ganwright.errors import SettingsError
from ganwright.families.noise_game import NoiseGame
from ganwright.game import Game
from ganwright.losses import score
from ganwright.seeds import generators_kept, seed_torch

DRAWS = 1024
"""Samples by whose scores c is chosen."""
AT_ONCE = 64
"""How many of them are computed at once."""
PATIENCE = 50
"""So many times as often as on average a sample is drawn before it is given up."""


def log_factor(log_ratio: Tensor, keep: float) -> float:
    """log c, for which samples of these ratios are kept with probability `keep` on average.

    Args:
        log_ratio: log r of samples of G, [n].
        keep: from above 0 to 1.
    """
    if keep == 1:
        return math.inf
    x = log_ratio.cpu().double()
    # At the first, no sample is kept with more than `keep`; at the second, each is kept.
    low, high = float(-x.max()) + math.log(keep), float(-x.min())
    for _ in range(64):
        middle = (low + high) / 2
        if kept(x, middle).mean() < keep:
            low = middle
        else:
            high = middle
    return high


def kept(log_ratio: Tensor, log_c: float) -> Tensor:
    """The probability with which samples are kept, min(1, c r): [n]."""
    return (log_ratio + log_c).clamp(max=0).exp()


class Rejecting:
    """`sample` of a game, by rejection.

    Args:
        game: whose D scores samples one by one, by a loss that tells the ratio.
        keep: the share of samples of G that are kept, on average.

    Raises:
        SettingsError: there is no such D.
    """

    def __init__(self, game: Game, keep: float) -> None:
        self.game = _judged(game)
        self.draw: Callable[..., Tensor] = self.game.sample
        with generators_kept(), torch.no_grad():
            seed_torch(0, "rejection")
            ratios = [self._ratios(AT_ONCE) for _ in range(DRAWS // AT_ONCE)]
        self.log_c = log_factor(torch.cat(ratios), keep)
        self.most = math.ceil(PATIENCE / keep)

    def __call__(self, n: int, labels: Tensor | None = None) -> Tensor:
        """Draw n samples, as the game's own `sample` does.

        Raises:
            SettingsError: D takes none of many draws of a sample for data.
        """
        labels = self._labels(n, labels)
        images, missing = None, torch.arange(n, device=self.game.device)
        for _ in range(self.most):
            y = None if labels is None else labels[missing]
            x = self._drawn(len(missing), y)
            chance = torch.rand(len(missing), device=x.device)
            taken = chance < kept(self.log_ratio(x, y), self.log_c)
            images = x.clone() if images is None else images
            images[missing[taken]] = x[taken]
            missing = missing[~taken]
            if not len(missing):
                return images
        raise SettingsError(
            f"of {self.most:,} draws of a sample, D takes none for data; keep a larger share"
        )

    def log_ratio(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """log r of samples, float [n], up to a number that is the same for all."""
        game = self.game
        scores = score(game.judge, (x, labels) if game.D.classes else x)
        ratio: Tensor = game.cfg.loss.log_ratio(scores)
        return ratio.flatten(1).mean(1) if ratio.ndim > 1 else ratio

    def _ratios(self, n: int) -> Tensor:
        labels = self._labels(n, None)
        return self.log_ratio(self._drawn(n, labels), labels)

    def _labels(self, n: int, labels: Tensor | None) -> Tensor | None:
        """Those of n samples, in turn if none are given; None where the game takes none."""
        if not self.game.classes:
            return None
        return self.game.in_turn(n) if labels is None else labels

    def _drawn(self, n: int, labels: Tensor | None) -> Tensor:
        return self.draw(n) if labels is None else self.draw(n, labels=labels)


def _judged(game: Any) -> NoiseGame:
    """The game, if its D scores samples one by one.

    Raises:
        SettingsError: it does not.
    """
    if not isinstance(game, NoiseGame):
        raise SettingsError(
            f"samples of {type(game).__name__} cannot be rejected: it has no D that scores them"
        )
    if tuple(game.judged_shape) != tuple(game.spec.shape):
        raise SettingsError("samples cannot be rejected one by one: D scores several at once")
    return game
