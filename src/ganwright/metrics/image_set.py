"""Sets of images that are too many for memory: walked a part at a time, as often as needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganwright.data import RunData
from ganwright.data.batches import Data
from ganwright.data.label_map import LabelMap
from ganwright.data.types import Batch, Images, Paired, SemiSupervised, Spec, Unpaired, leading
from ganwright.errors import DataError, SettingsError
from ganwright.function import takes_labels
from ganwright.game import Game
from ganwright.metrics.features import Features, built
from ganwright.metrics.statistics import Statistics, collect, hash_of
from ganwright.seeds import generators_kept, seed_of, seed_torch

AT_ONCE = 64
"""Images in a part: as many as `sample` draws noise for at a time."""


@dataclass
class ImageSet:
    """Images, or points, that can be walked any number of times, always the same.

    Args:
        name: what it is, for the protocol.
        count: how many there are; once they were walked, without files that were skipped.
        parts: begins at the first: parts of `Images`, [n, C, H, W] in [-1, 1].
        split: of the data; empty for samples.
        classes: names of the labels.
        store: a folder that keeps their statistics.
        marks: what tells them from others in that folder.
        shape: (C, H, W) of each, where it is known beforehand.
        game: draws them, if one does.
        seed: with which it draws them.
        spec: of the data that they are, or were learned from.
        labels: how labels of samples were chosen; empty where none were.
        paired: the i-th of two such sets show the same thing.
        about: what else the protocol says of them as a reference.
    """

    name: str
    count: int
    parts: Callable[[], Iterator[Images]]
    split: str = ""
    classes: tuple[str, ...] = ()
    store: Path | None = None
    marks: Any = None
    shape: tuple[int, ...] = ()
    game: Any = None
    seed: int = 0
    spec: Spec | None = None
    labels: str = ""
    paired: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)
    device: torch.device = torch.device("cpu")
    looked_at: bool = False
    """Whether a metric has asked for them."""
    _known: dict[str, Statistics] = field(default_factory=dict)
    _hash: list[str] = field(default_factory=list)

    def walk(self) -> Iterator[Images]:
        """All of them, from the first: parts of `Images`, [n, C, H, W] in [-1, 1]."""
        self.looked_at = True
        return self._counted()

    def _counted(self) -> Iterator[Images]:
        count = 0
        for part in self.parts():
            count += len(part.images)
            yield part
        self.count = count  # by now it is known which files were skipped

    def unseen(self) -> ImageSet:
        """The same, not yet looked at; what either learns of them, both know."""
        return replace(self, looked_at=False)

    def first(self, count: int) -> ImageSet:
        """The first `count` of them, a set of its own; the same where there are no more."""
        if count >= self.count:
            return self

        def parts() -> Iterator[Images]:
            left = count
            for images, labels in self.parts():
                yield Images(images[:left], None if labels is None else labels[:left])
                left -= len(images)
                if left <= 0:
                    return

        return replace(self, count=count, parts=parts, store=None, _known={}, _hash=[])

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
        self.looked_at = True
        file = self._file(features)
        if features.key not in self._known:
            found = Statistics.load(file) if file else None
            if found is None:
                found = collect(self.walk(), built(features, self.device), self.classes)
            self._known[features.key] = found
            self.count = found.count
        if file and not file.is_file():
            _keep(self._known[features.key], file)
        return self._known[features.key]

    @property
    def content(self) -> str:
        """A hash of their bytes, of their statistics where these are known, else of a walk."""
        known = next((known.content for known in self._known.values()), "")
        if not known and not self._hash:
            self._hash.append(hash_of(self.parts()))
        return known or self._hash[0]

    def _file(self, features: Features) -> Path | None:
        if self.store is None:
            return None
        text = json.dumps([self.marks, self.split, features.key], sort_keys=True)
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
    data: RunData, split: str, limit: int | None, name: str, store: Path | None = None
) -> ImageSet:
    """A split of a data set, or its first `limit` images; of two domains, the second.

    Of data without a last item there are none, which is said where a metric asks for them.

    Raises:
        DataError: there is no such split.
    """
    counts = data.splits() or {split: 0}
    if split not in counts:
        raise DataError(f"{name} has no {split} split; it has {', '.join(counts)}")

    domains = _domains(data)

    def walk() -> Iterator[Images]:
        if domains is not None:
            yield from domains.domain(1, split, AT_ONCE, limit)
            return
        for batch in data.each(split, AT_ONCE, limit):
            yield _shown(batch, data.spec.target_map)

    there = counts[split] if domains is None else domains.counts(split)[1]
    return ImageSet(
        name,
        min(there, limit or there),
        walk,
        split,
        data.spec.classes,
        store,
        marks_of(data.fingerprint, data.spec, limit),
        data.spec.compared,
        spec=data.spec,
        paired=data.spec.task is Paired,
        device=data.device,
    )


def of_game(game: Game, count: int, seed: int, name: str) -> ImageSet:
    """Samples of a game, those that `sample` draws with this seed for labels as in the data.

    Raises:
        SettingsError: it does not sample.
    """
    draw = getattr(game, "sample", None)
    if draw is None:
        raise SettingsError(f"{name} does not sample")
    labelled = takes_labels(game)

    def walk() -> Iterator[Images]:
        for start in range(0, count, AT_ONCE):
            with generators_kept(), torch.no_grad():
                seed_torch(seed, "sample", start)
                labels = labels_of(game, AT_ONCE, seed, start) if labelled else None
                x = draw(AT_ONCE, labels=labels) if labelled else draw(AT_ONCE)
            rows = slice(count - start)
            yield Images(x[rows].float(), None if labels is None else labels[rows])

    classes = game.spec.classes if labelled else ()
    about: dict[str, Any] = {"shape": game.spec.shape, "game": game, "device": game.device}
    about |= {"seed": seed, "spec": game.spec, "labels": way_of(game) if labelled else ""}
    return ImageSet(name, count, walk, classes=classes, **about)


def labels_of(game: Game, n: int, seed: int, start: int = 0) -> Tensor:
    """Labels of n samples from the `start`-th on, int64 [n], the same each time.

    Classes are drawn as often as they occur in the data; where that is not known, and where the
    game learned them in equal parts, they come in turn.
    """
    if not any(game.spec.counts):
        return game.in_turn(start + n)[start:]
    generator = torch.Generator().manual_seed(seed_of("labels", seed, start))
    shares = torch.tensor(game.spec.counts, dtype=torch.float64)
    return torch.multinomial(shares, n, replacement=True, generator=generator).to(game.device)


def way_of(game: Game) -> str:
    """How `labels_of` chooses, for the protocol."""
    return "as in the data" if any(game.spec.counts) else "in turn"


def translated(game: Game, data: RunData, split: str, limit: int | None, seed: int) -> ImageSet:
    """Domain a of a split, translated by a game; label maps in colours."""
    translate: Any = game.translate
    maps, domains = game.spec.target_map, _domains(data)

    def walk() -> Iterator[Images]:
        if domains is not None:
            given = (batch.images for batch in domains.domain(0, split, AT_ONCE, limit))
        else:
            given = (leading(batch) for batch in data.each(split, AT_ONCE, limit))
        for i, images in enumerate(given):
            with generators_kept(), torch.no_grad():
                seed_torch(seed, "translate", i)
                made = translate(images, direction="a2b").float()
            yield Images(made if maps is None else maps.drawn(made))

    there = data.splits().get(split, 0)
    if there and domains is not None:
        there = domains.counts(split)[0]
    count = min(there, limit or there)
    about: dict[str, Any] = {"shape": game.spec.compared, "game": game, "device": game.device}
    about |= {"seed": seed}
    return ImageSet("translations", count, walk, paired=data.spec.task is Paired, **about)


def _domains(data: RunData) -> Data | None:
    """Data of two domains, of which one may have more images than the other; None of all others."""
    return data if isinstance(data, Data) and data.spec.task is Unpaired else None


def marks_of(fingerprint: Mapping[str, Any], spec: Spec, limit: int | None) -> list[Any]:
    """What tells the images of one data set, brought to one size, from others."""
    whole = ["domain b"] if spec.task is Unpaired else []  # not cut to the number of domain a
    return [fingerprint, spec.target or spec.shape, limit, *whole]


def _shown(batch: Batch, maps: LabelMap | None) -> Images:
    if isinstance(batch, Paired):
        return Images(batch.b if maps is None else maps.shown(batch.b))
    if isinstance(batch, Unpaired):
        return Images(batch.b, batch.b_labels)
    labels = batch.labels if isinstance(batch, Images | SemiSupervised) else None
    return Images(batch.images, None if labels is not None and labels.ndim == 2 else labels)


def _keep(statistics: Statistics, file: Path) -> None:
    """A run on a read-only or full disk is evaluated all the same."""
    from contextlib import suppress

    with suppress(OSError):
        statistics.save(file)
