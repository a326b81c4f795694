"""Every name of torch that torch does not document, with what is missing in its place.

When a version of torch moves one, this file alone has to follow.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

# The documented `spectral_norm` registers one, and nothing documented tells it from other
# parametrizations, or iterates it.
from torch.nn.utils.parametrizations import _SpectralNorm as SpectralNorm

# torch.func maps over its own arguments only; nothing documented maps over any nest of tensors.
from torch.utils._pytree import tree_map as tree_map

if TYPE_CHECKING:
    from torch.export import ExportedProgram

M = TypeVar("M", bound=nn.Module)

__all__ = [
    "SpectralNorm",
    "buffers",
    "meeting_place",
    "pre_hooks",
    "step_unless",
    "tree_map",
    "unbind",
    "with_children",
]


def pre_hooks(module: nn.Module) -> Iterable[Any]:
    """What is called before a module's forward: hooks can be registered, and not listed."""
    return module._forward_pre_hooks.values()


def buffers(module: nn.Module) -> dict[str, Tensor | None]:
    """A module's own table of buffers: `named_buffers` leaves out those that are None so far."""
    return module._buffers


def with_children(module: M, children: Mapping[str, nn.Module]) -> M:
    """A copy that shares all with `module` but these children.

    `copy.copy` shares the table of children too, so that setting one would change both.
    """
    view = copy.copy(module)
    view.__dict__["_modules"] = {**module._modules, **children}
    return view


def meeting_place() -> Any:
    """The store that the processes of a group met through: torch has it, and gives it to nobody."""
    return dist.distributed_c10d._get_default_store()


def step_unless(optimizer: torch.optim.Optimizer, bad: Tensor) -> None:
    """Step a fused optimizer, which reads on its device whether it is to do nothing.

    `GradScaler` sets the same flag, and has no way of doing it without scaling.
    """
    optimizer.found_inf = bad.float()  # type: ignore[attr-defined]
    optimizer.step()


def unbind(exported: ExportedProgram) -> None:
    """Remove what binds a program to the device and the sizes that it was traced with.

    A check of a tensor's type names the device, too. Guards compare sizes that only matter for how
    memory is laid out; they refuse the smallest size where the networks compute it correctly.
    """
    graph = exported.graph_module.graph
    for node in list(graph.nodes):
        if str(node.target).startswith(("aten._assert_tensor_metadata", "aten.promote_types")):
            graph.erase_node(node)
    exported.graph_module.recompile()
    exported._guards_code = []
