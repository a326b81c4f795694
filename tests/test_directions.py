"""Which way each number of each metric is better: every one of them, held against a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import FULL

import ganwright
from ganwright.data.label_map import LabelMap
from ganwright.data.types import Paired, Spec
from ganwright.metrics import diversity
from ganwright.metrics.distances import KID, InceptionScore
from ganwright.metrics.diversity import PathLength
from ganwright.metrics.evaluation import evaluate
from ganwright.metrics.image_set import of_tensor
from ganwright.metrics.labelled import ClassificationAccuracy
from ganwright.metrics.modes import MixtureModes
from ganwright.metrics.table import METRICS
from ganwright.metrics.two_sample import TwoSample

RISES = {
    "FID": {"FID (photos)": False},
    "KID": {"KID (photos)": False},
    "InceptionScore": {"IS (photos)": True},
    "PrecisionRecall": {"precision (photos)": True, "recall (photos)": True},
    "DensityCoverage": {"density (photos)": True, "coverage (photos)": True},
    "Memorisation": {"authenticity (photos)": True, "nearest ratio (photos)": True},
    "Diversity": {"diversity (photos)": True},
    "LPIPS": {"LPIPS diversity (alex)": True},
    "PathLength": {"path length (photos)": False},
    "ConditionalAccuracy": {"conditional accuracy (digits)": True},
    "ClassificationAccuracy": {"classification accuracy": True},
    "Restoration": {"PSNR": True, "SSIM": True},
    "MeanIoU": {"mean IoU": True, "pixel accuracy": True},
    "MixtureModes": {
        "MixtureModes/modes": True,
        "MixtureModes/high_quality": True,
        "MixtureModes/reverse_kl": False,
    },
    "StackedModes": {"stacked modes (digits)": True, "stacked KL (digits)": False},
    "TwoSample": {"TwoSample/accuracy": False, "TwoSample/p_value": True},
}
SMALL = {
    "KID": KID(subsets=2, size=10),
    "InceptionScore": InceptionScore(splits=2),
    "PathLength": PathLength(samples=4),
    "ClassificationAccuracy": ClassificationAccuracy(steps=1),
    "TwoSample": TwoSample(epochs=1),
}
MAPS = LabelMap((0, 1))


class Noise:
    """A game whose images are its noise."""

    def noise(self, n: int) -> torch.Tensor:
        return torch.randn(n, 256)

    def G(self, z: torch.Tensor, labels: Any = None) -> torch.Tensor:
        return z.view(-1, 1, 16, 16).tanh()


def pictures() -> Any:
    """80 images of two digits, which are masks too, in pairs."""
    spec = Spec(Paired, (3, 16, 16), target=(3, 16, 16), target_map=MAPS)
    about = {"classes": ("0", "1"), "paired": True, "spec": spec, "game": Noise()}
    return of_tensor(torch.rand(80, 3, 16, 16) * 2 - 1, torch.arange(80) % 2, **about)


def test_the_table_names_every_metric() -> None:
    assert RISES.keys() == METRICS.keys()


@pytest.mark.parametrize("name", RISES)
def test_each_number_says_which_way_it_is_better(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diversity, "lpips", lambda *_: lambda x, y: (x - y).flatten(1).norm(dim=1))
    monkeypatch.setattr(diversity, "lpips_key", lambda net: f"lpips-{net}")
    points = name == "MixtureModes"
    real, fake = (of_tensor(torch.randn(80, 2)) if points else pictures() for _ in range(2))
    found = evaluate([SMALL.get(name) or METRICS[name]()], lambda _: real, fake)
    assert {result.name: result.larger for result in found} == RISES[name]


def test_the_smallest_divergence_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured once before the run, then at steps 1, 2 and 3."""
    rows = iter([(1, 9.0), (2, 3.0), (8, 1.0), (5, 2.0)] * 2)

    def measure(*_: Any) -> dict[str, float]:
        modes, divergence = next(rows)
        return {"modes": modes, "reverse_kl": divergence}

    monkeypatch.setattr(MixtureModes, "measure", measure)
    small: dict[str, Any] = {"networks": FULL, "batch_size": 4, "steps": 3, "device": "cpu"}
    small |= {"evaluate_every": 1, "quiet": True, "metrics": [MixtureModes()]}
    for number in ("modes", "reverse_kl"):
        out = tmp_path / number
        ganwright.train("gan", data="ring", out=out, keep_best=f"MixtureModes/{number}", **small)
        assert ganwright.load(out, best=True, device="cpu").step == 2
