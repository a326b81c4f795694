"""What share of the time the trainer waits for data is logged, and shown where it is much."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
from helpers import FULL
from torch import Tensor

import ganwright
from ganwright.callbacks.console import counts
from ganwright.data import Images, Spec


class Slow:
    """Batches that take 50 ms each."""

    spec = Spec(Images, (1, 8, 8))

    def batch(self, draw: int, size: int, rank: int = 0, world: int = 1) -> Images:
        time.sleep(0.05)
        images: Tensor = torch.zeros(size, 1, 8, 8)
        return Images(images)


def test_waiting_is_logged(tmp_path: Path) -> None:
    ganwright.train(
        "gan",
        data=Slow(),
        image_size=8,
        networks=FULL,
        steps=12,
        batch_size=4,
        log_every=6,
        device="cpu",
        quiet=True,
        out=tmp_path / "run",
    )
    lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        seconds = 6 * 4 / row["images_per_second"]
        # A batch a step; the clock of a busy machine may only add to it.
        assert row["data_wait"] * seconds > 0.9 * 6 * 0.05
        assert row["data_wait"] < 1


@pytest.mark.parametrize(("share", "shown"), [(0.34, True), (0.1, True), (0.04, False)])
def test_much_waiting_is_shown(share: float, shown: bool) -> None:
    text = counts({"step": 5, "data_wait": share}, 10)
    assert (f"{share:.0%} waiting for data" in text) == shown
