"""Classifiers that a game consults and never changes: those that it attacks or defends."""

from __future__ import annotations

import pkgutil
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ganwright import atomic
from ganwright.config.factory import Factory
from ganwright.data.types import Spec
from ganwright.errors import SettingsError, described
from ganwright.layers.memory_layout import lay_out
from ganwright.networks.custom import made
from ganwright.precision import wide

LOADER = "ganwright.run.load:load"
"""What loads a run. It stands above the networks, so it is found by name, as tables of settings."""
KINDS = (
    "name a run that classifies, a .pt2 file of torch.export, or a function of (shape, classes), "
    "such as mine.make"
)


class Frozen:
    """A classifier outside its game: images [n, C, H, W] in [-1, 1] to logits [n, classes].

    It is no submodule: no checkpoint holds it, no player trains it, and nothing changes its mode.

    Args:
        net: what classifies; it is in evaluation mode, and its weights require no gradient.
    """

    def __init__(self, net: Callable[[Tensor], Tensor]) -> None:
        self.net = net

    def __call__(self, x: Tensor) -> Tensor:
        return wide(self.net(x))


class _OfRun(nn.Module):
    """The logarithms of a run's class probabilities: logits, less what is the same for all classes.

    Differences of up to 87 between logits survive in float32, and gradients with them.
    """

    def __init__(self, game: nn.Module) -> None:
        super().__init__()
        self.game = game

    def forward(self, x: Tensor) -> Tensor:
        p: Tensor = self.game.classify(x)  # type: ignore[operator]
        return p.clamp_min(torch.finfo(p.dtype).tiny).log()


def frozen(target: Factory | Path | None, spec: Spec, device: torch.device) -> Frozen:
    """The classifier that a setting names, for images of `spec`.

    Args:
        target: a function of (shape, classes), a run folder, or a .pt2 file.
        spec: shape and classes of the images.
        device: where it computes.

    Raises:
        SettingsError: there is none, or it does not take these images or know these classes.
    """
    if target is None:
        raise SettingsError(f"there is no classifier to attack; {KINDS}: --game.target runs/sgan")
    said = target.path if isinstance(target, Factory) else str(target)
    if isinstance(target, Factory):
        net = made(target, spec.shape, len(spec.classes)).eval()
    elif (target / "config.yaml").is_file():
        net = _of_run(target, spec, device)
    elif target.suffix == ".pt2" and target.is_file():
        net = _exported(target)
    else:
        raise SettingsError(
            f"the classifier {said} is no run folder, no .pt2 file, and no function that can be "
            f"imported; {KINDS}"
        )
    net = net.requires_grad_(False).to(device)
    lay_out(net, channels_last=True)  # a game lays out its own networks alone
    _try(net, said, spec, device)
    return Frozen(net)


def _of_run(run: Path, spec: Spec, device: torch.device) -> nn.Module:
    """A run's classifier, as it was trained to see images.

    Raises:
        SettingsError: it has none, or for other images or classes.
    """
    model = pkgutil.resolve_name(LOADER)(run, device=str(device))
    model.ability("classify")
    own: Spec = model.spec
    if own.several or spec.several:
        raise SettingsError(
            f"{run} classifies images of several labels, which an attack on one label does not "
            "suit; choose a run whose images have one label each"
        )
    if own.shape != spec.shape:
        size = f"--image-size {own.shape[-1]}" if len(own.shape) == 3 else "other data"
        raise SettingsError(
            f"{run} classifies images of shape {own.shape}, and those given have the shape "
            f"{spec.shape}; bring them to its size, as by {size}"
        )
    if len(own.classes) != len(spec.classes) or (
        own.classes != spec.classes and set(own.classes) == set(spec.classes)
    ):
        raise SettingsError(
            f"{run} knows {len(own.classes)} classes ({_some(own.classes)}), and the images have "
            f"{len(spec.classes)} ({_some(spec.classes)}); both must have the same in one order"
        )
    return _OfRun(model.game)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _exported(path: Path) -> nn.Module:
    """The program in a .pt2 file.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch 2.11 finds its own buffers not writable
            return torch.export.load(path).module()
    except Exception as error:  # a cut file, another version's: many kinds
        reason = " ".join(atomic.reason(error).split())[:200]
        raise SettingsError(
            f"the classifier {path} cannot be read ({reason}); write it by torch.export.save"
        ) from error


def _try(net: nn.Module, said: str, spec: Spec, device: torch.device) -> None:
    """See that it takes two images and gives a logit for each class.

    Raises:
        SettingsError: it does not.
    """
    x, wanted = torch.zeros(2, *spec.shape, device=device), (2, len(spec.classes))
    try:
        with torch.no_grad():
            logits = net(x)
    except Exception as error:  # it is not our code
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise SettingsError(
            f"the classifier {said} cannot take images {list(x.shape)}: {reason}; does its input "
            "size fit, as by --image-size?"
        ) from error
    if not isinstance(logits, Tensor) or tuple(logits.shape) != wanted:
        raise SettingsError(
            f"the classifier {said} gives {described(logits)} for {list(x.shape)}; it must give "
            f"logits {list(wanted)}, one for each class of the data"
        )
