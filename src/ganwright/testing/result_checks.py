"""What a trained family gives, and that it does not matter whether its run was interrupted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from ganwright.run.load import load
from ganwright.run.train import resume, train
from ganwright.seeds import seed_torch
from ganwright.testing.subject import Subject
from ganwright.training import checkpoint


def gives_what_it_promises(subject: Subject) -> None:
    """Its preview is images in [-1, 1], and each method that others call gives its shape.

    The methods are `sample`, `reconstruct`, `translate` and `classify`; a family has those that
    mean something, and the command line and `Model` rely on what they give.
    """
    with subject.at_start() as (trainer, data), trainer.inferring() as game:
        seed_torch(subject.settings.seed, "contract")
        spec = game.spec
        _is_shown(subject, game.preview(data.preview(16)), axes=1 + len(spec.shape))
        x = torch.rand(3, *spec.shape, device=game.device)
        for name, argument, shape in (
            ("sample", 3, spec.shape),
            ("reconstruct", x, spec.shape),
            ("translate", x, spec.target or spec.shape),
        ):
            if hasattr(game, name):
                _has_shape(subject, name, getattr(game, name)(argument), (3, *shape))
        if hasattr(game, "classify"):
            first = data.preview(3)[0]
            p: Tensor = getattr(game, "classify")(first)  # noqa: B009 - a family's own method
            _has_shape(subject, "classify", p, (len(first), len(spec.classes)))
            assert torch.allclose(p.sum(1), torch.ones(len(p), device=p.device), atol=1e-4), (
                f"{subject.name}'s classify gives rows that sum to {p.sum(1).tolist()}; give "
                "probabilities, as softmax does"
            )


def resumes_bitwise(subject: Subject) -> None:
    """Three steps and three more are six, bit for bit, and the run loads and samples.

    What an objective draws comes from torch's generators, and what it remembers is a registered
    buffer written in place: a Python attribute, NumPy's numbers or a generator of its own are not
    in a checkpoint.
    """
    often: dict[str, Any] = {"save_every": 3, "sample_every": 3, "log_every": 1}
    settings = dataclasses.replace(subject.settings, steps=6, **often)
    with TemporaryDirectory() as place:
        whole, parts = Path(place, "whole"), Path(place, "parts")
        train(subject.game, settings, whole, quiet=True)
        train(subject.game, dataclasses.replace(settings, steps=3), parts, quiet=True)
        resume(parts, steps=6, game=subject.game, quiet=True)
        _are_same(subject, _tensors(whole), _tensors(parts))
        for run in (whole, parts):
            rows = (run / "metrics.jsonl").read_text(encoding="utf-8").count("\n")
            assert rows == 6, f"metrics.jsonl of {run.name} has {rows} rows after 6 steps"
        first, second = (load(run, game=subject.game, device="cpu") for run in (whole, parts))
        if hasattr(first.game, "sample"):
            assert torch.equal(first.sample(5, seed=3)[:2], second.sample(2, seed=3)), (
                f"{subject.name} draws other samples each time that it is loaded; what its "
                "constructor draws must be a registered weight or buffer"
            )


def _is_shown(subject: Subject, grid: Tensor, *, axes: int) -> None:
    assert grid.ndim == axes, (
        f"{subject.name}'s preview has the shape {tuple(grid.shape)}; give images "
        "[n, C, H, W], points [n, d], or signals [n, C, L]"
    )
    assert grid.dtype == torch.float32, (
        f"{subject.name}'s preview is {grid.dtype}; end its networks in float()"
    )
    low, high = float(grid.min()), float(grid.max())
    assert axes < 4 or -1 <= low < high <= 1, (
        f"{subject.name}'s preview runs from {low:.3g} to {high:.3g}; images that differ, in "
        "[-1, 1], are shown"
    )


def _are_same(subject: Subject, whole: dict[str, Tensor], parts: dict[str, Tensor]) -> None:
    assert whole.keys() == parts.keys(), (
        f"{subject.name} saves other tensors after a resume, "
        f"{sorted(whole.keys() ^ parts.keys())}; register all in its constructor"
    )
    other = [k for k, t in whole.items() if not torch.equal(t, parts[k])]
    assert not other, (
        f"{subject.name} does not resume bit for bit: {len(other)} of {len(whole)} tensors "
        f"differ, such as {other[0]}; keep state in registered buffers written in place, and "
        "draw from torch's global generator"
    )


def _tensors(run: Path) -> dict[str, Tensor]:
    """What a run's last checkpoint holds of the game and its averages."""
    found: Any = checkpoint.load_newest(run / "checkpoints")
    return {f"game.{k}": t for k, t in found.game.items()} | {
        f"average.{k}": t for k, t in found.average.items()
    }


def _has_shape(subject: Subject, name: str, given: Tensor, shape: tuple[int, ...]) -> None:
    assert tuple(given.shape) == shape, (
        f"{subject.name}'s {name} gives the shape {tuple(given.shape)}; it must give {shape}"
    )
