"""The demo and the watched run in a browser: Debian's Chromium, driven by Playwright.

Screenshots are written into the folder GANWRIGHT_SCREENSHOTS, if there is one, to be looked at.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from helpers import tiny
from PIL import Image
from test_app_page import collected, serving

from ganwright.app.listening import address, listen, names
from ganwright.app.watching import Watcher
from ganwright.report import write_report
from ganwright.run.load import load
from ganwright.run.train import train

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
__all__ = ["collected"]

PATIENCE = 120_000
"""Milliseconds: this machine may be busy."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real runs of a few steps, or those in GANWRIGHT_RUNS that are better trained."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("dcgan", "cgan", "cyclegan", "ccgan", "aae-semi"):
        better = Path(os.environ.get("GANWRIGHT_RUNS", "none")) / name
        if better.is_dir():
            shutil.copytree(better, folder / name)
        else:
            train(*tiny(name, steps=4, save_every=4, sample_every=4), folder / name)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@contextmanager
def opened(browser: Any, url: str, width: int) -> Iterator[Any]:
    """A page of that width; it must load nothing from elsewhere, and log no error."""
    height = 844 if width < 600 else 900
    context = browser.new_context(viewport={"width": width, "height": height})
    page, wrong = context.new_page(), []
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: wrong.append(r.url) if not ours(r.url, url) else None)
    page.goto(url)
    yield page
    fits(page)
    context.close()
    assert wrong == []


def ours(asked: str, url: str) -> bool:
    return asked.startswith((url, "data:", "blob:"))


def fits(page: Any) -> None:
    """Nothing is wider than the window."""
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def shot(page: Any, tmp_path: Path, name: str) -> None:
    folder = Path(os.environ.get("GANWRIGHT_SCREENSHOTS", tmp_path))
    file = folder / f"{name}-{page.viewport_size['width']}.png"
    page.screenshot(path=file, full_page=True)
    with Image.open(file) as image:
        assert image.width == page.viewport_size["width"]


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True).locator("visible=true")


def image_of(page: Any, label: str) -> Any:
    """The image under a label, once it is decoded."""
    image = page.locator(f".block:has(label:has-text('{label}')) img").locator("visible=true")
    image.first.wait_for()
    page.wait_for_function(
        "i => i.complete && i.naturalWidth > 0", arg=image.first.element_handle()
    )
    return image.first


def changes(page: Any, label: str, before: str) -> None:
    """Wait until the image under a label is another one."""
    for _ in range(PATIENCE // 100):
        if image_of(page, label).get_attribute("src") != before:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{label} stays as it was")


def tab(page: Any, name: str) -> None:
    """Open a tab, from the menu behind the last one where it does not fit."""
    found = page.get_by_role("tab", name=name, exact=True).locator("visible=true")
    more = page.locator(".overflow-menu button").locator("visible=true")
    found.or_(more).first.wait_for()
    if not found.count():
        more.first.click()
        page.locator(f".overflow-dropdown button:has-text('{name}')").click()
        return
    found.first.click()


def stroke(page: Any) -> None:
    """A line on the canvas, around its centre."""
    box = page.locator("canvas").locator("visible=true").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 60, y - 30)
    page.mouse.down()
    page.mouse.move(x + 60, y + 30, steps=8)
    page.mouse.up()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["dcgan", "cgan"])
def test_a_generator_samples(
    runs: Path, browser: Any, tmp_path: Path, name: str, width: int
) -> None:
    with serving(load(runs / name, device="cpu")) as url, opened(browser, url, width) as page:
        first = image_of(page, "Samples").get_attribute("src")
        page.get_by_label("Seed", exact=True).locator("visible=true").fill("5")
        if name == "cgan":
            page.get_by_label("Class").locator("visible=true").click()
            page.get_by_role("option", name="3").click()
        button(page, "Sample").click()
        changes(page, "Samples", first)
        fits(page)
        shot(page, tmp_path, name)
        tab(page, "Interpolation")
        button(page, "Show").click()
        image_of(page, "At this position")
        button(page, "Animate").click()
        image_of(page, "There and back")
        fits(page)
        shot(page, tmp_path, f"{name}-interpolation")
        tab(page, "Directions")
        button(page, "Show").click()
        image_of(page, "The sample, and changed")
        shot(page, tmp_path, f"{name}-directions")


@pytest.mark.parametrize("width", [390, 1280])
def test_a_translator_translates_an_upload_and_refuses_what_is_none(
    runs: Path, browser: Any, tmp_path: Path, width: int
) -> None:
    photo = tmp_path / "photo.png"
    Image.linear_gradient("L").resize((48, 32)).convert("RGB").save(photo)
    text = tmp_path / "<b>notes.png"
    text.write_text("hello", encoding="utf-8")
    model = load(runs / "cyclegan", device="cpu")
    with serving(model) as url, opened(browser, url, width) as page:
        chooser = page.locator("input[type=file]").first
        chooser.set_input_files(photo)
        image_of(page, "Output")
        image_of(page, "Input")
        shot(page, tmp_path, "cyclegan")
        with page.expect_download() as download:
            page.get_by_text("Download the output").locator("visible=true").click()
        assert download.value.suggested_filename == "photo.png"
        with Image.open(download.value.path()) as made:
            assert made.size == (48, 32)
        page.get_by_label("Clear").or_(page.get_by_label("Remove")).locator(
            "visible=true"
        ).first.click()
        chooser.set_input_files(text)
        said = page.get_by_text("cannot be read as an image")
        said.first.wait_for()
        page.wait_for_timeout(700)  # it fades in
        assert "Traceback" not in page.content()
        shot(page, tmp_path, "cyclegan-text-file")
        tab(page, "Draw")
        page.locator("canvas").locator("visible=true").first.wait_for()
        page.wait_for_timeout(1000)
        stroke(page)
        button(page, "Translate").click()
        image_of(page, "Output")
        shot(page, tmp_path, "cyclegan-draw")


@pytest.mark.parametrize("width", [390, 1280])
def test_a_classifier_names_the_class_and_reconstructs(
    runs: Path, browser: Any, tmp_path: Path, width: int
) -> None:
    digit = tmp_path / "digit.png"
    Image.radial_gradient("L").resize((16, 16)).save(digit)
    model = load(runs / "aae-semi", device="cpu")
    with serving(model) as url, opened(browser, url, width) as page:
        tab(page, "Reconstruct and classify")
        page.locator("input[type=file]").last.set_input_files(digit)
        image_of(page, "Reconstruction")
        shot(page, tmp_path, "aae-semi")


@pytest.mark.parametrize("width", [390, 1280])
def test_holes_are_painted_and_filled(runs: Path, browser: Any, tmp_path: Path, width: int) -> None:
    photo = tmp_path / "photo.png"
    Image.linear_gradient("L").resize((32, 32)).convert("RGB").save(photo)
    with serving(load(runs / "ccgan", device="cpu")) as url, opened(browser, url, width) as page:
        page.locator("input[type=file]").first.set_input_files(photo)
        page.wait_for_timeout(3000)
        stroke(page)
        button(page, "Fill").click()
        image_of(page, "Filled")
        served = page.request.get(image_of(page, "With holes").get_attribute("src")).body()
        holes = Image.open(io.BytesIO(served)).convert("L")
        shot(page, tmp_path, "ccgan")
    # without paint the hole, which is grey, is a square that takes in this corner of it
    corner = holes.getpixel((int(0.3 * holes.width), int(0.7 * holes.height)))
    assert corner == pytest.approx(0.7 * 255, abs=15), "only what was painted is a hole"


def test_a_file_that_is_too_large_is_a_sentence(runs: Path, browser: Any, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(os.urandom(50_000_000))
    model = load(runs / "cyclegan", device="cpu")
    with serving(model) as url, opened(browser, url, 1280) as page:
        page.locator("input[type=file]").first.set_input_files(large)
        page.get_by_text("exceed the maximum allowed size").first.wait_for()
        page.wait_for_timeout(700)
        shot(page, tmp_path, "too-large")


@pytest.mark.parametrize("width", [390, 1280])
def test_a_watched_run_reloads_by_itself(
    runs: Path, browser: Any, tmp_path: Path, width: int
) -> None:
    run = tmp_path / "watched"
    shutil.copytree(runs / "dcgan", run)
    (run / "report.html").unlink(missing_ok=True)
    with listen("127.0.0.1", 0) as socket, Watcher(run, socket, names("127.0.0.1")) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with opened(browser, address("127.0.0.1", socket), width) as page:
            page.get_by_text("There is no report yet").wait_for()
            shot(page, tmp_path, "watch-waiting")
            write_report(run)
            page.get_by_role("heading", name="Settings").wait_for()
            shot(page, tmp_path, "watch")
        server.shutdown()
        thread.join()
