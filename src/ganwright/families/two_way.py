"""What the families share that learn two translators from two domains without pairs."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import l1_loss

from ganwright.data.types import Spec, Unpaired
from ganwright.errors import SettingsError
from ganwright.families.augmented import AugmentedGame, shown_both
from ganwright.families.side_by_side import side_by_side
from ganwright.function import Function, pictures
from ganwright.game import Terms


class TwoWay(AugmentedGame):
    """Base class of games with AB: a -> b, BA: b -> a, and a discriminator of each domain.

    Its settings have a `translator` and a `patch`.
    """

    task = Unpaired
    data = "glyphs-unpaired"
    averaged = ("AB", "BA")
    held_out = 64
    AB: nn.Module
    BA: nn.Module

    def __init__(self, cfg: Any, spec: Spec) -> None:
        super().__init__(cfg, spec)
        a, b = spec.shape, spec.target
        assert b is not None
        self.AB = cfg.translator.translator(a, b)
        self.BA = cfg.translator.translator(b, a)
        self.D_A, self.D_B = cfg.patch.discriminator(a), cfg.patch.discriminator(b)
        self.augment_A, self.augment_B = self.augmenter(a), self.augmenter(b)

    def shown_A(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Domain a's real images and translated ones as D_A sees them."""
        return shown_both(self.augment_A, real, fake)

    def shown_B(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Domain b's real images and translated ones as D_B sees them."""
        return shown_both(self.augment_B, real, fake)

    def fake_a(self, batch: Unpaired) -> Tensor:
        """BA(b)."""
        fake: Tensor = self.BA(batch.b)
        return fake

    def fake_b(self, batch: Unpaired) -> Tensor:
        """AB(a)."""
        fake: Tensor = self.AB(batch.a)
        return fake

    def translate(self, images: Tensor, direction: str = "a2b") -> Tensor:
        """Images [n, C, H, W] of one domain as the other's."""
        translated: Tensor = self.one_way(direction)(images)
        return translated

    def one_way(self, direction: str) -> nn.Module:
        """The translator of one direction.

        Raises:
            SettingsError: if it is neither a2b nor b2a.
        """
        if direction not in ("a2b", "b2a"):
            raise SettingsError(f"unknown direction {direction!r}; choose a2b or b2a")
        return self.AB if direction == "a2b" else self.BA

    def function(self, direction: str = "a2b") -> Function:
        """Images of one domain as the other's."""
        network = self.one_way(direction)
        shape = self.spec.shape if direction == "a2b" else self.spec.target
        assert shape is not None
        return Function(network, (pictures(shape, self.device),))

    def measure(self, batch: Unpaired) -> Terms:
        """The mean absolute cycle error of each domain on held-out images."""
        there, back = self._cycle(batch.a), self._cycle(batch.b, "b2a")
        return {"cycle_a": l1_loss(there[1], batch.a), "cycle_b": l1_loss(back[1], batch.b)}

    def preview(self, batch: Unpaired) -> Tensor:
        """Rows of six: a, translated, back; b, translated, back."""
        a, b = batch.a[:8], batch.b[:8]
        return side_by_side(a, *self._cycle(a), b, *self._cycle(b, "b2a"))

    @property
    def preview_columns(self) -> int | None:
        return 6

    def _cycle(self, x: Tensor, there: str = "a2b") -> tuple[Tensor, Tensor]:
        """x translated, and translated back."""
        y = self.translate(x, there)
        return y, self.translate(y, "b2a" if there == "a2b" else "a2b")
