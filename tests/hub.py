"""A server on loopback that answers the Hugging Face client as the hub does, for one test."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub(ThreadingHTTPServer):
    """Repositories in memory: files by name, and how often each was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.repos: dict[str, dict[str, bytes]] = {}
        self.fetched: list[str] = []
        self.tokens: set[str] = set()

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, repo: str) -> str:
        """The newest commit: 40 hexadecimal digits that depend on all files."""
        files = sorted(self.repos[repo].items())
        return hashlib.sha1(repr(files).encode(), usedforsecurity=False).hexdigest()


class Answers(BaseHTTPRequestHandler):
    """The requests that creating, uploading and downloading a model make."""

    server: Hub

    def do_POST(self) -> None:
        """Create a repository, say how files are sent, and take a commit."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.tokens.add(self.headers.get("authorization", ""))
        path = self.path.partition("?")[0]
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}"
            self.server.repos.setdefault(repo, {})
            self._json({"url": f"{self.server.endpoint}/{repo}"})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            files = json.loads(body)["files"]
            modes = {"uploadMode": "regular", "shouldIgnore": False}
            self._json({"files": [{"path": file["path"], **modes} for file in files]})
        else:
            self._take(path, body)

    def _take(self, path: str, body: bytes) -> None:
        repo = path.removeprefix("/api/models/").partition("/commit/")[0]
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                value = line["value"]
                self.server.repos[repo][value["path"]] = base64.b64decode(value["content"])
        commit = self.server.commit(repo)
        url = f"{self.server.endpoint}/{repo}/commit/{commit}"
        self._json({"commitUrl": url, "commitOid": commit, "hookOutput": "", "success": True})

    def do_GET(self) -> None:
        """A repository's newest commit, its files, or one of them."""
        path = self.path.partition("?")[0]
        repo = "/".join(path.removeprefix("/api/models").lstrip("/").split("/")[:2])
        if repo not in self.server.repos:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif "/resolve/" in path:
            self._file(repo, path.rpartition("/")[2])
        elif "/tree/" in path:
            files = self.server.repos[repo].items()
            rows = ({"path": n, "size": len(d), "oid": _blob(d)} for n, d in files)
            self._json([{"type": "file", **row} for row in rows])
        else:
            self._json({"id": repo, "sha": self.server.commit(repo), "siblings": []})

    do_HEAD = do_GET  # noqa: N815 - the name that the server looks for

    def _file(self, repo: str, name: str) -> None:
        data = self.server.repos[repo].get(name)
        commit = {"X-Repo-Commit": self.server.commit(repo)}
        if data is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"} | commit)
            return
        if self.command == "GET":
            self.server.fetched.append(name)
        self._send(200, data, {"ETag": f'"{_blob(data)}"'} | commit)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _blob(data: bytes) -> str:
    """git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextmanager
def running() -> Iterator[Hub]:
    """A hub that answers until it is left."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
