"""The metrics and features that a setting may name."""

from __future__ import annotations

from ganwright.metrics.digit_features import DigitFeatures
from ganwright.metrics.distances import FID, KID, InceptionScore
from ganwright.metrics.diversity import LPIPS, Diversity, PathLength
from ganwright.metrics.features import Features
from ganwright.metrics.inception import DinoFeatures, InceptionFeatures
from ganwright.metrics.labelled import ClassificationAccuracy, ConditionalAccuracy
from ganwright.metrics.masks import MeanIoU
from ganwright.metrics.metric import Metric
from ganwright.metrics.modes import MixtureModes
from ganwright.metrics.neighbours import DensityCoverage, Memorisation, PrecisionRecall
from ganwright.metrics.photo_features import PhotoFeatures
from ganwright.metrics.restoration import Restoration
from ganwright.metrics.stacked import StackedModes
from ganwright.metrics.two_sample import TwoSample

FEATURES: dict[str, type[Features]] = {
    "DigitFeatures": DigitFeatures,
    "PhotoFeatures": PhotoFeatures,
    "InceptionFeatures": InceptionFeatures,
    "DinoFeatures": DinoFeatures,
}

METRICS: dict[str, type[Metric]] = {
    "FID": FID,
    "KID": KID,
    "InceptionScore": InceptionScore,
    "PrecisionRecall": PrecisionRecall,
    "DensityCoverage": DensityCoverage,
    "Memorisation": Memorisation,
    "Diversity": Diversity,
    "LPIPS": LPIPS,
    "PathLength": PathLength,
    "ConditionalAccuracy": ConditionalAccuracy,
    "ClassificationAccuracy": ClassificationAccuracy,
    "Restoration": Restoration,
    "MeanIoU": MeanIoU,
    "MixtureModes": MixtureModes,
    "StackedModes": StackedModes,
    "TwoSample": TwoSample,
}
