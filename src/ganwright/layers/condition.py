"""How a class label enters a network: joined to the input, in the norms, or by projection."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganwright.config.checked import Checked
from ganwright.config.ranges import Whole
from ganwright.errors import SettingsError
from ganwright.layers.norm import BatchNorm, ClassBatchNorm, Conditioned, Norm, soft_labels
from ganwright.precision import wide


class Stack(nn.Sequential):
    """Layers in a row that hands the labels to those layers that take them."""

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        for layer in self:
            x = layer(x, y) if isinstance(layer, Conditioned) else layer(x)
        return x


class Join(Conditioned):
    """Concatenate the label with a vector or, as constant channels, an image or a signal.

    [n, c] -> [n, c + width]; [n, c, H, W] -> [n, c + width, H, W]; [n, c, L] likewise.

    Args:
        classes: 0 leaves the input alone, whatever labels come with it.
        embedding: length of a learned embedding; 0 joins the one-hot label itself.
    """

    def __init__(self, classes: int, embedding: int = 0) -> None:
        super().__init__()
        self.classes = classes
        self.width = embedding if classes and embedding else classes
        self.embed = nn.Linear(classes, embedding, bias=False) if classes and embedding else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        if not self.classes:
            return x
        label = soft_labels(y, self.classes)
        if self.embed is not None:
            label = self.embed(label)
        if x.ndim > 2:
            label = label.reshape(*label.shape, *[1] * (x.ndim - 2)).expand(-1, -1, *x.shape[2:])
        return torch.cat([x, label.to(x.dtype)], 1)


class Score(nn.Module):
    """Features [n, width] -> logits [n] in float32; with classes, plus the projection <V y, h>.

    Miyato and Koyama (2018), arXiv:1802.05637, eq. 3.
    """

    def __init__(self, width: int, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        self.linear = nn.Linear(width, 1)
        self.project = nn.Linear(classes, width, bias=False) if classes else None

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        score: Tensor = wide(self.linear(h).squeeze(1))
        if self.project is not None:
            score = score + (wide(self.project(soft_labels(y, self.classes))) * h).sum(1)
        return score


@dataclass(frozen=True)
class Concat(Checked):
    """Concatenates the label with z in G, and with the image in D (CGAN)."""

    embedding: Whole = 0
    """Length of a learned embedding of the label; 0 joins the one-hot label itself."""

    def join(self, classes: int) -> Join:
        """What the input passes through."""
        return Join(classes, self.embedding)

    def norm(self, norm: Norm, classes: int) -> Norm:
        """What stands where `norm` would in an unconditional network."""
        return norm

    def score(self, width: int, classes: int) -> Score:
        """The layer that scores features."""
        return Score(width)


@dataclass(frozen=True)
class ClassNorm(Checked):
    """Each class has its own scales and shifts in G's batch normalisation (SNGAN, SAGAN)."""

    def join(self, classes: int) -> Join:
        """The input stays as it is."""
        return Join(0)

    def norm(self, norm: Norm, classes: int) -> Norm:
        """Class-conditional batch normalisation, where there are classes.

        Raises:
            SettingsError: if `norm` is another kind of normalisation.
        """
        if not classes:
            return norm
        if not isinstance(norm, BatchNorm):
            raise SettingsError(
                f"ClassNorm puts labels into batch normalisation, and norm_G is "
                f"{type(norm).__name__}; set norm_G=BatchNorm() or labels_G=Concat()"
            )
        return ClassBatchNorm(norm.momentum, norm.eps, norm.always_batch)


@dataclass(frozen=True)
class Projection(Checked):
    """Adds to D's score the inner product of its features and a label embedding."""

    def join(self, classes: int) -> Join:
        """The input stays as it is."""
        return Join(0)

    def score(self, width: int, classes: int) -> Score:
        """The layer that scores features."""
        return Score(width, classes)


LABELS_G: dict[str, type[Concat | ClassNorm]] = {"Concat": Concat, "ClassNorm": ClassNorm}
LABELS_D: dict[str, type[Concat | Projection]] = {"Concat": Concat, "Projection": Projection}
