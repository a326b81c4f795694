"""Visdom: its server, started on this machine where none answers."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ganwright.errors import RunError
from ganwright.report.grid import picture
from ganwright.trackers.tracker import Histogram, Plain, Tracker, identity, title

if TYPE_CHECKING:
    from torch import Tensor

USUAL = "http://127.0.0.1:8097"
"""Where a server answers that a user started without any option."""
PATIENCE = 120.0
"""Seconds that a server may take to start."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SERVER = """
import os, sys, threading
def leave():
    sys.stdin.read()  # ends when the run closes the pipe, or is killed
    os._exit(0)
threading.Thread(target=leave, daemon=True).start()
from visdom.server.build import download_scripts
from visdom.server.run_server import main
try:
    download_scripts()  # of the page, once; without internet the server works all the same
except OSError:
    pass
main()
"""


class VisdomServer(Tracker):
    """Draws in the server that VISDOM_SERVER names, or at Visdom's usual address.

    If none answers, one is started: on the address that VISDOM_SERVER names if it is this
    machine's, otherwise on a free port. It listens on the loopback interface, ends with the run,
    and keeps its windows in `visdom/` in the run folder, where a resumed run finds them.
    """

    def __init__(self, run: Path, config: Mapping[str, Plain]) -> None:
        import visdom

        logging.getLogger("visdom").setLevel(logging.ERROR)
        self._started: subprocess.Popen[bytes] | None = None
        address = os.environ.get("VISDOM_SERVER", USUAL)
        if not _answers(address):
            address = self._start(run, address)
        self._env = f"{title(run)}-{identity(run)[:6]}".replace("_", "-")
        self.where = f"{address}/env/{self._env}"
        where = urlsplit(address)
        try:
            self._client: Any = visdom.Visdom(
                server=f"{where.scheme}://{where.hostname}",
                port=where.port or 80,
                env=self._env,
                use_incoming_socket=False,
                raise_exceptions=True,
            )
            rows = "".join(f"<tr><td>{n}</td><td>{v}</td></tr>" for n, v in config.items())
            self._client.text(f"<table>{rows}</table>", win="settings", opts={"title": "settings"})
        except BaseException:
            self._stop()
            raise

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._line(name, [step], [value], "append")
        self._client.save([self._env])

    def log_images(self, images: Mapping[str, Tensor], step: int) -> None:
        for name, tensor in images.items():
            options = {"title": name, "caption": f"step {step}", "store_history": True}
            self._client.image(picture(tensor).transpose(2, 0, 1), win=name, opts=options)

    def log_histograms(self, histograms: Mapping[str, Histogram], step: int) -> None:
        for name, (counts, edges) in histograms.items():
            labels = [f"{low:.4g}" for low in edges[:-1]]
            options = {"title": f"{name}, step {step}", "rownames": labels}
            self._client.bar(counts, win=name, opts=options)

    def rewound(self, step: int) -> None:
        for name, window in json.loads(self._client.get_window_data(env=self._env)).items():
            content = window.get("content")
            curve = content["data"][0] if window.get("type") == "plot" else {}
            if curve.get("type") == "scatter":
                points = zip(curve["x"], curve["y"], strict=True)
                kept = [(x, y) for x, y in points if x <= step]
                self._client.close(name)
                if kept:
                    self._line(name, [x for x, _ in kept], [y for _, y in kept], None)

    def finish(self) -> None:
        try:
            self._client.save([self._env])
        finally:
            self._stop()

    def _line(self, name: str, steps: list[int], values: list[float], update: str | None) -> None:
        import numpy as np

        options = {"title": name, "xlabel": "step"}
        at, to = np.array(steps), np.array(values)
        self._client.line(to, at, win=name, update=update, opts=options)

    def _start(self, run: Path, wanted: str) -> str:
        """Start a server, and wait until it answers; returns its address.

        Raises:
            RunError: it does not start, or `wanted` is another machine's.
        """
        where = urlsplit(wanted)
        if where.hostname not in _LOOPBACK:
            raise RunError(f"no Visdom server answers at VISDOM_SERVER={wanted}")
        port = where.port if "VISDOM_SERVER" in os.environ and where.port else _free_port()
        folder = run / "visdom"
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-c", _SERVER, "-port", str(port), "-bind_local"]
        with (folder / "server.log").open("wb") as log:
            self._started = subprocess.Popen(
                [*command, "-env_path", str(folder.resolve())],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the run, which then closes the server
            )
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._started.poll() is None:
            if _answers(address):
                return address
            time.sleep(0.1)
        self._stop()
        raise RunError(f"Visdom's server does not start; see {folder / 'server.log'}")

    def _stop(self) -> None:
        if self._started is not None:
            assert self._started.stdin is not None
            self._started.stdin.close()
            self._started.wait(10)
            self._started = None


def _answers(address: str) -> bool:
    import requests

    try:
        found = requests.post(f"{address}/win_exists", json={"win": "", "eid": "main"}, timeout=5)
    except requests.RequestException:
        return False
    return bool(found.ok) and found.text in ("true", "false")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
