"""Each row of `docs/wrong_inputs.yaml` gets one sentence and status 2, and leaves nothing."""

from __future__ import annotations

import ast
import inspect
import re
from itertools import chain

import pytest
import wrong_files
from world import MARK, ROWS_FILE, RUNS, Row, World, rows

ROWS = list(chain.from_iterable(rows().values()))
PICKLES = ("pickled_", "raw_", "objects_", "whole_module", "tagged_")


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.how}: {row.given}"[:80] for row in ROWS])
def test_a_wrong_input_is_one_sentence_and_leaves_nothing(row: Row, world: World) -> None:
    found = world.answer(row)
    if "that is not installed: pip install" in found.said:
        pytest.skip(found.said)
    assert found.said.startswith("ganwright: "), found.said
    assert found.status == 2
    assert found.said.count("\n") == 1, found.said
    assert "Traceback" not in found.said + found.printed
    place = 0
    for part in row.says.split(" ... "):
        assert part in found.said[place:], f"{part!r} is not in {found.said!r}"
        place = found.said.index(part, place) + len(part)
    assert not found.left
    assert not (world.root / MARK).exists()


def test_there_are_many_rows_of_every_kind() -> None:
    kinds = rows()
    assert len(ROWS) >= 300
    assert min(map(len, kinds.values())) >= 10
    assert {row.how for row in ROWS} == {"command", "config", "python"}


def test_each_row_names_more_than_that_something_is_wrong() -> None:
    assert [row.given for row in ROWS if len(row.says) < 20] == []


def test_every_wrong_file_is_tried() -> None:
    used = set(re.findall(r"\{(\w+)\}", ROWS_FILE.read_text(encoding="utf-8")))
    tree = ast.parse(inspect.getsource(wrong_files))
    made = {f.name for f in tree.body if isinstance(f, ast.FunctionDef) and ast.get_docstring(f)}
    assert used - set(RUNS) == made


def test_pickles_stand_wherever_one_could(world: World) -> None:
    places = {name for row in ROWS for name in re.findall(r"\{(\w+)\}", row.given)}
    assert len([name for name in places if name.startswith(PICKLES)]) >= 10
