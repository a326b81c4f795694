"""Reports in a browser, where there is one: nothing is wider than a phone or a desktop window."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers import tiny
from PIL import Image

from ganwright.report.comparison import write_comparison
from ganwright.run import train as runs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
MEASURED = """
<iframe style="border: 0; width: {width}px; height: 800px" srcdoc="{page}"></iframe><script>
const frame = document.querySelector("iframe");
frame.onload = () => {{
  const page = frame.contentDocument, slider = page.querySelector("input");
  slider.value = 0;
  slider.dispatchEvent(new Event("input"));
  const shown = [...page.querySelectorAll(".slider img")].filter((image) => !image.hidden);
  document.title = [page.documentElement.scrollWidth, shown[0].alt, shown[0].naturalWidth,
    Math.min(...[...page.querySelectorAll("svg text")].map(
      (text) => text.getBoundingClientRect().height))].join("|");
}};
</script>
"""

pytestmark = [
    pytest.mark.plots,
    pytest.mark.skipif(not CHROMIUM, reason="needs chromium"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name in ("dcgan", "cgan", "cyclegan"):
        cls, settings = tiny(name, steps=4, log_every=1, sample_every=2)
        runs.train(cls, settings, folder / name, quiet=True)
    write_comparison([folder / "dcgan", folder / "cgan"], folder / "both" / "report.html")
    return folder


def browse(folder: Path, *flags: str) -> str:
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}"]
    done = subprocess.run([*command, *flags], capture_output=True, encoding="utf-8", timeout=300)
    return done.stdout


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["dcgan", "cgan", "cyclegan", "both"])
def test_a_page_fits_its_window_and_its_slider_slides(
    name: str, width: int, folder: Path, tmp_path: Path
) -> None:
    page = (folder / name / "report.html").read_text(encoding="utf-8")
    outer = tmp_path / "outer.html"
    outer.write_text(MEASURED.format(width=width, page=html.escape(page)), encoding="utf-8")
    flags = ("--virtual-time-budget=2000", "--dump-dom", outer.as_uri())
    found = re.search(r"<title>(.*?)</title>", browse(tmp_path / "profile", *flags))
    assert found
    across, alt, pixels, smallest = found[1].split("|")
    assert int(across) <= width
    assert alt == "step 0"
    assert int(pixels) > 0
    assert float(smallest) >= 9


def test_a_page_can_be_seen_in_the_light_and_in_the_dark(folder: Path, tmp_path: Path) -> None:
    corners = []
    for scheme in (1, 0):
        shot = tmp_path / f"{scheme}.png"
        look = (f"--blink-settings=preferredColorScheme={scheme}", "--window-size=1280,900")
        browse(
            tmp_path / "profile",
            *look,
            f"--screenshot={shot}",
            (folder / "dcgan" / "report.html").as_uri(),
        )
        with Image.open(shot) as image:
            corners.append(image.convert("RGB").getpixel((2, 2)))
    assert corners == [(255, 255, 255), (20, 23, 26)]
