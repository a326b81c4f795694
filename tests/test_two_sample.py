"""The classifier two-sample test: its null distribution, its power, and what it is given."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import FULL

import ganwright
from ganwright.data.table import Column, Table
from ganwright.errors import DataError, SettingsError
from ganwright.metrics.evaluation import evaluate
from ganwright.metrics.image_set import of_tensor
from ganwright.metrics.two_sample import TwoSample
from ganwright.run.evaluation import Choice

FAST = TwoSample(epochs=5)


def test_equal_sets_give_the_stated_mean_and_spread() -> None:
    """Of 40 tests, the mean accuracy has deviation .5 / sqrt(200) / sqrt(40) = .0056."""
    found = [FAST.measure(torch.randn(200, 3), torch.randn(200, 3)) for _ in range(40)]
    accuracies = torch.tensor([row["accuracy"] for row in found])
    assert found[0]["accuracy spread"] == 0.5 / math.sqrt(200)
    assert abs(accuracies.mean().item() - 0.5) < 5 * 0.0056
    assert accuracies.std().item() < 2 * 0.5 / math.sqrt(200)
    assert sum(row["p_value"] < 0.01 for row in found) <= 5


def test_different_sets_are_told_apart() -> None:
    """Means two deviations apart: the best accuracy is Phi(1) = .841."""
    row = TwoSample(epochs=50).measure(torch.randn(1000, 1), 2 + torch.randn(1000, 1))
    assert row["accuracy"] == pytest.approx(0.841, abs=0.05)
    assert row["p_value"] < 1e-9


def test_the_p_value_is_that_of_the_normal_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 100 rows the deviation is .05, so .6 lies two above: p = .02275."""
    monkeypatch.setattr(TwoSample, "accuracy", lambda *_: (0.6, 100))
    row = TwoSample().measure(torch.zeros(1), torch.zeros(1))
    assert row["p_value"] == pytest.approx(0.02275, abs=1e-5)


def test_what_is_not_finite_is_no_equal() -> None:
    for odd in (math.nan, math.inf):
        with pytest.raises(SettingsError, match="TwoSample needs finite numbers"):
            FAST.measure(torch.randn(60, 2), torch.full((60, 2), odd))


def test_it_repeats_itself_and_leaves_the_generators_alone() -> None:
    x, y = torch.randn(2, 60, 4)
    before = torch.get_rng_state()
    rows = [FAST.measure(x, y) for _ in range(2)]
    assert rows[0] == rows[1]
    assert torch.equal(before, torch.get_rng_state())


def test_any_shape_and_the_smaller_set_count() -> None:
    result = evaluate(
        [FAST], lambda _: of_tensor(torch.randn(70, 2, 5)), of_tensor(torch.randn(90, 2, 5))
    )
    assert [r.name for r in result] == ["TwoSample/accuracy", "TwoSample/p_value"]
    assert result[0].spread == pytest.approx(0.5 / math.sqrt(70))
    assert [r.larger for r in result] == [False, True]
    assert result[0].protocol["equal_sets"] == "accuracy 0.5 ± its spread"


def test_too_few_and_nothing_to_compare_with_are_sentences() -> None:
    with pytest.raises(SettingsError, match="needs 50 samples of either set, got 49"):
        FAST.measure(torch.randn(49, 2), torch.randn(80, 2))
    few, many = of_tensor(torch.randn(49, 2)), of_tensor(torch.randn(80, 2))
    with pytest.raises(SettingsError, match=r"got 49; compare with more real images"):
        FAST.judge(few, many)
    with pytest.raises(SettingsError, match=r"got 49; take more \(-n"):
        FAST.judge(many, few)
    with pytest.raises(DataError, match="TwoSample compares with real"):
        FAST.judge(None, of_tensor(torch.randn(60, 2)))


def test_rows_are_compared_as_a_file_holds_them() -> None:
    table = Table((Column("n", (), 10.0, 2.0, 1), Column("k", ("x", "y"))))
    rows = torch.tensor([[0.26, 0.4, 0.6], [-1.0, 0.2, -3.0]])
    expected = torch.tensor([[10.5, 0.0, 1.0], [8.0, 1.0, 0.0]])
    assert torch.allclose(table.numbers(rows), expected)


def test_data_of_other_scales_and_shapes_is_not_mistaken(tmp_path: Path) -> None:
    """Each file is standardised by its own numbers, which must not hide that they differ."""
    for name, scale, length in (("a", 1, 8), ("b", 5, 8), ("c", 1, 9)):
        np.save(tmp_path / f"{name}.npy", (scale * torch.randn(300, length)).numpy())
    a, b, c = (str(tmp_path / f"{name}.npy") for name in "abc")
    accuracy, _ = ganwright.evaluate(a, (TwoSample(),), against=b)
    assert accuracy.value > 0.7
    with pytest.raises(SettingsError, match=r"have the shape \(1, 8\) and .* \(1, 9\)"):
        ganwright.evaluate(a, (FAST,), against=c)


@pytest.mark.parametrize("kind", ["table", "signals", "points"])
def test_a_run_is_compared_with_its_data(kind: str, tmp_path: Path) -> None:
    data: Any = tmp_path / "x.csv"
    if kind == "table":
        with data.open("w", encoding="utf-8", newline="") as file:
            rows = [(f"{x:.2f}", "ab"[i % 2]) for i, x in enumerate(torch.randn(300).tolist())]
            csv.writer(file).writerows([("size", "kind"), *rows])
    else:
        data = {"signals": "sines", "points": "ring"}[kind]
    settings: dict[str, Any] = {"networks": FULL, "steps": 1, "batch_size": 4, "device": "cpu"}
    model = ganwright.train("gan", data=str(data), out=tmp_path / "run", **settings)
    accuracy, p = ganwright.evaluate(model, (TwoSample(),), choice=Choice(300))
    assert accuracy.value > 0.6  # one step has taught nothing
    assert p.value < 0.01
