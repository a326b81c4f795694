"""The weights that a new run begins with: another run's, or a state dict's."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ganwright import atomic
from ganwright.config.settings import Settings
from ganwright.config.spelling import path_of
from ganwright.data.types import Spec
from ganwright.errors import RunError, SettingsError
from ganwright.game import Game
from ganwright.run.run_folder import read_spec
from ganwright.shared_model import refuse_shared
from ganwright.training import checkpoint
from ganwright.training.fitting import fit, fits, networks
from ganwright.weight_files import unreadable

_PIN = "@sha256:"
_SAFE, _TORCH = (".safetensors",), (".pt", ".pth", ".ckpt", ".bin")


@dataclass(frozen=True)
class Weights:
    """Tensors by name, and where they came from.

    Args:
        tensors: by the names that they have in a game.
        place: the run folder, the checkpoint or the file.
        about: what they are, in a few words.
        checksum: the SHA-256 of all names and values.
        spec: what the run's data looked like, if it was a run.
    """

    tensors: dict[str, Tensor]
    place: Path
    about: str
    checksum: str
    spec: Spec | None = None

    @property
    def pinned(self) -> str:
        """The place with its checksum, as the setting `init` keeps it."""
        return f"{self.place}{_PIN}{self.checksum}"


def read(settings: Settings, warn: Callable[[str], None]) -> tuple[Weights | None, Settings]:
    """The weights that `init` names, and the settings with their checksum in it.

    Args:
        settings: of the new run.
        warn: told of checkpoints that are broken.

    Raises:
        RunError: there are none, they cannot be read, or they are not those of the checksum.
        SettingsError: `init_rename` or `init_weights` is not as it must be.
    """
    if settings.init is None:
        if settings.init_rename:
            raise SettingsError("init_rename is set without init; set init, or leave it out")
        if settings.init_weights != "average":
            raise SettingsError(
                f"init_weights is {settings.init_weights} without init; set init, or leave it out"
            )
        return None, settings
    text, _, pin = settings.init.partition(_PIN)
    found = _found(Path(path_of(text)).absolute(), settings.init_weights == "raw", warn)
    if pin and pin != found.checksum:
        raise RunError(
            f"the weights of {found.place} are not those that the configuration started from (its "
            f"sha256 is {pin[:12]}..., theirs {found.checksum[:12]}...); to use them "
            f"anyway, give --init {found.place}"
        )
    tensors = _renamed(found.tensors, settings.init_rename)
    return replace(found, tensors=tensors), replace(settings, init=found.pinned)


def same_place(init: str, pinned: str) -> bool:
    """Whether `init`, as a user gives it, names the weights that a run keeps with a checksum."""
    place, _, pin = init.partition(_PIN)
    known, _, kept = pinned.partition(_PIN)
    return str(Path(path_of(place)).absolute()) == known and pin in ("", kept)


def take_over(game: Game, weights: Weights) -> tuple[str, ...]:
    """Copy into a game's networks all weights that fit by name and shape; says what did not.

    Raises:
        RunError: none of them fit.
    """
    filled = tuple(f"{child}." for child in game.filled)
    learned = networks(game)
    own = {name: t for name, t in learned.items() if not name.startswith(filled)}
    # what it counts is here, too, though it starts from scratch
    left = game.state_dict().keys() - learned.keys()
    given = weights.tensors.items()
    theirs = {name: t for name, t in given if not (name in left or name.startswith(filled))}
    found = fit(own, theirs)
    if not fits(game, found):
        raise RunError(
            f"none of the weights in {weights.place} fits these networks: they are called "
            f"{_some(weights.tensors)} there and {_some(own)} here; name matching networks, or "
            "map the names with init_rename"
        )
    bad = [name for name in found.taken if not own[name].isfinite().all()]
    if bad:
        raise RunError(f"the weights in {weights.place} are not finite: {', '.join(bad[:3])}")
    head = f"starts from {len(found.taken)} of {len(own)} tensors from {weights.about}"
    return (head, *found.lines(), *_other_classes(game.spec, weights.spec))


def _found(place: Path, raw: bool, warn: Callable[[str], None]) -> Weights:
    if not place.exists():
        raise RunError(f"init is {place}, which does not exist; give a run folder or a state dict")
    if place.is_file():
        if raw:
            raise SettingsError(
                f"init_weights is raw, and init is {place}, a file with one set of weights; leave "
                "init_weights out"
            )
        return _of_file(place)
    refuse_shared(place)
    folder, held_in, step = place, place / "checkpoints", None
    if place.name.startswith("step-") and (place / "manifest.json").is_file():
        folder, held_in, step = place.parent.parent, place.parent, checkpoint.step_of(place)
    if not held_in.is_dir():
        raise RunError(
            f"init is {place}, which is no run folder; give one, a checkpoint in one, or a file "
            f"of type {', '.join(_SAFE + _TORCH)}"
        )
    held = checkpoint.load_weights(held_in, step=step, warn=warn)
    if held is None:
        raise RunError(f"{folder} has no usable checkpoint yet, so no run can start from it")
    tensors = held.game if raw else held.game | held.average
    about = f"{place} (step {held.step:,}, {'raw' if raw else 'average'})"
    return Weights(tensors, place, about, checksum(tensors), read_spec(folder, Game))


def _of_file(path: Path) -> Weights:
    if path.suffix not in _SAFE + _TORCH:
        raise RunError(
            f"init is {path}; a state dict is a file of type {', '.join(_SAFE + _TORCH)}"
        )
    try:
        if path.suffix in _SAFE:
            held: Any = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of pickles that it then refuses
                held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of bytes that anything may have written: many kinds
        why = unreadable(path, error)
        if isinstance(error, pickle.UnpicklingError) and why == atomic.reason(error):
            raise RunError(
                f"{path} contains more than tensors, so reading it could execute code; "
                "save its state_dict() instead"
            ) from error
        raise RunError(f"{path} cannot be read as a state dict: {why}") from error
    tensors = dict(_flat(held))
    if not tensors:
        raise RunError(f"{path} has no named tensors; save a module's state_dict()")
    return Weights(tensors, path, str(path), checksum(tensors))


def _flat(held: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors of a state dict, or of several in one: {"G": {...}} holds G's."""
    if not isinstance(held, Mapping):
        return
    for name, value in held.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        else:
            yield from _flat(value, f"{prefix}{name}.")


def _renamed(tensors: Mapping[str, Tensor], rules: Sequence[str]) -> dict[str, Tensor]:
    """The tensors under their names here, of which one may have several."""
    pairs = []
    for rule in rules:
        old, sign, new = (part.strip() for part in rule.partition("="))
        if not sign or not (old or new):
            raise SettingsError(f"init_rename is {rule!r}; write THERE=HERE, as in netG=G")
        pairs.append((f"{old}." if old else "", f"{new}." if new else ""))
    for old, _ in pairs:
        if not any(name.startswith(old) for name in tensors):
            raise SettingsError(
                f"init_rename names {old[:-1]!r}, but no weight has that name; the names are "
                f"{_some(tensors)}"
            )
    named = [
        (name, new + name[len(old) :])
        for old, new in pairs
        for name in tensors
        if name.startswith(old)
    ]
    kept = tensors.keys() - {name for name, _ in named}
    # What a rule puts somewhere takes the place of what is called so.
    return {name: tensors[name] for name in tensors if name in kept} | {
        place: tensors[name] for name, place in named
    }


def _other_classes(here: Spec, there: Spec | None) -> list[str]:
    """Where as many classes have other names, weights of one become another's."""
    if there is None or not here.classes or here.classes == there.classes:
        return []
    if len(here.classes) != len(there.classes):
        return []
    pairs = zip(there.classes, here.classes, strict=True)
    changed = [f"{old} -> {new}" for old, new in pairs if old != new]
    more = f" and {len(changed) - 6} more" if len(changed) > 6 else ""
    return [f"class weights are matched by position: {', '.join(changed[:6])}{more}"]


def checksum(tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 of all names, types, shapes and values, in hexadecimal digits."""
    digest = hashlib.sha256()
    for name, t in sorted(tensors.items()):
        digest.update(f"{name} {t.dtype} {tuple(t.shape)}\n".encode())
        digest.update(t.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _some(tensors: Mapping[str, Tensor]) -> str:
    names = [name for name, t in tensors.items() if t.ndim]
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
