"""Labelled samples of a run for a classifier's data, less those of wrong classes and copies."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganwright import atomic
from ganwright.config.ranges import Count, Whole
from ganwright.config.spelling import convert
from ganwright.errors import RunError, SettingsError
from ganwright.function import takes_labels
from ganwright.inference.array_files import endings
from ganwright.inference.model import Model
from ganwright.inference.sample_files import name_of, write_image
from ganwright.memory import shortage_named
from ganwright.metrics.features import Features, built
from ganwright.metrics.image_set import ImageSet
from ganwright.metrics.labelled import ClassificationAccuracy
from ganwright.metrics.neighbours import distances, radii
from ganwright.metrics.packaged import packaged
from ganwright.metrics.statistics import eight_bit
from ganwright.run.asked import check_which
from ganwright.run.evaluation import Choice, Home
from ganwright.run.load import load

SUMMARY = "augmentation.json"
"""Lies next to the classes' folders: what was drawn, and why the rest was left out."""

_ENDINGS = (".png", ".npy", ".tif", ".tiff")

Filter = Callable[[Tensor, int], Tensor]
"""Images [n, C, H, W] in [-1, 1] and their class to which of them pass, bool [n]."""


@dataclass
class ClassCount:
    """What became of the samples of a class.

    Args:
        name: of the class.
        drawn: samples so far.
        kept: those that were written.
        other_class: those that the classifier takes for another class.
        copies: those that are nearer to a training image than this image's nearest other.
    """

    name: str
    drawn: int = 0
    kept: int = 0
    other_class: int = 0
    copies: int = 0


@shortage_named()
def augment_data(
    run: str | Path | Model,
    out: str | Path,
    per_class: int = 100,
    *,
    seed: int = 0,
    classifier: str | Path | Model | None = None,
    agree: bool = True,
    copies: bool = False,
    features: Features | None = None,
    tries: int = 20,
    replace: bool = False,
    device: str = "auto",
    shown: Callable[[ClassCount], None] = lambda count: None,
    **which: Any,
) -> list[ClassCount]:
    """Write `per_class` samples of each class into a folder of its name.

    Args:
        run: a run that samples by class, or its model.
        out: the folder; the same call continues what was interrupted.
        per_class: how many to keep of each class.
        seed: determines the samples.
        classifier: a run that classifies, which must take a sample for its class; a small network
            trained on the run's own training data when not given.
        agree: leave out what the classifier takes for another class.
        copies: keep samples that copy training images.
        features: by which copies are found; those of the package when not given.
        tries: samples drawn for each that is wanted, at most.
        replace: other files in their places are replaced, and further images of the earlier call
            that augmentation.json tells of are removed.
        device: where it is computed.
        shown: called after each part of a class.
        **which: `step`, `raw`, `best`: which weights of the run, see `load`.

    Returns:
        What became of the samples of each class, as in augmentation.json.

    Raises:
        SettingsError: the run does not sample by class, the classifier knows other classes, or an
            argument does not fit.
        RunError: the training data is not there, the folder holds further images of an earlier
            call, or a file cannot be written.
    """
    per_class, tries = convert(per_class, Count, "per_class"), convert(tries, Count, "tries")
    seed, folder = convert(seed, Whole, "seed"), convert(out, Path, "out")
    features = convert(features, Features | None, "features")
    check_which(run, which, caller="augment_data")
    model = run if isinstance(run, Model) else load(str(run), device=device, **which)
    classes = _classes(model)
    features = features or packaged(model.spec.shape[0])
    filters = list(_filters(model, classifier, agree, copies, features))
    counts, places, ending = [], folders(classes), _ending(model)
    before = _kept_before(folder)
    for k in model.spec.asked if not replace else ():
        _clear(folder / places[k], per_class, before.get(classes[k], 0), ending, replace)
    for k in model.spec.asked:
        count = ClassCount(classes[k])
        for images in model.samples(per_class * tries, seed=seed, labels=[k]):
            kept = _passing(images, k, filters, count)[: per_class - count.kept]
            for number, image in enumerate(kept, count.kept):
                place = name_of(folder / places[k], number, ending)
                write_image(image, place, model.levels(), replace)
            count.kept += len(kept)
            shown(count)
            if count.kept == per_class:
                break
        _clear(folder / places[k], count.kept, before.get(count.name, 0), ending, replace)
        counts.append(count)
    with_seed = {"seed": seed, "per_class": per_class, "classes": [asdict(c) for c in counts]}
    _stored(folder / SUMMARY, json.dumps(with_seed, indent=2) + "\n")
    return counts


def _classes(model: Model) -> tuple[str, ...]:
    """The names of the classes that can be asked for.

    Raises:
        SettingsError: there are none.
    """
    names, shape = model.spec.classes, model.spec.shape
    if not names or not takes_labels(model.game) or len(shape) != 3 or model.spec.several:
        raise SettingsError(
            f"{model.run} does not draw images of one class each; train cgan, acgan, biggan or "
            "another family with --game.conditional on labelled images"
        )
    return names


def _filters(
    model: Model,
    classifier: str | Path | Model | None,
    agree: bool,
    copies: bool,
    features: Features,
) -> Iterator[tuple[str, Filter]]:
    """Each filter with the field that counts what it leaves out."""
    home = Home(model, Choice(n=10**9, split="train"))
    if agree:
        yield "other_class", _agreeing(home, model, classifier)
    if not copies:
        known = home.of("train")
        assert known is not None
        yield "copies", _original(known, features, model.game.device)


def _agreeing(home: Home, model: Model, classifier: str | Path | Model | None) -> Filter:
    """Whether the classifier takes an image for its class."""
    if classifier is None:
        known = home.of("train")
        assert known is not None
        net = ClassificationAccuracy().trained(known)
        return lambda images, k: net(images).argmax(1) == k
    judge = classifier if isinstance(classifier, Model) else load(str(classifier), device="cpu")
    if judge.spec.classes != model.spec.classes or judge.spec.shape != model.spec.shape:
        theirs, own = (
            f"{'x'.join(map(str, m.spec.shape))} of {len(m.spec.classes)} classes"
            for m in (judge, model)
        )
        raise SettingsError(
            f"{judge.run} classifies {theirs}, or other names, and {model.run} draws {own}; "
            "name a classifier of the same data, or none"
        )
    judge.ability("classify")
    return lambda images, k: judge.classify(images).argmax(1) == k


def _original(known: ImageSet, features: Features, device: torch.device) -> Filter:
    """Whether an image is farther from its nearest training image than this one from its own."""
    x = known.statistics(features).vectors
    if len(x) < 2:
        raise SettingsError(f"copies are found among 2 training images or more, got {len(x)}")
    own, extract = radii(x, 1), built(features, device)

    def passes(images: Tensor, k: int) -> Tensor:
        pixels = eight_bit(images).to(images.dtype).div(127.5).sub(1)
        y = extract(pixels.to(device))[0].float().cpu()
        nearest = torch.cat([part.min(1).values for part in distances(y, x)])
        whose = torch.cat([part.argmin(1) for part in distances(y, x)])
        return nearest > own[whose]

    return passes


@torch.no_grad()
def _passing(
    images: Tensor, k: int, filters: list[tuple[str, Filter]], count: ClassCount
) -> Tensor:
    """Those that pass all filters; what each leaves out is counted."""
    count.drawn += len(images)
    for name, passes in filters:
        good = passes(images, k) if len(images) else torch.ones(0, dtype=torch.bool)
        setattr(count, name, getattr(count, name) + int((~good).sum()))
        images = images[good]
    return images


def _ending(model: Model) -> str:
    """Of the files that hold its images."""
    levels = model.levels()
    return endings(levels, model.spec.shape[0])[0] if levels else ".png"


def _kept_before(out: Path) -> dict[str, int]:
    """How many images of each class an earlier call wrote here."""
    try:
        known: Any = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
        return {str(each["name"]): int(each["kept"]) for each in known["classes"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _clear(folder: Path, n: int, before: int, ending: str, replace: bool) -> None:
    """Remove what is left of an earlier call's `before` images, and no file of the user's own.

    Raises:
        RunError: some is, and nothing is to be replaced; or it cannot be removed.
    """
    own = {name_of(folder, number, ending) for number in range(n)}
    known = (name_of(folder, i, each) for i in range(before) for each in _ENDINGS)
    surplus = [path for path in known if path not in own and path.is_file()]
    if surplus and not replace:
        raise RunError(
            f"{folder} holds {len(surplus)} image{'s' * (len(surplus) > 1)} of an earlier call, "
            f"the first is {surplus[0].name}; name another folder, or add --overwrite to "
            "remove them"
        )
    try:
        for path in surplus:
            path.unlink()
    except OSError as error:
        raise RunError(f"{path} cannot be removed: {atomic.reason(error)}") from error


def folders(names: Sequence[str]) -> list[str]:
    """The classes' names as those of folders, on any system: each its own, and none hidden."""
    found = [re.sub(r'[/\\:*?"<>|]|^\.|[. ]$|^$', "_", name) for name in names]
    while (often := Counter(name.lower() for name in found)).total() > len(often):
        found = [  # a new name may be that of another class
            name if often[name.lower()] == 1 else f"{name}-{number}"
            for number, name in enumerate(found)
        ]
    return found


def _stored(path: Path, text: str) -> None:
    try:
        atomic.write(path, text)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {atomic.reason(error)}") from error
