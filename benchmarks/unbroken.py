"""What a run folder holds, and where two of them differ, to the bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

CLOCKS = {"images_per_second", "seconds_left", "data_wait", "memory_mb"}


def halves(run: Path) -> set[str]:
    """The names of checkpoints half written."""
    return {p.name for p in run.glob("checkpoints/.*")}


def newest(run: Path) -> int:
    """The step of the newest checkpoint."""
    names = (p.name[5:] for p in run.glob("checkpoints/step-*"))
    return max((int(name) for name in names if name.isdigit()), default=0)


def reached(run: Path) -> int:
    """The last step that was logged in whole."""
    path = run / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return max((json.loads(line)["step"] for line in lines if line.endswith(b"\n")), default=0)


def tensors(run: Path, step: int) -> dict[str, Any]:
    """All that a checkpoint holds."""
    last = run / "checkpoints" / f"step-{step:06d}"
    return {
        "game": load_file(last / "game.safetensors"),
        "average": load_file(last / "average.safetensors"),
        "training": torch.load(last / "training.pt", weights_only=True),
    }


def words(run: Path) -> dict[str, Any]:
    """All that was logged and drawn, clocks left out."""
    text = (run / "metrics.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    return {
        "metrics": [{k: v for k, v in row.items() if k not in CLOCKS} for row in rows],
        "samples": {p.name: p.read_bytes() for p in sorted((run / "samples").glob("*.png"))},
    }


def differences(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """Where two nested values are not the same, to the bit."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for key in a:
            yield from differences(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from differences(x, y, f"{where}/{i}")
    elif isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        if a.dtype != b.dtype or not torch.equal(a, b):
            yield where
    elif a != b:
        yield where
