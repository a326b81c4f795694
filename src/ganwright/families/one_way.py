"""What the families share that turn images into others and know no way back."""

from __future__ import annotations

from torch import Tensor

from ganwright.errors import SettingsError
from ganwright.function import Function
from ganwright.game import Game


class OneWay(Game):
    """Base class of games that translate in one direction, a2b."""

    way_back = ""
    """What a user does for the other direction, where something can be done."""

    def forward_way(self) -> Function:
        """Images, and what else it takes, to images."""
        raise NotImplementedError

    def function(self, direction: str = "a2b") -> Function:
        """The one of a2b.

        Raises:
            SettingsError: another direction is asked for.
        """
        if direction != "a2b":
            refused = f"{type(self).__name__} learns one direction, a2b, not {direction!r}"
            raise SettingsError(f"{refused}; {self.way_back}" if self.way_back else refused)
        return self.forward_way()

    def translate(self, images: Tensor, direction: str = "a2b") -> Tensor:
        """Images [n, C, H, W] of domain a as domain b's; what else it takes is drawn.

        Raises:
            SettingsError: another direction is asked for.
        """
        function = self.function(direction)
        return function(images, *(each.draw(len(images)) for each in function.arguments[1:]))
