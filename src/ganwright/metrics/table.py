"""The metrics that a setting may name."""

from __future__ import annotations

from ganwright.metrics.metric import Metric
from ganwright.metrics.modes import MixtureModes

METRICS: dict[str, type[Metric]] = {"MixtureModes": MixtureModes}
