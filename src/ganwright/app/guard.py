"""What stands before Gradio's server: it passes what the page needs, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from ganwright.app.listening import asked_by

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Server: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

_API = "/gradio_api/"
_PAGES = ("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt")
_CALLS = (
    *("startup-events", "app_id", "info", "upload", "upload_progress", "component_server"),
    *("queue/join", "queue/data", "cancel", "reset"),
)
_BELOW = ("/assets/", "/static/", f"{_API}heartbeat/", f"{_API}file=/")
"""Gradio has further routes, which fetch web pages, show its own settings or call a shell of AI
services; the page uses none of them."""
SLACK = 1 << 20
"""Bytes of a request besides the file that it carries."""

_HEADERS = {
    "content-security-policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'self'; base-uri 'self'; form-action 'self'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""The page loads nothing from elsewhere, and nobody frames it."""


class Guard:
    """An ASGI application in front of another.

    Args:
        server: the other.
        hosts: names by which it may be asked; None for any.
        most: bytes of the largest file that is taken.
    """

    def __init__(self, server: Server, hosts: frozenset[str] | None, most: int) -> None:
        self.server, self.hosts, self.most = server, hosts, most

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on and add headers to the answer."""
        if scope["type"] == "lifespan":
            await self.server(scope, receive, send)
            return
        refused = self.refused(scope)
        if refused is None:
            await self.server(scope, receive, _with_headers(send))
        elif scope["type"] == "http":
            status, why = refused
            head = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": status, "headers": head})
            await send({"type": "http.response.body", "body": why.encode()})
        else:
            await send({"type": "websocket.close", "code": 1008})

    def refused(self, scope: Message) -> tuple[int, str] | None:
        """The status and the reason of a refusal; None for what may pass."""
        sent = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if self.hosts is not None and asked_by(sent.get(b"host", "")) not in self.hosts:
            return 403, "this page is for this machine alone; ask it as localhost"
        path = scope["path"]
        known = path in _PAGES or path.startswith(_BELOW)
        if not known and path.removeprefix(_API).rstrip("/") not in _CALLS:
            return 404, "the app has no such page"
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH"):
            return None
        length = sent.get(b"content-length", "")
        if not length.isdecimal():
            return 411, "the length of an upload must be known"
        if int(length) > self.most + SLACK:
            return 413, f"an upload may have at most {self.most:,} bytes"
        return None


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            more = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
            message["headers"] = [*message.get("headers", ()), *more]
        await send(message)

    return sent
