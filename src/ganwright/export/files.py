"""Exported files: written, compared with the model, and only then put into their place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch

from ganwright import atomic
from ganwright.config.spelling import path_of
from ganwright.errors import RunError, SettingsError, nearest
from ganwright.export.formats import FORMATS, Runner
from ganwright.export.program import Program, name_of, program
from ganwright.inference.model import Model

TOLERANCE = 1e-4
"""The largest difference from the model, of values in [-1, 1], with which a file is written."""


class Written(NamedTuple):
    """The files of one format, and their largest difference from the model."""

    files: tuple[Path, ...]
    difference: float
    notes: tuple[str, ...]


def available() -> list[str]:
    """The formats whose packages are installed."""
    return [name for name, format in FORMATS.items() if not format.missing()]


def places(
    model: Model, out: str | Path, formats: Sequence[str], direction: str = "a2b"
) -> dict[str, tuple[Path, ...]]:
    """Each format's files.

    Raises:
        SettingsError: there is no such format.
        MissingExtraError: a format's package is not installed.
    """
    stem, folder = name_of(model, direction), path_of(str(out))
    found = {}
    for name in formats:
        if name not in FORMATS:
            raise SettingsError(f"unknown format {name}; {nearest(name, FORMATS)}")
        FORMATS[name].check(name)
        found[name] = tuple(folder / f"{stem}{ending}" for ending in FORMATS[name].endings)
    return found


def export(
    model: Model,
    out: str | Path,
    *,
    formats: Sequence[str] | None = None,
    direction: str = "a2b",
) -> list[Written]:
    """Write the network that a model is used by, in formats that need no Ganwright.

    Args:
        model: any trained model, with the weights that it holds.
        out: the folder; files in it that have the same names are replaced.
        formats: of FORMATS; by default all whose packages are installed.
        direction: of translation; b2a for the way back.

    Returns:
        The files of each format. All were loaded again and compared with the model.

    Raises:
        SettingsError: the family has no single network to export; or an unknown format.
        MissingExtraError: a format's package is not installed.
        RunError: a file differs from the model by more than 1e-4, and so nothing is written; or
            files cannot be written.
    """
    wanted = places(model, out, available() if formats is None else formats, direction)
    traced, written = program(model, direction), []
    with TemporaryDirectory(prefix="ganwright-") as folder:
        for name, files in wanted.items():
            made = tuple(Path(folder) / file.name for file in files)
            _write(traced, made, name)
            difference = _difference(traced, FORMATS[name].run(traced, made), name)
            written.append(Written(files, difference, traced.notes))
        targets = [file for each in written for file in each.files]
        try:
            atomic.write_all({to: (Path(folder) / to.name).read_bytes() for to in targets})
        except OSError as error:
            raise RunError(f"{out} cannot be written: {atomic.reason(error)}") from error
    return written


def _write(program: Program, made: tuple[Path, ...], name: str) -> None:
    """Write the files of a format where they are compared, before they are put into their place.

    Raises:
        RunError: there is no room for them there.
    """
    try:
        FORMATS[name].write(program, made)
    except OSError as error:
        raise RunError(
            f"{made[0].parent}, where files are compared with the model first, cannot be written: "
            f"{atomic.reason(error)}; set TMPDIR to another folder"
        ) from error


def _difference(program: Program, run: Runner, name: str) -> float:
    """How far what was written is from the model, at most.

    Raises:
        RunError: too far.
    """
    with torch.no_grad():
        gaps = [float((run(*case.inputs) - case.output).abs().max()) for case in program.cases]
    if not max(gaps) <= TOLERANCE:  # NaN is no parity
        raise RunError(
            f"the {name} file differs from the model by {max(gaps):.1e}, which is more than "
            f"{TOLERANCE:.0e}, and was not written; do its networks draw random numbers?"
        )
    return max(gaps)
