"""`ganwright sample`: what a trained run generates."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganwright import atomic
from ganwright.commands.flags import Parser
from ganwright.commands.latent_files import read_latents, rows_in
from ganwright.config.checked import Named
from ganwright.config.ranges import Count, NonNegative, Part, Whole
from ganwright.config.spelling import path_of
from ganwright.errors import RunError, SettingsError

if TYPE_CHECKING:
    from torch import Tensor

    from ganwright.inference.chunks import Latents
    from ganwright.inference.model import Model

_RUN = {"RUN": "The run folder."}


@dataclass(frozen=True, kw_only=True)
class Snapshot(Named):
    """Which weights of a run are used."""

    step: Whole | None = None
    """Use the checkpoint of this step; by default the newest."""
    raw: bool = False
    """Use the raw weights, not their moving average."""
    best: bool = False
    """Use the checkpoint that --keep-best kept."""


@dataclass(frozen=True, kw_only=True)
class Weights(Snapshot):
    """Which weights of a run are used, and where."""

    device: str = "auto"
    """cpu, cuda, mps, or auto for the best available."""


@dataclass(frozen=True, kw_only=True)
class Truncated(Weights):
    """Which weights of a run are used, where, and how typical the samples are."""

    truncation: NonNegative | None = None
    """Below 1, samples are more typical and vary less; stylegan2 and stylegan3 take 0 to 1, biggan
    the largest number in z."""


@dataclass(frozen=True, kw_only=True)
class Sampling(Named):
    """What to draw, and where to put it."""

    n: Count | None = None
    """Number of images; by default 64, or one for each label or latent."""
    seed: Whole = 0
    """Random seed; it determines the images."""
    labels: tuple[str, ...] = ()
    """Classes to draw, by number or name (3+7 for both at once); repeated in turn."""
    out: Path | None = None
    """A .png file for a grid, or a folder for a file each; .csv for rows; .npy or .csv for signals.
    RUN/sampled/seed-S.png (.csv, .npy) if not given."""
    latents: Path | None = None
    """A .npy file of latents to use instead of the seed's, one per row; or what `project` wrote."""
    save_latents: Path | None = None
    """Write the latents of these images into a .npy file."""
    keep: Part | None = None
    """Keep this share of what G draws, by D's scores, and draw the rest again."""
    overwrite: bool = False
    """Replace existing outputs; other files that are named as samples are refused."""


def sample(argv: Sequence[str]) -> int:
    """Generate images with a trained run. Only the run folder is needed, not the data."""
    parser = Parser("sample", sample.__doc__ or "", _RUN)
    parser.add("sampling", Sampling())
    parser.add("weights", Truncated())
    given, (what, weights) = parser.read(argv)
    run = path_of(str(given["RUN"]))
    z = None if what.latents is None else read_latents(what.latents, what.n)
    n = what.n if what.n is not None else len(what.labels) or 64
    n = n if z is None else rows_in(z)
    model = load_run(run, weights)
    ending = "csv" if model.spec.table else "npy" if model.spec.signal else "png"
    out = what.out or run / "sampled" / f"seed-{what.seed}.{ending}"
    refuse_existing([*_taken(out, n), *_kept(what.save_latents, z)], what.overwrite)
    model = model if what.keep is None else model.rejecting(what.keep)
    drawn = model.latents(n, seed=what.seed) if what.save_latents and z is None else z
    with _latents_saved(drawn, what.save_latents):
        _draw(model, n, what, out, z)
    print(out)
    return 0


def _draw(model: Model, n: int, what: Sampling, out: Path, z: Latents | None) -> None:
    """Samples in the kind of file that is asked for, or a folder of files."""
    if not names_file(out):
        _files(model, out, n, what, z)
    elif out.suffix.lower() == ".npy" or (out.suffix.lower() == ".csv" and model.spec.signal):
        _signals(model, n, what, out, z)
    elif out.suffix.lower() == ".csv":
        _table(model, n, what, out, z)
    else:
        _grid(model.sample(n, seed=what.seed, labels=what.labels or None, latents=z), out)


def load_run(run: Path, weights: Weights) -> Model:
    """The model of a run's folder, imported when it is needed."""
    from ganwright.run.load import load

    model = load(run, device=weights.device, step=weights.step, raw=weights.raw, best=weights.best)
    if not isinstance(weights, Truncated) or weights.truncation is None:
        return model
    return model.truncated(weights.truncation)


def refuse_existing(outputs: Sequence[Path], overwrite: bool) -> None:
    """The one rule for outputs: none is replaced unless that is asked for.

    Raises:
        RunError: some exist.
    """
    existing = [] if overwrite else [out for out in outputs if out.exists()]
    if len(existing) == 1:
        raise RunError(f"{existing[0]} exists; add --overwrite to replace it")
    if existing:
        raise RunError(
            f"{len(existing)} of the outputs exist, the first is {existing[0]}; "
            "add --overwrite to replace them"
        )


def names_file(out: Path) -> bool:
    """Whether an output is a file and not a folder; a number, as in eps-0.3, is no ending."""
    return out.is_file() or (out.suffix[1:2].isalpha() and not out.is_dir())


def refuse_file(out: Path | None) -> None:
    """Refuse the name of a file where a folder is to be.

    Raises:
        SettingsError: it is one.
    """
    if out is not None and names_file(out):
        raise SettingsError(f"--out is {out}, the name of a file; name a folder")


def _taken(out: Path, n: int) -> list[Path]:
    """Of one grid, or of n files in a folder, those that exist.

    Raises:
        SettingsError: the file is no .png.
    """
    if not names_file(out):
        if (out / "unfinished.json").is_file():  # which of them may stay is seen as they are drawn
            return []
        from ganwright.inference.sample_files import numbered

        return sorted(path for path, number in numbered(out).items() if number < n)
    if out.suffix.lower() not in (".png", ".csv", ".npy"):
        raise SettingsError(
            f"--out is {out}; name a .png file for a grid, a .csv file for rows of a table or "
            "signals, a .npy file for signals, or a folder"
        )
    return [out] if out.exists() else []


def _kept(out: Path | None, z: Latents | None) -> list[Path]:
    """Where latents go, if a file is there.

    Raises:
        SettingsError: it is no .npy file, or there are more arrays than it can hold.
    """
    if out is not None and isinstance(z, Mapping):
        raise SettingsError(
            "--save-latents writes one array, and --latents names a file of several; copy that file"
        )
    if out is not None and out.suffix.lower() != ".npy":
        raise SettingsError(f"--save-latents is {out}; name a .npy file")
    return [out] if out is not None and out.exists() else []


@contextmanager
def _latents_saved(z: Latents | None, out: Path | None) -> Iterator[None]:
    """A file of latents that is there once what is drawn of them is, or both are not."""
    if out is None or z is None or isinstance(z, Mapping):
        yield
        return
    import numpy as np

    with writing(out), atomic.opened(out) as file:
        np.save(file, z.numpy())
        file.flush()
        yield


def _table(model: Model, n: int, what: Sampling, out: Path, z: Latents | None) -> None:
    """Rows with the columns that the data had.

    Raises:
        SettingsError: the run learned no table, or not the classes that it has.
    """
    from ganwright.function import takes_labels
    from ganwright.inference.labels import wanted

    table, spec = model.spec.table, model.spec
    if table is None:
        raise SettingsError(f"--out is {out}, and this run learned no table; name a .png file")
    conditional = takes_labels(model.game)
    if table.label is not None and not conditional:
        raise SettingsError(
            f"column {table.label} was the class, and this family learned no classes; write a .png "
            "file, or train cgan, or train without ?label="
        )
    # a class may be asked for by its number, and the column holds names
    numbers = [int(wanted(spec, label)) for label in what.labels] if conditional else []
    names = [spec.classes[k] for k in numbers or spec.asked] if conditional else []
    rows = model.sample(n, seed=what.seed, labels=names or what.labels or None, latents=z)
    named = [names[i % len(names)] for i in range(n)] if names else []
    with writing(out):
        atomic.write(out, table.csv(rows, named))


def _signals(model: Model, n: int, what: Sampling, out: Path, z: Latents | None) -> None:
    """Signals as the numbers that the data had.

    Raises:
        SettingsError: the run learned no signals.
    """
    from ganwright.inference.array_files import npy

    signal = model.spec.signal
    if signal is None:
        raise SettingsError(f"--out is {out}, and this run learned no signals; name a .png file")
    made = model.sample(n, seed=what.seed, labels=what.labels or None, latents=z)
    with writing(out):
        if out.suffix.lower() == ".csv":
            atomic.write(out, signal.csv(made))
        else:
            atomic.write(out, npy(signal.numbers(made).numpy()))


def _grid(images: Tensor, out: Path) -> None:
    from ganwright.report.grid import save_grid

    with writing(out):
        save_grid(images, out)


def _files(model: Model, out: Path, n: int, what: Sampling, z: Latents | None) -> None:
    """One file per sample; if interrupted, says how many there are and how to continue."""
    from ganwright.inference.sample_files import write_samples

    how: dict[str, Any] = {"seed": what.seed, "labels": what.labels or None, "latents": z}
    counts = write_samples(model, out, n, replace=what.overwrite, **how)
    done = 0
    try:
        with _bar(n) as show:
            for done in counts:
                show(done)
    except KeyboardInterrupt:
        print(f"{done:,} of {n:,} are in {out}; the same command continues", file=sys.stderr)
        raise


@contextmanager
def _bar(n: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("samples", total=n)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A full disk or a folder without permission is a sentence, not a traceback."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} cannot be written: {atomic.reason(error)}") from error
