"""The demo as a server of this machine, which leaves nothing behind when it ends."""

from __future__ import annotations

import os
import re
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from socket import socket
from tempfile import TemporaryDirectory
from typing import Any

from ganwright.app.guard import Guard
from ganwright.app.listening import names
from ganwright.app.page import CSS, build
from ganwright.app.toolkit import gradio
from ganwright.errors import SettingsError
from ganwright.inference.model import Model

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_CACHES = ("GRADIO_TEMP_DIR", "GRADIO_EXAMPLES_CACHE")


def bytes_of(size: str) -> int:
    """How many bytes a size such as `10MB` is.

    Raises:
        SettingsError: it is no size.
    """
    found = re.fullmatch(r"(\d+)\s*(|KB|MB|GB)", size.strip().upper())
    if found is None or not int(found[1]):
        raise SettingsError(f"--max-upload is {size!r}; write a size such as 500KB, 10MB or 1GB")
    return int(found[1]) * _UNITS[found[2]]


def application(page: Any, hosts: frozenset[str] | None, most: int) -> Guard:
    """The page as an ASGI application.

    Args:
        page: what `build` gave.
        hosts: names by which it may be asked; None for any.
        most: bytes of the largest upload.
    """
    gr = gradio()
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    server = gr.mount_gradio_app(
        import_module("fastapi").FastAPI(openapi_url=None),
        page,
        path="/",
        allowed_paths=[],
        blocked_paths=[],
        enable_monitoring=False,
        footer_links=[],
        max_file_size=most,
        mcp_server=False,
        pwa=False,
        run_history=False,
        show_error=False,
        ssr_mode=False,
        theme=gr.themes.Default(**fonts),
        css=CSS,
    )
    return Guard(server, hosts, most)


def serve(
    model: Model,
    opened: socket,
    url: str,
    host: str,
    most: int,
    newest: Callable[[], Model] | None = None,
    show: bool = False,
) -> None:
    """Serve the page of a model until Ctrl-C.

    Args:
        model: what it shows.
        opened: where it listens.
        url: its address.
        host: the address that it listens on.
        most: bytes of the largest upload.
        newest: loads the run's newest checkpoint.
        show: open it in the browser.
    """
    uvicorn = import_module("uvicorn")
    with suppress(KeyboardInterrupt), own_files():  # Ctrl-C may come while files are removed
        app = application(build(model, newest), names(host), most)
        print(f"{url}  (Ctrl-C ends it)", flush=True)
        if show:
            webbrowser.open(url)
        config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[opened])


@contextmanager
def own_files() -> Iterator[str]:
    """A folder that Gradio keeps its files in and serves them from, shared with no other app."""
    before = {name: os.environ.get(name) for name in _CACHES}
    with TemporaryDirectory(prefix="ganwright-app-", ignore_cleanup_errors=True) as folder:
        folder = os.path.realpath(folder)
        os.environ.update(dict.fromkeys(_CACHES, folder))
        try:
            yield folder
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value
