"""`ganwright export`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ganwright.commands.flags import Parser
from ganwright.commands.sample import Snapshot, refuse_existing
from ganwright.config.checked import Named
from ganwright.config.spelling import path_of


@dataclass(frozen=True, kw_only=True)
class Exporting(Named):
    """What is written, and where to."""

    formats: tuple[str, ...] = ()
    """Of onnx, pt2 and state-dict; by default all whose packages are installed."""
    direction: Literal["a2b", "b2a"] = "a2b"
    """Direction of translation; b2a only in families that learn it."""
    out: Path | None = None
    """The folder for the files; RUN/exported if not given."""
    overwrite: bool = False
    """Replace existing files."""


def export(argv: Sequence[str]) -> int:
    """Export the network that a run is used by, to files that need no Ganwright.

    Every file is loaded again and compared with the model before it is put into its place.
    """
    parser = Parser("export", export.__doc__ or "", {"RUN": "The run folder."})
    parser.add("exporting", Exporting())
    parser.add("weights", Snapshot())
    given, (what, which) = parser.read(argv)
    run = path_of(str(given["RUN"]))
    out = what.out or run / "exported"

    from ganwright.export import TOLERANCE, available, places
    from ganwright.export import export as exported
    from ganwright.run.load import load

    model = load(run, device="cpu", step=which.step, raw=which.raw, best=which.best)
    formats = what.formats or tuple(available())
    files = places(model, out, formats, what.direction)
    refuse_existing([file for each in files.values() for file in each], what.overwrite)
    for written in exported(model, out, formats=formats, direction=what.direction):
        for file in written.files:
            print(file)
        for note in written.notes:
            print(f"ganwright: {written.files[0].name}: {note}", file=sys.stderr)
        print(f"  within {written.difference:.1e} of the model (at most {TOLERANCE:.0e})")
    if "onnx" not in formats and not what.formats:
        print("ganwright: for ONNX, pip install ganwright[onnx]", file=sys.stderr)
    return 0
