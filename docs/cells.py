"""Cells of the documentation's tables: Markdown, and values as one would type them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

from ganwright.commands.flags import limits
from ganwright.config.hints import hints_of
from ganwright.config.registry import name_of
from ganwright.config.spelling import spell


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([c.replace("|", "\\|") for c in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def spelling(cls: type) -> str:
    """The constructor call, as the command line takes it."""
    arguments = (
        p.name if p.default is p.empty else f"{p.name}={brief(p.default)}"
        for p in inspect.signature(cls).parameters.values()
    )
    return f"`{cls.__name__}({', '.join(arguments)})`"


def ranges(cls: type) -> str:
    """The ranges of a class's arguments."""
    inside = {name: "; ".join(limits(hint)) for name, hint in hints_of(cls).items()}
    return ", ".join(f"`{name}` {words}" for name, words in inside.items() if words)


def summary(thing: object) -> str:
    """The first paragraph of a docstring on one line."""
    paragraph = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
    return linked(paragraph)


def linked(text: str) -> str:
    """The text with its arXiv numbers made links."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", lambda m: arxiv(m[1]), text)


def arxiv(number: str) -> str:
    """A link to a paper."""
    return f"[arXiv:{number}](https://arxiv.org/abs/{number})"


def shown(value: object) -> str:
    """A default as one would type it."""
    return "" if value is None or value == () else f"`{brief(value)}`"


def brief(value: Any) -> str:
    """A value's spelling, less the arguments that its class has by default."""
    if not is_dataclass(value):
        return spell(value)
    given = {f.name: getattr(value, f.name) for f in fields(value)}
    own = (f"{f.name}={brief(given[f.name])}" for f in fields(value) if given[f.name] != f.default)
    return f"{name_of(type(value)).rpartition('.')[2]}({', '.join(own)})"
