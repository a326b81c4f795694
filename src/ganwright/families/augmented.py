"""What the games share that can augment all of D's inputs.

A family gives each D an `augmenter`, lets it see images by `shown` only, calls `watch` in D's main
objective, and `follow` once D is updated:

    self.augment = self.augmenter(spec.shape)
    D minimises  f_D(D(T(x))) + g_D(D(T(G(z))))        T: the augmenter
    G minimises  f_G(D(T(G(z))))

A D that judges two images as one, such as pix2pix's, gives both the same change that way.
`OneJudge` follows its only D by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ganwright.augment import Augment, Augmenter
from ganwright.augment.draws import alike
from ganwright.errors import SettingsError
from ganwright.game import Game, Player, Terms
from ganwright.observing import ask, observe


class AugmentedGame(Game):
    """Base of the games with the setting `augment_d`."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Game.Config):
        augment_d: Augment | None = None
        """Augmentation of all of D's inputs, for small data sets: DiffAugment or ADA."""

    def augmenter(self, shape: tuple[int, ...]) -> Augmenter | None:
        """What changes the images of one D, or None where nothing is to.

        Args:
            shape: of what D judges.

        Raises:
            SettingsError: what is to be augmented are no images.
        """
        augment: Augment | None = self.cfg.augment_d
        if augment is None:
            return None
        if len(shape) != 3:
            raise SettingsError("augment_d changes images, and this data has none; leave it out")
        return augment.build()

    def before_step(self, step: int) -> None:
        for part in self.children():
            if isinstance(part, Augmenter):
                part.before_step(step)

    def follow(self, augment: Augmenter | None, player: Player, terms: Terms) -> None:
        """Give the augmenter what its D's update observed, from which ADA's p moves."""
        if augment:
            augment.after(terms, self.batch_size * player.accumulate)


class OneJudge(AugmentedGame):
    """Base of those with one D, which has penalties and, as `augment`, an augmenter."""

    judge_player: ClassVar[str] = "D"
    """The player whose first network is that D."""
    augment: Augmenter | None
    cfg: Any

    def after(self, player: Player, terms: Terms) -> None:
        if player.name == self.judge_player:
            self.follow(self.augment, player, terms)
            for penalty in self.cfg.penalties:
                penalty.after(player.networks[0])


def shown(augment: Augmenter | None, x: Tensor) -> Tensor:
    """Images [n, C, H, W] as D sees them."""
    changed: Tensor = augment(x) if augment else x
    return changed


def shown_both(augment: Augmenter | None, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Real and fake images as D sees them, each changed at random."""
    return shown(augment, real), shown(augment, fake)


def shown_alike(augment: Augmenter | None, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Both as D sees them, each by itself, but through the same random changes."""
    if augment is None:
        return real, fake
    with alike(2):
        seen_real, seen_fake = shown(augment, torch.cat([real, fake])).chunk(2)
    return seen_real, seen_fake


def watch(augment: Augmenter | None) -> None:
    """Observe what the augmenter has for the log, and ask for what it follows."""
    if augment is None:
        return
    for name, value in augment.watched().items():
        observe(name, value)
    for name in augment.asks():
        ask(name)
