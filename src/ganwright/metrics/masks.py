"""How well masks were drawn: by areas, and by pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganwright.data.label_map import LabelMap
from ganwright.errors import DataError, SettingsError
from ganwright.metrics.feature_metric import needed
from ganwright.metrics.image_set import ImageSet
from ganwright.metrics.metric import Metric
from ganwright.pixels import to_bytes


@dataclass(frozen=True)
class MeanIoU(Metric):
    """Overlap of each class's area in masks with the true one, and the share of right pixels.

        mean over classes c of |ŷ = c and y = c| / |ŷ = c or y = c|;  pixel accuracy: P(ŷ = y)

    The areas of a class are counted over all masks (Pascal VOC), and classes that do not occur are
    left out, as are pixels that truly belong to no class.
    """

    larger: ClassVar[bool] = True
    pairs: ClassVar[bool] = True

    def judge(self, real: ImageSet | None, fake: ImageSet) -> Mapping[str, float]:
        truth = needed(real, "MeanIoU")
        maps = truth.spec.target_map if truth.spec is not None else None
        if maps is None or not (truth.paired and fake.paired):
            raise SettingsError(
                "MeanIoU compares each mask with its truth; it needs a run whose domain b is "
                'masks, such as pix2pix\'s with --data "FOLDER?a=photo&b=mask"'
            )
        count = maps.classes
        table = torch.zeros(count**2, dtype=torch.int64)
        for (made, _), (true, _) in zip(fake.walk(), truth.walk(), strict=True):
            for drawn, real_one in zip(to_bytes(made.cpu()), to_bytes(true.cpu()), strict=True):
                y, guess = maps.nearest(real_one)[0], maps.nearest(drawn)[0]
                known = _known(real_one, maps)
                pairs = y[known].long() * count + guess[known].long()
                table += torch.bincount(pairs, minlength=count**2)
        if not table.any():
            raise DataError(
                "no pixel of these true masks belongs to a class, so MeanIoU has nothing to "
                "compare; take masks in which a class of the training data occurs"
            )
        return _overlap(table.view(count, count))


def _known(colours: Tensor, maps: LabelMap) -> Tensor:
    """Which pixels of a true mask, uint8 [3, H, W] in colours, belong to a class: [H, W]."""
    nothing = torch.from_numpy(maps.palette()[-1])[:, None, None]
    return (colours != nothing).any(0)


def _overlap(table: Tensor) -> dict[str, float]:
    """Both numbers of how often [true, drawn] classes met."""
    right = table.diagonal().double()
    either = table.sum(0) + table.sum(1) - right
    shares = (right / either)[either > 0]
    return {
        "mean IoU": float(shares.mean()),
        "pixel accuracy": float(right.sum() / table.sum()),
    }
