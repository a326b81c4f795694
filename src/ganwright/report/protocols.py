"""How the numbers of a run were measured, and whether those of two runs compare."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TRAINING = "protocols.json"
"""The file in a run folder that says how metrics were measured in training, by name."""
VARYING = ("name", "value", "spread", "seed", "step", "reference", "when")
"""What may differ in the protocols of one number."""
SAMPLED = ("reference_step", "reference_weights", "reference_truncation")
"""What is said of samples as a reference, and may differ where their hash does not."""
BEFORE = {"weights": "average", "labels": "in turn"}
"""What was always so before protocols said it."""


def evaluations(run: Path) -> dict[str, dict[str, Any]]:
    """The newest lines of evaluation.jsonl by the name of the number, protocols included.

    A value that was not finite is null there, and NaN here.
    """
    path, found = run / "evaluation.jsonl", {}
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            name, value = row["name"], row["value"]
            row["value"] = math.nan if value is None else float(value)
        except (ValueError, KeyError, TypeError):
            continue
        found[str(name)] = row
    return found


def of_training(run: Path) -> dict[str, dict[str, Any]]:
    """Protocols of the numbers in metrics.jsonl, by name; runs of before kept none."""
    try:
        found = json.loads((run / TRAINING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first thing in which two protocols differ, as `samples 100 and 50`; else nothing."""
    a, b = (_stated(each) for each in (one, other))
    for key in sorted(a.keys() | b.keys()):
        # A game that takes no labels says nothing of them, and compares with any that does.
        if a.get(key) == b.get(key) or (key == "labels" and not (key in a and key in b)):
            continue
        name, values = key.replace("_", " "), (x.get(key, "unknown") for x in (a, b))
        return f"{name} {' and '.join(map(str, values))}"
    return ""


def _stated(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same, also where a protocol of before left it out."""
    found = {k: v for k, v in protocol.items() if k not in (*VARYING, *SAMPLED)}
    return BEFORE | found if found and "weights" not in found else found
