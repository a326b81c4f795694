"""`ganwright watch`: what its server gives, to whom, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from test_cli import error_of

from ganwright.app.listening import address, is_loopback, listen, names, warning
from ganwright.app.watching import Watcher, page, version
from ganwright.cli import main
from ganwright.errors import RunError

PNG = b"\x89PNG grid"
SECRETS = ("config.yaml", "metrics.jsonl", "checkpoints/step-000001/game.safetensors")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "a <b>run"
    for file in (*SECRETS, "samples/other.txt"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("secret", encoding="utf-8")
    (folder / "samples" / "step-000100.png").write_bytes(PNG)
    (tmp_path / "outside.png").write_bytes(b"secret")
    return folder


@pytest.fixture
def watcher(run: Path) -> Iterator[Watcher]:
    with listen("127.0.0.1", 0) as opened, Watcher(run, opened, names("127.0.0.1")) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(
    server: Watcher, path: str, host: str | None = None, method: str = "GET"
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{server.server_address[1]}")
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_it_serves_the_report_with_a_script_that_is_not_in_the_file(
    watcher: Watcher, run: Path
) -> None:
    report = b"<html><body>curves</body></html>\n"
    (run / "report.html").write_bytes(report)
    for path in ("/", "/report.html", "/?x=1"):
        answer, content = ask(watcher, path)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert content.startswith(b"<html><body>curves<script>")
        assert content.endswith(b"</script></body></html>\n")
        assert version(run).encode() in content
    assert (run / "report.html").read_bytes() == report
    answer, content = ask(watcher, "/", method="HEAD")
    assert content == b""
    assert int(answer.headers["Content-Length"]) == len(page(run))


def test_the_version_changes_with_the_report(watcher: Watcher, run: Path) -> None:
    def now() -> bytes:
        answer, content = ask(watcher, "/version")
        assert answer.status == 200
        return content

    before = now()
    assert now() == before
    (run / "samples" / "step-000200.png").write_bytes(PNG)
    waiting = now()
    (run / "report.html").write_text("first", encoding="utf-8")
    first = now()
    (run / "samples" / "step-000300.png").write_bytes(PNG)
    assert now() == first
    (run / "report.html").write_text("the second", encoding="utf-8")
    assert len({before, waiting, first, now()}) == 4


def test_without_a_report_it_waits_with_the_newest_grid(watcher: Watcher, run: Path) -> None:
    _, content = ask(watcher, "/")
    assert b"There is no report yet" in content
    assert b'src="samples/step-000100.png"' in content
    assert b"a &lt;b&gt;run" in content
    assert b"<b>" not in content
    answer, grid = ask(watcher, "/samples/step-000100.png")
    assert (answer.status, grid, answer.headers["Content-Type"]) == (200, PNG, "image/png")


@pytest.mark.parametrize(
    "path",
    [
        *(f"/{secret}" for secret in SECRETS),
        "/samples/other.txt",
        "/samples/",
        "/samples/step-000999.png",
        "/samples/../config.yaml",
        "/samples/..%2fconfig.yaml",
        "/samples/%2e%2e/config.yaml",
        "/../outside.png",
        "//etc/passwd",
        "/etc/passwd",
        "/samples/step-000100.png/",
        "http://elsewhere/",
    ],
)
def test_other_paths_are_refused(watcher: Watcher, path: str) -> None:
    answer, content = ask(watcher, path)
    if path == "http://elsewhere/":  # a proxy's request: it gets the page, nothing of elsewhere
        assert b"There is no report yet" in content
        return
    assert answer.status == 404
    assert b"secret" not in content


def test_a_link_out_of_the_folder_is_refused(watcher: Watcher, run: Path) -> None:
    for link in ("samples/step-000500.png", "report.html"):
        (run / link).symlink_to(run.parent / "outside.png")
    answer, content = ask(watcher, "/samples/step-000500.png")
    assert answer.status == 404
    assert b"secret" not in content + ask(watcher, "/")[1]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:7860", 200),
        ("[::1]:7860", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:7860", 403),
        ("evil.example@127.0.0.1.evil.example", 403),
        ("[", 403),
    ],
)
def test_only_this_machines_names_are_answered(watcher: Watcher, host: str, status: int) -> None:
    """DNS rebinding: a page of another site made its own name point to this machine."""
    assert ask(watcher, "/", host)[0].status == status


def test_only_reading_is_allowed(watcher: Watcher) -> None:
    assert ask(watcher, "/", method="POST")[0].status == 501
    assert ask(watcher, "/config.yaml", method="DELETE")[0].status == 501


def test_a_busy_port_is_one_sentence_or_the_next_one(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        said = error_of(["watch", str(run), "--port", str(port)], capsys)
        assert f"port {port} of 127.0.0.1 is in use; choose another --port" in said
    with listen("127.0.0.1") as first, listen("127.0.0.1") as second:
        assert first.getsockname()[1] < second.getsockname()[1]


def test_addresses() -> None:
    loopback = ("127.0.0.1", "127.5.5.5", "::1", "localhost")
    assert [is_loopback(host) for host in (*loopback, "0.0.0.0", "example.org")] == [
        *(True, True, True, True),
        *(False, False),
    ]
    assert names("0.0.0.0") is None
    assert warning("127.0.0.1", "see this") is None
    assert warning("0.0.0.0", "see this") == (
        "--host 0.0.0.0 lets anyone who reaches this machine see this; there is no password"
    )
    with listen("127.0.0.1", 0) as opened:
        port = opened.getsockname()[1]
        assert address("0.0.0.0", opened) == f"http://localhost:{port}/"
        assert address("::1", opened) == f"http://[::1]:{port}/"
    with pytest.raises(RunError, match=r"cannot listen on port 0 of 192\.0\.2\.1: "):
        listen("192.0.2.1", 0)


def test_what_is_no_run_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = error_of(["watch", str(tmp_path / "none"), "--port", "0"], capsys)
    assert "is not a run folder: it holds no config.yaml" in said


@pytest.mark.parametrize("where", ["serve_forever", "server_close", "webbrowser.open"])
def test_control_c_ends_it_cleanly_wherever_it_comes(
    run: Path, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", lambda _: True)
    monkeypatch.setattr(Watcher, "serve_forever", lambda _: None)
    target = where if "." in where else f"ganwright.app.watching.Watcher.{where}"
    monkeypatch.setattr(target, interrupted)
    assert main(["watch", str(run), "--port", "0", "--open"]) == 0
    out, error = capsys.readouterr()
    assert out.endswith("(Ctrl-C ends it)\n")
    assert error == ""


@pytest.mark.usefixtures("heard")
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_control_c_ends_it_cleanly(run: Path) -> None:
    command = [sys.executable, "-m", "ganwright", "watch", str(run), "--port", "0"]
    pipes: dict[str, Any] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "encoding": "utf-8",
    }
    with subprocess.Popen(command, **pipes) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.endswith("/  (Ctrl-C ends it)\n")
            port = int(line.partition("  ")[0].rstrip("/").rpartition(":")[2])
            socket.create_connection(("127.0.0.1", port), 60).close()
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=120)
        finally:
            process.kill()
    assert (process.returncode, out, error) == (0, "", "")
