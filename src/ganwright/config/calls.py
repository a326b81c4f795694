"""Text as literals and calls, before it is known what their names stand for."""

from __future__ import annotations

import ast
import types
from collections.abc import Mapping
from typing import Any, NamedTuple

from ganwright.errors import SettingsError


class Call(NamedTuple):
    """`Name(1, every=2)`, or a bare `Name`."""

    name: str
    positional: tuple[Any, ...] = ()
    named: Mapping[str, Any] = types.MappingProxyType({})


def word(value: Any) -> Any:
    """A bare name within a call is a text without its quotes, where a text is wanted."""
    return value.name if isinstance(value, Call) and value == Call(value.name) else value


def read(text: str, where: str) -> Any:
    """The literals and calls that a text is made of; nothing is evaluated.

    Raises:
        SettingsError: if it is made of anything else.
    """
    try:
        return _node(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise SettingsError(
            f"{where} is {text!r}; write a name, or a call such as Name(weight=10, betas=(0, 0.9))"
        ) from error


def _node(node: ast.expr) -> Any:
    if isinstance(node, ast.Name | ast.Attribute):
        return Call(ast.unparse(node))
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(map(_node, node.elts))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
        if any(keyword.arg is None for keyword in node.keywords):
            raise ValueError("** has no meaning here")
        named = {str(keyword.arg): _node(keyword.value) for keyword in node.keywords}
        positional = tuple(map(_node, node.args))
        return Call(ast.unparse(node.func), positional, types.MappingProxyType(named))
    return ast.literal_eval(node)
