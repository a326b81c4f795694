"""Checks prose against the word list of CONTRIBUTING: `python docs/prose.py` (part of `make lint`).

It reads the Markdown pages, without their code, and the strings of `src/ganwright` that hold a
sentence: docstrings, help texts and messages. It prints one line per finding and exits with 1.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
_LIST = re.compile(r"<!-- words -->\n(.*?)<!-- end -->", re.DOTALL)
_NOT_PROSE = re.compile(
    r"`[^`]*`|\]\([^)]*\)|<!--.*?-->|https?://\S+|\{[^{}]*\}|^ *(?:>>>|\$).*$"
    r"|^ {4,}\w+(?:, \w+)*:(?= )",  # the names of arguments
    re.MULTILINE,
)
_FENCED = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)


class Finding(NamedTuple):
    """A word of the list, where it was found, and what to write instead."""

    place: str
    found: str
    instead: str

    def __str__(self) -> str:
        return f"{self.place}: {self.found!r}; write {self.instead}"


def words() -> dict[str, str]:
    """The list of CONTRIBUTING: each phrase to avoid, and what to write instead."""
    listed = _LIST.search((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert listed, "CONTRIBUTING.md has no word list"
    rows = [line.strip("| ").split(" | ") for line in listed[1].strip().splitlines()[2:]]
    return {phrase: row[1] for row in rows for phrase in row[0].split(", ")}


def check(text: str, place: str, avoid: dict[str, str]) -> Iterator[Finding]:
    """The phrases to avoid in a text, each with its line, counted on from the line of `place`.

    Args:
        text: prose, in which code stands in backticks or fences.
        place: "file:line" of its first line.
        avoid: as `words` gives it.
    """
    file, _, first = place.rpartition(":")
    prose = _NOT_PROSE.sub(_blank, _FENCED.sub(_blank, text))
    for phrase, instead in avoid.items():
        pattern = r"\b" + r"\s+".join(map(re.escape, phrase.split())) + r"\b"
        for m in re.finditer(pattern, prose, re.IGNORECASE):
            line = int(first) + prose.count("\n", 0, m.start())
            yield Finding(f"{file}:{line}", " ".join(m[0].split()), instead)


def sentences(source: str) -> Iterator[tuple[int, str]]:
    """The strings of a module that hold words and spaces, each with its line."""
    lines = source.splitlines(keepends=True)
    opened: list[tuple[int, int]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind.endswith("STRING_START"):  # from Python 3.12 on, an f-string is several tokens
            opened.append(token.start)
        outer = len(opened) == 1 and kind.endswith("STRING_END")
        start = opened[0] if outer else token.start
        if kind.endswith("STRING_END"):
            opened.pop()
        if outer or (kind == "STRING" and not opened):
            text = _between(lines, start, token.end)
            if " " in text.strip():
                yield start[0], text


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """What stands from one place to another, each a line, from 1, and a column."""
    first, last = start[0] - 1, end[0] - 1
    if first == last:
        return lines[first][start[1] : end[1]]
    return "".join([lines[first][start[1] :], *lines[first + 1 : last], lines[last][: end[1]]])


def findings() -> list[Finding]:
    """What the project's prose has of the list."""
    avoid = words()
    found: list[Finding] = []
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = _LIST.sub(_blank, path.read_text(encoding="utf-8"))
        found += check(text, f"{path.relative_to(ROOT)}:1", avoid)
    for path in (ROOT / "src").rglob("*.py"):
        for line, text in sentences(path.read_text(encoding="utf-8")):
            found += check(text, f"{path.relative_to(ROOT)}:{line}", avoid)
    return sorted(found)


def _blank(m: re.Match[str]) -> str:
    """As many lines, without their words."""
    return "\n" * m[0].count("\n")


if __name__ == "__main__":
    for finding in (everything := findings()):
        print(finding)
    sys.exit(bool(everything))
