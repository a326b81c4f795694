"""Sample grids, always of the same latents or inputs."""

from __future__ import annotations

from torch import Tensor

from ganwright import atomic
from ganwright.callbacks.callback import Periodic, Run
from ganwright.data.types import leading
from ganwright.report import save_grid
from ganwright.seeds import seed_torch

AT_ONCE = 64
"""Samples in a grid."""


class Samples(Periodic):
    """Writes `samples/step-NNNNNN.png` with the averaged networks; first of all the data, too."""

    def started(self, run: Run) -> None:
        shown = (run.folder / "samples" / "data.png").exists()
        if not run.main or (run.step and shown):
            return
        images, maps = leading(run.data.preview(AT_ONCE)), run.data.spec.label_map
        _write(run, "data", images if maps is None else maps.shown(images))
        self.act(run)

    def act(self, run: Run) -> None:
        if not run.main:
            return
        grid = drawn(run)
        _write(run, f"step-{run.step:06d}", grid, run.game.preview_columns)
        run.log_images({"samples": grid})


def drawn(run: Run) -> Tensor:
    """The grid of a run as it stands."""
    with run.averaged() as game:
        seed_torch(run.settings.seed, "preview")
        return game.preview(run.data.preview(AT_ONCE))


def _write(run: Run, name: str, grid: Tensor, columns: int | None = None) -> None:
    """A grid that cannot be written is but a warning."""
    try:
        save_grid(grid, run.folder / "samples" / f"{name}.png", columns=columns)
    except OSError as error:
        run.warn(f"could not write the sample grid: {atomic.reason(error)}")
