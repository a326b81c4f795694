"""What labels say of samples: whether they show what was asked for, and what they teach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ganwright.config.ranges import Count, Whole
from ganwright.errors import SettingsError
from ganwright.metrics.digit_features import DigitFeatures
from ganwright.metrics.feature_metric import FeatureMetric, needed
from ganwright.metrics.image_set import ImageSet
from ganwright.metrics.judge import classifier, shifted
from ganwright.metrics.metric import Metric
from ganwright.metrics.packaged import packaged_for
from ganwright.metrics.statistics import Statistics, eight_bit
from ganwright.seeds import generators_kept, seed_torch

BATCH = 64


@dataclass(frozen=True)
class ConditionalAccuracy(FeatureMetric):
    """The share of samples that a classifier assigns to the requested class.

        P(argmax p(y|G(z, c)) = c)

    p is the classifier that comes with the features, and c the requested class.
    """

    larger: ClassVar[bool] = True
    kept: ClassVar[bool] = True
    alone: ClassVar[bool] = True

    def fitted(self, fake: ImageSet) -> FeatureMetric:
        digits = fake.classes and set(fake.classes) <= set(DigitFeatures.classes)
        chosen = self.features or (DigitFeatures() if digits else packaged_for(fake))
        return replace(self, features=chosen)

    def compare(self, real: Statistics, fake: Statistics) -> Mapping[str, float]:
        return {"conditional accuracy": float((self.read(fake) == _labels(fake)).double().mean())}

    def read(self, known: Statistics) -> Tensor:
        """The class that each image is taken for, among those of the data: int64 [n].

        Raises:
            SettingsError: the features do not know these classes.
        """
        own = {name: i for i, name in enumerate(self.chosen.classes)}
        missing = [name for name in known.classes if name not in own]
        if known.logits is None or missing or not known.classes:
            raise SettingsError(
                f"ConditionalAccuracy needs features that name the classes of the data; "
                f"{type(self.chosen).__name__} knows {_some(self.chosen.classes)} and not "
                f"{_some(missing or known.classes)}; take ClassificationAccuracy"
            )
        return known.logits[:, [own[name] for name in known.classes]].argmax(1)


@dataclass(frozen=True)
class ClassificationAccuracy(Metric):
    """Accuracy on real images of a classifier trained on samples: Ravuri and Vinyals (2019).

        P(argmax q(y|x) = label of x)     q trained on samples (G(z, c), c)

    The classifier is three convolutions; the paper's is a ResNet-50, so scores differ from its own.
    """

    larger: ClassVar[bool] = True

    steps: Count = 1000
    """Batches of 64 samples that it learns from."""
    seed: Whole = 0
    """Its first weights and its batches."""

    def judge(self, real: ImageSet | None, fake: ImageSet) -> Mapping[str, float]:
        known = needed(real, "ClassificationAccuracy")
        if not fake.classes or fake.classes != known.classes:
            raise SettingsError(
                "ClassificationAccuracy needs samples and real images of the same classes, got "
                f"{_some(fake.classes)} and {_some(known.classes)}"
            )
        if known.spec is not None and known.spec.several:
            raise SettingsError(
                "ClassificationAccuracy needs one class per image, and these images have several "
                "labels each; leave it out, or compare with data of one class per image"
            )
        if fake.shape and known.shape and fake.shape != known.shape:
            raise SettingsError(
                f"ClassificationAccuracy needs images of one shape, got samples {fake.shape} and "
                f"real images {known.shape}; bring them to one --image-size and --channels"
            )
        net = self.trained(fake)
        right = total = 0
        with torch.no_grad():
            for images, labels in known.walk():
                if labels is None:
                    raise SettingsError(
                        f"ClassificationAccuracy needs the class of each image, and {known.name} "
                        "has none; compare with labelled data"
                    )
                found = net(images.float().cpu()).argmax(1)
                right, total = right + int((found == labels.cpu()).sum()), total + len(found)
        return {"classification accuracy": right / total}

    def about(self) -> dict[str, str]:
        return {"classifier": f"three convolutions, {self.steps} steps, seed {self.seed}"}

    def trained(self, known: ImageSet) -> torch.nn.Module:
        """The classifier of labelled images, which are held as bytes: to logits [n, classes].

        Raises:
            SettingsError: they are smaller than 8 pixels.
        """
        parts = [(eight_bit(x).cpu(), y.cpu()) for x, y in known.walk() if y is not None]
        images, labels = (torch.cat(each) for each in zip(*parts, strict=True))
        if min(images.shape[2:]) < 8:
            raise SettingsError("ClassificationAccuracy needs images of 8 pixels or more")
        with generators_kept(), torch.enable_grad():
            seed_torch(self.seed, "classification accuracy")
            size = (images.shape[2], images.shape[3])
            net = classifier(images.shape[1], size, len(known.classes))
            adam = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.05)
            rate = torch.optim.lr_scheduler.OneCycleLR(adam, 4e-3, self.steps + 1)
            for _ in range(self.steps):
                rows = torch.randint(len(images), (BATCH,))
                x = shifted(images[rows].float().div(127.5).sub(1))
                loss = cross_entropy(net(x), labels[rows])
                adam.zero_grad()
                loss.backward()
                adam.step()
                rate.step()
        return net.eval()


def _labels(known: Statistics) -> Tensor:
    if known.labels is None:
        raise SettingsError(
            "ConditionalAccuracy needs samples of classes that were asked for; this game takes no "
            "labels"
        )
    return known.labels


def _some(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:4]) + (" ..." if len(names) > 4 else "") if names else "no classes"
