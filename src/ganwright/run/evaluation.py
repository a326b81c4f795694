"""Evaluating a run, or a folder of images, against real images or another run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count, Part, Whole
from ganwright.config.settings import Settings
from ganwright.data import Images, RunData, open_data
from ganwright.data.levels import Reading
from ganwright.data.types import Paired, Unpaired
from ganwright.errors import DataError, RunError, SettingsError, described
from ganwright.inference.model import Model
from ganwright.memory import shortage_named
from ganwright.metrics.distances import FID
from ganwright.metrics.evaluation import Result
from ganwright.metrics.evaluation import evaluate as measured
from ganwright.metrics.features import Features
from ganwright.metrics.image_set import ImageSet, marks_of, of_data, of_game, translated
from ganwright.metrics.metric import Metric
from ganwright.metrics.neighbours import DensityCoverage, PrecisionRecall
from ganwright.run.asked import check_data, check_which, path_or_name
from ganwright.run.chosen_features import compared_by
from ganwright.run.data import beside, check_same, data_options
from ganwright.run.keep_results import keep
from ganwright.run.load import load
from ganwright.run.monitoring import objects
from ganwright.run.run_folder import is_run, located, read_config, read_data, read_spec
from ganwright.training.engine import Engine

USUAL: tuple[Metric, ...] = (FID(), PrecisionRecall(), DensityCoverage())
"""What is measured where nothing is named."""


@dataclass(frozen=True)
class Choice(Checked):
    """What images are taken, and how.

    Args:
        n: how many samples, and at most how many real images.
        seed: of the samples.
        split: train or test; the test split where there is one when not given.
        settings: how data is opened: data_root, image_size, channels.
        device: where it is computed.
        keep: the share of a run's samples that are kept, by rejection; all when not given.
    """

    n: Count = 10_000
    seed: Whole = 0
    split: Literal["train", "test"] | None = None
    settings: Settings = Settings()
    device: str = "auto"
    keep: Part | None = None


@shortage_named()
def evaluate(
    target: str | Path | Model,
    metrics: Sequence[Metric] = (),
    *,
    against: str | Path | None = None,
    features: Features | None = None,
    choice: Choice | None = None,
    **which: Any,
) -> list[Result]:
    """Measure a run's samples or a folder's images; a run keeps what was found, and its
    trackers get it.

    Args:
        target: a run folder or a trained model; or any data: a folder, a zip, a name.
        metrics: what to measure; FID, precision, recall, density and coverage when not given.
        against: real images: a run folder, whose samples are taken, or any data; the run's own data
            when not given.
        features: those of all metrics that compare by features, instead of their own.
        choice: how many images, of what split.
        **which: `step`, `raw`, `best`: which weights of a run, see `load`.

    Raises:
        GanwrightError: images are missing, too few, or do not fit a metric; or weights are chosen
            of something that is no run folder, or a size of data that is not opened; or an
            argument is of another type.
    """
    against = None if against is None else path_or_name("against", against)
    model = target if isinstance(target, Model) else None
    name = "" if model is not None else path_or_name("target", target)
    check_which(target, which, {f.name for f in fields(Choice)})
    choice = _checked(choice)
    check_data(target, against, choice.settings)
    chosen = [compared_by(metric, features) for metric in objects(metrics or USUAL, Metric)]
    if model is None and is_run(name):
        model = load(name, device=choice.device, **which)
    if choice.keep is not None:
        model = _rejecting(model, choice.keep)
    home = None if model is None else Home(model, choice)
    fake = _target(name, against, choice).of("train") if home is None else home.samples()
    assert fake is not None
    own = None if model is None else read_config(model.run, type(model.game))[1]

    @cache
    def reference(split: str | None) -> ImageSet | None:
        wanted = split or choice.split
        if against is None:
            return None if home is None else home.of(wanted)
        if is_run(against):
            return _of_run(against, split, choice)
        learned = None if model is None else model.spec.read_as(target=True)
        return _opened(against, choice, fake.shape, own, learned).of(wanted)

    about = {"seed": choice.seed} | ({} if model is None else _weights(model))
    results = measured(chosen, reference, fake, **about)
    if model is not None:
        keep(model, results)
    return results


def _of_run(run: str, split: str | None, choice: Choice) -> ImageSet:
    """Samples of a run to compare with, other ones than those of the same run.

    Raises:
        SettingsError: a metric asks for a split of them.
    """
    if split is not None:
        raise SettingsError(
            f"{run} is a run, whose samples have no {split} split, which Memorisation compares "
            "with; name data as --against"
        )
    model = load(run, device=choice.device)
    samples = of_game(model.game, choice.n, choice.seed + 1, f"samples of {run}")
    return replace(samples, about=_weights(model))


def _checked(choice: Any) -> Choice:
    if choice is None or isinstance(choice, Choice):
        return choice or Choice()
    raise SettingsError(
        f"choice is {described(choice)}; give a Choice, as Choice(n=100), from "
        "ganwright.run.evaluation"
    )


def _rejecting(model: Model | None, keep: float) -> Model:
    """A model whose samples are rejected.

    Raises:
        SettingsError: what is measured is no run; or its samples cannot be rejected.
    """
    if model is None:
        raise SettingsError("keep rejects samples of a run, and this is data; leave it out")
    return model.rejecting(keep)


def _weights(model: Model) -> dict[str, Any]:
    """What the protocol says of a model: its step and weights, and a truncation not its own."""
    own = read_config(model.run, type(model.game))[1].game
    found = {"step": model.step, "weights": model.init.get("init_weights", "average")}
    found |= {} if model.keep is None else {"keep": model.keep}
    asked = getattr(model.game.cfg, "truncation", None)
    return found if asked == getattr(own, "truncation", None) else found | {"truncation": asked}


class Opened:
    """Data, and the sets of its splits."""

    def __init__(self, name: str, data: RunData, choice: Choice) -> None:
        self.name, self.data, self.choice = name, data, choice

    def of(self, split: str | None) -> ImageSet:
        """The images of a split; the test split where there is one when not given."""
        split = split or ("test" if "test" in self.data.splits() else "train")
        return of_data(self.data, split, self.choice.n, self.name)


class Home:
    """A run's own data, which is opened only if its statistics are not kept in the run."""

    def __init__(self, model: Model, choice: Choice) -> None:
        self.model, self.choice, self.folder = model, choice, model.run
        self.known = read_data(model.run)
        self.spec = read_spec(model.run, type(model.game))

    def samples(self) -> ImageSet:
        """What the run makes: samples, or translations of its data.

        Raises:
            SettingsError: it makes neither.
        """
        model, choice = self.model, self.choice
        if hasattr(model.game, "sample"):
            return of_game(model.game, choice.n, choice.seed, f"samples of {self.folder}")
        model.ability("translate")
        split = self._split(choice.split)
        return translated(model.game, self.data, split, choice.n, choice.seed)

    def of(self, split: str | None) -> ImageSet | None:
        """The images of a split."""
        split, spec = self._split(split), self.spec
        known = {} if self.known is None else self.known["fingerprint"]
        counts = _counts(known, split, spec.count)
        count = min(self.choice.n, *(counts[-1:] if spec.task is Unpaired else counts))

        def walk() -> Iterator[Images]:
            return of_data(self.data, split, self.choice.n, self._name()).walk()

        return ImageSet(
            self._name(),
            count,
            walk,
            split,
            spec.classes,
            self.folder / "statistics",
            marks_of(known, spec, self.choice.n),
            spec.compared,
            spec=spec,
            paired=spec.task is Paired,
            device=self.model.game.device,
        )

    def _name(self) -> str:
        known = self.known["fingerprint"] if self.known else {}
        return str(known.get("name") or (self.known or {}).get("source") or "the run's data")

    def _split(self, split: str | None) -> str:
        known = {} if self.known is None else self.known["fingerprint"]
        has_test = bool(known.get("test") or known.get("held_out"))
        if split == "test" and known and not has_test:
            raise DataError("the run's data has no test split; compare with --split train")
        return split or ("test" if has_test else "train")

    @cached_property
    def data(self) -> RunData:
        """The data, opened as in training.

        Raises:
            RunError: it is not there any more, or is other data.
        """
        cls, old = read_config(self.folder, type(self.model.game))
        given = self.known is not None and self.known["fingerprint"]["kind"] == "given"
        if given or old.data is None:
            raise RunError(
                f"{self.folder} was trained on data given in Python, and keeps no statistics of it "
                "for these metrics; name images to compare with as --against"
            )
        settings = located(old, old, self.known, "name its place with --against")
        data = open_data(
            settings.data,
            task=cls.task,
            options=data_options(settings),
            device=self.model.game.device,
        )
        if self.known:
            check_same(self.known["fingerprint"], data.fingerprint)
        return data


def _counts(known: Mapping[str, Any], split: str, trained: int) -> list[int]:
    """How many images each side of a split has, by the data's fingerprint."""
    held: list[int] = known.get("held_out", [])
    if split == "test" and held:
        return held
    counts = [side["count"] for side in known.get(split, [{"count": trained}])]
    return [a - b for a, b in zip(counts, held, strict=True)] if held else counts


def _target(text: str, against: str | None, choice: Choice) -> Opened:
    """Data that is measured: as a run reads its own, where it is compared with one's samples."""
    if against is None or not is_run(against):
        return _opened(text, choice)
    cls, own = read_config(Path(against))
    spec = read_spec(Path(against), cls)
    return _opened(text, choice, spec.compared, own, spec.read_as(target=True))


def _opened(
    text: str,
    choice: Choice,
    shape: tuple[int, ...] = (),
    own: Settings | None = None,
    learned: Reading | None = None,
) -> Opened:
    """Data, brought to the size and read in the range of what it is compared with.

    Args:
        text: its name.
        choice: how it is opened.
        shape: (C, H, W) of what it is compared with.
        own: settings of the run that this is of.
        learned: how that run reads files of such images.
    """
    device = Engine.pick(choice.device, "fp32").device
    options = replace(data_options(choice.settings), held_out=0.0)
    options = beside(text, options, shape, own, learned)
    return Opened(text, open_data(text, task=Images, options=options, device=device), choice)
