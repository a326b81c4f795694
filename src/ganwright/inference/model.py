"""A trained family, ready to use."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganwright import memory
from ganwright.config.changes import change
from ganwright.config.ranges import Count, Part, Whole
from ganwright.config.spelling import convert
from ganwright.data.types import Spec
from ganwright.errors import SettingsError
from ganwright.function import takes_labels
from ganwright.game import Game
from ganwright.inference.chunks import CHUNK, Latents, fitting, replayed, rows_from
from ganwright.inference.given_images import fitted_all
from ganwright.inference.labels import several, wanted
from ganwright.inference.rejection import Rejecting
from ganwright.inference.rows import first_rows
from ganwright.inference.tiling import Footprint, check
from ganwright.inference.translating import Translating
from ganwright.pixels import as_floats
from ganwright.report.card import card, newest_grid
from ganwright.seeds import seed_torch


class Model(Translating):
    """What `load` and `train` give: a family with its averaged weights, in evaluation mode.

    Args:
        family: its name.
        game: its networks.
        spec: what its data looked like.
        step: how far it was trained.
        run: its run folder.
        init: the settings of a new run that begins with its weights.
    """

    def __init__(
        self,
        family: str,
        game: Game,
        spec: Spec,
        step: int,
        run: Path,
        *,
        init: Mapping[str, str] | None = None,
    ) -> None:
        self.family, self.game, self.spec = family, game, spec
        self.init = init or {"init": str(run)}
        self.step, self.run = step, run
        self._footprints: dict[str, Footprint] = {}
        self._drawn: dict[str, bool] = {}
        self._narrowed = False
        self.keep: float | None = None

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
        truncation: float | None = None,
    ) -> Tensor:
        """Draw n samples.

        Args:
            n: how many.
            seed: the same seed draws the same samples; more of them begin with the same.
            labels: numbers or names of classes, one or several, repeated to length n. Where an
                image may have several, a label is as "3+7", or "none".
            latents: what they are made of, float [n, length of z], or what `project` found.
            truncation: as for `truncated`; the run's own by default.

        Returns:
            float32 [n, C, H, W] in [-1, 1], on the CPU; [n, 2] for points.

        Raises:
            SettingsError: the family does not sample, or not by label, from latents or truncated.
        """
        if truncation is not None:
            model = self.truncated(truncation)
            return model.sample(n, seed=seed, labels=labels, latents=latents)
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
        if labels is not None and not takes_labels(self.game):
            raise SettingsError(f"this {self.family} was trained without labels; leave labels out")
        numbers = [] if labels is None else [wanted(self.spec, y) for y in several(labels)]
        if self.keep is not None and latents is not None:
            raise SettingsError("latents are used as they are, none is rejected; leave keep out")
        if self._narrowed and latents is not None:
            self._check_truncated(latents)
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

    @property
    def truncation(self) -> float | None:
        """The truncation of its samples; None where there is none."""
        found: float | None = getattr(self.game.cfg, "truncation", None)
        return found

    def truncated(self, truncation: float | None) -> Model:
        """This model with another truncation, of samples, walks and all else that it makes.

        Args:
            truncation: where G has styles, psi: their distance from the mean style, from 0 to 1, is
                multiplied by it. In `biggan`, numbers of z that are larger in size are drawn again;
                None for no truncation.

        Returns:
            A model that shares the networks of this one.

        Raises:
            SettingsError: the family has no truncation, or not this one.
        """
        cfg = self.game.cfg
        if not hasattr(cfg, "truncation"):
            raise SettingsError(
                f"{self.family} has no truncation; biggan, stylegan2 and stylegan3 have"
            )
        model, game = copy.copy(self), self._accepting()
        game.cfg = change(cfg, {"truncation": truncation})
        model.game, model._narrowed = game, True
        return model if self.keep is None else model.rejecting(self.keep)

    def rejecting(self, keep: float) -> Model:
        """This model, sampling by rejection: what D takes for data is kept, the rest drawn again.

        Walks, directions, exports and all else that is not sampled stays as it is.

        Args:
            keep: the share of G's samples that is kept, above 0, at most 1.

        Returns:
            A model that shares the networks of this one.

        Raises:
            SettingsError: the family has no D that tells how likely a sample is as data.
        """
        self.ability("sample")
        keep = convert(keep, Part, "keep")
        model, game = copy.copy(self), self._accepting()
        game.sample = Rejecting(self._accepting(), keep)  # type: ignore[assignment]
        model.game, model.keep = game, keep
        return model

    def _accepting(self) -> Game:
        """A copy of the game that keeps all samples; it shares the networks."""
        game = copy.copy(self.game)
        vars(game).pop("sample", None)
        return game

    def _check_truncated(self, latents: Latents) -> None:
        """See that samples of these latents are as truncated as was asked for.

        Raises:
            SettingsError: they are styles, or numbers that a truncated draw would not give.
        """
        z = latents.get("z") if isinstance(latents, Mapping) else latents
        most = None if hasattr(self.game, "by_style") else self.truncation
        wide = isinstance(z, Tensor) and most is not None and bool((z.abs() > most).any())
        if z is None or wide:
            raise SettingsError(
                f"truncation is {self.truncation}, and these latents are used as they are; "
                "leave truncation or latents out"
            )

    @torch.no_grad()
    def _chunks(self, drawn: Callable[[int], Tensor], wanted: range) -> Iterator[Tensor]:
        """Rows of the chunks that start at multiples of CHUNK."""
        for first in range(wanted.start // CHUNK * CHUNK, wanted.stop if wanted else 0, CHUNK):
            with memory.shortage_named():
                rows = first_rows(self.game, partial(drawn, first), CHUNK, wanted.stop - first)
            yield rows[max(0, wanted.start - first) :].float().cpu()

    @torch.no_grad()
    def latents(self, n: int = 1, *, seed: int = 0) -> Tensor:
        """What `sample` makes its samples of: z, float32 [n, length of z], on the CPU.

        Raises:
            SettingsError: the family does not sample, or not from latents alone.
        """
        self.ability("sample")
        if self.keep is not None:
            raise SettingsError("samples that were kept have no latents by seed; leave keep out")
        n, seed = convert(n, Count, "n"), convert(seed, Whole, "seed")
        z, *_ = self.game.function().arguments
        memory.check(4 * n, f"n is {n}, which; draw fewer at once")
        chunks = []
        for first in range(0, n, CHUNK):
            seed_torch(seed, "sample", first)
            chunks.append(z.draw(CHUNK).float().cpu())
        return torch.cat(chunks)[:n]

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
            images = fitted_all(images, self.spec.shape, self.reading())
        return self._apply("classify", images, seed)

    def _apply(self, name: str, images: Tensor, seed: int, **keywords: Any) -> Tensor:
        function = self.ability(name)
        check(name, images, self.spec.shape)
        seed_torch(seed, name)
        with memory.shortage_named():
            result: Tensor = function(as_floats(images).to(self.game.device), **keywords)
        return result.float().cpu()
