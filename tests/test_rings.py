"""The table of modes: its rows by hand, and a cell that goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import ring_cells
import rings
from budget import keep, kept, same
from ganwright.errors import RunError
from ganwright.game import Game
from ganwright.penalties import R1, R2

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


def written(folder: Path, lines: list[dict[str, Any]]) -> Path:
    results = folder / "results.jsonl"
    results.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return results


def test_a_row_states_means_errors_and_the_fraction_of_the_budget(tmp_path: Path) -> None:
    """Of two values a distance d apart the standard error is d / 2."""
    lines = [ROW | {"step": 250}, ROW, ROW | {"data": "grid", "modes": [25, 25]}]
    found = rings.rows(written(tmp_path, lines), (0, 1))
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
    for name in ring_cells.SETTINGS:
        settings = ring_cells.settings_of(name, "grid")
        game = settings.game
        assert isinstance(game, Game.Config)
        assert (settings.data, settings.batch_size, settings.steps) == ("grid", 100, rings.BUDGET)
    assert ring_cells.settings_of("GAN", "ring").game.pack == 1  # type: ignore[union-attr]
    assert ring_cells.settings_of("PacGAN4", "ring").game.simultaneous  # type: ignore[union-attr]


@pytest.mark.parametrize(("data", "weight"), [("ring", 0.004), ("grid", 0.03)])
def test_the_page_prints_the_penalties_that_best_is_trained_with(data: str, weight: float) -> None:
    game = ring_cells.settings_of("best", data).game
    assert game.penalties == (R1(weight), R2(weight))  # type: ignore[union-attr]
    assert ring_cells.settings_of("PacGAN2", data).game.penalties == ()  # type: ignore[union-attr]
    (line,) = (x for x in rings.page({}).parts[-1].splitlines() if x.startswith("| `penalties`"))
    cells = dict(zip(rings.MIXTURES, line.split(" | ")[1:], strict=True))
    assert cells[data].strip("| ") == f"`(R1(weight={weight}), R2(weight={weight}))`"


def test_only_rows_of_the_seeds_and_penalties_of_the_table_count(tmp_path: Path) -> None:
    """Explored seeds, and `best` from a time when its penalties were left out."""
    own = {"seeds": list(rings.SEEDS)}
    best = ROW | own | {"name": "best"}
    spelled = {"penalties": "(R1(weight=0.004), R2(weight=0.004))"}
    lines = [ROW | own | {"step": 7}, ROW | {"seeds": list(rings.EXPLORED)}, best]
    assert {k: v["step"] for k, v in rings.rows(written(tmp_path, lines)).items()} == {
        ("GAN", "ring"): 7
    }
    found = rings.rows(written(tmp_path, [best | spelled]))
    assert found["best", "ring"]["step"] == 4000


def test_exploring_leaves_the_table_s_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--explore", "--steps", "1", "--every", "1", "--cells", "best-ring"]
    monkeypatch.setattr("sys.argv", ["rings.py", *words, "--out", str(tmp_path)])
    rings.main()
    assert [path.name for path in tmp_path.iterdir()] == ["explored"]
    (row,) = rings.rows(tmp_path / "explored" / rings.RESULTS, rings.EXPLORED).values()
    assert (row["name"], row["step"]) == ("best", 1)


def test_a_cell_of_other_settings_does_not_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring_cells.Cell("best", "ring", (0,), tmp_path).train(1)
    monkeypatch.setitem(ring_cells.PENALTY, "ring", 0.5)
    with pytest.raises(RunError, match=r"with game\.penalties .*0\.004.* asks for .*0\.5"):
        ring_cells.Cell("best", "ring", (0,), tmp_path)


def test_a_run_of_another_budget_is_refused(tmp_path: Path) -> None:
    keep(tmp_path, {"minutes": 1.0})
    same(tmp_path, {"minutes": 1.0}, kept(tmp_path))
    with pytest.raises(RunError, match=r"with minutes 1\.0, and this table asks for 10\.0; remove"):
        same(tmp_path, {"minutes": 10.0}, kept(tmp_path))
    with pytest.raises(RunError, match=r"with minutes that are not known, and .* for 10\.0"):
        same(tmp_path, {"minutes": 10.0}, kept(tmp_path / "other"))


def test_a_cell_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Two steps, stopped, and a third: as three at once, in weights and in what is measured."""
    for out, stops in ((tmp_path / "a", (2, 3)), (tmp_path / "b", (3,))):
        out.mkdir()
        for steps in stops:
            ring_cells.Cell("PacGAN4", "ring", (0, 5), out).train(steps)
    a, b = (rings.rows(tmp_path / x / "results.jsonl", (0, 5))["PacGAN4", "ring"] for x in "ab")
    assert a["step"] == b["step"] == 3
    for key in ("seeds", "modes", "high_quality"):
        assert a[key] == b[key]
    assert a["reverse_kl"] == pytest.approx(b["reverse_kl"], abs=1e-3)
    assert ring_cells.Cell("PacGAN4", "ring", (0, 5), tmp_path / "a").trainer.step == 3


def test_rejection_trains_d_alone_and_has_rows_of_its_own(tmp_path: Path) -> None:
    """One step of G and D, one of D alone: a line for each share, next to that of all samples."""
    ring_cells.Cell("best", "ring", (0,), tmp_path).train(1)
    ring_cells.reject("best", "ring", (0,), tmp_path, 1)
    found = rings.rows(tmp_path / rings.RESULTS, (0,))
    kinds = [rings.rows(tmp_path / rings.REJECTED, (0,), keep) for keep in rings.KEEP]
    assert [kind["best", "ring"]["keep"] for kind in kinds] == list(rings.KEEP)
    lines = rings.compared("ring", found, *kinds).splitlines()[-4:]
    assert [line.split(" | ")[0] for line in lines] == [
        "| best, ours",
        *(f"| best, ours, {share:.0%} kept" for share in rings.KEEP),
    ]
    assert all("1 and 1 of D | 1 |" in line for line in lines[1:])
    assert "--reject" in "".join(rings.page(found, *kinds).parts)
