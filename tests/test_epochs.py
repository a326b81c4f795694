"""`--epochs`: passes over the training images become steps when the data is open."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from helpers import tiny

import ganwright
from ganwright.cli import main
from ganwright.errors import SettingsError
from ganwright.run.assembly import lasting


def steps_of(run: Path) -> int:
    return int(yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))["steps"])


def test_epochs_count_images_of_the_training_split(tmp_path: Path) -> None:
    """20 images in batches of 8: two epochs are 5 steps; the run stores the steps alone."""
    cls, settings = tiny("gan", batch_size=8)
    images = torch.rand(20, 1, 8, 8) * 2 - 1
    model = ganwright.train(
        cls, settings, tmp_path / "run", data=images, held_out=0, epochs=2, quiet=True
    )
    assert model.step == steps_of(tmp_path / "run") == 5


@pytest.mark.parametrize(("epochs", "steps"), [(1, 3), (0.5, 2), (3, 8), (0.01, 1)])
def test_a_part_of_a_batch_is_a_step(epochs: float, steps: int) -> None:
    _, settings = tiny("gan", batch_size=8)
    assert lasting(settings, epochs, 20).steps == steps
    assert lasting(settings, None, 20) is settings


def test_a_step_takes_in_all_accumulated_batches() -> None:
    """100 images, 8 in a batch, 3 batches in an update: 2 epochs are 200 / 24 steps."""
    _, settings = tiny("gan", batch_size=8, accumulate=3)
    assert lasting(settings, 2, 100).steps == 9


def test_wrong_epochs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, settings = tiny("gan", batch_size=8)
    with pytest.raises(SettingsError, match=r"epochs is 0\.0; it must be above 0"):
        lasting(settings, 0, 20)
    with pytest.raises(SettingsError, match="is not known; give steps"):
        lasting(settings, 2, 0)
    out = tmp_path / "run"
    assert main(["train", "gan", "--epochs", "-1", "--out", str(out)]) == 2
    assert "--epochs is -1" in capsys.readouterr().err
    assert main(["sweep", "gan", "--seeds", "0", "1", "--epochs", "2", "--out", str(out)]) == 2
    assert "a sweep counts --steps" in capsys.readouterr().err
    assert not out.exists()
