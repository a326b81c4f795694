"""What users of other implementations suffer most does not happen here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from helpers import trainer_of
from torch import nn

import ganwright
from ganwright.layers.minibatch import MinibatchStdDev


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("name", ["stylegan2", "r3gan"])
def test_small_batches_stay_finite(name: str, batch: int) -> None:
    """A batch's deviation is the square root of 0 for one image; path lengths have one style."""
    trainer = trainer_of(name, batch_size=batch)
    for _ in range(17):  # both lazy intervals of stylegan2
        trainer.play_step()
    for parameter, value in trainer.game.named_parameters():
        assert value.isfinite().all(), parameter


def test_the_deviation_of_one_image_has_a_finite_gradient() -> None:
    x = torch.linspace(-1, 1, 3)[None].requires_grad_()
    layer: nn.Module = MinibatchStdDev().build(3)
    (gradient,) = torch.autograd.grad(layer(x).square().sum(), x)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_nothing_is_compiled_with_nvcc() -> None:
    root = Path(ganwright.__file__).parent
    assert not [p for p in root.rglob("*") if p.suffix in (".cu", ".cuh", ".cpp", ".c")]
    imports = re.compile(r"cpp_extension|load_inline|pybind|ninja")
    for file in root.rglob("*.py"):
        assert not imports.search(file.read_text(encoding="utf-8")), file
