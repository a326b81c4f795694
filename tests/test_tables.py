"""Tables: what columns are, and that rows come back as they were."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas
import pytest
import torch
from helpers import FULL

import ganwright
from ganwright.cli import main
from ganwright.data import open_data
from ganwright.data.table import Column, Table, table_of
from ganwright.data.types import Images
from ganwright.errors import DataError

ROWS = [
    ("size", "kind", "weight", "sort"),
    ("1.50", "cat", "10", "b"),
    ("2.50", "dog", "30", "a"),
    ("3.50", "cat", "20", "b"),
    ("4.50", "eel", "20", "a"),
]


def write(path: Path, rows: Any = ROWS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def stack(path: Any) -> Any:
    return open_data(path, task=Images)._train[0].side  # type: ignore[attr-defined]


def test_numbers_are_standardised_and_categories_are_one_hot(tmp_path: Path) -> None:
    rows = stack(f"{write(tmp_path / 'x.csv')}?label=sort")
    five, two = 1.25**0.5, 50**0.5
    expected = torch.tensor(
        [
            [-1.5 / five, 1, 0, 0, -10 / two],
            [-0.5 / five, 0, 1, 0, 10 / two],
            [0.5 / five, 1, 0, 0, 0],
            [1.5 / five, 0, 0, 1, 0],
        ]
    )
    assert torch.allclose(rows.pictures, expected)
    assert rows.labels.tolist() == [1, 0, 1, 0]
    assert rows.classes == ("a", "b")
    assert rows.table.columns[0] == Column("size", (), 3.0, five, 1)
    assert (rows.table.label, rows.table.place) == ("sort", 3)


@pytest.mark.parametrize("label", [None, "sort", "size"])
def test_rows_come_back_as_they_were(label: str | None) -> None:
    cells = {ROWS[0][k]: [row[k] for row in ROWS[1:]] for k in range(4)}
    table = table_of(cells, label, "x")
    text = table.csv(table.encoded(cells), cells[label] if label else ())
    found = list(csv.reader(text.splitlines()))
    assert [tuple(row) for row in found] == [
        (size if label == "size" else size.rstrip("0"), *rest) if i else ROWS[0]
        for i, (size, *rest) in enumerate(ROWS)
    ]


def test_the_largest_value_and_the_rounded_number_are_written() -> None:
    table = Table((Column("n", (), 10.0, 2.0, 1), Column("k", ("x", "y"))))
    rows = torch.tensor([[0.26, 0.4, 0.6], [-1, 0.2, -3]])
    assert table.csv(rows) == "n,k\n10.5,y\n8.0,x\n"


def test_parquet_and_data_frames_are_the_same_table(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"a": [1.5, 2.0, 4.0], "b": ["x", "y", "x"], "c": [1, 2, 2]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    both = [stack(str(tmp_path / name)) for name in ("x.csv", "x.parquet")]
    assert both[0].table == both[1].table == stack(frame).table
    assert torch.equal(both[0].pictures, both[1].pictures)
    beside = stack((frame, ["p", "q", "p"]))
    assert (beside.table.label, beside.labels.tolist()) == ("label", [0, 1, 0])


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([("a",), ("1",), ("",), (" ",)], "row 2 of .*|empty cell in column a, row 2"),
        ([("a", "b"), ("1", "2"), ("", "2")], "empty cell in column a, row 2; fill it"),
        ([("a", "b"), ("1",)], r"row 1 of .* has 1 cells, and the first line names 2 columns"),
        ([("a", "a"), ("1", "2")], "two columns of one name among a, a"),
        ([("a", "b")], "no rows or no columns"),
        ([("a",), *((f"v{i}",) for i in range(101))], "101 different values, such as 'v0', and"),
        ([("a",), ("1.5",), ("nan",), ("2",)], r"no number in column a, row 2 \(nan\), and numb"),
        ([("a",), ("N/A",), ("2",), ("2",)], r"no number in column a, row 1 \(N/A\)"),
        ([("a",), ("1",), ("<NA>",)], r"no number in column a, row 2 \(<NA>\)"),
        ([("a",), ("1",), ("2",), ("-inf",)], r"infinite number in column a, row 3 \(-inf\)"),
        ([("a",), ("1e999",), ("2",)], r"infinite number in column a, row 1 \(1e999\)"),
        ([("a", "sort"), ("1", "x"), ("2", "")], "empty cell in column sort, row 2; fill it"),
        ([("a", "sort"), ("1", "0"), ("2", "null")], r"no number in column sort, row 2 \(null\)"),
        ([("age;kind",), ("1;x",), ("2;y",)], "separates its cells by semicolons; write it with"),
        ([("age;kind",), ("1", "5;x"), ("2", "5;y")], "separates its cells by semicolons"),
        ([("age\tkind",), ("1\tx",), ("2\ty",)], "separates its cells by tabs; write it with com"),
    ],
)
def test_what_is_no_table_is_one_sentence(rows: Any, sentence: str, tmp_path: Path) -> None:
    label = "?label=sort" if "sort" in rows[0] else ""
    with pytest.raises(DataError, match=sentence):
        open_data(f"{write(tmp_path / 'x.csv', rows)}{label}", task=Images)


@pytest.mark.parametrize("ending", ["csv", "parquet", None])
def test_what_a_frame_lacks_is_an_empty_cell(ending: str | None, tmp_path: Path) -> None:
    for cells in ([1.5, float("nan")], ["x", None], [1, pandas.NA], [pandas.Timestamp(0), None]):
        data: Any = pandas.DataFrame({"a": cells, "b": [1.0, 2.0]})
        if ending == "csv":
            data.to_csv(tmp_path / "x.csv", index=False)
        elif ending == "parquet":
            data = data.astype({"a": "Int64"}) if cells[0] == 1 else data
            data.to_parquet(tmp_path / "x.parquet")
        with pytest.raises(DataError, match="an empty cell in column a, row 2; fill it"):
            stack(data if ending is None else str(tmp_path / f"x.{ending}"))


@pytest.mark.parametrize("names", [("x", "x"), (1, "1")])
def test_a_frame_with_two_columns_of_one_name_is_refused(names: Any) -> None:
    frame = pandas.DataFrame([[1.0, 2.0]] * 20, columns=list(names))
    with pytest.raises(DataError, match="data frame has two columns of one name among"):
        stack(frame)


def test_labels_beside_a_frame_all_have_a_name() -> None:
    frame = pandas.DataFrame({"a": [1.5, 2.0, 4.0]})
    for missing in ("", " ", None, float("nan")):
        with pytest.raises(DataError, match="image 1 has an empty label; fill it"):
            stack((frame, ["p", missing, "q"]))


def test_a_category_may_be_called_none_or_inf() -> None:
    table = table_of({"a": ["none", "some", "inf"], "b": ["nan", "nan", "nan"]}, None, "x")
    assert [column.values for column in table.columns] == [("inf", "none", "some"), ("nan",)]


def test_small_numbers_keep_their_digits() -> None:
    cells = {"a": ["1.25e-10", "-3e-10", "0.5e-10"], "b": ["0.25", "1e-10", "0.1234567891234"]}
    table = table_of(cells, None, "x")
    assert [column.decimals for column in table.columns] == [12, 9]
    rows = list(csv.DictReader(table.csv(table.encoded(cells)).splitlines()))
    assert [row["a"] for row in rows] == ["0.000000000125", "-0.000000000300", "0.000000000050"]


def test_spaces_around_cells_make_no_other_class(tmp_path: Path) -> None:
    """As in files that put a space behind each comma."""
    file = tmp_path / "t.csv"
    file.write_text('a, kind\n1, "x, y"\n2,"x, y" \n3, z\n', encoding="utf-8")
    side = stack(f"{file}?label=kind")
    assert side.classes == ("x, y", "z")
    assert side.labels.tolist() == [0, 0, 1]


def test_a_label_that_is_no_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column x; it has size, kind, weight, sort"):
        open_data(f"{write(tmp_path / 'x.csv')}?label=x", task=Images)
    with pytest.raises(DataError, match="label names a column of a table; leave it out"):
        open_data(f"{tmp_path}?label=x", task=Images)


@pytest.mark.parametrize("family", ["gan", "cgan", "wgan-gp"])
def test_samples_are_rows_with_the_same_columns(family: str, tmp_path: Path) -> None:
    data = str(write(tmp_path / "x.csv")) + ("?label=sort" if family == "cgan" else "")
    run, out = tmp_path / "run", tmp_path / "drawn.csv"
    settings = {"networks": FULL, "steps": 1, "batch_size": 4, "device": "cpu"}
    model = ganwright.train(family, data=data, out=run, **settings)
    assert ganwright.load(run).spec == model.spec
    assert main(["sample", str(run), "-n", "6", "--out", str(out)]) == 0
    head, *rows = csv.reader(out.read_text(encoding="utf-8").splitlines())
    assert tuple(head) == ROWS[0]
    assert len(rows) == 6
    assert {row[1] for row in rows} <= {"cat", "dog", "eel"}
    if family == "cgan":
        assert [row[3] for row in rows] == ["a", "b"] * 3
    assert main(["sample", str(run), "-n", "6", "--out", str(out)]) == 2


@pytest.mark.parametrize("family", ["cgan", "aae-semi"])
def test_the_column_of_classes_holds_names_when_numbers_are_asked_for(
    family: str, tmp_path: Path
) -> None:
    data, run, out = f"{write(tmp_path / 'x.csv')}?label=sort", tmp_path / "run", tmp_path / "y.csv"
    settings = {"networks": FULL, "steps": 1, "batch_size": 4, "device": "cpu"}
    ganwright.train(family, data=data, out=run, **settings)
    for labels in (["1", "0"], ["b", "a"]):
        command = ["sample", str(run), "-n", "3", "--labels", *labels, "--overwrite"]
        assert main([*command, "--out", str(out)]) == 0
        _, *rows = csv.reader(out.read_text(encoding="utf-8").splitlines())
        assert [row[3] for row in rows] == ["b", "a", "b"]


def test_what_a_table_was_taken_for_is_said(tmp_path: Path, capsys: Any) -> None:
    assert main(["data", f"{write(tmp_path / 'x.csv')}?label=sort"]) == 0
    said = capsys.readouterr().out
    assert "size, kind (3 values), weight" in said
    assert "2: a (2), b (2)" in said


def test_a_class_that_was_not_learned_is_not_written(tmp_path: Path, capsys: Any) -> None:
    data, run = f"{write(tmp_path / 'x.csv')}?label=sort", tmp_path / "run"
    ganwright.train("gan", data=data, networks=FULL, steps=1, batch_size=4, device="cpu", out=run)
    assert main(["sample", str(run), "--out", str(tmp_path / "y.csv")]) == 2
    assert (
        "column sort was the class, and this family learned no classes" in capsys.readouterr().err
    )
    assert not (tmp_path / "y.csv").exists()
