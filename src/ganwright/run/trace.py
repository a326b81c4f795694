"""A flame chart of one step, as torch's profiler records it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity
from torch.profiler import profile as recorded

from ganwright import atomic
from ganwright.training.trainer import Trainer


def trace(trainer: Trainer, path: Path) -> None:
    """Record a step, and write it for a viewer of Chrome traces, such as Perfetto.

    Raises:
        OSError: the file cannot be written.
    """
    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(ProfilerActivity.CUDA)
    with recorded(activities=activities, with_stack=True, acc_events=True) as record:
        trainer.play_step()
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "trace.json")
        record.export_chrome_trace(str(written))
        atomic.write(path, written.read_bytes())
