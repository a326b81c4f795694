"""What to train on given data: a family, settings, the time and memory that it takes, a trial."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

from ganwright.augment import ADA
from ganwright.config.changes import flag_of, leaves
from ganwright.config.ranges import Positive
from ganwright.config.settings import Settings
from ganwright.config.sizes import Size
from ganwright.config.spelling import convert, quoted, spell
from ganwright.data.describe import FEW
from ganwright.data.named import as_packed, is_packed
from ganwright.data.open import Prepared
from ganwright.data.options import options_of
from ganwright.data.types import Paired
from ganwright.errors import DataError, SettingsError
from ganwright.errors import described as described_type
from ganwright.memory import shortage_named
from ganwright.report.page import duration
from ganwright.run.config_file import defaults, game_class
from ganwright.run.look import Look, described, understood
from ganwright.run.profile import Profile, measure
from ganwright.run.rules import Rule, rule_for
from ganwright.run.suited import Facts, r1_weight
from ganwright.training.engine import Engine

TRIAL = 15 * 60
"""Seconds of the longest trial."""


@dataclass(frozen=True)
class Suggestion:
    """What to train, and why: `print` it, or train with its `family` and `settings`.

    Args:
        look: what the data is taken for.
        facts: what the rules saw of it.
        rule: the rule that fits.
        settings: of the whole run.
        profile: what a few of its steps cost.
    """

    look: Look
    facts: Facts
    rule: Rule
    settings: Settings
    profile: Profile

    @property
    def family(self) -> str:
        """The family's name."""
        return self.rule.family

    @property
    def trial(self) -> int:
        """Steps of the smallest run that tells whether it works: a twentieth of the whole."""
        most = int(TRIAL / self._second)
        return max(1, min(self.settings.steps // 20, most))

    @property
    def command(self) -> str:
        """The command of the whole run."""
        return " ".join(["ganwright", "train", self.family, *self._flags(self.settings)])

    @property
    def trial_command(self) -> str:
        """The command of the trial."""
        short = self._flags(replace(self.settings, steps=self.trial))
        return " ".join(["ganwright", "train", self.family, *short, "--out", "runs/trial"])

    def __str__(self) -> str:
        rows = [*self.look.description.rows, *self._rows()]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:{width}}  {text}" for name, text in rows)

    __repr__ = __str__

    @cached_property
    def _second(self) -> float:
        """Seconds of a step, in the longest phase."""
        return max(self.profile.stretches, key=lambda each: each.steps).seconds

    def _rows(self) -> Iterator[tuple[str, str]]:
        steps, batch = self.settings.steps, self.settings.batch_size or 1
        yield "", ""
        yield "family", f"{self.family}: {self.rule.why}"
        for reason in reasons(self.facts, self.settings):
            yield "because", reason
        what, rate = self.facts.noun, batch / self._second
        said = f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
        yield "speed", f"{said} {what} a second on {self.profile.device}"
        yield "memory", f"{self.profile.memory['peak'] / 2**30:.1f} GiB at the peak"
        seen = steps * batch
        yield "time", f"{duration(steps * self._second)}: {steps:,} steps see {seen:,} {what}"
        if seen < self.rule.images:
            full = f"{seen / self.rule.images:.1%} of the {self.rule.images:,} of a full run"
            yield "note", f"that is {full}; expect less than published samples"
        yield "trial", f"{duration(self.trial * self._second)}: {self.trial_command}"
        yield "look for", self.rule.look
        yield "then", self.command

    def _flags(self, settings: Settings) -> Iterator[str]:
        cls = game_class(self.family)
        filled = {"image_size": cls.image_size, "batch_size": cls.batch_size}
        usual = dict(leaves(defaults(cls))) | filled
        yield from ("--data", quoted(str(settings.data)))
        for name, value in leaves(settings):
            if name != "data" and value != usual[name]:
                yield from _given(flag_of(name), value)


@shortage_named()
def suggest(
    data: Any, *, hours: float = 8.0, device: str = "auto", seconds: float = 3.0, **options: Any
) -> Suggestion:
    """What to train on `data` in the time that there is, measured on this machine.

    Args:
        data: a folder or name, as `--data` of `train`.
        hours: that the run may take.
        device: where it is to be trained.
        seconds: how long steps are measured.
        **options: fields of `DataOptions`, such as channels and data_root.

    Raises:
        DataError: the data cannot be read, or its items only come by and cannot be counted.
        SettingsError: data has no name, options contradict each other, or there is none of such a
            name.
    """
    hours, seconds = convert(hours, Positive, "hours"), convert(seconds, Positive, "seconds")
    if not isinstance(data, str | os.PathLike):
        raise SettingsError(
            f"data of suggest is {described_type(data)}, and the command that it suggests must "
            "name the data; give a name or a folder, or save an array as .npy"
        )
    opening = as_packed(data, options_of(options))
    ready = understood(data, None, opening)
    if isinstance(ready, Look):
        raise DataError(f"{data} is a stream, whose items cannot be counted; name a folder or file")
    engine = Engine.pick(device)
    facts = facts_of(ready, gpu=engine.device.type != "cpu", asked=opening.image_size)
    rule = rule_for(facts)
    cls = game_class(rule.family)
    usual = replace(defaults(cls), data=os.fspath(data), device=device)
    usual = replace(usual, **{n: v for n, v in options.items() if n in vars(usual)})
    settings = rule.settings(facts, usual)
    if is_packed(data):  # a size that it was not packed with is refused, also where it has none
        settings = replace(settings, image_size=opening.image_size)
    found = measure(cls, settings, seconds)
    settings = _lasting(found, rule, hours)
    seen = described(ready, rule.family, settings)
    return Suggestion(seen, facts, rule, settings, found)


def _lasting(found: Profile, rule: Rule, hours: float) -> Settings:
    """Settings of a run that fills the time, or has seen enough before that."""
    settings = found.settings
    batch = settings.batch_size or 1
    second = max(found.stretches, key=lambda each: each.steps).seconds
    steps = max(1, min(int(hours * 3600 / second), rule.images // batch))
    steps -= steps % 10 ** max(0, len(str(steps)) - 2)  # two digits, and no longer than that
    return rule.lasting(replace(settings, steps=steps, precision="auto"))


def facts_of(ready: Prepared, *, gpu: bool = False, asked: Size | None = None) -> Facts:
    """What the rules look at."""
    settled, source = ready.settled, ready.found
    spec = settled.spec
    # Of low and high resolution, the high one is what is trained at.
    lengths = settled.train[1 if source.factor > 1 else 0].side.shorter()
    return Facts(
        spec.task,
        min(len(each) for each in settled.train),
        len(spec.classes),
        spec.shape,
        int(statistics.median(lengths or [0])),
        source.smallest,
        source.enlarged if spec.task is Paired else 1,
        gpu,
        asked,
    )


def reasons(facts: Facts, settings: Settings) -> Iterator[str]:
    """Why settings are as they are, a sentence each."""
    if len(facts.shape) == 3 and settings.image_size is not None:
        yield f"{settings.image_size} pixels{_why(facts)}"
    if isinstance(getattr(settings.game, "augment_d", None), ADA):
        yield f"{facts.count:,} images can be memorised, so D sees them augmented (ADA)"
    for penalty in getattr(settings.game, "penalties", ()):
        if getattr(penalty, "every", 1) > 1:
            rule = penalty.weight == r1_weight(prod(facts.sides), settings.batch_size or 1)
            why = "is .0002 pixels / batch, as StyleGAN2-ADA has it" if rule else "suits short runs"
            yield f"R1 of {penalty.weight:g} {why}"
    if getattr(settings.game, "conditional", False):
        yield f"{facts.classes:,} classes, so you can choose one when sampling"
    if facts.count < FEW and len(facts.shape) == 3:
        yield (
            f"{facts.count:,} are few: if you have a run on similar images, start from it with "
            "--init RUN"
        )


def _why(facts: Facts) -> str:
    """Why the image size is what it is."""
    where = "GPU" if facts.gpu else "CPU"
    if facts.asked is not None:
        return ", as was asked for or packed"
    if facts.factor > 1:
        return f": windows of images of {facts.least} or more, and a {where} trains it"
    return f": images have {facts.side}, and a {where} trains it"


def _given(flag: str, value: Any) -> Iterator[str]:
    """A setting as a shell takes it."""
    if isinstance(value, bool):
        yield flag if value else f"--no-{flag.removeprefix('--')}"
        return
    yield flag
    for item in value if isinstance(value, tuple) else (value,):
        text = item if isinstance(item, str) else spell(item, brief=True)
        yield quoted("none" if item is None else text)
