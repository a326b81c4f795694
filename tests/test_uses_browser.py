"""Restoring and restyling in a browser: an old photo, and a generator that was adapted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import tiny
from PIL import Image
from test_app_browser import (
    CHROMIUM,
    browser,
    button,
    changes,
    collected,
    fits,
    image_of,
    opened,
    shot,
    tab,
)
from test_app_page import serving

from ganwright.run.load import load
from ganwright.run.restyle import adapt
from ganwright.run.train import train

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
__all__ = ["browser", "collected"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, more in (("restore", {"prior": None}), ("stylegan2", {})):
        cls, settings = tiny(name, steps=4, save_every=4, sample_every=4)
        train(cls, settings, folder / name, quiet=True, **more)
    adapt(folder / "stylegan2", "digits", folder / "adapted", steps=2, quiet=True, device="cpu")
    return folder


@pytest.mark.parametrize("width", [390, 1280])
def test_an_old_photo_is_restored_at_its_own_size(
    runs: Path, browser: Any, tmp_path: Path, width: int
) -> None:
    photo = tmp_path / "grandmother.jpg"
    Image.radial_gradient("L").resize((60, 44)).save(photo, quality=20)
    model = load(runs / "restore", device="cpu")
    with serving(model) as url, opened(browser, url, width) as page:
        page.locator("input[type=file]").first.set_input_files(photo)
        image_of(page, "Output")
        image_of(page, "Input")
        shot(page, tmp_path, "restore")
        with page.expect_download() as download:
            page.get_by_text("Download the output").locator("visible=true").click()
        with Image.open(download.value.path()) as made:
            assert made.size == (60, 44)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["stylegan2", "adapted"])
def test_samples_of_styles_are_truncated(
    runs: Path, browser: Any, tmp_path: Path, name: str, width: int
) -> None:
    """At truncation 0 all samples are those of the mean style; the seed still changes others."""
    with serving(load(runs / name, device="cpu")) as url, opened(browser, url, width) as page:
        first = image_of(page, "Samples").get_attribute("src")
        number = page.get_by_role("spinbutton", name="Truncation").locator("visible=true").first
        number.fill("0")
        number.press("Enter")
        button(page, "Sample").click()
        changes(page, "Samples", first)
        fits(page)
        shot(page, tmp_path, f"{name}-truncated")
        tab(page, "Interpolation")
        button(page, "Show").click()
        image_of(page, "At this position")
        shot(page, tmp_path, f"{name}-interpolation")
