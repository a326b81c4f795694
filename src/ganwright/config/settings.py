"""All that determines a run: the fields become flags, their docstrings the help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ganwright.config.checked import Named
from ganwright.config.ranges import BelowOne, Count, NonNegative, Positive, Real, Whole
from ganwright.config.schedule import Constant, Schedule
from ganwright.config.sizes import Size, sides, size_of
from ganwright.config.transform import Transform

Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]
Layout: TypeAlias = Literal["auto", "channels-last", "contiguous"]

FREE = (
    "data",
    "data_root",
    "download",
    "steps",
    "device",
    "histogram_every",
    "keep",
    "log",
    "log_every",
    "on_collapse",
    "sample_every",
    "save_every",
    "timeout",
    "workers",
)
"""Settings that may change when a run is resumed: they do not alter what it computes."""

INIT = ("init", "init_weights", "init_rename")
"""Settings of how a run starts, which apply only once."""


@dataclass(frozen=True, kw_only=True)
class Settings(Named):
    """The settings of a run; those of the family are in `game`."""

    game: Any = None
    """Settings of the family."""
    data: str | None = None
    """Data: digits, glyphs, ring, grid, a torchvision set, a folder, a zip, or hf:owner/name."""
    data_root: Path = field(default_factory=lambda: Path("data"))
    """Folder that holds torchvision data sets."""
    download: bool = False
    """Download the data set into the data root where it is missing."""
    image_size: Size | None = None
    """The size to which images are brought, as 64, or as 64x32 (height x width)."""
    channels: Count | None = None
    """Turn images grey (1) or colour (3); what the data has, however many, when not given."""
    range: tuple[Real, ...] = ()
    """The numbers in files or arrays that are black and white, as 0 4095; else by their type."""
    depth: Literal["keep", 8] = "keep"
    """Keep more than 8 bits where the data has them, or bring all to 8."""
    alpha: Literal["keep", "white", "drop"] = "white"
    """Transparency: keep it as a channel, show it white, or drop it."""
    flip: bool = False
    """Mirror training images at random; leave off if left and right differ, as in digits."""
    augment: tuple[Transform, ...] = ()
    """Random changes of training images, such as "Flip(), Rotate(10), Colour(0.2), Crop(4)"."""
    balance: bool = False
    """Draw each class equally often, however many images it has."""
    labels_per_class: Count | None = None
    """Keep this many labels per class and treat all other images as unlabelled."""
    held_out: Literal["auto"] | BelowOne = "auto"
    """Share of images to hold out for evaluation if the data has no test split."""
    on_bad_file: Literal["refuse", "skip"] = "refuse"
    """What to do with a file that cannot be read: refuse to start, or skip it with a warning."""
    max_megapixels: NonNegative | None = None
    """Millions of pixels of the largest image that is decoded; 0 for any, 179 when not given."""
    cache: bool = False
    """Keep decoded images: of a folder or zip in ~/.cache/ganwright, of a Dataset in memory."""
    workers: Whole = 2
    """Processes that read data not kept in memory: large data, or a Dataset from Python."""
    init: str | None = None
    """Start from the weights of a run, a checkpoint, or a state dict (.safetensors, .pt)."""
    init_weights: Literal["average", "raw"] = "average"
    """Which weights of that run: the moving average, if there is one, or the raw weights."""
    init_rename: tuple[str, ...] = ()
    """Map its networks to those here, as "netG=G"; "=G" if its names have no such prefix."""
    freeze: tuple[str, ...] = ()
    """Submodules to keep frozen (FreezeD), as "D.stack.0, D.stack.3"."""
    steps: Count = 10_000
    """Total training steps of the run, including those before a resume."""
    batch_size: Count | None = None
    """Images per batch, over all processes; by default the family's."""
    accumulate: Count = 1
    """Batches whose gradients are averaged for each update."""
    seed: Whole = 0
    """Random seed; it determines the whole run."""
    device: str = "auto"
    """cpu, cuda, mps, or auto for the best available."""
    precision: Precision = "auto"
    """Precision of the networks; auto uses bf16 where the hardware supports it well."""
    compile: bool = False
    """Compile each objective with torch.compile."""
    layout: Layout = "auto"
    """Memory layout of convolutions; auto chooses what is usually faster for each network."""
    sync_batch_norm: bool = False
    """Let BatchNorm normalise by the batch of all processes, instead of each by its own."""
    timeout: Positive = 1800.0
    """Seconds that a process waits for the others before it ends the run and names them."""
    cpu_threads: Count | None = None
    """Threads of a CPU; OMP_NUM_THREADS or else one a core when not given."""
    ema_half_life: NonNegative = 10_000
    """Half-life, in images, of the weight average used for samples; 0 keeps none."""
    ema_ramp: NonNegative = 0.05
    """Limit of that half-life early on, as a share of the images seen so far; 0 for no limit."""
    ema_schedule: Schedule = Constant()
    """Factor on that half-life at each step."""
    log_every: Count = 50
    """Steps between lines of metrics."""
    sample_every: Count = 500
    """Steps between sample grids."""
    save_every: Count = 1000
    """Steps between checkpoints."""
    keep: Count = 2
    """How many of the newest checkpoints to keep."""
    on_nan: Literal["stop", "rollback"] = "stop"
    """After a NaN: stop, or go back to the last checkpoint and continue with new randomness."""
    on_collapse: Literal["warn", "stop", "rollback"] = "warn"
    """When samples collapse, or training fails otherwise: say so, stop too, or go back too."""
    log: tuple[str, ...] = ()
    """Trackers in addition to metrics.jsonl, one or several: `ganwright list trackers`."""
    histogram_every: Whole = 0
    """Steps between histograms of gradients and D's scores for the trackers; 0 for none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (both := sides(self.image_size)) is not None:
            object.__setattr__(self, "image_size", size_of(*both))
        for name in ("init_rename", "freeze"):
            parts = [part.strip() for text in getattr(self, name) for part in text.split(",")]
            object.__setattr__(self, name, tuple(filter(None, parts)))
