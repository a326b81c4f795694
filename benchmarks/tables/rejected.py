"""Samples of stacked seeds by rejection: first D alone is trained on, without penalties.

The rule is the library's (`ganwright.inference.rejection`); `ganwright train gan --init RUN
--game.g-moves 0 --game.penalties` and `ganwright sample --keep` do the same with one run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ganwright.config.schedule import Cosine
from ganwright.config.settings import Settings
from ganwright.families.gan import GAN
from ganwright.inference.rejection import kept, log_factor
from ganwright.losses import NonSaturating
from ganwright.optim import Adam
from ganwright.seeds import seed_torch
from ganwright.training.trainer import Trainer
from seed_stack import trainer_of

KEEP = (0.25, 0.1, 0.03)
"""Shares of samples that are kept."""
AT_ONCE = 1000
"""Samples of a seed that are computed at once."""


def settings_alone(settings: Settings, steps: int) -> Settings:
    """The same networks and data; D learns to tell the samples of G as it is."""
    assert isinstance(settings.game, GAN.Config)
    adam = Adam(lr=1e-3, betas=(0.9, 0.999), schedule=Cosine(steps))
    game = replace(settings.game, g_moves=0, penalties=(), loss=NonSaturating(), optimizer_d=adam)
    return replace(settings, game=game)


def d_alone(trainer: Trainer, settings: Settings, seeds: Sequence[int], steps: int) -> Any:
    """The stacked game after so many steps of D alone, with the averaged G of `trainer`."""
    alone = trainer_of(settings_alone(settings, steps), seeds)
    game: Any = alone.game
    with trainer.inferring() as view:
        game.G.load_state_dict(view.G.state_dict())  # type: ignore[union-attr]
    game.D.load_state_dict(trainer.game.D.state_dict())  # type: ignore[union-attr]
    game.G.eval()
    for _ in alone.play(steps):
        pass
    return game.eval()


@torch.no_grad()
def samples(game: Any, seeds: Sequence[int], count: int, keep: float) -> list[Tensor]:
    """The first `count` points that are kept of each seed's: [count, 2] each."""
    rounds = -(-int(1.25 * count / keep) // AT_ONCE)
    drawn = [_drawn(game, seeds, i) for i in range(rounds)]
    points, scores = (torch.cat(parts, 1) for parts in zip(*drawn, strict=True))
    out = []
    for seed, x, s in zip(seeds, points, scores, strict=True):
        seed_torch("kept", seed)
        chance = torch.rand(len(s))
        taken = x[chance < kept(s, log_factor(s, keep))]
        assert len(taken) >= count
        out.append(taken[:count])
    return out


def _drawn(game: Any, seeds: Sequence[int], part: int) -> tuple[Tensor, Tensor]:
    """Points [S, AT_ONCE, 2] and their scores [S, AT_ONCE]."""
    noise = []
    for seed in seeds:
        seed_torch("modes", seed, part)
        noise.append(game.cfg.prior.draw(AT_ONCE, game.cfg.latent, torch.device("cpu")))
    x = game.G(torch.cat(noise))
    return x.unflatten(0, (len(seeds), -1)), game.D(x).reshape(len(seeds), -1)
