"""The table of modes: its rows by hand, and a cell that goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rings
from ganwright.game import Game

ROW = {
    "name": "GAN",
    "data": "ring",
    "step": 4000,
    "cpu": 60,
    "seeds": [0, 1],
    "modes": [8, 6],
    "high_quality": [0.9, 0.8],
    "reverse_kl": [0.25, 0.5],
}


def test_a_row_states_means_errors_and_the_fraction_of_the_budget(tmp_path: Path) -> None:
    """Of two values a distance d apart the standard error is d / 2."""
    results = tmp_path / "results.jsonl"
    lines = [ROW | {"step": 250}, ROW, ROW | {"data": "grid", "modes": [25, 25]}]
    results.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = rings.rows(results)
    assert found["GAN", "ring"]["step"] == 4000, "the last line"
    ring = rings.compared("ring", found).splitlines()[-1]
    measured = "7.00 ± 1.00 (all in 1) | 85.00 ± 5.00 | 0.3750 ± 0.1250"
    assert ring == f"| GAN, ours | {measured} | 4,000 | 2 | 1.00% |"
    assert "25.00 ± 0.00 (all in 2)" in rings.compared("grid", found)


def test_nothing_measured_leaves_what_is_published(tmp_path: Path) -> None:
    table = rings.compared("grid", rings.rows(tmp_path / "results.jsonl"))
    assert (
        "| PacGAN4, published | 24.8 ± .2 | 93.6 ± .6 | .04 ± .01 | 400,000 | 10 | 100 % |" in table
    )
    assert "ours" not in table


def test_settings_are_those_of_the_recipe() -> None:
    for name in rings.SETTINGS:
        settings = rings.settings_of(name, "grid")
        game = settings.game
        assert isinstance(game, Game.Config)
        assert (settings.data, settings.batch_size, settings.steps) == ("grid", 100, rings.BUDGET)
    assert rings.settings_of("GAN", "ring").game.pack == 1  # type: ignore[union-attr]
    assert rings.settings_of("PacGAN4", "ring").game.simultaneous  # type: ignore[union-attr]


def test_a_cell_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Two steps, stopped, and a third: as three at once, in weights and in what is measured."""
    for out, stops in ((tmp_path / "a", (2, 3)), (tmp_path / "b", (3,))):
        out.mkdir()
        for steps in stops:
            rings.Cell("PacGAN4", "ring", (0, 5), out).train(steps)
    a, b = (rings.rows(tmp_path / x / "results.jsonl")["PacGAN4", "ring"] for x in "ab")
    assert a["step"] == b["step"] == 3
    for key in ("seeds", "modes", "high_quality"):
        assert a[key] == b[key]
    assert a["reverse_kl"] == pytest.approx(b["reverse_kl"], abs=1e-3)
    assert rings.Cell("PacGAN4", "ring", (0, 5), tmp_path / "a").trainer.step == 3
