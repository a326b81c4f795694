"""Runs say what they cost, where data is named, and what is waited for in vain."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from helpers import tiny
from pages import make_run, row

import ganwright
from ganwright.callbacks import Plateau
from ganwright.errors import RunError, SettingsError
from ganwright.metrics.diversity import Diversity
from ganwright.report.page import _cost
from ganwright.report.records import read_record
from ganwright.run.evaluation import Choice

FEW = Choice(n=4, device="cpu")


def trained(out: Path, **more: Any) -> ganwright.Model:
    cls, settings = tiny("dcgan", steps=2, batch_size=4, log_every=1)
    return ganwright.train(cls, settings, out, **({"quiet": True} | more))


def test_a_fork_s_report_bills_its_own_images(tmp_path: Path) -> None:
    """64 images a step at 32 a second: two of four steps take 4 s, 2,000 ms each."""
    run = make_run(tmp_path / "run", [row(3), row(4)])
    assert read_record(run).seconds == 8
    (run / "origin.json").write_text('{"how": "fork", "step": 2, "images": 128}', encoding="utf-8")
    record = read_record(run)
    assert record.seconds == 4
    cost = dict(_cost(record, 900.0))
    assert (cost["images per second"], cost["milliseconds per step"]) == ("32.0", "2e+03")
    assert cost["price at 900 an hour"] == "1.00"


def test_a_fork_keeps_what_it_began_with(tmp_path: Path) -> None:
    trained(tmp_path / "run")
    ganwright.fork(tmp_path / "run", tmp_path / "fork", steps=3, quiet=True)
    record = read_record(tmp_path / "fork")
    assert (record.before("step"), record.before("images")) == (2, 8)
    assert read_record(tmp_path / "run").before("images") == 0


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ({"nonsense": 3}, "evaluate takes no nonsense; choose one of best, game, raw, step, trust"),
        ({"best": True}, "best chooses the weights of a run folder, and a model is none; name the"),
        ({"step": 0}, "step chooses the weights of a run folder"),
    ],
)
def test_keywords_that_choose_nothing_are_refused(
    tmp_path: Path, which: dict[str, Any], said: str
) -> None:
    model = trained(tmp_path / "run")
    with pytest.raises(SettingsError, match=said):
        ganwright.evaluate(model, [Diversity()], choice=FEW, **which)
    plain = {"step": None, "raw": False, "best": False}
    assert ganwright.evaluate(model, [Diversity()], choice=FEW, **plain)


def test_data_that_moved_is_named_by_a_flag_that_there_is(tmp_path: Path) -> None:
    import torch
    from PIL import Image

    for i in range(8):
        (tmp_path / "pets").mkdir(exist_ok=True)
        pixels = torch.randint(256, (8, 8), dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(tmp_path / "pets" / f"{i}.png")
    trained(tmp_path / "run", data=str(tmp_path / "pets"))
    os.rename(tmp_path / "pets", tmp_path / "moved")
    with pytest.raises(RunError, match="if it was moved, name its place with --against"):
        ganwright.evaluate(tmp_path / "run", [Diversity()], choice=FEW)


@pytest.mark.parametrize(
    ("metrics", "name", "said"),
    [
        (
            [Diversity()],
            "Diversty",
            "waits for Diversty, which is .*did you mean diversity",
        ),
        ([], "FID", "waits for FID, which is not measured; measure it: --metrics FID"),
    ],
)
def test_a_plateau_says_that_its_number_does_not_exist(
    tmp_path: Path, metrics: list[Any], name: str, said: str
) -> None:
    more: dict[str, Any] = {"metrics": metrics, "evaluate_every": 1, "evaluate_samples": 8}
    with pytest.warns(UserWarning, match=said):
        trained(tmp_path / "run", callbacks=[Plateau(name)], **more)
