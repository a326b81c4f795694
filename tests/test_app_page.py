"""The demo's page by Gradio's own means, and its server by HTTP; no browser."""

from __future__ import annotations

import gc
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from PIL import Image
from test_walk import model_of

from ganwright.app import build
from ganwright.app.listening import listen, names
from ganwright.app.server import application, own_files
from ganwright.app.toolkit import told
from ganwright.errors import RunError, SettingsError
from ganwright.inference.model import Model

gr = pytest.importorskip("gradio")
uvicorn = pytest.importorskip("uvicorn")
BOUNDARY = "ganwright-boundary"

# Gradio leaves event loops open, which are closed when they are collected.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What Gradio leaves is collected here, and not in a test that it does not concern."""
    yield
    gc.collect()


def labels(page: Any) -> list[str]:
    """What the page's controls and tabs are called."""
    return [
        block.value if isinstance(block, gr.Button) else block.label
        for block in page.blocks.values()
        if isinstance(block, gr.Button | gr.Tab | gr.components.FormComponent)
    ]


def pressed(page: Any, name: str, tab: int = 0) -> Callable[..., Any]:
    """The callback of the button of that name."""
    ids = [id_ for id_, b in page.blocks.items() if isinstance(b, gr.Button) and b.value == name]
    found = [f.fn for f in page.fns.values() if (ids[tab], "click") in f.targets]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("name", "there", "absent"),
    [
        ("dcgan", {"Samples", "Interpolation", "Directions", "Truncation"}, {"Class", "Translate"}),
        ("cgan", {"Samples", "Class", "Sample"}, {"Translate"}),
        ("bgan", {"Samples", "Sample"}, {"Truncation", "Interpolation", "Directions"}),
        ("cyclegan", {"Translate", "Draw", "Direction"}, {"Samples", "Sample"}),
        ("pix2pix", {"Translate", "Draw"}, {"Direction", "Samples"}),
        ("ccgan", {"Fill holes", "Classify"}, {"Samples", "Translate"}),
        ("aae-semi", {"Samples", "Class", "Reconstruct and classify"}, {"Translate"}),
    ],
)
def test_the_page_has_what_the_model_can_do(name: str, there: set[str], absent: set[str]) -> None:
    page = build(model_of(name))
    found = set(labels(page))
    assert there <= found
    assert not absent & found
    assert page.analytics_enabled is False
    assert {f.api_visibility for f in page.fns.values()} <= {"private"}


def test_classes_are_chosen_by_name() -> None:
    page = build(model_of("acgan"))
    choices = [b.choices for b in page.blocks.values() if isinstance(b, gr.Dropdown)]
    names_ = [(str(k), str(k)) for k in range(10)]
    assert choices[0] == [("each in turn", ""), *names_]
    assert choices[1:] == [names_, names_]


def test_buttons_give_images(tmp_path: Path) -> None:
    page = build(model_of("acgan"))
    assert pressed(page, "Sample")(0, 4, "3", 0.7).size == (402, 402)
    assert pressed(page, "Show")(0, 1, 0.5, "3").size == (384, 384)
    assert pressed(page, "Show", 1)(0, 1, 2.0, "3").size[0] == 396
    file = tmp_path / "x.png"
    Image.new("L", (30, 20), 90).save(file)
    seen, classes = pressed(page, "Classify")(str(file))
    assert seen.size == (320, 320)
    assert len(classes) == 10
    given, made, button = pressed(build(model_of("cyclegan")), "Translate")(str(file), "b2a")
    assert given.size[0] * 2 == given.size[1] * 3
    assert made.size == given.size
    assert Path(button.value["path"]).name == "x.png"


def test_errors_are_sentences_on_the_page(capfd: pytest.CaptureFixture[str]) -> None:
    def wrong(_: Any) -> None:
        raise SettingsError("give <b>fewer</b>\n& smaller ones")

    with pytest.raises(gr.Error) as error:
        told(wrong)(0)
    assert error.value.message == "give &lt;b&gt;fewer&lt;/b&gt; &amp; smaller ones"
    assert error.value.print_exception is False

    def broken(_: Any) -> None:
        raise KeyError("/home/someone/secret")

    with pytest.raises(gr.Error) as error:
        told(broken)(0)
    assert error.value.message == "this failed; the terminal in which the app runs shows why"
    assert "KeyError: '/home/someone/secret'" in capfd.readouterr().err

    def large(_: Any) -> None:
        raise MemoryError

    with pytest.raises(gr.Error, match="memory ran out; try fewer samples"):
        told(large)(0)


def test_a_text_file_is_a_sentence_on_the_page(tmp_path: Path) -> None:
    file = tmp_path / "notes.png"
    file.write_text("hello", encoding="utf-8")
    for name, button in (("cyclegan", "Translate"), ("aae-semi", "Reconstruct and classify")):
        values = (str(file), "a2b")[: 2 if name == "cyclegan" else 1]
        with pytest.raises(gr.Error, match=r"notes\.png cannot be read as an image"):
            pressed(build(model_of(name)), button)(*values)


def test_a_missing_checkpoint_is_a_sentence_and_the_model_stays() -> None:
    def newest() -> Model:
        if missing:
            raise RunError("runs/x has no usable checkpoint yet")
        model = model_of("dcgan")
        model.step = 777
        return model

    missing = True
    page = build(model_of("dcgan"), newest)
    load = pressed(page, "Load the newest checkpoint")
    with pytest.raises(gr.Error, match="has no usable checkpoint yet"):
        load()
    assert pressed(page, "Sample")(0, 4, None, 1.0).size == (402, 402)
    missing = False
    assert "after 777 steps" in load()


def test_names_are_escaped() -> None:
    model = model_of("dcgan")
    model.run = Path("runs/<img src=x onerror=alert(1)>")
    heads = [b.value for b in build(model).blocks.values() if isinstance(b, gr.HTML)]
    assert len(heads) == 1
    assert "&lt;img src=x" in heads[0]
    assert "<img" not in heads[0]


@contextmanager
def serving(model: Model, most: int = 1_000_000) -> Iterator[str]:
    """The address of the model's page, served by a thread."""
    with own_files(), listen("127.0.0.1", 0) as opened:
        app = application(build(model), names("127.0.0.1"), most)
        config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
        thread.start()
        while not server.started:
            sleep(0.02)
        yield f"http://127.0.0.1:{opened.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(model_of("cyclegan")) as address:
        yield address


def ask(url: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes, Any]:
    """Status, content and headers of an answer."""
    request = Request(url, data, {k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=120) as answer:
            return answer.status, answer.read(), answer.headers
    except HTTPError as error:
        return error.code, error.read(), error.headers


def upload(url: str, name: str, content: bytes) -> tuple[int, bytes]:
    head = f'Content-Disposition: form-data; name="files"; filename="{name}"'
    body = f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content
    body += f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return ask(f"{url}/gradio_api/upload", body, Content_Type=kind)[:2]


def test_the_page_is_served_and_loads_nothing_from_elsewhere(url: str) -> None:
    status, content, headers = ask(f"{url}/")
    assert status == 200
    assert "cyclegan · Ganwright" in content.decode()
    assert b"fonts.googleapis" not in content
    assert headers["Content-Security-Policy"].startswith("default-src 'self' 'unsafe-inline'")
    status, style, _ = ask(f"{url}/theme.css")
    assert status == 200
    assert re.search(rb"@import|url\(.?(https?:)?//", style) is None
    config = json.loads(ask(f"{url}/config")[1])
    assert config["analytics_enabled"] is False
    assert config["footer_links"] == []


def test_files_that_it_did_not_make_are_refused(url: str, tmp_path: Path) -> None:
    run = tmp_path / "config.yaml"
    run.write_text("secret", encoding="utf-8")
    here = os.getcwd()
    tries = [
        *("/etc/passwd", str(run), f"{here}/pyproject.toml", "pyproject.toml", "config.yaml"),
        *("../../../../etc/passwd", "/tmp/../etc/passwd", "/proc/self/environ", here, ""),
        *("http://example.org/", "https://example.org/x", "file:///etc/passwd"),
    ]
    for path in tries:
        for prefix in ("/gradio_api/file=", "/file=", "/gradio_api/file/"):
            status, content, _ = ask(f"{url}{prefix}{path}")
            assert status in (403, 404), (prefix, path)
            assert b"secret" not in content
            assert b"root:" not in content
    for path in ("/assets/../../../routes.py", "/static/..%2f..%2f..%2froutes.py"):
        assert ask(f"{url}{path}")[0] in (403, 404)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/monitoring",
            "/monitoring/summary",
            "/docs",
            "/openapi.json",
            "/gradio_api/openapi.json",
        ),
        *("/gradio_api/proxy=http://example.org/", "/gradio_api/vibe-code/", "/login", "/logout"),
        *("/gradio_api/runs", "/gradio_api/deep_link", "/gradio_api/run/predict"),
    ],
)
def test_what_the_page_does_not_need_is_not_served(url: str, path: str) -> None:
    assert ask(url + path)[0] == 404
    assert ask(url + path, b"{}", Content_Type="application/json")[0] == 404


def test_only_this_machines_names_are_answered(url: str) -> None:
    assert ask(f"{url}/", Host="localhost")[0] == 200
    for host in ("evil.example", "127.0.0.1.evil.example:7860", "["):
        assert ask(f"{url}/", Host=host)[0] == 403


def test_uploads_are_limited_and_served_by_nothing_but_their_address(url: str) -> None:
    status, content = upload(url, "small.png", b"x" * 100)
    assert status == 200
    (path,) = json.loads(content)
    assert ask(f"{url}/gradio_api/file={path}")[1] == b"x" * 100
    assert upload(url, "large.png", b"x" * 1_500_000)[0] == 413
    folder = Path(path).parent.parent
    assert upload(url, "../../../escape.png", b"x")[0] == 200
    outside = [p for p in folder.parent.rglob("escape.png") if not p.is_relative_to(folder)]
    assert outside == []
    request = Request(f"{url}/gradio_api/upload", iter([b"x"]), method="POST")  # of no length
    with pytest.raises(HTTPError, match="411"):
        build_opener(ProxyHandler({})).open(request, timeout=120)


def test_a_huge_upload_is_refused_before_it_is_read(url: str) -> None:
    from http.client import HTTPConnection

    connection = HTTPConnection(url.removeprefix("http://"), timeout=120)
    connection.putrequest("POST", "/gradio_api/upload")
    connection.putheader("Content-Length", str(50_000_000))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert answer.read() == b"an upload may have at most 1,000,000 bytes"


def test_the_servers_files_are_its_own_and_go_with_it() -> None:
    before = os.environ.get("GRADIO_TEMP_DIR")
    with own_files() as folder:
        assert os.environ["GRADIO_TEMP_DIR"] == folder
        assert Path(folder).is_dir()
    assert os.environ.get("GRADIO_TEMP_DIR") == before
    assert not Path(folder).exists()
