"""Ganwright: every kind of GAN in PyTorch.

    import ganwright
    model = ganwright.train("dcgan", data="digits", steps=1000, out="runs/digits")
    images = model.sample(16, seed=0)

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ganwright.version import __version__

if TYPE_CHECKING:
    from ganwright.callbacks.callback import Callback as Callback
    from ganwright.callbacks.callback import Run as Run
    from ganwright.config.transform import Transform as Transform
    from ganwright.data.read.hub import HuggingFace as HuggingFace
    from ganwright.data.read.signals import Signals as Signals
    from ganwright.data.types import Batches as Batches
    from ganwright.data.types import Spec as Spec
    from ganwright.degrade.model import Degrade as Degrade
    from ganwright.errors import GanwrightError as GanwrightError
    from ganwright.game import Game as Game
    from ganwright.game import Lazy as Lazy
    from ganwright.game import Phase as Phase
    from ganwright.game import Player as Player
    from ganwright.inference.model import Model as Model
    from ganwright.losses import Loss as Loss
    from ganwright.metrics.feature_metric import FeatureMetric as FeatureMetric
    from ganwright.metrics.features import Features as Features
    from ganwright.metrics.metric import Metric as Metric
    from ganwright.networks import Networks as Networks
    from ganwright.observing import observe as observe
    from ganwright.observing import scope as scope
    from ganwright.penalties import Penalty as Penalty
    from ganwright.run.augment_data import augment_data as augment_data
    from ganwright.run.evaluation import evaluate as evaluate
    from ganwright.run.fork import fork as fork
    from ganwright.run.load import load as load
    from ganwright.run.look import Look as Look
    from ganwright.run.look import look as look
    from ganwright.run.pretrained import from_pretrained as from_pretrained
    from ganwright.run.profile import profile as profile
    from ganwright.run.suggest import Suggestion as Suggestion
    from ganwright.run.suggest import suggest as suggest
    from ganwright.run.train import resume as resume
    from ganwright.run.train import train as train
    from ganwright.training.engine import Engine as Engine
    from ganwright.training.trainer import Trainer as Trainer

_WHERE = {
    "train": "run.train",
    "resume": "run.train",
    "fork": "run.fork",
    "load": "run.load",
    "from_pretrained": "run.pretrained",
    "look": "run.look",
    "Look": "run.look",
    "evaluate": "run.evaluation",
    "augment_data": "run.augment_data",
    "profile": "run.profile",
    "suggest": "run.suggest",
    "Suggestion": "run.suggest",
    "Model": "inference.model",
    "Game": "game",
    "Player": "game",
    "Lazy": "game",
    "Phase": "game",
    "observe": "observing",
    "scope": "observing",
    "Loss": "losses",
    "Penalty": "penalties",
    "Networks": "networks",
    "Trainer": "training.trainer",
    "Engine": "training.engine",
    "Batches": "data.types",
    "Spec": "data.types",
    "HuggingFace": "data.read.hub",
    "Signals": "data.read.signals",
    "Callback": "callbacks.callback",
    "Run": "callbacks.callback",
    "Metric": "metrics.metric",
    "Transform": "config.transform",
    "Degrade": "degrade.model",
    "FeatureMetric": "metrics.feature_metric",
    "Features": "metrics.features",
    "GanwrightError": "errors",
}

__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'ganwright' has no attribute {name!r}")
    return getattr(import_module(f"ganwright.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
