"""How a classifier does under attack, alone and behind a cleaner."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ganwright.attacks import PGD, Attack, Classifier
from ganwright.config.checked import Checked
from ganwright.config.factory import Factory
from ganwright.config.ranges import Count, Whole
from ganwright.config.spelling import convert
from ganwright.data import Images, RunData, open_data
from ganwright.data.named import is_packed
from ganwright.data.options import DataOptions
from ganwright.errors import DataError, SettingsError
from ganwright.inference.cleaning import Cleaner, Projection, cleaner
from ganwright.inference.model import Model
from ganwright.memory import shortage_named
from ganwright.networks.frozen import frozen
from ganwright.run.data import beside
from ganwright.run.load import load
from ganwright.run.run_folder import is_run, read_config, read_spec
from ganwright.seeds import generators_kept, seed_torch
from ganwright.training.engine import Engine

SHOWN = 8
"""Images of each row that are kept to look at."""


class Row(NamedTuple):
    """What one attack does.

    Accuracies are shares of all images. Success is the share of those that the attacked classified
    correctly, without those of the class that is aimed at; sizes of changes are means over those
    that succeeded, of pixels in [0, 1], and NaN where none did.
    """

    attack: str
    images: int
    clean: float
    attacked: float
    cleaned: float | None
    success: float
    L2: float
    Linf: float


@dataclass(frozen=True)
class Trial(Checked):
    """On which images a classifier is attacked, and how.

    Args:
        data: labelled images: a folder, a zip, a name, or tensors (images, labels).
        n: at most so many images.
        batch_size: at once.
        toward: the class that images should be taken for; any wrong one when not given.
        split: train or test; the test split where there is one when not given.
        seed: of random starts and draws.
        options: how the data is opened.
        device: where it is computed.

    Raises:
        SettingsError: a number is none, or out of its range.
    """

    data: Any
    n: Count = 1000
    batch_size: Count = 100
    toward: Whole | None = None
    split: str | None = None
    seed: Whole = 0
    options: DataOptions = field(default_factory=DataOptions)
    device: str = "auto"


class _Changing(Protocol):
    """What changes images: an attack, or something like it."""

    def examples(self, f: Classifier, x: Tensor, y: Tensor, toward: int | None = None) -> Tensor:
        """Changed images."""
        ...


class _Nothing:
    """No attack: what a cleaner does to images as they are."""

    def examples(self, f: Classifier, x: Tensor, y: Tensor, toward: int | None = None) -> Tensor:
        return x


class Learned:
    """The attack of a run of advgan, as its network makes it, with its own bound and class."""

    def __init__(self, model: Model) -> None:
        self.model = model
        if model.family != "advgan":
            raise SettingsError(f"{model.run} is a run of {model.family}; advgan= takes advgan's")

    def check(self, shape: tuple[int, ...], toward: int | None) -> None:
        """See that it attacks such images, and aims at this class.

        Raises:
            SettingsError: it was trained on others, or to aim at another class.
        """
        if self.model.spec.shape != shape:
            raise SettingsError(
                f"{self.model.run} attacks images of {list(self.model.spec.shape)}, and these are "
                f"of {list(shape)}; train advgan on such images"
            )
        own: int | None = getattr(self.model.game.cfg, "toward")  # noqa: B009 - its own Config
        if own != toward:
            raise SettingsError(
                f"{self.model.run} was trained with toward={own}, and --toward is {toward}; make "
                "them the same"
            )

    def examples(self, f: Classifier, x: Tensor, y: Tensor, toward: int | None = None) -> Tensor:
        """The images as its G changes them; `f` and `y` are not looked at."""
        with torch.no_grad():
            changed: Tensor = self.model.ability("translate")(x)
        return changed


@shortage_named()
def attack(
    target: str | Path | Factory,
    attacks: Mapping[str, Attack | Learned],
    trial: Trial,
    *,
    clean: str | Path | None = None,
    projection: Projection | None = None,
    adaptive: Attack | None = None,
) -> tuple[list[Row], dict[str, Tensor]]:
    """Attack a classifier; behind a cleaner, also with an attack on both together.

    Args:
        target: a run that classifies, a .pt2 file, or a function of (shape, classes).
        attacks: by the names of their rows.
        trial: on which images.
        clean: a run that cleans: of apegan, or a generator on which images are projected.
        projection: how.
        adaptive: the attack through the cleaner; PGD when not given.

    Returns:
        A row for each attack, with a cleaner after one for images that nobody attacked, and before
        the attack through the cleaner; and by their names what some images became, [n, C, H, W].

    Raises:
        GanwrightError: the classifier, the images and the cleaner do not fit each other, or what an
            attack takes is not installed; the last is said before the first attack.
    """
    through = adaptive or PGD()
    for each in (*attacks.values(), *(() if clean is None else (through,))):
        if isinstance(each, Attack):
            each.check_installed()
    device = Engine.pick(trial.device, "fp32").device
    named: Factory | Path = convert(target, Factory | Path, "the classifier")
    data = _opened(named, clean, trial, device)
    _check_toward(trial.toward, data.spec.classes)
    f = frozen(named, data.spec, device)
    scene = _Scene(f, f, None, trial.toward)
    scenes: dict[str, tuple[_Changing, _Scene]] = {k: (how, scene) for k, how in attacks.items()}
    for each in attacks.values():
        if isinstance(each, Learned):
            each.check(data.spec.shape, trial.toward)
    if clean is not None:
        model = load(clean, device=trial.device)
        scene = scene._replace(clean=cleaner(model, data.spec.shape, projection or Projection()))
        scenes = {k: (how, scene) for k, how in {"none": _Nothing(), **attacks}.items()}
        name = f"{type(through).__name__.lower()} through the cleaner"
        scenes[name] = through, scene._replace(victim=scene.whole)
    rows, shown = [], {"image": next(_batches(data, trial))[0][:SHOWN].cpu()}
    with closing(data), generators_kept():
        for name, (how, scene) in scenes.items():
            row, shown[name] = _row(name, how, scene, data, trial)
            rows.append(row)
    return rows, shown


class _Scene(NamedTuple):
    """A classifier, what of it is attacked (all, or it behind the cleaner), and the cleaner."""

    f: Classifier
    victim: Classifier
    clean: Cleaner | None
    toward: int | None

    def whole(self, x: Tensor) -> Tensor:
        """The classifier's logits of cleaned images."""
        return self.f(x if self.clean is None else self.clean(x))


def _row(
    name: str, how: _Changing, scene: _Scene, data: RunData, trial: Trial
) -> tuple[Row, Tensor]:
    """One attack on all images, and what the first of them became."""
    sums, shown = [], []
    for number, (x, y) in enumerate(_batches(data, trial)):
        seed_torch(trial.seed, "attack", number)
        changed = how.examples(scene.victim, x, y, scene.toward)
        sums.append(_sums(scene, x, changed, y))
        shown.append(changed[:SHOWN].cpu() if number == 0 else changed[:0].cpu())
    n, clean, attacked, cleaned, known, fooled, *sizes = torch.stack(sums).sum(0).tolist()
    row = Row(
        name,
        int(n),
        clean / n,
        attacked / n,
        None if scene.clean is None else cleaned / n,
        fooled / known if known else math.nan,
        *(size / fooled if fooled else math.nan for size in sizes),
    )
    return row, torch.cat(shown)


@torch.no_grad()
def _sums(scene: _Scene, x: Tensor, changed: Tensor, y: Tensor) -> Tensor:
    """What a row is made of, summed over a batch, float64 [8]."""
    f, toward = scene.f, scene.toward
    before, after = (scene.victim(u).argmax(1) for u in (x, changed))
    plain, attacked = (f(u).argmax(1) for u in (x, changed))
    cleaned = after if scene.victim is not f else scene.whole(changed).argmax(1)
    known = (before == y) & (True if toward is None else y != toward)
    fooled = known & (after != y if toward is None else after == toward)
    size = ((changed - x) / 2).flatten(1)
    counted = (
        torch.ones_like(y),
        plain == y,
        attacked == y,
        cleaned == y,
        known,
        fooled,
        fooled * size.norm(dim=1),
        fooled * size.abs().amax(1),
    )
    return torch.stack([c.double().sum().cpu() for c in counted])


def _batches(data: RunData, trial: Trial) -> Iterator[tuple[Tensor, Tensor]]:
    split = trial.split or ("test" if "test" in data.splits() else "train")
    if split not in data.splits():
        raise DataError(f"the data has no {split} split; it has {', '.join(data.splits())}")
    for batch in data.each(split, trial.batch_size, trial.n):
        yield batch.images, batch.labels


def _opened(
    target: Factory | Path, clean: str | Path | None, trial: Trial, device: torch.device
) -> RunData:
    """The images, brought to a run's size and channels where none are named, and read as it reads.

    Next to a classifier that is no run, they are read as the cleaner read its own.

    Raises:
        DataError: they cannot be read, or have no labels or several.
    """
    options = trial.options
    if isinstance(target, Path) and is_run(target):
        cls, own = read_config(target)
        spec = read_spec(target, cls)
        shape = spec.shape
        options = beside(trial.data, options, shape, own, spec.read_as())
        if not is_packed(trial.data):
            options = replace(options, channels=options.channels or shape[0])
    elif clean is not None and is_run(clean):
        cls, own = read_config(Path(clean))
        options = beside(trial.data, options, (), own, read_spec(Path(clean), cls).read_as())
    data = open_data(trial.data, task=Images, options=options, device=device)
    if not data.spec.classes or data.spec.several:
        raise DataError(
            f"{trial.data} has {'several labels' if data.spec.several else 'no labels'} per image, "
            "and an attack is judged by one; take data with one class per image, such as a folder "
            "with one subfolder per class"
        )
    return data


def _check_toward(toward: int | None, classes: Sequence[str]) -> None:
    if toward is not None and toward >= len(classes):
        raise SettingsError(f"toward is {toward}; the classes are 0 to {len(classes) - 1}")
