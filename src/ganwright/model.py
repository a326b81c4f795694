"""A trained family, ready to use."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganwright import checkpoint
from ganwright.data.batch import Spec
from ganwright.engine import Engine
from ganwright.errors import RunError, SettingsError, nearest
from ganwright.game import Game
from ganwright.seeds import seed_torch

CHUNK = 64
"""Samples are drawn this many at a time, so the first k of n do not depend on n."""


class Model:
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

    def __repr__(self) -> str:
        return f"<{self.family} after {self.step} steps, from {self.run}>"

    @torch.no_grad()
    def sample(
        self, n: int = 1, *, seed: int = 0, labels: Sequence[int | str] | None = None
    ) -> Tensor:
        """Draw n samples.

        Args:
            n: how many.
            seed: the same seed draws the same samples; more of them begin with the same.
            labels: numbers or names of classes, repeated to length n.

        Returns:
            float32 [n, C, H, W] in [-1, 1], on the CPU; [n, 2] for points.

        Raises:
            SettingsError: the family does not sample, or not by label.
        """
        draw = self._ability("sample")
        if n < 1:
            raise SettingsError(f"can not draw {n} samples; ask for at least 1")
        takes = "labels" in inspect.signature(draw).parameters and self.spec.classes
        if labels is not None and not takes:
            raise SettingsError(f"this {self.family} was trained without labels; leave labels out")
        numbers = None if labels is None else [self._label(y) for y in labels]
        chunks = []
        for start in range(0, n, CHUNK):
            seed_torch(seed, "sample", start)
            keywords: dict[str, Any] = {}
            if numbers:
                repeated = [numbers[(start + i) % len(numbers)] for i in range(CHUNK)]
                keywords["labels"] = torch.tensor(repeated, device=self.game.device)
            chunks.append(draw(CHUNK, **keywords).float().cpu())
        return torch.cat(chunks)[:n]

    @torch.no_grad()
    def translate(self, images: Tensor, *, direction: str = "a2b", seed: int = 0) -> Tensor:
        """Translate [n, C, H, W] in [-1, 1]; direction b2a for the way back, where there is one."""
        return self._apply("translate", images, seed, direction=direction)

    @torch.no_grad()
    def reconstruct(self, images: Tensor, *, seed: int = 0) -> Tensor:
        """Images through the code and back, [n, C, H, W] in [-1, 1]."""
        return self._apply("reconstruct", images, seed)

    @torch.no_grad()
    def classify(self, images: Tensor, *, seed: int = 0) -> Tensor:
        """Class probabilities, [n, classes], of images [n, C, H, W] in [-1, 1]."""
        return self._apply("classify", images, seed)

    def _apply(self, name: str, images: Tensor, seed: int, **keywords: Any) -> Tensor:
        function = self._ability(name)
        seed_torch(seed, name)
        result: Tensor = function(images.to(self.game.device), **keywords)
        return result.float().cpu()

    def _ability(self, name: str) -> Callable[..., Tensor]:
        function = getattr(self.game, name, None)
        if function is None:
            can = [
                a
                for a in ("sample", "translate", "reconstruct", "classify")
                if hasattr(self.game, a)
            ]
            raise SettingsError(f"{self.family} does not {name}; it can {', '.join(can)}")
        found: Callable[..., Tensor] = function
        return found

    def _label(self, label: int | str) -> int:
        classes = self.spec.classes
        text = str(label)
        if text in classes:
            return classes.index(text)
        if text.isdigit() and int(text) < len(classes):
            return int(text)
        raise SettingsError(f"unknown label {text!r}; {nearest(text, classes)}")


def load(
    run: str | Path, *, device: str = "auto", step: int | None = None, raw: bool = False
) -> Model:
    """A trained model from its run folder; the data is not needed.

    Args:
        run: the run folder.
        device: cpu, cuda, mps or auto.
        step: that checkpoint in place of the newest.
        raw: the weights themselves in place of their average.

    Raises:
        RunError: it is no run folder, or holds no usable checkpoint.
    """
    from ganwright.run import name_of, read_config, read_spec

    run = Path(run)
    cls, settings = read_config(run)
    spec = read_spec(run)
    engine = Engine.pick(device, "fp32")
    problems: list[str] = []
    found = checkpoint.load_newest(run / "checkpoints", step=step, warn=problems.append)
    if found is None:
        why = f" ({'; '.join(problems)})" if problems else ""
        raise RunError(
            f"{run} has no usable checkpoint yet{why}; `ganwright resume {run}` trains on"
        )
    game = cls(settings.game, spec)
    checkpoint.load_into(game, found.game, run)
    if not raw:
        tensors = {k.partition(".")[0] for k in found.average}
        for name in tensors:
            prefix = f"{name}."
            own = {k[len(prefix) :]: v for k, v in found.average.items() if k.startswith(prefix)}
            checkpoint.load_into(getattr(game, name), own, run)
    engine.prepare(game)
    game.requires_grad_(False).eval()
    return Model(name_of(cls), game, spec, found.step, run)
