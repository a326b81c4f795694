"""Measuring a set of samples: each number with its protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganwright.config.read_back import whole
from ganwright.config.spelling import spell
from ganwright.errors import SettingsError
from ganwright.metrics.feature_metric import FeatureMetric
from ganwright.metrics.features import built
from ganwright.metrics.image_set import ImageSet
from ganwright.metrics.metric import Metric

Reference = Callable[[str | None], ImageSet | None]
"""The real images of a split, or of that which the user chose; None where there are none."""


@dataclass(frozen=True)
class Result:
    """One number.

    Args:
        name: of the metric, its features included.
        value: what was measured.
        spread: its deviation over subsets or parts, where it has one.
        larger: whether a larger one is better.
        protocol: all that it depends on.
    """

    name: str
    value: float
    spread: float | None
    larger: bool
    protocol: Mapping[str, Any]

    def __str__(self) -> str:
        """With four digits, and its spread."""
        around = "" if self.spread is None else f" ± {self.spread:.4g}"
        return f"{self.value:.4g}{around}"


def evaluate(
    metrics: Sequence[Metric], reference: Reference, fake: ImageSet, **protocol: Any
) -> list[Result]:
    """Measure samples by each metric.

    Args:
        metrics: what to measure.
        reference: what they are compared with.
        fake: the samples.
        **protocol: what else the numbers depend on, such as the seed.

    Raises:
        SettingsError: images do not fit a metric, or are too few; or two numbers share a name.
        DataError: there is nothing to compare with.
    """
    fitted = [metric.fitted(fake) for metric in metrics]
    for metric in fitted:  # weights that are missing are missed at once
        whole(type(metric), "metrics")
        if isinstance(metric, FeatureMetric):
            built(metric.chosen, fake.device)
    found: dict[str, tuple[Metric, Result]] = {}
    for metric, own in zip(metrics, fitted, strict=True):
        for result in _results(own, reference(own.split), fake, protocol):
            if result.name in found:
                first, second = (
                    spell(each, brief=True) for each in (found[result.name][0], metric)
                )
                raise SettingsError(
                    f"{first} and {second} both measure {result.name}, and one name has one "
                    "number; leave one of them out"
                )
            found[result.name] = metric, result
    return [result for _, result in found.values()]


def _results(
    metric: Metric, real: ImageSet | None, fake: ImageSet, protocol: Mapping[str, Any]
) -> Iterator[Result]:
    if real is not None and real.shape and fake.shape and real.shape[0] != fake.shape[0]:
        raise _unlike(real, fake)
    real, fake = _evened(metric, real, fake)
    real = None if real is None else real.unseen()
    values = metric.judge(real, fake)
    real, fake = _evened(metric, real, fake)  # files that were skipped are missing on one side
    about = {**metric.about(), "samples": metric.used(fake.count), **protocol}
    about |= {"labels": fake.labels} if fake.labels else {}
    if real is not None and real.count:
        count = metric.used(real.count) if real.looked_at else real.count
        about |= {"reference": real.name, "reference_count": count}
        about |= {f"reference_{key}": value for key, value in real.about.items()}
        about |= {"split": real.split} if real.split else {}
        # A metric that does not look at the images does not depend on them, nor do others' reads.
        about |= {"reference_hash": real.content} if real.looked_at else {}
    spreads = {name: _spread_of(name) for name in values}
    for name, value in values.items():
        if name not in spreads.values():
            yield Result(name, float(value), values.get(spreads[name]), metric.rises(name), about)


def _evened(
    metric: Metric, real: ImageSet | None, fake: ImageSet
) -> tuple[ImageSet | None, ImageSet]:
    """Both sides, as many of either where the metric takes as many."""
    if real is None or not metric.even:
        return real, fake
    count = min(real.count, fake.count)
    return real.first(count), fake.first(count)


def _spread_of(name: str) -> str:
    """What the spread of a number is called, its features last."""
    stem, brackets, rest = name.partition(" (")
    return f"{stem} spread{brackets}{rest}"


def _unlike(real: ImageSet, fake: ImageSet) -> SettingsError:
    """The error for images of other channels: those of data can be changed, not those of a run."""
    if real.game is None:
        hint = f"bring it to theirs with --channels {fake.shape[0]}"
    elif fake.game is None:
        hint = f"bring it to theirs with --channels {real.shape[0]}"
    else:
        hint = "evaluate each against images, as --against"
    first, second = (_channels(each) for each in (fake, real))
    return SettingsError(f"{first} and {second}; {hint}")


def _channels(images: ImageSet) -> str:
    count = images.shape[0]
    who = f"{images.name} has" if images.game is None else f"{images.name} have"
    return f"{who} {count} channel{'s' * (count > 1)}"


def table(results: Sequence[Result]) -> str:
    """The numbers, one per line, and below them each protocol with the metrics that share it."""
    width = max(len(r.name) for r in results)
    lines = [f"{r.name:{width}}  {r}" for r in results]
    shared: dict[str, list[str]] = {}
    for r in results:
        text = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in r.protocol.items())
        shared.setdefault(text, []).append(r.name)
    lines += [f"\n{', '.join(names)}: {text}" for text, names in shared.items()]
    return "\n".join(lines)
