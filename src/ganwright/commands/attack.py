"""`ganwright attack`: how a classifier does under attack, alone and behind a cleaner."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ganwright import atomic
from ganwright.attacks import ATTACKS, Attack, Change
from ganwright.commands.flags import Parser
from ganwright.commands.sample import refuse_existing, refuse_file, writing
from ganwright.config.checked import Named
from ganwright.config.hints import hints_of
from ganwright.config.ranges import Count, Whole
from ganwright.config.sizes import Size
from ganwright.config.spelling import parse, path_of
from ganwright.errors import SettingsError, nearest
from ganwright.inference.cleaning import Projection

if TYPE_CHECKING:
    from torch import Tensor

    from ganwright.run.attack import Learned, Row

_LEARNED = "advgan="


@dataclass(frozen=True, kw_only=True)
class Attacking(Named):
    """Which attacks, on which images, and what cleans them."""

    data: str | None = None
    """Labelled images: a folder with one subfolder per class, or the name of a data set."""
    kinds: tuple[str, ...] = ("fgsm", "pgd", "cw")
    """Attacks: fgsm, pgd, cw, or with settings, "PGD(steps=100)"; advgan=RUN for a trained one."""
    eps: Change = 0.3
    """Largest change of a pixel in [0, 1], for attacks that are named without settings."""
    toward: Whole | None = None
    """The class that images should be taken for; any wrong one when not given."""
    cleaner: Path | None = None
    """A run that cleans images first: of apegan, or a generator on which they are projected."""
    projection: Projection = Projection()
    """How images are projected on a generator."""
    adaptive: str | None = None
    """The attack through the cleaner; by default PGD with the same --eps."""
    n: Count = 1000
    """Maximum number of images."""
    batch_size: Count = 100
    """Number of images to attack together."""
    split: Literal["train", "test"] | None = None
    """The split of the images; by default the test split, if there is one."""
    seed: Whole = 0
    """Random seed of the attacks and of the projection."""
    data_root: Path = field(default_factory=lambda: Path("data"))
    """Folder that holds torchvision data sets."""
    image_size: Size | None = None
    """The size to which images are brought; the run's, or their own, when not given."""
    device: str = "auto"
    """cpu, cuda, mps, or auto for the best available."""
    out: Path | None = None
    """A folder for the table (attack.csv) and examples (attack.png)."""
    overwrite: bool = False
    """Replace existing outputs."""


def attack(argv: Sequence[str]) -> int:
    """Attack a classifier of your own with changed images, and print how often it is right.

    With --cleaner, the first row is of images that nobody attacked, and the last attacks classifier
    and cleaner together: only that row tells how the defence does against an attack that knows it.
    """
    about = "A run that classifies, a .pt2 file, or a function such as mine.make."
    parser = Parser("attack", attack.__doc__ or "", {"CLASSIFIER": about})
    parser.add("attack", Attacking())
    given, (how,) = parser.read(argv)
    if how.data is None:
        raise SettingsError("attack needs labelled images, as in --data FOLDER or --data mnist")
    if how.cleaner is None and how.adaptive is not None:
        raise SettingsError("--adaptive attacks through a cleaner; add --cleaner RUN")
    if not how.kinds and how.cleaner is None:
        raise SettingsError(f"--kinds names no attack; {nearest('', [*map(str.lower, ATTACKS)])}")
    refuse_file(how.out)
    files = [] if how.out is None else [how.out / f"attack.{kind}" for kind in ("csv", "png")]
    refuse_existing(files, how.overwrite)
    attacks = {word: _kind(word, how) for word in how.kinds}
    adaptive = _attack(how.adaptive or "pgd", how.eps, "--adaptive")

    from ganwright.data.options import DataOptions
    from ganwright.run import attack as run

    options = DataOptions(data_root=how.data_root, image_size=how.image_size)
    same = {name: getattr(how, name) for name in ("n", "batch_size", "toward", "split", "seed")}
    rows, shown = run.attack(
        str(given["CLASSIFIER"]),
        attacks,
        run.Trial(how.data, options=options, device=how.device, **same),
        clean=how.cleaner,
        projection=how.projection,
        adaptive=adaptive,
    )
    print(_table(rows))
    if how.out is not None:
        _write(rows, shown, *files)
        print(how.out)
    return 0


def _kind(word: str, how: Attacking) -> Attack | Learned:
    """The attack that a word of --kinds names, which may be that of a run.

    Raises:
        SettingsError: it names none.
    """
    if word.lower().startswith(_LEARNED):
        from ganwright.run.attack import Learned
        from ganwright.run.load import load

        return Learned(load(path_of(word[len(_LEARNED) :]), device=how.device))
    return _attack(word, how.eps, "--kinds", f"{_LEARNED}RUN")


def _attack(word: str, eps: float, flag: str, *others: str) -> Attack:
    """The attack that a word names, with `eps` where the word has no settings.

    Raises:
        SettingsError: it names none.
    """
    if "(" in word:
        return parse(word, Attack, flag)
    known = {name.lower(): name for name in ATTACKS}
    if word.lower() not in known and "." not in word:
        hint = nearest(word, [*known, *others])
        raise SettingsError(f"{flag} names {word}, which is no attack; {hint}")
    made = parse(known.get(word.lower(), word), Attack, flag)
    return replace(made, eps=eps) if "eps" in hints_of(type(made)) else made  # type: ignore[call-arg]


def _table(rows: Sequence[Row]) -> str:
    """The rows, aligned, and what their columns are."""
    cells = [["attack", "images", *_COLUMNS]] + [_cells(row) for row in rows]
    if rows[0].cleaned is None:
        cells = [line[:4] + line[5:] for line in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    aligned = [[c.rjust(w) for c, w in zip(line, widths, strict=True)] for line in cells]
    names = [line[0].ljust(widths[0]) for line in cells]
    lines = ["  ".join([name, *line[1:]]) for name, line in zip(names, aligned, strict=True)]
    return "\n".join([*lines, "", _KEY])


_COLUMNS = ("clean", "attacked", "cleaned", "success", "L2", "Linf")
_KEY = (
    "clean, attacked, cleaned: accuracy. success: share fooled of those that were classified "
    "correctly. L2, Linf: mean change of these, of pixels in [0, 1]."
)


def _cells(row: Row) -> list[str]:
    shares = [row.clean, row.attacked, row.cleaned, row.success]
    sizes = ["-" if math.isnan(v) else f"{v:.3f}" for v in (row.L2, row.Linf)]
    said = ["-" if v is None or math.isnan(v) else f"{v:.1%}" for v in shares]
    return [row.attack, str(row.images), *said, *sizes]


def _write(rows: Sequence[Row], shown: dict[str, Tensor], table: Path, grid: Path) -> None:
    """The table as .csv, and a grid with a column for each row of it."""
    import torch

    from ganwright.families.side_by_side import side_by_side
    from ganwright.report.grid import save_grid

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0]._fields)
    writer.writerows(rows)
    columns = [torch.as_tensor(images) for images in shown.values()]
    with writing(table):
        table.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(table, text.getvalue().encode())
        save_grid(side_by_side(*columns), grid, len(columns))
