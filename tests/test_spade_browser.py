"""Painting by labels in a browser: classes by name, a stroke, an image for each seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_app_browser import (
    CHROMIUM,
    browser,
    button,
    changes,
    collected,
    image_of,
    opened,
    shot,
    stroke,
    tab,
)
from test_app_page import serving
from test_spade_app import STYLED, model_of

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
__all__ = ["browser", "collected"]


@pytest.mark.parametrize("width", [390, 1280])
def test_labels_are_painted_by_name(browser: Any, tmp_path: Path, width: int) -> None:
    with serving(model_of(**STYLED)) as url, opened(browser, url, width) as page:
        tab(page, "Draw")
        page.locator("canvas").locator("visible=true").first.wait_for()
        page.wait_for_timeout(1000)
        for name in ("wall", "<window>", "door"):
            assert page.get_by_text(name, exact=True).locator("visible=true").count() == 1
        button(page, "Translate").click()
        blank = image_of(page, "Output").get_attribute("src")
        stroke(page)
        button(page, "Translate").click()
        changes(page, "Output", blank)
        first = image_of(page, "Output").get_attribute("src")
        page.get_by_label("Seed", exact=True).locator("visible=true").fill("5")
        button(page, "Translate").click()
        changes(page, "Output", first)
        shot(page, tmp_path, "spade-draw")
