"""Submodules whose weights are not trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from torch import nn

from ganwright.errors import SettingsError


def freeze(game: nn.Module, names: Sequence[str]) -> None:
    """Let the weights of some submodules stay as they are, before a trainer is made.

    Mo et al. (2020), arXiv:2002.10964 (FreezeD): the lower layers of D keep their weights while a
    trained GAN learns other data. As in the authors' code, weights are what is frozen. BatchNorm's
    running statistics continue following the batches, since evaluation normalises by them, and
    spectral norm's vectors continue converging on the weight's.

    Args:
        game: whose submodules they are.
        names: by dotted name, such as "D.stack.0".

    Raises:
        SettingsError: there is no such submodule, or it has no weights.
    """
    parts = dict(game.named_modules(remove_duplicate=False))
    parts.pop("")
    weighty = {name: part for name, part in parts.items() if any(True for _ in part.parameters())}
    for name in names:
        if name not in parts:
            raise SettingsError(
                f"freeze names {name!r}, and {type(game).__name__} has no such submodule; "
                f"{_near(name, weighty)}"
            )
        if name not in weighty:
            kind = type(parts[name]).__name__
            raise SettingsError(
                f"freeze names {name!r}, a {kind}, which has no weights; {_near(name, weighty)}"
            )
        weighty[name].requires_grad_(False)


def _near(name: str, known: Mapping[str, nn.Module]) -> str:
    """The names next to it, or similar ones; otherwise the networks."""
    siblings = [k for k in known if k.rpartition(".")[0] == name.rpartition(".")[0]]
    near = siblings if "." in name else []
    near = near or get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"its networks are {', '.join(k for k in known if '.' not in k)}"
