"""What can go wrong for a user, as one sentence: what came, what is allowed, how to fix it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class GanwrightError(ValueError):
    """Base of every error a user can cause; the command line prints it and exits with 2."""


class SettingsError(GanwrightError):
    """A setting is unknown, out of range, or does not fit the others."""


class GameError(GanwrightError):
    """A game, a player or an objective is not as the trainer needs it."""


class DataError(GanwrightError):
    """A data set is missing, empty, broken or of the wrong kind."""


class RunError(GanwrightError):
    """A run folder or checkpoint cannot be made, read or resumed."""


class NonFiniteError(GanwrightError):
    """A term or gradient became NaN or infinite."""


class MissingExtraError(GanwrightError, ImportError):
    """A feature needs an optional dependency."""


_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "steps": ("epochs", "iterations", "iters", "n_iter", "num_steps", "max_steps", "kimg"),
    "batch_size": ("batch", "bs"),
    "image_size": ("size", "resolution", "img_size", "imsize"),
    "device": ("gpu", "gpus", "cuda"),
    "workers": ("num_workers", "n_cpu"),
    "precision": ("amp", "half", "mixed_precision"),
    "latent": ("latent_dim", "z_dim", "nz"),
    "n": ("number", "num", "count", "num_samples", "n_samples", "samples", "num_images"),
    "out": ("output", "outdir", "out_dir", "output_dir", "save_dir"),
    "data": ("dataset", "data_dir", "data_path", "dataroot"),
    "d_moves": ("n_critic", "critic_iters"),
    "optimizer": ("lr", "learning_rate", "beta1", "betas", "b1", "b2"),
    "optimizer_d": ("lr", "learning_rate", "beta1", "betas", "b1", "b2", "lr_d", "d_lr"),
    "optimizer_g": ("lr", "learning_rate", "beta1", "betas", "b1", "b2", "lr_g", "g_lr"),
}
"""What other libraries call a setting."""


def likely(name: str, known: Iterable[str]) -> list[str]:
    """The known names that may be meant.

    They are those that end in this name, as `--game.latent` in `--latent`, or go by it in other
    libraries; else those with a similar spelling.
    """
    known, word = sorted(known), _plain(name)
    same = [k for k in known if _plain(k) == word and k != name]
    elsewhere = [k for k in known if word in _ELSEWHERE.get(_plain(k), ())]
    return same or elsewhere or get_close_matches(name, known, n=3, cutoff=0.5)


def _plain(name: str) -> str:
    """A flag or a dotted path as the field's own name."""
    return name.lower().lstrip("-").rpartition(".")[2].replace("-", "_")


def nearest(name: str, known: Iterable[str], listed: str | None = None) -> str:
    """A hint that names the nearest known names, or all when none is near.

    Args:
        name: what was given.
        known: what there is.
        listed: the command that lists them, where they are too many for a sentence.
    """
    known = sorted(known)
    near = likely(name, known)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if listed is not None:
        return f"`{listed}` names all"
    return f"choose one of {', '.join(known)}"


def missing_extra(feature: str, *packages: str) -> MissingExtraError:
    """The error for a feature whose optional dependencies are not all installed."""
    what = "packages that are" if len(packages) > 1 else "a package that is"
    return MissingExtraError(
        f"{feature} needs {what} not installed: pip install {' '.join(packages)}"
    )


def described(value: object) -> str:
    """What a value is, for a sentence: "an int", "None", "a tensor of shape (4, 1)"."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"a tensor of shape {tuple(shape)}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
