"""`ganwright app`: a demo of a run in the browser."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from ganwright.commands.flags import Parser
from ganwright.commands.sample import Weights, load_run
from ganwright.config.checked import Named
from ganwright.config.ranges import NonNegative, Range
from ganwright.config.spelling import path_of


@dataclass(frozen=True, kw_only=True)
class Serving(Named):
    """Where a page is served."""

    host: str = "127.0.0.1"
    """Address to listen on; only this machine reaches the default. 0.0.0.0 is every address."""
    port: Annotated[int, Range(0, 65535)] | None = None
    """Port; by default the first free one from 7860 up."""
    open: bool = False
    """Open the page in the browser."""


@dataclass(frozen=True, kw_only=True)
class Uploads(Named):
    """What may be uploaded."""

    max_upload: str = "10MB"
    """Size of the largest file that is accepted."""
    max_megapixels: NonNegative = 25.0
    """Millions of pixels of the largest image that is decoded; 0 for any."""


def app(argv: Sequence[str]) -> int:
    """Show what a trained run can do on a page in the browser: sample, translate, classify ...

    Only this machine reaches the page by default. Needs `pip install ganwright[app]`.
    """
    parser = Parser("app", app.__doc__ or "", {"RUN": "The run folder."})
    parser.add("page", Serving())
    parser.add("uploads", Uploads())
    parser.add("weights", Weights())
    given, (where, uploads, weights) = parser.read(argv)

    from ganwright.app.listening import address, listen
    from ganwright.app.server import bytes_of, serve
    from ganwright.app.toolkit import gradio
    from ganwright.data.limit import allow

    most = bytes_of(uploads.max_upload)
    gradio()
    newest = partial(load_run, path_of(str(given["RUN"])), weights)
    model = newest()
    allow(uploads.max_megapixels)
    with listen(where.host, where.port) as opened:
        warn(where.host, "use this model")
        url = address(where.host, opened)
        serve(model, opened, url, where.host, most, newest, where.open)
    return 0


def warn(host: str, what: str) -> None:
    """Say so if others than this machine reach a page."""
    from ganwright.app.listening import warning

    if said := warning(host, what):
        print(f"ganwright: warning: {said}", file=sys.stderr)
