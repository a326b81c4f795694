"""What a browser shows: a demo of a trained model, and a run as it trains.

    import ganwright
    from ganwright import app
    app.build(ganwright.load("runs/digits")).launch()

Gradio is an extra, loaded when a page is built. Following a run needs the standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganwright.inference.model import Model

__all__ = ["build"]


def build(model: Model, newest: Callable[[], Model] | None = None) -> Any:
    """A page of what a model can do, as `gradio.Blocks`: launch, mount or extend it as any other.

    Args:
        model: what `ganwright.load` or `train` gave.
        newest: loads the run's newest checkpoint; with it, the page has a button for that.

    Raises:
        MissingExtraError: Gradio is not installed.
        SettingsError: the model can do nothing that a page could show.
    """
    from ganwright.app.page import build

    return build(model, newest)
