"""What a report shows of the networks themselves: interpolation, and neighbours in the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ganwright import atomic
from ganwright.errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor

    from ganwright.data import RunData
    from ganwright.game import Game

SEARCHED = 2000
"""Training images among which neighbours are sought by default."""
_ROWS, _COLUMNS, _NEAREST, _AT_ONCE = 4, 8, 4, 64
_FILE = "exhibits.json"


@dataclass(frozen=True)
class Exhibit:
    """An image of a report.

    Args:
        title: its heading.
        path: its file.
        about: what it shows.
    """

    title: str
    path: Path
    about: str


Exhibits: TypeAlias = tuple[Exhibit, ...]


def read_exhibits(folder: Path) -> Exhibits:
    """What `write_exhibits` left in a folder; nothing where that cannot be read."""
    return tuple(
        Exhibit(title, folder / f"{title.split()[0].lower()}.png", str(about))
        for title, about in _known(folder).items()
        if title != "step"
    )


def exhibited(folder: Path) -> int | None:
    """The step that a folder's exhibits show; None where there are none."""
    step = _known(folder).get("step")
    return step if isinstance(step, int) else None


def write_exhibits(
    game: Game, data: RunData | None, folder: Path, *, seed: int, step: int, search: int = SEARCHED
) -> None:
    """Draw what can be drawn of a game: PNG files, and exhibits.json with what they show.

    Args:
        game: in evaluation mode, on its device.
        data: where neighbours are sought, if that is wanted.
        folder: where to.
        seed: of the noise; the global generators are given back as they were.
        step: how far the game was trained.
        search: the most training images that are looked at.

    Raises:
        DataError: an image cannot be read.
        OSError: a file cannot be written.
    """
    import torch

    from ganwright.report.grid import png
    from ganwright.seeds import generators_kept, seed_torch

    known: dict[str, Any] = {"step": step}
    with generators_kept(), torch.no_grad():
        seed_torch(seed, "interpolation")
        way = interpolation(game)
        seed_torch(seed, "neighbours")
        found = None if data is None else neighbours(game, data, search)
    if way is not None:
        atomic.write(folder / "interpolation.png", png(way, _COLUMNS))
        known["Interpolation"] = (
            f"At step {step:,}: each row goes from one latent vector to another. Gradual changes "
            "are healthy; sudden jumps between the same few images are not."
        )
    if found is not None:
        atomic.write(folder / "nearest.png", png(found.images, 1 + found.nearest))
        known["Nearest training images"] = f"At step {step:,}: {found.sentence}"
    atomic.write(folder / _FILE, json.dumps(known, indent=1))


@dataclass(frozen=True)
class Neighbours:
    """Samples and what is nearest to them.

    Args:
        images: rows of a sample and its nearest training images, [n * (1 + nearest), C, H, W].
        nearest: images after each sample.
        distance: of samples to their nearest training image, root mean square of pixels whose
            range is 1; the median.
        held_out: that of held-out images, if there are any.
        searched: training images looked at.
        of: training images that there are.
    """

    images: Tensor
    nearest: int
    distance: float
    held_out: float | None
    searched: int
    of: int

    @property
    def sentence(self) -> str:
        """What the image shows, for its caption."""
        said = (
            f"each row is a sample, then its {self.nearest} nearest by pixels among "
            f"{self.searched:,} of {self.of:,} training images. Median distance of the nearest: "
            f"{self.distance:.3f}"
        )
        if self.held_out is None:
            return f"{said}. Near 0, samples are copies."
        return (
            f"{said}; of held-out images: {self.held_out:.3f}. Far below that, samples are copies."
        )


def interpolation(game: Game) -> Tensor | None:
    """Rows of images between two latents each, [32, C, H, W]; None where there are no
    latents, or no images.

    Labels, where G takes them, stay the same in a row.
    """
    import torch

    if not hasattr(game, "sample") or len(game.spec.shape) != 3:
        return None
    try:
        function = game.function()
    except SettingsError:
        return None
    z, *others = function.arguments
    if z.between is None:
        return None
    ends = z.draw(_ROWS + 1)
    t = torch.linspace(0, 1, _COLUMNS, device=ends.device)
    way = torch.cat([z.between(a, b, t) for a, b in pairwise(ends)])
    rows = (each.draw(_ROWS).repeat_interleave(_COLUMNS, 0) for each in others)
    return function(way, *rows).float().cpu()


def neighbours(game: Game, data: RunData, search: int, n: int = 6) -> Neighbours | None:
    """The training images nearest to n samples, by pixels; None of what makes no images.

    Raises:
        DataError: an image cannot be read.
    """
    import torch

    from ganwright.data.types import leading

    draw: Any = getattr(game, "sample", None)
    count = data.splits().get("train", 0)
    if draw is None or len(data.spec.shape) != 3 or not count:
        return None
    made = draw(_AT_ONCE)[:n].float()
    held = data.held_out(n)
    asked = made if held is None else torch.cat([made, leading(held).to(made).float()])
    gaps, near = torch.zeros(len(asked), 0, device=made.device), asked[:, None][:, :0]
    for batch in data.each("train", _AT_ONCE, search):
        gaps, near = _nearer(asked, gaps, near, leading(batch).to(made).float())
    distances = gaps[:, 0] / (2 * made[0].numel() ** 0.5)
    rows = torch.cat([made[:, None], near[:n]], 1).flatten(0, 1).cpu()
    other = None if held is None else float(distances[n:].median())
    ours = float(distances[:n].median())
    return Neighbours(rows, near.shape[1], ours, other, min(search, count), count)


def _nearer(asked: Tensor, gaps: Tensor, near: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest images so far and their distances, with those of `x` considered."""
    import torch

    had, row = gaps.shape[1], torch.arange(len(asked), device=asked.device)[:, None]
    both = torch.cat([gaps, torch.cdist(asked.flatten(1), x.flatten(1))], 1)
    gaps, at = both.topk(min(_NEAREST, both.shape[1]), largest=False)
    found = x[(at - had).clamp(min=0)]
    if had:
        old = (at < had)[..., None, None, None]
        found = torch.where(old, near[row, at.clamp(max=had - 1)], found)
    return gaps, found


def _known(folder: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, Mapping) else {}
