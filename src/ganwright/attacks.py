"""Attacks on classifiers: images changed so little that one still sees what they show.

`f` maps images [n, C, H, W] in [-1, 1] to logits [n, classes]. Sizes of changes are those of pixels
in [0, 1], as in the papers. FGSM needs nothing else, and runs within an update; the attacks that
search are those of the package foolbox.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganwright.config.checked import Checked
from ganwright.config.ranges import Count, NonNegative, Positive, Range
from ganwright.errors import missing_extra

Classifier: TypeAlias = Callable[[Tensor], Tensor]
Change: TypeAlias = Annotated[float, Range(0, 1, low_open=True)]
"""How much a pixel in [0, 1] changes."""


@dataclass(frozen=True)
class Attack(Checked):
    """Base of the attacks."""

    def examples(self, f: Classifier, x: Tensor, y: Tensor, toward: int | None = None) -> Tensor:
        """Adversarial examples of images, [n, C, H, W] in [-1, 1]; where none is found, as found.

        They are constants: no gradient flows through the search.

        Args:
            f: the classifier, which is left as it is.
            x: images [n, C, H, W] in [-1, 1].
            y: their true classes, int64 [n].
            toward: the class that they should be taken for; any wrong one when not given.

        Raises:
            MissingExtraError: the library that searches is not installed.
        """
        labels = y if toward is None else torch.full_like(y, toward)
        with torch.enable_grad():
            found = self.search(f, x.detach(), labels, toward is not None)
        return found.detach()

    def check_installed(self) -> None:
        """See that what the search takes is installed, before anything is attacked.

        Raises:
            MissingExtraError: it is not.
        """

    def search(self, f: Classifier, x: Tensor, y: Tensor, targeted: bool) -> Tensor:
        """Changed images whose class is not `y`, or is `y` if targeted."""
        raise NotImplementedError


@dataclass(frozen=True)
class FGSM(Attack):
    """Fast gradient sign method (Goodfellow et al. 2015, arXiv:1412.6572, section 4).

        x + eps sign(grad_x -log p(y | x))

    Args:
        eps: the change of every pixel, in [0, 1].
    """

    eps: Change = 0.3

    def search(self, f: Classifier, x: Tensor, y: Tensor, targeted: bool) -> Tensor:
        x = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(cross_entropy(f(x), y, reduction="sum"), x)
        step = -2 * self.eps if targeted else 2 * self.eps
        return (x + step * slope.sign()).clamp(-1, 1)


@dataclass(frozen=True)
class PGD(Attack):
    """Projected gradient descent (Madry et al. 2018, arXiv:1706.06083, section 2.1).

        x <- clip(x + step sign(grad_x -log p(y | x)), eps)     from a random start

    Args:
        eps: the largest change of a pixel, in [0, 1].
        steps: of the descent.
        step: the change of a pixel per step.
    """

    eps: Change = 0.3
    steps: Count = 40
    step: Change = 0.01

    def check_installed(self) -> None:
        _library()

    def search(self, f: Classifier, x: Tensor, y: Tensor, targeted: bool) -> Tensor:
        how = {"steps": self.steps, "abs_stepsize": self.step, "random_start": True}
        return _found("LinfProjectedGradientDescentAttack", how, self.eps, f, x, y, targeted)


@dataclass(frozen=True)
class CW(Attack):
    """The smallest change in L2 that fools (Carlini and Wagner 2017, arXiv:1608.04644, eq. 4).

        minimise |d|² + c max(Z_y - max_{i != y} Z_i, -confidence)     c by binary search

    Args:
        confidence: how far the wrong logit is to lead.
        steps: of each descent.
        searches: of c.
        c: where that search starts.
        lr: learning rate of each descent, Adam's.
    """

    confidence: NonNegative = 0.0
    steps: Count = 100
    searches: Count = 5
    c: Positive = 1.0
    lr: Positive = 0.05

    def check_installed(self) -> None:
        _library()

    def search(self, f: Classifier, x: Tensor, y: Tensor, targeted: bool) -> Tensor:
        how = {"confidence": self.confidence, "steps": self.steps, "stepsize": self.lr}
        how |= {"binary_search_steps": self.searches, "initial_const": self.c}
        return _found("L2CarliniWagnerAttack", how, None, f, x, y, targeted)


class _Module(nn.Module):
    """A classifier of images in [0, 1], as the library wants one; `f` is no submodule of it."""

    def __init__(self, f: Classifier) -> None:
        super().__init__()
        self.f = (f,)

    def forward(self, u: Tensor) -> Tensor:
        return self.f[0](2 * u - 1)


def _found(
    name: str,
    how: dict[str, Any],
    eps: float | None,
    f: Classifier,
    x: Tensor,
    y: Tensor,
    targeted: bool,
) -> Tensor:
    """What one of the library's attacks finds; of images for which it finds nothing, themselves."""
    foolbox = _library()
    model = foolbox.PyTorchModel(_Module(f).eval(), bounds=(0, 1), device=x.device)
    goal = foolbox.TargetedMisclassification(y) if targeted else foolbox.Misclassification(y)
    unit = ((x + 1) / 2).clamp(0, 1)
    _, found, fooled = getattr(foolbox.attacks, name)(**how)(model, unit, goal, epsilons=eps)
    if eps is None:  # what is found within a bound stays as it is; a vain search ends in black
        found = torch.where(fooled[:, None, None, None], found, unit)
    changed: Tensor = 2 * found - 1
    return changed


def _library() -> Any:
    """The package foolbox.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        with warnings.catch_warnings():  # it imports a filter by SciPy's old name
            warnings.simplefilter("ignore", DeprecationWarning)
            import foolbox
    except ImportError as error:
        raise missing_extra("this attack", '"ganwright[attacks]"') from error
    return foolbox


ATTACKS: dict[str, type[Attack]] = {"FGSM": FGSM, "PGD": PGD, "CW": CW}
"""Attacks by name."""
