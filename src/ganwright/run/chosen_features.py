"""The features that a user chooses for all metrics, and their weights."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from ganwright.errors import SettingsError
from ganwright.metrics.features import Features
from ganwright.metrics.metric import Metric


def compared_by(metric: Metric, features: Features | None) -> Metric:
    """The metric with these features, where it compares by features and some are chosen."""
    if features is None or "features" not in {f.name for f in fields(metric)}:
        return metric
    changed: Metric = replace(metric, features=features)  # type: ignore[call-arg]
    return changed


def settings_of(weights: Path | None, features: Features | None) -> Features | None:
    """The features with a file of weights.

    Raises:
        SettingsError: they take none, or there are none.
    """
    if weights is None:
        return features
    if features is None or "weights" not in {f.name for f in fields(features)}:
        raise SettingsError(
            "--weights is for features whose weights are fetched: add --features InceptionFeatures "
            "or DinoFeatures"
        )
    changed: Features = replace(features, weights=weights)  # type: ignore[call-arg]
    return changed
