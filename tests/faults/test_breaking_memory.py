"""Memory that runs out, on the device or the host, is a sentence that says what would fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny
from told import check_told
from torch import Tensor

from ganwright import memory
from ganwright.callbacks.callback import Callback, Run
from ganwright.cli import main
from ganwright.data.types import Images
from ganwright.errors import GanwrightError, RunError, SettingsError
from ganwright.families.gan import GAN
from ganwright.game import Terms
from ganwright.inference.model import Model
from ganwright.run import train as runs
from ganwright.training import checkpoint

CUDA = (
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB of "
    "which 3.50 GiB is free. Process 7 has 75.6 GiB memory in use."
)


class Room(GAN):
    """Its generator has memory for three images, as an allocator says that has no more."""

    def generator(self, batch: Images) -> Terms:
        if len(batch.images) > 3:
            torch.empty(1 << 55)
        return super().generator(batch)


class NoRoom(GAN):
    """It has no memory for one."""

    def generator(self, batch: Images) -> Terms:
        return {"adv": torch.empty(1 << 55).sum()}


def trained(out: Path, cls: type[GAN] = GAN, **more: Any) -> Model:
    _, settings = tiny("gan", steps=6, batch_size=8, save_every=2, sample_every=4)
    return runs.train(cls, settings, out, quiet=True, **more)


def raised(cls: type[GAN], out: Path, **more: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        trained(out, cls, **more)
    assert not out.exists()
    return str(caught.value)


def test_the_batch_that_fits_is_found_before_anything_is_written(tmp_path: Path) -> None:
    sentence = raised(Room, tmp_path / "run")
    assert "out of memory; --batch-size 2 --accumulate 4 fits, with as many images" in sentence
    check_told("first_memory", sentence)
    assert "131,072.0 TiB are asked for at once" in sentence  # 2^55 numbers of four bytes
    trained(tmp_path / "run", Room, **{"batch_size": 2, "accumulate": 4})


def test_images_per_update_stay_where_batches_were_accumulated(tmp_path: Path) -> None:
    assert "--batch-size 2 --accumulate 12 fits" in raised(Room, tmp_path / "a", accumulate=3)
    assert "--batch-size 3 --accumulate 2 fits" in raised(Room, tmp_path / "b", batch_size=6)


def test_where_no_batch_fits_none_is_named(tmp_path: Path) -> None:
    sentence = raised(NoRoom, tmp_path / "run")
    assert "out of memory; lower --image-size or choose smaller networks (" in sentence


def failing(error: Exception | None, when: int) -> Any:
    """A generator's objective that fails in a later step; None asks for what there cannot be."""
    calls = 0

    def generator(self: GAN, batch: Images) -> Terms:
        nonlocal calls
        calls += 1
        if calls > when:
            torch.empty(1 << 55) if error is None else None
            raise error or AssertionError
        return real(self, batch)

    real = GAN.generator
    return generator


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, "(131,072.0 TiB are asked for at once, and "),
        (
            torch.OutOfMemoryError(CUDA),
            "(20.00 GiB are asked for at once, and 3.50 GiB are free",
        ),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"),
            "networks. `ganwright",
        ),
        (MemoryError("Unable to allocate 9.00 GiB for an array"), "(9.00 GiB are asked for"),
    ],
)
def test_a_step_without_memory_ends_the_run_with_its_checkpoint(
    error: Exception | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    monkeypatch.setattr(GAN, "generator", failing(error, when=1 + 3))  # the trial step, and three
    words = ("--data", "digits", "--image-size", "8", "--batch-size", "4", "--steps", "6")
    words += ("--save-every", "2", "--quiet")
    assert main(["train", "gan", *words, "--device", "cpu", "--out", str(run)]) == 2
    shown = capfd.readouterr().err
    assert shown.startswith("ganwright: step 4 failed: out of memory; lower --batch-size"), shown
    check_told("step_memory", shown)
    assert said in shown
    assert f"fork {run} --batch-size 2 --accumulate 2` with less memory" in shown
    assert shown.count("\n") == 1
    assert "Traceback" not in shown
    assert [path.name for path in checkpoint.steps(run / "checkpoints")] == ["step-000002"]
    monkeypatch.undo()
    assert main(["resume", str(run), "--quiet"]) == 0


class Large(Callback):
    """It needs what there is not, after a step."""

    def stepped(self, run: Run) -> None:
        if run.step == 4:
            torch.empty(1 << 55)


def test_what_follows_a_step_without_memory_is_named_too(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(RunError, match=r"measuring or saving after step 4 failed") as caught:
        trained(run, callbacks=[Large()])
    check_told("tell_memory", str(caught.value))
    assert checkpoint.steps(run / "checkpoints")[-1].name == "step-000002"
    assert runs.resume(run, quiet=True).step == 6


def test_samples_without_memory_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = trained(tmp_path / "run")

    def sample(self: GAN, n: int, **_: Any) -> Tensor:
        return torch.empty(n << 49)

    monkeypatch.setattr(GAN, "sample", sample)
    monkeypatch.setattr(type(model.game), "sample", sample)
    with pytest.raises(GanwrightError, match="out of memory; lower --batch-size, --image-size or"):
        model.sample(2)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        (CUDA, True),
        ("MPS backend out of memory (MPS allocated: 5.70 GiB, other", True),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes", True),
        ("The size of tensor a (3) must match the size of tensor b (2)", False),
    ],
)
def test_what_counts_as_a_shortage(text: str, short: bool) -> None:
    assert memory.out_of_memory(RuntimeError(text)) == short
    assert not memory.out_of_memory(ValueError(text))
