"""What every random change of training images is; the library's stand in `data/transforms.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ganwright.config.checked import Checked

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Transform(Checked):
    """Base of the random changes of training images, which a draw's number determines."""

    numbers: ClassVar[int] = 1
    """How many random numbers it needs for an image."""
    advice: ClassVar[str] = (
        "torchvision's transforms belong in a Dataset, which is read again each time, or into a "
        "class that derives from ganwright.Transform"
    )

    def changed(self, x: Tensor, u: Tensor, *, exact: bool) -> Tensor:
        """Images after the change.

        Args:
            x: [n, C, H, W] in [-1, 1].
            u: U(0, 1), [n, numbers]; the same for both images of a pair.
            exact: they are label maps, whose pixels may move and must not be mixed or recoloured.

        Returns:
            As many of the same shape, in [-1, 1].
        """
        raise NotImplementedError
