"""Runs the tutorials of this folder's `tutorials/`, and writes their notebooks.

    python docs/tutorials.py run first-gan --into runs/first-gan    # as long as the page says
    python docs/tutorials.py run first-gan --smoke                  # a few steps, as the tests do
    python docs/tutorials.py notebooks                              # one per page

A page's blocks run in order in one namespace. A block that begins with `# mine.py` is written to
that module. Of `sh` blocks, the lines that call `ganwright` run, in this process.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from examples import BLOCK, Block, block_of, blocks, commands

FOLDER = Path(__file__).parent / "tutorials"
_STEPS = re.compile(r"(\bsteps ?= ?|--steps )([\d_]+)")
_BATCH = re.compile(r"(\bbatch_size ?= ?|--batch-size )([\d_]+)")


def names() -> list[str]:
    """The tutorials, by file name."""
    return sorted(p.stem for p in FOLDER.glob("*.md") if p.stem != "index")


def text_of(name: str) -> str:
    """A tutorial's page."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def smoke(code: str) -> str:
    """The code with a three-hundredth of its steps, two at least, and batches of at most 8.

    Only numbers in the text change: `steps=2_000`, `--steps 2000`, `batch_size=64`. A later run of
    more steps stays longer than an earlier one that it resumes.
    """
    code = _STEPS.sub(lambda m: m[1] + str(max(2, int(m[2]) // 300)), code)
    return _BATCH.sub(lambda m: m[1] + str(min(8, int(m[2]))), code)


def run(name: str, *, short: bool = False) -> dict[str, Any]:
    """Run a tutorial in the working folder, which must be on the module path.

    Args:
        name: the tutorial's file name.
        short: run the smoke version.

    Returns:
        What its code has defined.

    Raises:
        RuntimeError: a command fails.
    """
    script = ModuleType("__main__")  # what a script defines belongs to this module
    before, sys.modules["__main__"] = sys.modules["__main__"], script
    try:
        for block in blocks(text_of(name)):
            if not block.reason:
                _run(block._replace(code=smoke(block.code) if short else block.code), script)
    finally:
        sys.modules["__main__"] = before
    return vars(script)


def _run(block: Block, script: ModuleType) -> None:
    from ganwright.cli import main

    if block.module:
        Path(f"{block.module}.py").write_text(block.code, encoding="utf-8")
    elif block.language == "python":
        exec(compile(block.code, "a tutorial", "exec"), vars(script))
    else:
        for arguments in commands(block):
            if main(arguments) != 0:
                raise RuntimeError(f"failed: ganwright {' '.join(arguments)}")


def notebook(name: str, *, short: bool = False) -> dict[str, Any]:
    """A tutorial as a notebook, nbformat 4.5: prose and code in the page's order."""
    cells = [_cell(*cell) for cell in enumerate(_cells(text_of(name), short))]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _cell(number: int, shown: tuple[str, str]) -> dict[str, Any]:
    kind, source = shown
    lines = source.splitlines(keepends=True)
    cell: dict[str, Any] = {"id": f"cell-{number}", "metadata": {}, "source": lines}
    cell["cell_type"] = kind
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def _cells(text: str, short: bool) -> Iterator[tuple[str, str]]:
    """Each cell's kind and text; a block that does not run stays prose."""
    start = 0
    for found in BLOCK.finditer(text):
        block = block_of(found)
        if block.reason:
            continue
        if prose := text[start : found.start()].strip():
            yield "markdown", prose
        start = found.end()
        code = smoke(block.code) if short else block.code
        yield "code", _magic(block._replace(code=code)).rstrip()
    if prose := text[start:].strip():
        yield "markdown", prose


def _magic(block: Block) -> str:
    """The block as Jupyter takes it."""
    if block.module:
        return f"%%writefile {block.module}.py\n{block.code}"
    if block.language == "sh":
        return re.sub(r"^(?=ganwright )", "!", block.code, flags=re.MULTILINE)
    return block.code


def written(name: str) -> str:
    """The notebook's file."""
    return json.dumps(notebook(name), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """The command line above."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    modes = parser.add_subparsers(dest="mode", required=True)
    modes.add_parser("notebooks", help="write every notebook")
    one = modes.add_parser("run", help="run one tutorial")
    one.add_argument("name", choices=names())
    one.add_argument("--smoke", action="store_true", help="a few steps only")
    one.add_argument("--into", type=Path, help="the folder to run in; a temporary one by default")
    asked = parser.parse_args()
    if asked.mode == "notebooks":
        for name in names():
            (FOLDER / f"{name}.ipynb").write_text(written(name), encoding="utf-8")
        return
    into = asked.into or Path(tempfile.mkdtemp(prefix=f"{asked.name}-"))
    into.mkdir(parents=True, exist_ok=True)
    os.chdir(into)
    sys.path.insert(0, str(Path.cwd()))
    run(asked.name, short=asked.smoke)
    print(f"ran {asked.name} in {Path.cwd()}")


if __name__ == "__main__":
    main()
