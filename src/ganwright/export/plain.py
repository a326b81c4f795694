"""A program as a short file of Python that computes it with plain calls of torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.export.graph_signature import InputKind
from torch.fx import Graph, GraphModule, Node

from ganwright.export.program import Program

_TEXT = '''"""{about}.

Written by Ganwright, which it does not need: torch and safetensors are enough. `weights` is any
dict of tensors with these names, on any device.
"""

import sys

import torch
from safetensors.torch import load_file
from torch import inf  # noqa: F401

aten = torch.ops.aten


def {function}(weights, {inputs}):
{body}


if __name__ == "__main__":
    weights = load_file(sys.argv[1] if len(sys.argv) > 1 else "{file}")
    print({function}(weights, {examples}).shape)
'''

_FREED = re.compile(r";  [\w = ]+ = None$")
_CPU = "device(type='cpu')"


def tensors(program: Program) -> dict[str, Tensor]:
    """All tensors of a program by name: weights, statistics and constants."""
    held = {**program.exported.state_dict, **program.exported.constants}
    names = _names(program).values()
    return {name: held[name].detach().clone().contiguous() for name in names}


def text(program: Program, weights: Path) -> str:
    """A Python file with one function: (weights, inputs) to the output.

    Args:
        program: what it computes.
        weights: the file that it reads when it is run.
    """
    names, inputs = _names(program), list(program.axes)
    lines = _body(program, names, inputs[0])
    example = (_example(x) for x in program.cases[1].inputs)
    return _TEXT.format(
        about=program.about,
        function=re.sub(r"\W", "_", program.name),
        inputs=", ".join(inputs),
        body="\n".join(f"    {line}" for line in lines),
        file=weights.name,
        examples=", ".join(example),
    )


def _names(program: Program) -> dict[str, str]:
    """What the graph calls each tensor that it uses, and that tensor's name."""
    used = {n.name for n in program.exported.graph.nodes if n.op == "placeholder" and n.users}
    return {
        spec.arg.name: str(spec.target)
        for spec in program.exported.graph_signature.input_specs
        if spec.kind is not InputKind.USER_INPUT and spec.arg.name in used
    }


def _body(program: Program, names: Mapping[str, str], first: str) -> list[str]:
    """The lines of the function, with weights under their own names."""
    source = _inlined(program.exported.graph_module).code.strip().splitlines()[1:]
    lines = []
    for line in filter(None, map(str.strip, source)):
        line = _FREED.sub("", line).replace("torch.ops.aten.", "aten.")
        line = line.replace(_CPU, f"{first}.device")
        line = re.sub(
            r"\b[pbc]_\w+", lambda m: f'weights["{names[m[0]]}"]' if m[0] in names else m[0], line
        )
        lines.append(re.sub(r"^return \((\w+),\)$", r"return \1", line))
    return lines


def _inlined(module: GraphModule) -> GraphModule:
    """A copy with the nodes of its regions in their places.

    `torch.export` makes a region of what runs `with torch.autocast(..., enabled=False)`, a graph
    of its own. Autocast is off where the file runs, so its nodes alone compute the same.
    """
    graph = Graph()
    graph.output(graph.graph_copy(module.graph, {}))
    for call in list(graph.nodes):
        body, inputs = _region(module, call)
        if body is None:
            continue
        given = dict(zip(body.graph.find_nodes(op="placeholder"), inputs, strict=True))
        with graph.inserting_before(call):
            made: Any = graph.graph_copy(body.graph, given)
        for part in list(call.users):  # each takes one of the region's results by its number
            part.replace_all_uses_with(made[part.args[1]])
            graph.erase_node(part)
        graph.erase_node(call)
    graph.eliminate_dead_code()
    return GraphModule(module, graph)


def _region(module: GraphModule, call: Node) -> tuple[GraphModule | None, list[Any]]:
    """The graph that a node calls with its last arguments, and these; None if it calls none."""
    for i, x in enumerate(call.args):
        if isinstance(x, Node) and x.op == "get_attr":
            body = getattr(module, str(x.target), None)
            if isinstance(body, GraphModule):
                return body, list(call.args[i + 1 :])
    return None, []


def _example(x: Tensor) -> str:
    shape = ", ".join(map(str, x.shape))
    if x.is_floating_point():
        return f"torch.randn({shape})"
    return f"torch.zeros({shape}, dtype={x.dtype})"
