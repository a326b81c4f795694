"""Where a page is served: a port of this machine, by default for this machine alone."""

from __future__ import annotations

import errno
import ipaddress
import socket
from urllib.parse import urlsplit

from ganwright.errors import RunError

FIRST, TRIES = 7860, 100
"""Without a port, the first free one of these."""


def listen(host: str, port: int | None = None) -> socket.socket:
    """A socket that accepts connections.

    Args:
        host: an address of this machine.
        port: 0 for any; when not given, the first free one from 7860 up.

    Raises:
        RunError: the port is in use, or this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in range(FIRST, FIRST + TRIES) if port is None else [port]:
        try:
            return socket.create_server((host, number), family=family, backlog=128)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                why = error.strerror or error
                raise RunError(
                    f"cannot listen on port {number} of {host}: {why}; choose another --host or "
                    "--port"
                ) from error
    if port is None:
        raise RunError(f"ports {FIRST} to {FIRST + TRIES - 1} of {host} are all in use; --port N")
    raise RunError(f"port {port} of {host} is in use; choose another --port, or leave it out")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names(host: str) -> frozenset[str] | None:
    """The names by which a browser may ask; None for any.

    A page of another site cannot reach a loopback address by a name that it makes point there
    (DNS rebinding), as the browser tells the name that it was given.
    """
    return frozenset({"localhost", "127.0.0.1", "::1", host}) if is_loopback(host) else None


def asked_by(header: str) -> str:
    """The name in a Host header, without its port; empty where it is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def address(host: str, opened: socket.socket) -> str:
    """The URL of a page."""
    here = "localhost" if host in ("0.0.0.0", "::") else host
    return f"http://{f'[{here}]' if ':' in here else here}:{opened.getsockname()[1]}/"


def warning(host: str, what: str) -> str | None:
    """What is said of an address that others reach."""
    if is_loopback(host):
        return None
    return f"--host {host} lets anyone who reaches this machine {what}; there is no password"
