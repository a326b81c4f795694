"""All that determines a run: the fields become flags, their docstrings the help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ganwright.errors import SettingsError

Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train: data, length, device, what to keep. The family's own settings are `game`."""

    game: Any = None
    """Settings of the family."""
    data: str | None = None
    """Data: digits, glyphs, ring, grid, a torchvision set, a folder, a zip, or hf:owner/name."""
    data_root: Path = field(default_factory=lambda: Path("data"))
    """Folder that holds torchvision data sets."""
    download: bool = False
    """Download the data set into the data root where it is missing."""
    image_size: int | None = None
    """Height and width to which pictures are brought; the family's choice when not given."""
    channels: Literal[1, 3] | None = None
    """Turn pictures grey (1) or colour (3); what the data has when not given."""
    flip: bool = False
    """Mirror training pictures at random; leave off where left and right differ, as in digits."""
    labels_per_class: int | None = None
    """Keep this many labels a class and treat all other images as unlabelled."""
    on_bad_file: Literal["refuse", "skip"] = "refuse"
    """What to do with a file that can not be read: refuse to start, or skip it with a warning."""
    cache: bool = False
    """Read each item of a Dataset given in Python once and keep it, instead of reading it anew."""
    workers: int = 2
    """Processes that read what does not stay in memory: large data, or a Dataset from Python."""
    steps: int = 10_000
    """Rounds of the game in the whole run, what was done before a resume included."""
    batch_size: int | None = None
    """Images in a batch, over all processes; the family's choice when not given."""
    accumulate: int = 1
    """Batches whose gradients are averaged into one move of every player."""
    seed: int = 0
    """One number that determines the run."""
    device: str = "auto"
    """cpu, cuda, mps, or auto for the best there is."""
    precision: Precision = "auto"
    """Arithmetic of the networks; auto takes bf16 where the hardware is fast at it."""
    compile: bool = False
    """Compile each objective with torch.compile."""
    ema_half_life: float = 10_000
    """Images after which a weight counts half in the average used for samples; 0 keeps none."""
    log_every: int = 50
    """Steps between lines of metrics."""
    sample_every: int = 500
    """Steps between sample grids."""
    save_every: int = 1000
    """Steps between checkpoints."""
    keep: int = 2
    """How many of the newest checkpoints to keep."""
    on_nan: Literal["stop", "rollback"] = "stop"
    """After a NaN: stop, or go back to the last checkpoint and on with fresh randomness."""
    log: tuple[str, ...] = ()
    """Trackers beside metrics.jsonl: tensorboard, wandb, mlflow."""

    def __post_init__(self) -> None:
        for name in ("steps", "accumulate", "log_every", "sample_every", "save_every", "keep"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("batch_size", "image_size", "labels_per_class"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"{name} is {value}; it must be at least 1")
        for name in ("workers", "ema_half_life", "seed"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} is {getattr(self, name)}; it must not be negative")
