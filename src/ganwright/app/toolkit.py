"""Gradio, loaded when it is needed, and callbacks whose errors are sentences on its page."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from html import escape
from importlib import import_module
from typing import Any

import torch

from ganwright.errors import GanwrightError, missing_extra


def gradio() -> Any:
    """The package.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module("gradio")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "gradio":
            raise
        raise missing_extra("the app", "gradio") from None


def told(function: Callable[..., Any]) -> Callable[..., Any]:
    """A callback whose errors appear on the page as one sentence, never as a traceback."""
    gr = gradio()

    def call(*values: Any) -> Any:
        try:
            return function(*values)
        except GanwrightError as error:
            said = str(error)
        except (MemoryError, torch.OutOfMemoryError):
            said = "memory ran out; try fewer samples or a smaller image"
        except Exception:
            traceback.print_exc()
            said = "this failed; the terminal in which the app runs shows why"
        raise gr.Error(escape(" ".join(said.split()), quote=False), print_exception=False)

    return call
