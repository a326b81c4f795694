"""Which names a setting may take: one literal table of tables, loaded when first asked for."""

from __future__ import annotations

import pkgutil
import sys
from dataclasses import is_dataclass
from functools import cache
from typing import Any

from ganwright.config import plugins, trust
from ganwright.errors import SettingsError, nearest

TABLES: dict[str, str] = {
    "schedules": "ganwright.config.schedule:SCHEDULES",
    "losses": "ganwright.losses:LOSSES",
    "penalties": "ganwright.penalties:PENALTIES",
    "transforms": "ganwright.data.transforms:TRANSFORMS",
    "augments": "ganwright.augment:AUGMENTS",
    "priors": "ganwright.families.priors:PRIORS",
    "regularisers": "ganwright.regularisers:REGULARISERS",
    "optimizers": "ganwright.optim:OPTIMIZERS",
    "networks": "ganwright.networks:NETWORKS",
    "translators": "ganwright.networks:TRANSLATORS",
    "patches": "ganwright.networks:PATCHES",
    "contents": "ganwright.networks:CONTENTS",
    "attacks": "ganwright.attacks:ATTACKS",
    "norms": "ganwright.layers.norm:NORMS",
    "activations": "ganwright.layers.activation:ACTIVATIONS",
    "upsampling": "ganwright.layers.resample:UPS",
    "downsampling": "ganwright.layers.resample:DOWNS",
    "blocks": "ganwright.layers.blocks:BLOCKS",
    "minibatch": "ganwright.layers.minibatch:MINIBATCHES",
    "labels-in-g": "ganwright.layers.condition:LABELS_G",
    "labels-in-d": "ganwright.layers.condition:LABELS_D",
    "callbacks": "ganwright.callbacks:CALLBACKS",
    "metrics": "ganwright.metrics.table:METRICS",
    "features": "ganwright.metrics.table:FEATURES",
}


@cache
def table(topic: str) -> dict[str, type]:
    """The classes of one topic by name, those of installed packages after the library's own.

    Raises:
        SettingsError: if there is no such topic.
    """
    if topic not in TABLES:
        raise SettingsError(f"there is no table of {topic}; {nearest(topic, TABLES)}")
    own = dict(pkgutil.resolve_name(TABLES[topic]))
    return {**plugins.classes(topic), **own}


def choices(base: type) -> dict[str, type]:
    """The classes that a setting of type `base` may name.

    They are the registered ones that derive from `base`; where none does, the settings classes of
    the module in which `base` stands.
    """
    registered = {
        name: member
        for topic in TABLES
        for name, member in table(topic).items()
        if issubclass(member, base)
    }
    return registered or {
        name: member
        for name, member in vars(sys.modules.get(base.__module__, object)).items()
        if isinstance(member, type) and issubclass(member, base) and is_dataclass(member)
    }


def find(name: str, base: type) -> type:
    """The class called `name`: a registered one, or the path of a class that can be imported.

    Raises:
        SettingsError: if there is none, or it is not a `base`.
    """
    known = choices(base)
    if name in known:
        return known[name]
    if "." not in name:
        raise SettingsError(f"unknown {base.__name__} {name}; {nearest(name, known)}")
    return imported(name, base)


def imported(path: str, base: type) -> type:
    """The class at the dotted `path`, which must derive from `base`.

    Raises:
        SettingsError: if it cannot be imported, or is something else.
    """
    found = resolved(path)
    if not isinstance(found, type) or not issubclass(found, base):
        kind = base.__name__
        a = "an" if kind[0] in "AEIOU" else "a"
        raise SettingsError(f"{path} is not {a} {kind}; name a class that derives from it")
    return found


def resolved(path: str) -> Any:
    """What stands at the dotted `path`.

    Raises:
        SettingsError: if it cannot be imported, or a file names it that may not.
    """
    return trust.allowed(path, _resolved)


def _resolved(path: str) -> Any:
    trust.look_here(path)
    try:
        return pkgutil.resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(
            f"{path} cannot be imported ({error}); run this in its folder, or put that on "
            "PYTHONPATH"
        ) from error


def name_of(kind: type) -> str:
    """How settings spell a class: its registered name, else its dotted path."""
    for topic in TABLES:
        for name, member in table(topic).items():
            if member is kind:
                return name
    return f"{kind.__module__}.{kind.__qualname__}"
