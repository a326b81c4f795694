"""Labels of samples that metrics measure: as often as classes occur in the data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers import tiny

import ganwright
from ganwright.data.types import Images, Spec
from ganwright.metrics.distances import FID
from ganwright.metrics.diversity import Diversity
from ganwright.metrics.evaluation import evaluate
from ganwright.metrics.image_set import of_game, of_tensor
from ganwright.run.evaluation import Choice


class Asked:
    """A perfect sampler of two classes, a bar and a square, up to noise."""

    def __init__(self, counts: tuple[int, ...]) -> None:
        self.spec = Spec(Images, (1, 16, 16), classes=("0", "1"), counts=counts)
        self.device, self.classes = torch.device("cpu"), 2

    def in_turn(self, n: int) -> torch.Tensor:
        return torch.arange(n) % 2

    def sample(self, n: int, labels: torch.Tensor) -> torch.Tensor:
        shapes = torch.full((2, 1, 16, 16), -0.8)
        shapes[0, :, 2:14, 7:9] = 0.8
        shapes[1, :, 2:14, 2:14] = 0.8
        shapes[1, :, 5:11, 5:11] = -0.8
        return shapes[labels] + 0.4 * torch.rand(n, 1, 16, 16) - 0.2


def test_labels_are_asked_for_as_often_as_they_occur() -> None:
    """One in eleven: of 1,000 labels 91, with deviation 9.1; the same on each walk."""
    sets = [of_game(Asked(counts), 1000, 0, "x") for counts in ((150, 15), ())]  # type: ignore[arg-type]
    first, again = (torch.cat([part.labels for part in sets[0].walk()]) for _ in range(2))
    assert torch.equal(first, again)
    assert abs(int(first.sum()) - 91) < 46
    assert torch.cat([part.labels for part in sets[1].walk()]).tolist() == [0, 1] * 500
    assert [each.labels for each in sets] == ["as in the data", "in turn"]


def test_a_perfect_sampler_of_unbalanced_classes_scores_like_the_data() -> None:
    game = Asked((150, 15))
    labels = (torch.arange(1100) % 11 == 0).long()
    real = of_tensor(game.sample(1100, labels))
    right, wrong = (
        evaluate([FID()], lambda _: real, of_game(asked, 1100, 0, "x"))[0]  # type: ignore[arg-type]
        for asked in (game, Asked(()))
    )
    assert right.value < wrong.value / 10
    assert right.protocol["labels"] == "as in the data"


@pytest.mark.parametrize("balance", [False, True])
def test_a_run_knows_how_often_its_classes_occur(balance: bool, tmp_path: Path) -> None:
    cls, settings = tiny("cgan", steps=1, balance=balance)
    labels = [0] * 30 + [1] * 10
    data = (torch.rand(40, 1, 8, 8) * 2 - 1, labels)
    model = ganwright.train(cls, settings, tmp_path / "run", data=data, held_out=0.0, quiet=True)
    assert model.spec.counts == (() if balance else (30, 10))
    loaded = ganwright.load(tmp_path / "run", device="cpu")
    assert loaded.spec == model.spec
    found = ganwright.evaluate(
        loaded, [Diversity()], against="digits", choice=Choice(n=100, device="cpu")
    )
    assert found[0].protocol["labels"] == ("in turn" if balance else "as in the data")
