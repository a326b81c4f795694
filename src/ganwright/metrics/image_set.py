"""Sets of images that are too many for memory: walked a part at a time, as often as needed."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganwright.data import Data
from ganwright.data.types import Batch, Images, Paired, SemiSupervised, Unpaired
from ganwright.errors import DataError, SettingsError
from ganwright.game import Game
from ganwright.metrics.features import Features
from ganwright.metrics.statistics import Statistics, collect
from ganwright.seeds import generators_kept, seed_torch

AT_ONCE = 64
"""Images in a part: as many as `sample` draws noise for at a time."""


@dataclass
class ImageSet:
    """Images, or points, that can be walked any number of times, always the same.

    Args:
        name: what it is, for the protocol.
        count: how many there are.
        walk: begins at the first: parts of `Images`, [n, C, H, W] in [-1, 1].
        split: of the data; empty for samples.
        classes: names of the labels.
        store: a folder that keeps their statistics.
        marks: what tells them from others in that folder.
        game: draws them, if one does.
        paired: the i-th of two such sets show the same thing.
    """

    name: str
    count: int
    walk: Callable[[], Iterator[Images]]
    split: str = ""
    classes: tuple[str, ...] = ()
    store: Path | None = None
    marks: Any = None
    game: Any = None
    paired: bool = False
    device: torch.device = torch.device("cpu")
    _known: dict[str, Statistics] = field(default_factory=dict)

    def tensor(self, most: int) -> Tensor:
        """The first images, at most so many, in memory, on the CPU."""
        parts, have = [], 0
        for images, _ in self.walk():
            parts.append(images[: most - have].float().cpu())
            have += len(parts[-1])
            if have >= most:
                break
        return torch.cat(parts)

    def statistics(self, features: Features) -> Statistics:
        """Their statistics: computed once, and kept where there is a store."""
        if features.key not in self._known:
            file = self._file(features)
            found = Statistics.load(file) if file else None
            if found is None:
                found = collect(self.walk(), features.build(self.device), self.classes)
                if file:
                    _keep(found, file)
            self._known[features.key] = found
        return self._known[features.key]

    def stored(self, features: Features) -> bool:
        """Whether statistics are there without walking the images."""
        file = self._file(features)
        return features.key in self._known or (file is not None and file.is_file())

    def _file(self, features: Features) -> Path | None:
        if self.store is None:
            return None
        text = json.dumps([self.marks, self.split, self.count, features.key], sort_keys=True)
        name = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        return self.store / f"{self.split or 'images'}-{name}.safetensors"


def of_tensor(images: Tensor, labels: Tensor | None = None, **about: Any) -> ImageSet:
    """Images in memory, [n, C, H, W] in [-1, 1]."""

    def walk() -> Iterator[Images]:
        for i in range(0, len(images), AT_ONCE):
            rows = slice(i, i + AT_ONCE)
            yield Images(images[rows], None if labels is None else labels[rows])

    return ImageSet(about.pop("name", "a tensor"), len(images), walk, **about)


def of_data(
    data: Data, split: str, limit: int | None, name: str, store: Path | None = None
) -> ImageSet:
    """A split of a data set, or its first `limit` images; of two domains, the second.

    Raises:
        DataError: there is no such split.
    """
    counts = data.splits()
    if split not in counts:
        raise DataError(f"{name} has no {split} split; it has {', '.join(counts)}")

    def walk() -> Iterator[Images]:
        for batch in data.each(split, AT_ONCE, limit):
            yield _shown(batch)

    return ImageSet(
        name,
        min(counts[split], limit or counts[split]),
        walk,
        split,
        data.spec.classes,
        store,
        [data.fingerprint, data.spec.target or data.spec.shape],
        paired=data.spec.task is Paired,
        device=data.device,
    )


def of_game(game: Game, count: int, seed: int, name: str) -> ImageSet:
    """Samples of a game, those that `sample` draws with this seed; labels in turn.

    Raises:
        SettingsError: it does not sample.
    """
    draw = getattr(game, "sample", None)
    if draw is None:
        raise SettingsError(f"{name} does not sample")
    takes = "labels" in inspect.signature(draw).parameters
    labelled = takes and bool(getattr(game, "classes", game.spec.classes))

    def walk() -> Iterator[Images]:
        for start in range(0, count, AT_ONCE):
            with generators_kept(), torch.no_grad():
                seed_torch(seed, "sample", start)
                labels = game.in_turn(start + AT_ONCE)[start:] if labelled else None
                x = draw(AT_ONCE, labels=labels) if labelled else draw(AT_ONCE)
            rows = slice(count - start)
            yield Images(x[rows].float(), None if labels is None else labels[rows])

    classes = game.spec.classes if labelled else ()
    return ImageSet(name, count, walk, classes=classes, game=game, device=game.device)


def translated(game: Game, data: Data, split: str, limit: int | None, seed: int) -> ImageSet:
    """Domain a of a split, translated by a game."""
    translate: Any = game.translate

    def walk() -> Iterator[Images]:
        for i, batch in enumerate(data.each(split, AT_ONCE, limit)):
            assert isinstance(batch, Paired | Unpaired)
            with generators_kept(), torch.no_grad():
                seed_torch(seed, "translate", i)
                yield Images(translate(batch.a, direction="a2b").float())

    count = min(data.splits()[split], limit or data.splits()[split])
    paired = data.spec.task is Paired
    return ImageSet("translations", count, walk, game=game, paired=paired, device=game.device)


def _shown(batch: Batch) -> Images:
    if isinstance(batch, Paired):
        return Images(batch.b)
    if isinstance(batch, Unpaired):
        return Images(batch.b, batch.b_labels)
    return Images(
        batch.images, batch.labels if isinstance(batch, Images | SemiSupervised) else None
    )


def _keep(statistics: Statistics, file: Path) -> None:
    """A run on a read-only or full disk is evaluated all the same."""
    from contextlib import suppress

    with suppress(OSError):
        statistics.save(file)
