"""Labels as users give them, and as families take them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ganwright.data.types import Spec
from ganwright.errors import SettingsError, nearest
from ganwright.function import takes_labels
from ganwright.game import Game

NONE = "none"


def wanted(spec: Spec, label: int | str) -> Tensor:
    """A label as a family takes it: its number, or 0 and 1 for each class, [classes].

    A word is a name first, and else a number: a class called "1" may have the number 0. Where an
    image may have several labels, "none" stands for an image without any, unless a class is called
    so.

    Raises:
        SettingsError: there is no such class, or no training image was of it.
    """
    if not spec.several:
        return torch.tensor(_number(spec, label))
    row = torch.zeros(len(spec.classes))
    if label == NONE and NONE not in spec.classes:
        return row
    for part in label.split("+") if isinstance(label, str) else (label,):
        row[_number(spec, part.strip() if isinstance(part, str) else part)] = 1
    return row


def value(game: Game, label: int | str) -> Tensor:
    """A label as the game's function takes it: a class, or the number of a cluster that it found.

    Raises:
        SettingsError: there is no such class, or no such number.
    """
    choices, text = game.function().arguments[1].choices, str(label)
    if takes_labels(game) or not choices:
        return wanted(game.spec, label)
    if not text.isdecimal() or int(text) not in choices:
        raise SettingsError(
            f"unknown label {text!r}; the labels of this model are no classes of its data, but the "
            f"numbers {choices[0]} to {choices[-1]}"
        )
    return torch.tensor(int(text))


def several(labels: Any) -> list[Any]:
    """Labels as a list: one alone, or those of a sequence, array or tensor."""
    if isinstance(labels, int | str):
        return [labels]
    if hasattr(labels, "tolist"):
        return several(labels.tolist())
    if not isinstance(labels, Iterable):
        raise SettingsError(f"labels is {labels!r}; give numbers or names of classes")
    return list(labels)


def one_class(labels: Any) -> None:
    """Refuse several labels where all images are of one class.

    Raises:
        SettingsError: there are several.
    """
    if labels is not None and len(several(labels)) > 1:
        raise SettingsError(
            f"labels names {len(several(labels))} classes, and all images here are of one; give one"
        )


def rows_of(game: Game, labels: Any, n: int) -> Tensor | None:
    """Labels of n samples as a game's function takes them; None where it takes none.

    Args:
        game: whose function takes z and perhaps labels.
        labels: numbers or names of classes, repeated to length n; None for the first class.
        n: how many.

    Raises:
        SettingsError: there are labels and it takes none, or an unknown one.
    """
    function = game.function()
    if len(function.arguments) == 1:
        if labels is not None:
            raise SettingsError("this model was trained without labels; leave labels out")
        return None
    example = function.arguments[1].draw(1)
    given = [] if labels is None else [value(game, label) for label in several(labels)]
    rows = torch.stack(given).to(example) if given else example
    return rows[torch.arange(n, device=rows.device) % len(rows)]


def _number(spec: Spec, label: int | str) -> int:
    classes, text = spec.classes, str(label)
    if isinstance(label, str) and text in classes:
        number = classes.index(text)
    elif text.isdecimal() and int(text) < len(classes):
        number = int(text)
    else:
        raise SettingsError(f"unknown label {text!r}; {nearest(text, classes)}")
    if number not in spec.asked:
        known = (classes[k] for k in spec.asked)
        raise SettingsError(
            f"no training image was of class {classes[number]}; {nearest(text, known)}"
        )
    return number
