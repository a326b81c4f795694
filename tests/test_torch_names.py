"""Names that torch does not document stand in one file of the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import ganwright

SOURCE = Path(ganwright.__file__).parent
ALLOWED = SOURCE / "_torch.py"

WEIGHT = nn.Parameter(torch.zeros(1))
OBJECTS = (
    nn.Linear(1, 1),
    nn.BatchNorm1d(1),
    WEIGHT,
    torch.optim.Adam([WEIGHT]),
    torch.amp.GradScaler("cpu"),
    DataLoader([0]),
)
UNSAID = {"found_inf", "grad_scale"}
"""Undocumented without saying so."""
THEIRS = {"_guards_code", *UNSAID} | {
    n for o in OBJECTS for n in dir(o) if n.startswith("_") and not n.startswith("__")
}


def private(tree: ast.AST) -> Iterator[str]:
    """Undocumented names of torch in a file's imports, attributes and strings."""
    own = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch":
            parts = [*str(node.module).split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = (alias.name.split(".") for alias in node.names)
            parts = [part for name in names if name[0] == "torch" for part in name]
        elif isinstance(node, ast.Attribute):
            deep = ast.unparse(node).startswith("torch.")
            parts = [node.attr] if deep or node.attr in THEIRS - own else []
        else:
            word = isinstance(node, ast.Constant) and isinstance(node.value, str)
            parts = [node.value] if word and node.value in THEIRS else []
        yield from (part for part in parts if part in UNSAID or part[:1] == "_" != part[1:2])


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: p.name)
def test_a_module_uses_documented_names_only(path: Path) -> None:
    if path == ALLOWED:
        return
    found = sorted(set(private(ast.parse(path.read_text(encoding="utf-8")))))
    assert not found, f"{path.name} uses {found}; take them from ganwright._torch"


def test_what_is_looked_for_is_found() -> None:
    found = set(private(ast.parse(ALLOWED.read_text(encoding="utf-8"))))
    wanted = {"_SpectralNorm", "_pytree", "_forward_pre_hooks", "_buffers", "_modules", "found_inf"}
    wanted |= {"_guards_code"}
    assert found == wanted
    for wrong in ("import torch._dynamo", "torch._C.x", "x = torch.utils._pytree", "m._parameters"):
        assert set(private(ast.parse(wrong))), wrong
