"""Signals: which arrays they are, how networks see them, and that they come back as they were."""

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
from ganwright import Signals
from ganwright.cli import main
from ganwright.data import DataOptions, Images, open_data
from ganwright.data.signal import Signal, signal_of
from ganwright.errors import DataError, SettingsError
from ganwright.networks import MLP, ConvNet, ConvNet1d
from ganwright.report.grid import save_grid

WAVE = ConvNet1d(width=4, kernel=5, stride=2)


def opened(source: Any, **options: Any) -> Any:
    return open_data(source, task=Images, options=DataOptions(**options))


def stack(source: Any) -> Any:
    return opened(source)._train[0].side


def test_each_channel_is_standardised_and_comes_back() -> None:
    """Channel 0 holds 1, 3, 5, 7 (mean 4, variance 5), channel 1 only tens."""
    numbers = np.array([[[1, 3], [10, 10]], [[5, 7], [10, 10]]], np.int16)
    found = stack(Signals(numbers))
    assert found.signal == Signal((4.0, 10.0), (pytest.approx(5**0.5), 1.0))
    low, high = -3 / 5**0.5, 1 / 5**0.5
    expected = torch.tensor([[[low, -high], [0, 0]], [[high, -low], [0, 0]]])
    assert torch.allclose(found.pictures, expected)
    assert found.pictures.dtype == torch.float32
    assert torch.allclose(found.signal.numbers(found.pictures), torch.tensor(numbers).float())


@pytest.mark.parametrize(
    ("shape", "query", "spec"),
    [
        ((6, 5), "", (1, 5)),
        ((6, 5), "?signals=yes", (1, 5)),
        ((6, 2), "?signals=yes", (1, 2)),
        ((6, 2), "", (2,)),
        ((6, 8, 8), "", (1, 8, 8)),
        ((6, 3, 8), "?signals=yes", (3, 8)),
    ],
)
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_the_axes_and_a_switch_tell_signals_from_images_and_points(
    shape: tuple[int, ...], query: str, spec: tuple[int, ...], ending: str, tmp_path: Path
) -> None:
    array = np.linspace(-1, 1, math.prod(shape), dtype=np.float32).reshape(shape)
    file = tmp_path / f"x.{ending}"
    if ending == "npz":
        np.savez(file, x=array, y=np.arange(6) % 2)
    else:
        np.save(file, array)
    data = opened(f"{file}{query}")
    assert data.spec.shape == spec
    assert (data.spec.signal is not None) == (len(spec) == 2)
    assert data.spec.classes == (("0", "1") if ending == "npz" else ())
    assert data.batch(0, 4).images.shape == (4, *spec)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (torch.ones(3, 1), r"signals of shape \(3, 1\) cannot be read; give numbers \[n, L\]"),
        (Signals(torch.ones(3, 2, 2, 2)), r"signals of shape \(3, 2, 2, 2\) cannot be read"),
        (Signals(torch.ones(3, 0, 4)), r"signals of shape \(3, 0, 4\) cannot be read"),
        (Signals(torch.tensor([[1.0, math.nan, 2.0]])), "NaN or infinite"),
        (Signals(torch.ones(2, 3, dtype=torch.complex64)), "are complex"),
        ("digits?signals=yes", r"signals is for a \.npy or \.npz file, not digits"),
        ("digits?signals=no", "signals=no must be yes"),
    ],
)
def test_what_are_no_signals_is_one_sentence(given: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        opened(given)


def test_signals_of_an_array_are_held_out_as_images_are() -> None:
    data = opened(torch.randn(400, 6), held_out="auto")
    assert data.splits() == {"train": 380, "test": 20}
    assert "held out 20 of 400 signals for evaluation" in data.notes


def test_sines_are_two_sines_each() -> None:
    """A sum of two sines has mean square (a² + b²) / 2 with a, b uniform on [.2, 1]: E = .413."""
    data = opened("sines")
    signal = data.spec.signal
    assert data.spec.shape == (1, 64)
    assert data.splits() == {"train": 10_000, "test": 2_000}
    numbers = signal.numbers(torch.cat([batch.images for batch in data.each("test", 500)]))
    mean_square = (1 - 0.2**3) / 3 / 0.8
    assert numbers.square().mean().item() == pytest.approx(mean_square, rel=0.05)
    assert signal.std[0] ** 2 == pytest.approx(mean_square, rel=0.03)
    power = torch.fft.rfft(numbers[:, 0] * torch.hann_window(64)).abs().square()
    assert power[:, 10:].sum() < 1e-3 * power.sum()  # nothing above 6 cycles but the window's tails
    assert numbers.abs().max() <= 2


def test_what_signals_were_taken_for_is_said(capsys: Any) -> None:
    assert main(["data", "sines"]) == 0
    said = capsys.readouterr().out
    assert "read as   signals\n" in said
    assert "shape     1 channel of 64 values over time\n" in said


@pytest.mark.parametrize(
    ("family", "networks"), [("gan", FULL), ("wgan-gp", WAVE), ("cgan", WAVE), ("lsgan", WAVE)]
)
def test_a_family_learns_and_writes_signals(
    family: str, networks: Any, tmp_path: Path, capsys: Any
) -> None:
    numbers = 7 + 3 * torch.randn(8, 2, 16)
    file, run = tmp_path / "x.npz", tmp_path / "run"
    np.savez(file, x=numbers.numpy(), labels=np.arange(8) % 2)
    settings: dict[str, Any] = {"networks": networks, "steps": 1, "batch_size": 4, "device": "cpu"}
    model = ganwright.train(family, data=f"{file}?signals=yes", out=run, **settings)
    loaded = ganwright.load(run)
    assert loaded.spec == model.spec
    assert loaded.spec.signal == signal_of(numbers)
    assert model.sample(3).shape == (3, 2, 16)
    assert main(["sample", str(run), "-n", "5"]) == 0
    assert capsys.readouterr().out.strip().endswith("seed-0.npy")
    found = np.load(run / "sampled" / "seed-0.npy")
    wanted = loaded.spec.signal.numbers(loaded.sample(5)).numpy()
    assert found.dtype == np.float32
    assert np.array_equal(found, wanted)
    assert main(["sample", str(run), "-n", "5", "--out", str(tmp_path / "x.csv")]) == 0
    head, *rows = csv.reader((tmp_path / "x.csv").read_text(encoding="utf-8").splitlines())
    assert head == [f"{c}.{t}" for c in range(2) for t in range(16)]
    assert np.allclose(np.array(rows, np.float32), wanted.reshape(5, 32), rtol=1e-5, atol=1e-5)
    assert main(["sample", str(run), "--out", str(tmp_path / "folder")]) == 2
    assert "signals stand in one file" in capsys.readouterr().err


def test_images_are_not_written_as_signals(tmp_path: Path, capsys: Any) -> None:
    settings: dict[str, Any] = {"networks": FULL, "steps": 1, "batch_size": 4, "device": "cpu"}
    ganwright.train("gan", data="digits", image_size=8, out=tmp_path / "run", **settings)
    assert main(["sample", str(tmp_path / "run"), "--out", str(tmp_path / "x.npy")]) == 2
    assert "this run learned no signals" in capsys.readouterr().err


def test_curves_are_drawn_at_most_16(tmp_path: Path) -> None:
    for count in (1, 3, 40):
        save_grid(torch.randn(count, 2, 8), tmp_path / f"{count}.png")
        assert (tmp_path / f"{count}.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SettingsError, match="drawn as"):
        save_grid(torch.zeros(0, 1, 8), tmp_path / "x.png")


@pytest.mark.parametrize(("kernel", "stride"), [(25, 4), (5, 2), (4, 2), (7, 3), (2, 2)])
@pytest.mark.parametrize("steps", [1, 2])
def test_every_layer_lengthens_by_the_stride(kernel: int, stride: int, steps: int) -> None:
    cfg = ConvNet1d(width=2, kernel=kernel, stride=stride)
    shape = (3, 5 * stride**steps)
    grid, count = cfg.grid(shape)
    assert grid * stride**count == shape[1]
    assert count >= steps
    x = cfg.generator(6, shape, 2)(torch.randn(4, 6), torch.tensor([0, 1, 0, 1]))
    assert x.shape == (4, *shape)
    assert cfg.discriminator(shape, 2)(x, torch.tensor([0, 1, 0, 1])).shape == (4,)
    assert cfg.encoder(shape, 7)(x).shape == (4, 7)


def test_g_of_signals_is_not_bounded() -> None:
    """Standardised numbers reach beyond 1."""
    for networks in (ConvNet1d(width=4, std=1.0), MLP(std=1.0)):
        assert networks.generator(8, (1, 16))(torch.randn(64, 8)).abs().max() > 1


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ConvNet1d(kernel=3), "kernel=3 is shorter than stride=4"),
        (lambda: ConvNet1d().generator(4, (1, 30)), "that 4 divides, and these have 30"),
        (lambda: ConvNet1d().generator(4, (1, 8)), "of 16 or more values"),
        (
            lambda: ConvNet1d().generator(4, (1, 8, 8)),
            r"not samples of shape \(1, 8, 8\); use Conv",
        ),
        (lambda: ConvNet1d().discriminator((2,)), "use MLP"),
        (lambda: ConvNet().generator(4, (1, 64)), "use MLP or ConvNet1d"),
    ],
)
def test_what_does_not_fit_is_one_sentence(make: Any, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        make()
