"""TensorBoard: event files in the run folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright.report.grid import picture
from ganwright.trackers.tracker import Histogram, Plain, Tracker

if TYPE_CHECKING:
    from torch import Tensor


class TensorBoard(Tracker):
    """Writes to `tensorboard/` in the run folder; what a resumed run makes again is replaced."""

    def __init__(self, run: Path, config: Mapping[str, Plain]) -> None:
        self.folder = str(run / "tensorboard")
        self.where = f"tensorboard --logdir {self.folder}"
        self._hook, self._former = self._unsaid, threading.excepthook
        threading.excepthook = self._hook
        try:
            self._writer = self._opened()
        except BaseException:
            self._hear_again()
            raise
        rows = "".join(f"| {name} | {value} |\n" for name, value in config.items())
        self._writer.add_text("settings", f"| setting | value |\n| --- | --- |\n{rows}", 0)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        for name, tensor in images.items():
            self._writer.add_image(name, picture(tensor), step, dataformats="HWC")

    def log_histograms(self, histograms: Mapping[str, Histogram], step: int) -> None:
        for name, (counts, edges) in histograms.items():
            middles = (edges[:-1] + edges[1:]) / 2
            self._writer.add_histogram_raw(
                name,
                edges[0],
                edges[-1],
                counts.sum(),
                (counts * middles).sum(),
                (counts * middles**2).sum(),
                edges[1:].tolist(),
                counts.tolist(),
                step,
            )

    def rewound(self, step: int) -> None:
        self._close()
        self._writer = self._opened(purge_step=step + 1)

    def finish(self) -> None:
        try:
            self._close()
        finally:
            self._hear_again()

    def _close(self) -> None:
        # SummaryWriter.close flushes first; where that fails, it leaves its thread behind.
        self._writer.file_writer.close()

    def _unsaid(self, failed: threading.ExceptHookArgs) -> None:
        """A thread's traceback, but that of the writer on a full disk: the next call raises it."""
        own = type(failed.thread).__module__.startswith("tensorboard.")
        if not (own and isinstance(failed.exc_value, OSError)):
            self._former(failed)

    def _hear_again(self) -> None:
        if threading.excepthook is self._hook:
            threading.excepthook = self._former

    def _opened(self, **how: Any) -> Any:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._until_the_next_second()
        return SummaryWriter(self.folder, **how)

    def _until_the_next_second(self) -> None:
        """Wait, if a file was begun in this one.

        TensorBoard reads files in the order of their names, which hold the second in which each was
        begun, and then numbers as text: 10 comes before 9.
        """
        names = [file.name.split(".") for file in Path(self.folder).glob("events.out.tfevents.*")]
        begun = max((int(parts[3]) for parts in names), default=0)
        time.sleep(min(1.0, max(0.0, begun + 1 - time.time())))
