"""Writes what the documentation takes from the code: `python docs/tables.py`.

It stands between `<!-- table: NAME -->` and `<!-- end -->` in any page of this folder. A family
without a page gets one to start from. A test fails when code and pages differ.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from pkgutil import resolve_name

import yaml

import advice
import cells
import layouts
import measured
import names
from ganwright.commands import COMMANDS
from ganwright.commands.flags import docs, limits
from ganwright.config.changes import flag_of
from ganwright.config.hints import hints_of
from ganwright.config.registry import TABLES
from ganwright.config.registry import table as registered
from ganwright.config.settings import Settings
from ganwright.data.named import EMBEDDED
from ganwright.data.read.torchvision_sets import SETS
from ganwright.families import FAMILIES, family
from ganwright.game import Game

DOCS = Path(__file__).parent

WITH_FORMULAS = ("losses", "penalties", "regularisers", "metrics")
"""Topics whose classes give their formula as an indented paragraph of the docstring."""

_PLACE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

_NEW_PAGE = """# {title}

```sh
ganwright train {name}
```

<!-- table: family-{name} -->
<!-- end -->

## Results

<!-- table: results-{name} -->
<!-- end -->
"""


def tables() -> dict[str, Callable[[], str]]:
    """Every table there is, by the name that pages give it."""
    return {
        "commands": commands,
        "embedded": embedded,
        "sets": sets,
        "layouts": file_layouts,
        "wrong-inputs": wrong_inputs,
        "broken": broken,
        "families": families,
        "settings": partial(settings, Settings, ""),
        "names": elsewhere,
        **{topic: partial(registry, topic) for topic in TABLES},
        **{f"{topic}-formulas": partial(formulas, topic) for topic in WITH_FORMULAS},
        **{f"family-{name}": partial(about_family, name) for name in FAMILIES},
        **{f"results-{name}": partial(measured.of_family, name) for name in FAMILIES},
        "suggestions": advice.suggestions,
        "gallery": gallery,
        "mnist": mnist,
        "sagan-anime": anime,
    }


def commands() -> str:
    """Every command in a line."""
    rows = ([f"`ganwright {name} {c.usage}`", c.help] for name, c in COMMANDS.items())
    return cells.table(["Command", "What it does"], rows)


def embedded() -> str:
    """The data that ships with the package, each with what its builder says of it."""
    rows = []
    for name, where in EMBEDDED.items():
        rows.append([f"`{name}`", cells.summary(resolve_name(f"ganwright.data.read.{where}"))])
    return cells.table(["Name", "What it is"], rows)


def sets() -> str:
    """The data sets that torchvision reads."""
    rows = ([f"`{name}`", f"`{s.builder}`"] for name, s in SETS.items())
    return cells.table(["Name", "torchvision's class"], rows)


def file_layouts() -> str:
    """Layouts of files, and what each is taken for."""
    parts = []
    for title, rows in layouts.LAYOUTS.items():
        head = ["Files below `DATA`", "`--data`", "What it is taken for", "What is said"]
        table = cells.table(head, map(_layout, rows))
        parts.append(f"## {title}\n\n{table}")
    return "\n".join(parts)


def _layout(row: layouts.Layout) -> list[str]:
    files = []
    for file in row.files.split():
        path, _, kind = file.partition("=")
        files.append(f"`{path}`" + (f" ({layouts.KINDS[kind]})" if kind else ""))
    given = [f"`{flag_of(name)} {value}`" for name, value in row.options]
    wanted = "" if row.task == "images" else f", for {row.task}"
    data = " ".join([f"`DATA{row.data}`", *given]) + wanted
    says = row.says
    if says.startswith("refused: "):
        says = f"refused: `{says.removeprefix('refused: ')} ...`"
    return [", ".join(files), data, says, f"`{row.note}`" if row.note else ""]


def broken() -> str:
    """What happens when something breaks, from the rows that `tests/faults` tries."""
    kinds = yaml.safe_load((DOCS / "broken.yaml").read_text(encoding="utf-8"))
    head = ["Fault", "What happens", "What is said"]
    parts = []
    for kind in kinds:
        rows = (
            [r["fault"], r["happens"], f"`... {r['says']} ...`" if "says" in r else ""]
            for r in kind["rows"].values()
        )
        parts.append(f"### {kind['title']}\n\n{cells.table(head, rows)}")
    return "\n".join(parts)


def wrong_inputs() -> str:
    """What is answered to wrong inputs, from the rows that `tests/faults` tries."""
    kinds = yaml.safe_load((DOCS / "wrong_inputs.yaml").read_text(encoding="utf-8"))
    made = ast.parse((DOCS.parent / "tests/faults/wrong_files.py").read_text(encoding="utf-8"))
    files = {f.name: ast.get_docstring(f) for f in made.body if isinstance(f, ast.FunctionDef)}
    parts = []
    for kind in kinds:
        rows = (_wrong_input(given, says, files) for given, says in kind["rows"].items())
        parts.append(f"### {kind['title']}\n\n{cells.table(['Given', 'Answer'], rows)}")
    return "\n".join(parts)


def _wrong_input(given: str, says: str, files: dict[str, str | None]) -> list[str]:
    named = {n: files[n] for n in re.findall(r"\{(\w+)\}", given) if files.get(n)}
    notes = "; ".join(f"`{name}` is {what}" for name, what in named.items())
    shown = re.sub(r"\{(\w+)\}", r"\1", given).replace("\n", "⏎").replace("`", "'")
    return [f"`{shown}`" + (f" ({notes})" if notes else ""), f"`{says.replace('`', chr(39))}`"]


def families() -> str:
    """Every family, with its paper and the data that it trains on unless told."""
    rows = []
    for name, entry in FAMILIES.items():
        game = family(name)
        title = f"{game.title}: {entry.title}"
        rows.append([f"[{name}]({name}.md)", title, cells.arxiv(game.paper), f"`{game.data}`"])
    return cells.table(["Family", "What it is", "Paper", "Trains on"], rows)


def elsewhere() -> str:
    """What everything is called in other libraries."""
    groups = {
        "family": names.FAMILIES,
        "loss": names.LOSSES,
        "penalty": names.PENALTIES,
        "regulariser": names.REGULARISERS,
        "part": names.PARTS,
    }
    rows = (
        [kind, f"`{here}`", cells.arxiv(known.paper), known.torchgan, known.pytorch_gan]
        for kind, group in groups.items()
        for here, known in group.items()
    )
    return cells.table(["Kind", "Here", "Paper", "TorchGAN", "PyTorch-GAN"], rows)


def gallery() -> str:
    """What the judge says of the gallery's grids."""
    head = ["Recipe and grid", "Family", "Minutes", "Confident", "On real images", "Classes found"]
    return cells.table(head, measured.gallery_rows())


def mnist() -> str:
    """What runs on MNIST came to."""
    return cells.table(["Recipe", "Seed", "Steps", "CPU minutes", "Result"], measured.mnist_rows())


def anime() -> str:
    """The terms of the run on anime faces."""
    terms = ["D/adv", "D/real", "D/fake", "G/adv"]
    rows = measured.curve_rows("sagan-anime", terms, every=500)
    return cells.table(["Step", *(f"`{term}`" for term in terms)], rows)


def registry(topic: str) -> str:
    """The classes of one topic: how each is spelled, what it is, and which numbers it takes."""
    head = ["Spelling, with defaults", "What it is", "Ranges"]
    rows = [
        [cells.spelling(cls), cells.summary(cls), cells.ranges(cls)]
        for cls in registered(topic).values()
    ]
    if not any(numbers for *_, numbers in rows):
        head, rows = head[:2], [row[:2] for row in rows]
    return cells.table(head, rows)


def formulas(topic: str) -> str:
    """Each class of a topic with the formula of its docstring."""
    parts = []
    for name, cls in registered(topic).items():
        lines = formula(cls).splitlines()
        parts.append("\n".join([name, *(f"    {line}" for line in lines)]))
    return "```text\n" + "\n\n".join(parts) + "\n```\n"


def formula(cls: type) -> str:
    """The first paragraph of a docstring that is indented as a whole; "" if there is none."""
    paragraphs = (inspect.getdoc(cls) or "").split("\n\n")
    found = (p for p in paragraphs if all(line.startswith("    ") for line in p.splitlines()))
    return inspect.cleandoc(next(found, ""))


def about_family(name: str) -> str:
    """What a family's own docstrings say, and its settings as flags."""
    game = family(name)
    size = f"{game.image_size} pixels" if game.image_size else "the size of the data"
    return "\n\n".join(
        [
            cells.linked(inspect.getdoc(sys.modules[game.__module__]) or ""),
            f"{cells.summary(game)} By default it trains on `{game.data}` at {size} in batches of "
            f"{game.batch_size}. {_average(game)}",
            "## Settings",
            settings(game.Config, "game."),
        ]
    )


def _average(game: type[Game]) -> str:
    """What samples are made by, and which buffers it averages."""
    if not game.averaged:
        return "Samples are made by the weights of the newest step."
    networks = " and ".join(f"`{name}`" for name in game.averaged)
    buffers = ", ".join(f"`{name}`" for name in game.averaged_buffers)
    averaged = f"weights and of the buffers {buffers}" if buffers else "weights alone"
    return (
        f"Samples are made by the moving average of {networks}: of {averaged}; all other buffers "
        "are copied."
    )


def settings(cls: type, prefix: str) -> str:
    """The fields of a settings class as flags, with defaults and meaning."""
    help_of, hints = docs(cls), hints_of(cls)
    rows = []
    for f in fields(cls):
        default = f.default if f.default_factory is MISSING else f.default_factory()
        if f.name != "game":
            inside = "; ".join(limits(hints[f.name]))
            flag = f"`{flag_of(prefix + f.name)}`"
            rows.append([flag, cells.shown(default), inside, help_of[f.name]])
    return cells.table(["Flag", "Default", "Range", "Meaning"], rows)


def render(page: str) -> str:
    """The page with its tables as the code has them now."""
    known = tables()
    return _PLACE.sub(lambda m: f"{m[1]}\n{known[m[2]]()}\n{m[3]}", page)


def pages() -> list[Path]:
    """Every page of the documentation."""
    return sorted(DOCS.rglob("*.md"))


def main() -> None:
    """Rewrite the pages whose tables have changed, and begin those of new families."""
    for name in FAMILIES:
        page = DOCS / "families" / f"{name}.md"
        if not page.exists():
            page.write_text(_NEW_PAGE.format(name=name, title=family(name).title), encoding="utf-8")
    for path in pages():
        old = path.read_text(encoding="utf-8")
        if (new := render(old)) != old:
            path.write_text(new, encoding="utf-8")
            print(f"wrote {path.relative_to(DOCS)}")


if __name__ == "__main__":
    main()
