"""What a model does with images of any size that it translates."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, overload

import torch
from torch import Tensor

from ganwright.data.label_map import LabelMap
from ganwright.data.levels import Levels, Reading
from ganwright.errors import SettingsError
from ganwright.inference.given_images import Kind, fitted_all, like
from ganwright.inference.pretrained import Pretrained
from ganwright.inference.tiling import TILE, Footprint, check, footprint, probe, strips
from ganwright.pixels import as_floats
from ganwright.seeds import seed_torch


class Translating(Pretrained):
    """A trained game that may turn images into images."""

    _footprints: dict[str, Footprint]
    _drawn: dict[str, bool]

    @overload
    def translate(
        self,
        images: Tensor,
        *,
        direction: str = ...,
        seed: int = ...,
        tile: int = ...,
        style: Any = ...,
    ) -> Tensor: ...

    @overload
    def translate(
        self,
        images: Any,
        *,
        direction: str = ...,
        seed: int = ...,
        tile: int = ...,
        style: Any = ...,
    ) -> Any: ...

    @torch.no_grad()
    def translate(
        self,
        images: Any,
        *,
        direction: str = "a2b",
        seed: int = 0,
        tile: int = TILE,
        style: Any = None,
    ) -> Any:
        """Translate images of any size.

        Args:
            images: float [n, C, H, W] in [-1, 1]; or Pillow images, one or a list; or uint8
                arrays [H, W], [H, W, C] or [n, H, W, C]. Where label maps were learned from,
                these are label maps.
            direction: b2a for the way back, where there is one.
            seed: determines each image's noise, where there is some: other seeds give other images.
            tile: larger images are translated in tiles of so many pixels, see `inference`.
            style: a photo whose style they take, in families with an encoder of styles: a Pillow
                image or a uint8 array, or float [1, C, H, W] of the training images' size.

        Returns:
            As many images of the same kind; tensors are on the CPU.

        Raises:
            SettingsError: the family does not translate, or not in this direction, or not
                images of so many channels, or takes no style.
            DataError: images cannot be read, or hold unknown classes.
        """
        options: dict[str, Any] = {"direction": direction, "seed": seed, "tile": tile}
        options["style"] = style
        if isinstance(images, Tensor):
            return torch.cat(list(self.strips(images, **options)), 2)

        maps, reading = self.label_map(direction), self.reading(direction)
        taken = Kind(self.channels(direction), self.levels(direction), maps, reading)
        drawn = (direction != "b2a" and self.spec.target) or self.spec.shape
        made = Kind(drawn[0], self.levels(direction, output=True), self.drawn_map(direction))
        return like(images, partial(self.strips, **options), taken, made)

    @torch.no_grad()
    def strips(
        self,
        images: Tensor,
        *,
        direction: str = "a2b",
        seed: int = 0,
        tile: int = TILE,
        style: Any = None,
    ) -> Iterator[Tensor]:
        """Translate large images strip by strip, so that they need not fit into memory.

        Args:
            images: float [n, C, H, W] in [-1, 1], or uint8.
            direction: as in `translate`, like the others.

        Yields:
            float32 [n, C', rows, W'] in [-1, 1] on the CPU, from the top.
        """
        check("translate", images, (self.channels(direction), None, None))
        known, way = self.footprint(direction), self._way(direction, style)
        if len(images) > 1 and self._draws(direction):
            # each as alone: what others are translated with it must not choose its noise
            options: dict[str, Any] = {"direction": direction, "seed": seed, "style": style}
            each = (self.strips(image[None], tile=tile, **options) for image in images)
            yield torch.cat([torch.cat(list(rows), 2) for rows in each])
            return
        seed_torch(seed, "translate")
        yield from strips(way, self._marked(images), known, tile)

    def _draws(self, direction: str) -> bool:
        """Whether images depend on the seed."""
        if direction not in self._drawn:
            image, made = probe(self._shape(direction), self.game), []
            for seed in range(2):
                seed_torch(seed, "translate")
                made.append(self._way(direction)(image))
            self._drawn[direction] = not torch.equal(*made)
        return self._drawn[direction]

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
        """The label maps that `translate` draws, which files hold as class numbers."""
        return None if direction == "b2a" else self.spec.target_map

    def levels(self, direction: str = "a2b", *, output: bool = False) -> Levels | None:
        """The numbers that inputs, or outputs, are written in; None for images of 8 bits."""
        of_b = (direction == "b2a") != output and self.spec.target is not None
        return self.spec.target_levels if of_b else self.spec.levels

    def reading(self, direction: str = "a2b", *, output: bool = False) -> Reading:
        """How files of inputs, or of what outputs are like, are read: as in training."""
        return self.spec.read_as(target=(direction == "b2a") != output)

    def _shape(self, direction: str) -> tuple[int, ...]:
        back = direction == "b2a" and self.spec.target is not None
        shape = self.spec.target if back else self.spec.shape
        assert shape is not None
        return shape

    def _way(self, direction: str, style: Any = None) -> Callable[[Tensor], Tensor]:
        translate, device = self.ability("translate"), self.game.device
        options: dict[str, Any] = {"direction": direction}
        if style is not None:
            options["style"] = self._style(translate, style)
        channels = self.channels(direction)

        def way(x: Tensor) -> Tensor:
            x, marks = x.to(device).tensor_split([channels], 1)
            known = {"known": marks > 0} if marks.shape[1] else {}
            return translate(x, **options, **known).float().cpu()

        return way

    def _marked(self, images: Tensor) -> Tensor:
        """Images with a channel more in families that fill holes: 1 where they are known, else -1.

        The hole is that of the whole image. A tile, and what is padded, have another middle.
        """
        holes = getattr(self.game, "holes", None)
        if holes is None:
            return images
        low, high = (0, 255) if images.dtype == torch.uint8 else (-1, 1)
        return torch.cat([images, torch.where(holes(images, "centre"), high, low).to(images)], 1)

    def _style(self, translate: Callable[..., Tensor], photo: Any) -> Tensor:
        """One photo as the family's encoder takes it, [1, C, H, W]."""
        shape = self.spec.target or self.spec.shape
        if "style" not in inspect.signature(translate).parameters:
            raise SettingsError(f"{self.family} takes no style from a photo; leave style out")
        if not isinstance(photo, Tensor):
            photo = fitted_all(photo, shape, self.reading(output=True))
        check("a style", photo, shape)
        if len(photo) != 1:
            raise SettingsError(f"a style is that of one photo, not of {len(photo)}; give one")
        return as_floats(photo).to(self.game.device)

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
