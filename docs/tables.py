"""Writes the tables in the documentation from the code: `python docs/tables.py`.

A table stands between `<!-- table: NAME -->` and `<!-- end -->` in any page of this folder. A test
fails when code and page differ.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path

from ganwright.commands.flags import docs, flag_of
from ganwright.families import FAMILIES, family
from ganwright.registry import TABLES
from ganwright.registry import table as registered
from ganwright.settings import Settings
from ganwright.spelling import spell

DOCS = Path(__file__).parent

_PLACE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def tables() -> dict[str, Callable[[], str]]:
    """Every table there is, by the name that pages give it."""
    return {
        "families": families,
        "settings": partial(settings, Settings, ""),
        **{topic: partial(registry, topic) for topic in TABLES},
        **{f"{name}-settings": partial(family_settings, name) for name in FAMILIES},
    }


def families() -> str:
    """Every family, with its paper and the data that it trains on unless told."""
    rows = []
    for name, entry in FAMILIES.items():
        game = family(name)
        link = f"[{name}]({name}.md)" if (DOCS / "families" / f"{name}.md").exists() else name
        rows.append([link, f"{game.title}: {entry.title}", _arxiv(game.paper), f"`{game.data}`"])
    return _table(["Family", "What it is", "Paper", "Trains on"], rows)


def registry(topic: str) -> str:
    """The classes of one topic: how each is spelled, and what it is."""
    rows = ([_spelling(cls), _summary(cls)] for cls in registered(topic).values())
    return _table(["Spelling, with defaults", "What it is"], rows)


def family_settings(name: str) -> str:
    """The settings of one family, as flags."""
    return settings(family(name).Config, "game.")


def settings(cls: type, prefix: str) -> str:
    """The fields of a settings class as flags, with defaults and meaning."""
    help_of = docs(cls)
    rows = []
    for f in fields(cls):
        default = f.default if f.default_factory is MISSING else f.default_factory()
        if f.name != "game":
            rows.append([f"`{flag_of(prefix + f.name)}`", _shown(default), help_of[f.name]])
    return _table(["Flag", "Default", "Meaning"], rows)


def render(page: str) -> str:
    """The page with its tables as the code has them now."""
    known = tables()
    return _PLACE.sub(lambda m: f"{m[1]}\n{known[m[2]]()}\n{m[3]}", page)


def pages() -> list[Path]:
    """Every page of the documentation."""
    return sorted(DOCS.rglob("*.md"))


def main() -> None:
    """Rewrite the pages whose tables have changed."""
    for path in pages():
        page = path.read_text(encoding="utf-8")
        if (new := render(page)) != page:
            path.write_text(new, encoding="utf-8")
            print(f"wrote {path.relative_to(DOCS)}")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([c.replace("|", "\\|") for c in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _spelling(cls: type) -> str:
    """The constructor call, as the command line takes it."""
    arguments = (
        p.name if p.default is p.empty else f"{p.name}={spell(p.default)}"
        for p in inspect.signature(cls).parameters.values()
    )
    return f"`{cls.__name__}({', '.join(arguments)})`"


def _summary(thing: object) -> str:
    """The first paragraph of a docstring, its arXiv numbers made links."""
    paragraph = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", lambda m: _arxiv(m[1]), paragraph)


def _arxiv(number: str) -> str:
    """A link to a paper."""
    return f"[arXiv:{number}](https://arxiv.org/abs/{number})"


def _shown(value: object) -> str:
    """A default as one would type it."""
    return "" if value is None or value == () else f"`{spell(value)}`"


if __name__ == "__main__":
    main()
