"""The examples of a page: its `python` and `sh` blocks, and what is to run of them."""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

MARK = "<!-- not run:"
BLOCK = re.compile(
    rf"^(?:{MARK}(?P<reason>.*?)-->\n+)?```(?P<language>python|sh)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_MODULE = re.compile(r"# (\w+)\.py\n")


class Block(NamedTuple):
    """An example: its language, its text, and why it does not run; "" if it does."""

    language: str
    code: str
    reason: str

    @property
    def module(self) -> str:
        """The module that it is a part of, by its first line `# mine.py`; "" for none."""
        named = _MODULE.match(self.code)
        return named[1] if named else ""


def block_of(found: re.Match[str]) -> Block:
    """What a match of `BLOCK` holds."""
    return Block(found["language"], found["code"], (found["reason"] or "").strip())


def blocks(text: str) -> list[Block]:
    """A page's examples in order."""
    return [block_of(found) for found in BLOCK.finditer(text)]


def commands(block: Block) -> list[list[str]]:
    """The arguments of each call of `ganwright` in an sh block."""
    lines = block.code.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[1:] for line in words if line[:1] == ["ganwright"]]
