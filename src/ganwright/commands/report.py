"""`ganwright report`: one page about a run, or about several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganwright.commands.flags import Parser, strays
from ganwright.commands.sample import refuse_existing, writing
from ganwright.config.checked import Named
from ganwright.config.ranges import Count, NonNegative
from ganwright.config.spelling import path_of
from ganwright.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Reporting(Named):
    """Where the page goes, and what it shows."""

    out: Path | None = None
    """The page, a .html file; by default RUN/report.html, or comparison.html for several runs."""
    search: Count | None = None
    """Search this many training images for the nearest ones; by default 2000."""
    price: NonNegative | None = None
    """Price of an hour of the machine, to show that of the run."""
    device: str = "auto"
    """cpu, cuda, mps, or auto for the best available."""
    overwrite: bool = False
    """Replace an existing file other than RUN/report.html."""


def report(argv: Sequence[str]) -> int:
    """Write one page with curves, samples, cost and settings of a run, or compare several runs.

    It opens offline. Plots are also written as RUN/plots/NAME.png.
    """
    found, _ = strays(argv, Reporting())
    parser = Parser("report", report.__doc__ or "", {"RUN": "Run folders, one or several."})
    parser.add("report", Reporting())
    if not found:
        parser.read(argv)
    rest = [word for i, word in enumerate(argv) if i not in found]
    _, (what,) = parser.read([argv[found[0]], *rest])
    runs = [path_of(argv[i]) for i in found]
    if what.out is not None and what.out.suffix.lower() not in (".html", ".htm"):
        raise SettingsError(f"--out is {what.out}; name a .html file")
    page = _one(runs[0], what) if len(runs) == 1 else _several(runs, what)
    print(page)
    return 0


def _one(run: Path, what: Reporting) -> Path:
    import warnings

    from ganwright.run.report import rewrite

    own = run / "report.html"
    out = what.out or own
    if out != own:
        refuse_existing([out], what.overwrite)
    with writing(out):
        return rewrite(
            run,
            out,
            search=what.search,
            price=what.price,
            device=what.device,
            warn=warnings.warn,
        )


def _several(runs: Sequence[Path], what: Reporting) -> Path:
    from ganwright.report.comparison import write_comparison

    if what.search is not None or what.price is not None:
        flag = "--price" if what.search is None else "--search"
        raise SettingsError(f"{flag} is for the report of one run; name one, or leave it out")
    out = what.out or Path("comparison.html")
    refuse_existing([out], what.overwrite)
    with writing(out):
        return write_comparison(runs, out)
