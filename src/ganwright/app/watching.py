"""A run in the browser as it trains: its report, which reloads when the run writes it."""

from __future__ import annotations

import hashlib
import re
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from urllib.parse import urlsplit

from ganwright.app.listening import asked_by
from ganwright.errors import RunError
from ganwright.report.card import grid_files
from ganwright.shared_model import refuse_shared

_GRID = re.compile(r"/samples/((?:step-\d+|data)\.png)")
_PAGES = ("/", "/report.html")
_HTML, _TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"
_SCRIPT = """<script>(() => {
  const shown = "%s";
  const ask = async () => {
    try {
      const answer = await fetch("version", {cache: "no-store"});
      if (answer.ok && !document.hidden && await answer.text() !== shown) location.reload();
    } catch { /* the server has ended, or is about to come back */ }
    setTimeout(ask, 2000);
  };
  setTimeout(ask, 2000);
})();</script>"""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' data: blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Watcher(ThreadingHTTPServer):
    """Serves the report and the sample grids of one run, and no other file.

    Args:
        run: the run folder.
        opened: where it listens.
        hosts: names by which it may be asked; None for any.

    Raises:
        RunError: it is no run folder.
    """

    daemon_threads = True

    def __init__(self, run: Path, opened: socket, hosts: frozenset[str] | None) -> None:
        if not (run / "config.yaml").is_file():
            raise RunError(f"{run} is not a run folder: it holds no config.yaml")
        refuse_shared(run)
        super().__init__(opened.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.run, self.hosts = opened, run, hosts

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that went away is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: Watcher

    def do_GET(self) -> None:
        """Answer with a page, a grid or the version of both."""
        self._send(*self._answer())

    def do_HEAD(self) -> None:
        """The same without the content."""
        self._send(*self._answer())

    def log_message(self, *_: object) -> None:
        """Requests are not printed."""

    def _answer(self) -> tuple[HTTPStatus, str, bytes]:
        hosts, run = self.server.hosts, self.server.run
        if hosts is not None and asked_by(self.headers.get("Host", "")) not in hosts:
            return _said(HTTPStatus.FORBIDDEN, "this page is for this machine; ask localhost")
        path = urlsplit(self.path).path
        grid = _GRID.fullmatch(path)
        if path in _PAGES:
            return HTTPStatus.OK, _HTML, page(run)
        if path == "/version":
            return _said(HTTPStatus.OK, version(run))
        if path == "/favicon.ico":  # browsers ask for it
            return HTTPStatus.NO_CONTENT, "image/x-icon", b""
        content = _own(run, Path("samples", grid[1])) if grid else None
        if content is None:
            return _said(HTTPStatus.NOT_FOUND, "this run shows its report and its samples only")
        return HTTPStatus.OK, "image/png", content

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def page(run: Path) -> bytes:
    """The report, or a page that waits for it, with a script that reloads it when it changes."""
    script = (_SCRIPT % version(run)).encode()
    report = _own(run, Path("report.html"))
    if report is None:
        report = _waiting(run).encode()
    before, end, after = report.rpartition(b"</body>")
    return before + script + end + after if end else report + script


def version(run: Path) -> str:
    """What changes with the report, and with the newest grid while there is no report."""
    newest = _grids(run)[-1:]
    found = [run / "report.html"]
    stats = [file.stat() for file in found if file.is_file()]
    marks = [(stat.st_mtime_ns, stat.st_size) for stat in stats] or newest
    return hashlib.blake2b(repr(marks).encode(), digest_size=8).hexdigest()


def _waiting(run: Path) -> str:
    name, newest = escape(run.resolve().name), _grids(run)[-1:]
    shown = "".join(f'<img alt="samples" src="samples/{grid}">' for grid in newest)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; "
        "max-width: 50rem } img { max-width: 100%; image-rendering: pixelated }</style></head>"
        f"<body><h1>{name}</h1><p>There is no report yet. It appears here as soon as the run "
        f"writes one.</p>{shown}</body></html>"
    )


def _grids(run: Path) -> list[str]:
    """The names of the sample grids, the newest last."""
    return [file.name for file in grid_files(run)]


def _own(run: Path, inside: Path) -> bytes | None:
    """A file of the run; None where there is none, or where a link leads out of the folder."""
    file = (run / inside).resolve()
    if not file.is_relative_to(run.resolve()):
        return None
    try:
        return file.read_bytes()
    except OSError:
        return None


def _said(status: HTTPStatus, text: str) -> tuple[HTTPStatus, str, bytes]:
    return status, _TEXT, text.encode()
