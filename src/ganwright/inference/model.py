"""A trained family, ready to use."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor

from ganwright import memory
from ganwright.config.ranges import Count, Whole
from ganwright.config.spelling import convert
from ganwright.data.label_map import LabelMap
from ganwright.data.levels import Levels
from ganwright.data.types import Spec
from ganwright.errors import SettingsError
from ganwright.game import Game
from ganwright.inference.chunks import CHUNK, Latents, fitting, replayed, rows_from
from ganwright.inference.image_files import fitted, like, many
from ganwright.inference.labels import several, wanted
from ganwright.inference.pretrained import Pretrained
from ganwright.inference.rows import first_rows
from ganwright.inference.tiling import TILE, Footprint, check, footprint, strips
from ganwright.pixels import as_floats, to_bytes
from ganwright.report.card import card, newest_grid
from ganwright.seeds import seed_torch


class Model(Pretrained):
    """What `load` and `train` give: a family with its averaged weights, in evaluation mode.

    Args:
        family: its name.
        game: its networks.
        spec: what its data looked like.
        step: how far it was trained.
        run: its run folder.
        interrupted: whether training was stopped before its last step.
    """

    def __init__(
        self,
        family: str,
        game: Game,
        spec: Spec,
        step: int,
        run: Path,
        *,
        interrupted: bool = False,
    ) -> None:
        self.family, self.game, self.spec = family, game, spec
        self.step, self.run, self.interrupted = step, run, interrupted
        self._footprints: dict[str, Footprint] = {}

    def __repr__(self) -> str:
        return f"<{self.family} after {self.step} steps, from {self.run}>"

    def _repr_html_(self) -> str:
        return card(self.family, {"steps": self.step, "run": self.run}, newest_grid(self.run))

    def sample(
        self,
        n: int = 1,
        *,
        seed: int = 0,
        labels: int | str | Sequence[Any] | None = None,
        latents: Latents | None = None,
    ) -> Tensor:
        """Draw n samples.

        Args:
            n: how many.
            seed: the same seed draws the same samples; more of them begin with the same.
            labels: numbers or names of classes, one or several, repeated to length n. Where an
                image may have several, a label is as "3+7".
            latents: what they are made of, float [n, length of z], or what `project` found.

        Returns:
            float32 [n, C, H, W] in [-1, 1], on the CPU; [n, 2] for points.

        Raises:
            SettingsError: the family does not sample, or not by label or from latents.
        """
        chunks = self.samples(n, seed=seed, labels=labels, latents=latents)
        n = convert(n, Count, "n")
        memory.check(4 * n * prod(self.spec.shape), f"n is {n}, which; draw fewer at once")
        return torch.cat(list(chunks))

    def samples(
        self,
        n: int,
        *,
        seed: int = 0,
        labels: int | str | Sequence[int | str] | None = None,
        start: int = 0,
        latents: Latents | None = None,
    ) -> Iterator[Tensor]:
        """The same samples a chunk at a time, so that memory does not depend on their number.

        Args:
            n: how many there are in all.
            seed: as in `sample`.
            labels: as in `sample`.
            start: where to begin; those before are not drawn.
            latents: as in `sample`.

        Returns:
            float32 [at most 64, C, H, W] in [-1, 1] each, on the CPU; together rows start to n of
            what `sample` gives.

        Raises:
            SettingsError: at once, as `sample` does.
        """
        draw = self.ability("sample")
        n, seed = convert(n, Count, "n"), convert(seed, Whole, "seed")
        start = convert(start, Whole, "start")
        takes = "labels" in inspect.signature(draw).parameters
        takes = takes and bool(getattr(self.game, "classes", self.spec.classes))
        if labels is not None and not takes:
            raise SettingsError(f"this {self.family} was trained without labels; leave labels out")
        numbers = [] if labels is None else [wanted(self.spec, y) for y in several(labels)]
        if isinstance(latents, Mapping):
            return replayed(self.game, latents, labels, range(start, n))
        made_of = None if latents is None else fitting(self.game.function(), latents, n)

        def drawn(first: int) -> Tensor:
            seed_torch(seed, "sample", first)
            given = {"labels": rows_from(numbers, first).to(self.game.device)} if numbers else {}
            if made_of is None:
                return draw(CHUNK, **given)
            return made_of(first, given.get("labels"))

        return self._chunks(drawn, range(start, n))

    @torch.no_grad()
    def _chunks(self, drawn: Callable[[int], Tensor], wanted: range) -> Iterator[Tensor]:
        """Rows of the chunks that start at multiples of CHUNK."""
        for first in range(wanted.start // CHUNK * CHUNK, wanted.stop if wanted else 0, CHUNK):
            rows = first_rows(self.game, partial(drawn, first), CHUNK, wanted.stop - first)
            yield rows[max(0, wanted.start - first) :].float().cpu()

    @torch.no_grad()
    def latents(self, n: int = 1, *, seed: int = 0) -> Tensor:
        """What `sample` makes its samples of: z, float32 [n, length of z], on the CPU.

        Raises:
            SettingsError: the family does not sample, or not from latents alone.
        """
        self.ability("sample")
        n, seed = convert(n, Count, "n"), convert(seed, Whole, "seed")
        z, *_ = self.game.function().arguments
        memory.check(4 * n, f"n is {n}, which; draw fewer at once")
        chunks = []
        for first in range(0, n, CHUNK):
            seed_torch(seed, "sample", first)
            chunks.append(z.draw(CHUNK).float().cpu())
        return torch.cat(chunks)[:n]

    @overload
    def translate(
        self, images: Tensor, *, direction: str = ..., seed: int = ..., tile: int = ...
    ) -> Tensor: ...

    @overload
    def translate(
        self, images: Any, *, direction: str = ..., seed: int = ..., tile: int = ...
    ) -> Any: ...

    @torch.no_grad()
    def translate(
        self, images: Any, *, direction: str = "a2b", seed: int = 0, tile: int = TILE
    ) -> Any:
        """Translate images of any size.

        Args:
            images: float [n, C, H, W] in [-1, 1]; or Pillow images, one or a list; or uint8
                arrays [H, W], [H, W, C] or [n, H, W, C]. Where label maps were learned from,
                these are label maps.
            direction: b2a for the way back, where there is one.
            seed: determines the noise, where there is some.
            tile: larger images are translated in tiles of so many pixels, see `inference`.

        Returns:
            As many images of the same kind; tensors are on the CPU.

        Raises:
            SettingsError: the family does not translate, or not in this direction, or not
                images of so many channels.
            DataError: images cannot be read, or hold unknown classes.
        """
        options: dict[str, Any] = {"direction": direction, "seed": seed, "tile": tile}
        if isinstance(images, Tensor):
            return torch.cat(list(self.strips(images, **options)), 2)

        def translated(pixels: Tensor) -> Tensor:
            return torch.cat([to_bytes(rows) for rows in self.strips(pixels, **options)], 2)

        maps, mask = self.label_map(direction), self.drawn_map(direction)
        return like(images, self.channels(direction), translated, maps, mask)

    @torch.no_grad()
    def strips(
        self, images: Tensor, *, direction: str = "a2b", seed: int = 0, tile: int = TILE
    ) -> Iterator[Tensor]:
        """Translate large images strip by strip, so that they need not fit into memory.

        Args:
            images: float [n, C, H, W] in [-1, 1], or uint8.

        Yields:
            float32 [n, C', rows, W'] in [-1, 1] on the CPU, from the top.
        """
        check("translate", images, (self.channels(direction), None, None))
        known = self.footprint(direction)
        seed_torch(seed, "translate")
        yield from strips(self._way(direction), images, known, tile)

    def footprint(self, direction: str = "a2b") -> Footprint:
        """What sizes its translator takes and how far it looks."""
        if direction not in self._footprints:
            shape = self._shape(direction)
            self._footprints[direction] = footprint(self._way(direction), self.game, shape)
        return self._footprints[direction]

    def channels(self, direction: str = "a2b") -> int:
        """Channels of the images that `translate` takes."""
        return self._shape(direction)[0]

    def label_map(self, direction: str = "a2b") -> LabelMap | None:
        """How files become images that `translate` takes, where they are label maps."""
        return None if direction == "b2a" else self.spec.label_map

    def drawn_map(self, direction: str = "a2b") -> LabelMap | None:
        """The label maps that `translate` draws in colours, and files hold as class numbers."""
        return None if direction == "b2a" else self.spec.target_map

    def levels(self, direction: str = "a2b", *, output: bool = False) -> Levels | None:
        """The numbers that files of inputs, or of outputs, hold; None for images of 8 bits."""
        of_b = (direction == "b2a") != output and self.spec.target is not None
        return self.spec.target_levels if of_b else self.spec.levels

    def _shape(self, direction: str) -> tuple[int, ...]:
        back = direction == "b2a" and self.spec.target is not None
        shape = self.spec.target if back else self.spec.shape
        assert shape is not None
        return shape

    def _way(self, direction: str) -> Callable[[Tensor], Tensor]:
        translate, device = self.ability("translate"), self.game.device
        return lambda x: translate(x.to(device), direction=direction).float().cpu()

    @torch.no_grad()
    def reconstruct(self, images: Tensor, *, seed: int = 0) -> Tensor:
        """Images through the code and back, [n, C, H, W] in [-1, 1]."""
        return self._apply("reconstruct", images, seed)

    @torch.no_grad()
    def classify(self, images: Any, *, seed: int = 0) -> Tensor:
        """Class probabilities, [n, classes].

        Args:
            images: float [n, C, H, W] in [-1, 1]; or Pillow images or uint8 arrays of any size,
                as for `translate`: their middle is scaled to the size of the training images.
            seed: determines the noise, where there is some.
        """
        if not isinstance(images, Tensor):
            images = torch.cat(
                [as_floats(fitted(image, self.spec.shape)) for image in many(images)]
            )
        return self._apply("classify", images, seed)

    def _apply(self, name: str, images: Tensor, seed: int, **keywords: Any) -> Tensor:
        function = self.ability(name)
        check(name, images, self.spec.shape)
        seed_torch(seed, name)
        result: Tensor = function(as_floats(images).to(self.game.device), **keywords)
        return result.float().cpu()

    def ability(self, name: str) -> Callable[..., Tensor]:
        """The family's own method of that name.

        Raises:
            SettingsError: it has none; the sentence says what it can do.
        """
        function = getattr(self.game, name, None)
        if function is None:
            can = [
                a
                for a in ("sample", "translate", "reconstruct", "classify")
                if hasattr(self.game, a)
            ]
            raise SettingsError(f"{self.family} cannot {name}; it can {', '.join(can)}")
        found: Callable[..., Tensor] = function
        return found
