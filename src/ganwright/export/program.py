"""A trained model's function as one program of `torch.export`, with what it must compute.

The program is traced from a copy of the networks, in float32 on the CPU. Weights that are computed
from others, as with spectral norm, are stored as what they are in evaluation mode.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.nn.functional import interpolate
from torch.nn.utils import parametrize

from ganwright._torch import unbind
from ganwright.errors import RunError, SettingsError
from ganwright.function import Argument, Function
from ganwright.game import Game
from ganwright.inference.model import Model
from ganwright.inference.tiling import Footprint
from ganwright.layers.dropout import NoiseDropout
from ganwright.layers.forward_state import BATCH_NORMS

_SIDES = ("height", "width")
_NO_NOISE = (
    "the network's noise, which is dropout, is left out, so that one input has one output; "
    "`ganwright translate` draws it"
)


@dataclass(frozen=True)
class Case:
    """Inputs, and what the model makes of them."""

    inputs: tuple[Tensor, ...]
    output: Tensor


@dataclass(frozen=True)
class Program:
    """A function of tensors that needs no Ganwright.

    Args:
        name: what its files are called.
        about: what it is, in a sentence.
        exported: the program.
        axes: each input's name, and its dimensions that may vary, by number, with their names.
        cases: what it must compute.
        notes: sentences on how it differs from the model.
    """

    name: str
    about: str
    exported: ExportedProgram
    axes: Mapping[str, Mapping[int, str]]
    cases: tuple[Case, ...]
    notes: tuple[str, ...] = ()


def name_of(model: Model, direction: str = "a2b") -> str:
    """What the files of a model are called: its family, and the direction if it is b2a."""
    family = model.family.replace(":", ".").rpartition(".")[2].lower()
    return family if direction == "a2b" else f"{family}-{direction}"


def program(model: Model, direction: str = "a2b") -> Program:
    """Trace the function that a model is used by.

    Args:
        model: any trained model; it is not changed.
        direction: of translation.

    Raises:
        SettingsError: the family has no single network to export, or not this direction.
        RunError: `torch.export` cannot trace it.
    """
    if direction != "a2b" and not hasattr(model.game, "translate"):
        raise SettingsError(f"{model.family} does not translate; leave direction out")
    game = copy.deepcopy(model.game).cpu().float().eval().requires_grad_(False)
    function = game.function(direction)
    notes = (_NO_NOISE,) if _silenced(game) else ()
    known = _known(model, function, direction)
    cases = tuple(_cases(function, known))
    _settled(game, alone=function.alone)
    try:
        exported = _traced(game, function, known)
    except Exception as error:  # it runs the networks' own code
        if known is None:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise RunError(f"torch.export cannot trace this {model.family}: {reason[0]}") from error
        known, cases = None, cases[:2]
        exported = _traced(game, function, None)
        notes = (*notes, "torch.export cannot trace it for images of other sizes")
    axes = {a.name: _axes(a, known) for a in function.arguments}
    takes = ", ".join(f"{name} {_shape(x)}" for name, x in zip(axes, cases[0].inputs, strict=True))
    about = f"{model.family} after {model.step} steps: {takes} to {_shape(cases[0].output)}"
    return Program(name_of(model, direction), about, exported, axes, cases, notes)


def _silenced(game: Game) -> bool:
    """Remove the noise that networks draw in evaluation mode; whether there was some."""
    return _replaced(game, lambda part: nn.Identity() if isinstance(part, NoiseDropout) else None)


def _settled(game: Game, *, alone: bool) -> None:
    """Store computed weights as weights, and let norms of the batch see one image at a time."""
    for part in list(game.modules()):
        if parametrize.is_parametrized(part):
            assert isinstance(part.parametrizations, nn.ModuleDict)
            # A copy shares the class that torch made, and would delete the weight of both from it.
            kind = type(part)
            own = {k: v for k, v in vars(kind).items() if k not in ("__dict__", "__weakref__")}
            part.__class__ = type(kind.__name__, kind.__bases__, own)
            for name in list(part.parametrizations):
                parametrize.remove_parametrizations(part, name)
    if alone:
        _replaced(game, _of_each_image)


def _of_each_image(part: nn.Module) -> nn.Module | None:
    """Batch normalisation of a batch of one is instance normalisation."""
    if not isinstance(part, BATCH_NORMS) or part.running_mean is not None:
        return None
    norm = nn.InstanceNorm2d(part.num_features, part.eps, affine=part.affine).eval()
    if part.affine:
        norm.weight, norm.bias = part.weight, part.bias
    return norm


def _replaced(module: nn.Module, make: Callable[[nn.Module], nn.Module | None]) -> bool:
    found = False
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if (other := make(child)) is not None:
                setattr(parent, name, other)
                found = True
    return found


def _known(model: Model, function: Function, direction: str) -> Footprint | None:
    """What sizes of images it takes; None where it takes one."""
    if not any(argument.sized for argument in function.arguments):
        return None
    known = model.footprint(direction)
    return None if known.only else known


def _cases(function: Function, known: Footprint | None) -> list[Case]:
    """One row and three rows, and images of another size, if there are any."""
    drawn = [function.draw(1), function.draw(3)]
    if known is not None:
        more = function.draw(2)
        place = next(i for i, a in enumerate(function.arguments) if a.sized)
        h, w = more[place].shape[2:]
        drawn.append(_resized(function, more, h + known.multiple, w + 2 * known.multiple))
    with torch.no_grad():
        return [Case(inputs, function(*inputs)) for inputs in drawn]


def _resized(function: Function, inputs: Sequence[Tensor], h: int, w: int) -> tuple[Tensor, ...]:
    pairs = zip(function.arguments, inputs, strict=True)
    return tuple(interpolate(x.float(), (h, w)).to(x.dtype) if a.sized else x for a, x in pairs)


def _traced(game: Game, function: Function, known: Footprint | None) -> ExportedProgram:
    example = function.draw(3)
    dims: dict[str, Any] = {"n": Dim("n")}
    if known is not None:
        m = known.multiple
        # Sides that differ from each other, and from 1 in multiples, or torch takes them for fixed.
        least = max(3, -(-known.least // m))
        example = _resized(function, example, least * m, (least + 1) * m)
        dims |= {side: m * Dim(f"{side}_{m}") if m > 1 else Dim(side) for side in _SIDES}
    shapes = tuple(
        {i: dims[name] for i, name in _axes(argument, known).items()}
        for argument in function.arguments
    )
    call = _Call(function, _used(game, function))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        exported = torch.export.export(call, example, dynamic_shapes=shapes, strict=False)
    unbind(exported)
    return exported


def _axes(argument: Argument, known: Footprint | None) -> dict[int, str]:
    sides = {2: _SIDES[0], 3: _SIDES[1]} if argument.sized and known is not None else {}
    return {0: "n", **sides}


def _used(game: Game, function: Function) -> dict[str, nn.Module]:
    """The networks that the function runs, by their names in the game."""
    used: set[str] = set()
    hooks = [
        part.register_forward_pre_hook(lambda *_, name=name: used.add(name))
        for name, network in game.named_children()
        for part in network.modules()
    ]
    with torch.no_grad():
        function(*function.draw(2))
    for hook in hooks:
        hook.remove()
    return {name: network for name, network in game.named_children() if name in used}


class _Call(nn.Module):
    """A function as a module of its networks, whose inputs have the arguments' names."""

    def __init__(self, function: Function, networks: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, network in networks.items():
            self.add_module(name, network)

        def forward(*inputs: Tensor) -> Tensor:
            return function.call(*inputs)

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = [inspect.Parameter(argument.name, kind) for argument in function.arguments]
        forward.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]
        self.forward = forward
        self.eval()


def _shape(x: Tensor) -> str:
    kind = str(x.dtype).removeprefix("torch.")
    return f"{kind} [{', '.join(['n', *map(str, x.shape[1:])])}]"
