"""What is kept of many images: moments of their features, and the features themselves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganwright import atomic
from ganwright.data.types import Images
from ganwright.errors import SettingsError
from ganwright.metrics.features import Extractor

MORE = "take more (-n; in training, --evaluate-samples)"
"""What helps where there are too few samples."""
MORE_REAL = "compare with more real images (evaluate --against)"
"""What helps where there are fewer real images than samples."""
KEPT = 50_000
"""Features are kept of so many images; moments are of all."""
EQUAL = 1e-6
"""Features closer than this share of their length differ by rounding alone."""
BLOCK = 5000
"""Rows in a block of kept features."""


def more(real: int, fake: int) -> str:
    """What helps where one side of so many images has too few."""
    return MORE_REAL if real < fake else MORE


class Moments:
    """Mean and covariance of rows that come in parts, in float64.

    Chan et al. (1979), eq. 2.1: parts are merged, so that processes can each take a share.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(0, dtype=torch.float64)
        self.scatter = torch.zeros(0, dtype=torch.float64)

    def add(self, rows: Tensor) -> None:
        """Take in rows [n, d]."""
        part, rows = Moments(), rows.double()
        part.count, part.mean = len(rows), rows.mean(0)
        centred = rows - part.mean
        part.scatter = centred.T @ centred
        self.merge(part)

    def merge(self, other: Moments) -> None:
        """Take in what another has seen."""
        if not self.count:
            self.count, self.mean, self.scatter = other.count, other.mean, other.scatter
            return
        count, delta = self.count + other.count, other.mean - self.mean
        between = torch.outer(delta, delta) * (self.count * other.count / count)
        self.mean = self.mean + delta * (other.count / count)
        self.scatter = self.scatter + other.scatter + between
        self.count = count


class Kept:
    """Rows that come in parts, the first `KEPT` of them, on the CPU.

    They are copied into large blocks: small parts that stay would keep the memory between them from
    being used again, and what is held would grow with the number of images all the same.
    """

    def __init__(self) -> None:
        self.blocks: list[Tensor] = []
        self.count = 0

    def add(self, rows: Tensor) -> None:
        """Take in rows [n, ...]."""
        rows = rows[: KEPT - self.count]
        while len(rows):
            place = self.count % BLOCK
            if not place:
                self.blocks.append(torch.empty(BLOCK, *rows.shape[1:], dtype=rows.dtype))
            part, rows = rows[: BLOCK - place], rows[BLOCK - place :]
            self.blocks[-1][place : place + len(part)] = part
            self.count += len(part)

    def whole(self) -> Tensor | None:
        """All rows, [n, ...]; None where there were none."""
        return torch.cat(self.blocks)[: self.count] if self.blocks else None


@dataclass(frozen=True)
class Statistics:
    """What metrics know of a set of images.

    Args:
        count: how many images there were.
        mean: of their features, float64 [d].
        covariance: unbiased, float64 [d, d].
        vectors: features of the first `KEPT` images, float32 [n, d].
        logits: of as many, float32 [n, k], where the features have them.
        labels: of as many, int64 [n], where they are known.
        classes: names of the labels.
        content: a hash of the images' bytes.
    """

    count: int
    mean: Tensor
    covariance: Tensor
    vectors: Tensor
    logits: Tensor | None = None
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    content: str = ""

    def equal(self, distance: float) -> bool:
        """Whether features at this distance differ by no more than rounding."""
        return distance <= EQUAL * float(self.vectors.double().norm(dim=1).mean())

    def save(self, path: Path) -> None:
        """Write them to a .safetensors file.

        Raises:
            OSError: it cannot be written.
        """
        from safetensors.torch import save

        known = {"mean": self.mean, "covariance": self.covariance, "vectors": self.vectors}
        known |= {} if self.logits is None else {"logits": self.logits}
        known |= {} if self.labels is None else {"labels": self.labels}
        about = {"count": self.count, "classes": self.classes, "content": self.content}
        tensors = {name: tensor.contiguous() for name, tensor in known.items()}
        atomic.write(path, save(tensors, {"about": json.dumps(about)}))

    @classmethod
    def load(cls, path: Path) -> Statistics | None:
        """Those in a file; None where there is none, or it is broken."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                about: dict[str, Any] = json.loads(file.metadata()["about"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return cls(**tensors, **about | {"classes": tuple(about["classes"])})
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            return None


@torch.no_grad()
def collect(parts: Iterable[Images], extract: Extractor, classes: Sequence[str] = ()) -> Statistics:
    """Statistics of images that come in parts; what is held does not grow with their number.

    Images are rounded to 8 bits first, as files would hold them.

    Raises:
        SettingsError: they are points, or fewer than two, or features are not finite.
    """
    moments, content = Moments(), hashlib.blake2b(digest_size=16)
    vectors, logits, labels = Kept(), Kept(), Kept()
    for images, known in parts:
        pixels = eight_bit(images)
        content.update(pixels.cpu().numpy().tobytes())
        features, scores = extract(pixels.to(images.dtype).div(127.5).sub(1))
        if not features.isfinite().all():
            raise SettingsError(
                "features of these images are NaN or infinite; take other --features, or check "
                "their weights"
            )
        vectors.add(features.float())
        for kept, rows in ((logits, scores), (labels, known)):
            if rows is not None:
                kept.add(rows)
        moments.add(features.cpu())
    if moments.count < 2:
        raise SettingsError(
            f"metrics need at least 2 images of either side, got {moments.count}; {MORE}, or "
            f"{MORE_REAL}"
        )
    rows = vectors.whole()
    assert rows is not None
    covariance = moments.scatter / (moments.count - 1)
    about = (tuple(classes), content.hexdigest())
    return Statistics(
        moments.count, moments.mean, covariance, rows, logits.whole(), labels.whole(), *about
    )


def hash_of(parts: Iterable[Images]) -> str:
    """A hash of what comes in parts: of images the bytes, as `collect` has it, else the numbers."""
    content = hashlib.blake2b(digest_size=16)
    for x, _ in parts:
        shown = x.ndim == 4 and x.shape[1] in (1, 3)
        content.update((eight_bit(x) if shown else x.float()).cpu().numpy().tobytes())
    return content.hexdigest()


def eight_bit(images: Tensor) -> Tensor:
    """Images [n, 1 or 3, H, W] in [-1, 1] as bytes.

    Raises:
        SettingsError: they are points, or have another number of channels.
    """
    if images.ndim != 4:
        raise SettingsError(
            f"these metrics compare images, got shape {tuple(images.shape)}; for signals, rows of "
            "tables and points take TwoSample, for modes of ring or grid MixtureModes"
        )
    if images.shape[1] not in (1, 3):
        raise SettingsError(
            f"these metrics compare grey or colour images, of 1 or 3 channels, got "
            f"{images.shape[1]} channels; bring them to one of these with --channels"
        )
    return images.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
