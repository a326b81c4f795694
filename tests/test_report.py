"""Sample grids and the report page."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganwright.errors import RunError, SettingsError
from ganwright.report import save_grid, tile, write_report
from ganwright.report.page import POINTS, SHOWN, read_metrics, thinned


def opened(path: Path) -> Image.Image:
    with Image.open(path) as file:
        file.load()
        return file


def levels(*values: float, size: int = 64, channels: int = 1) -> torch.Tensor:
    return torch.tensor(values)[:, None, None, None].expand(-1, channels, size, size)


def test_tiles_stand_row_by_row_with_white_between() -> None:
    grid = tile(levels(-1, 0, 1, -1, 1), columns=3, gutter=2)
    assert grid.shape == (2 + 2 * 66, 2 + 3 * 66)
    assert grid[2, 2] == 0
    assert grid[2, 2 + 66] == 128
    assert grid[2, 2 + 2 * 66] == 255
    assert grid[2 + 66, 2] == 0
    assert grid[2 + 66, 2 + 66] == 255
    assert (grid[:2] == 255).all()
    assert (grid[2:66, 66:68] == 255).all()
    assert (grid[68:132, 2 + 2 * 66 : -2] == 255).all()


def test_small_pictures_grow_by_whole_factors() -> None:
    picture = torch.linspace(-1, 1, 28 * 28).view(1, 1, 28, 28)
    grid = tile(picture, gutter=0)
    assert grid.shape == (84, 84)
    expected = ((picture[0, 0] + 1) * 127.5).round().byte().numpy()
    assert (grid[1::3, 1::3] == expected).all()
    assert (grid[::3, ::3] == expected).all()


def test_colours_keep_their_channels_and_wrong_values_their_bounds(tmp_path: Path) -> None:
    picture = torch.stack([torch.full((64, 64), v) for v in (3.0, float("nan"), -3.0)])
    save_grid(picture[None], tmp_path / "deep" / "grid.png", gutter=0)
    assert np.asarray(opened(tmp_path / "deep" / "grid.png"))[5, 5].tolist() == [255, 128, 0]
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["grid.png"]


def test_a_grid_is_as_square_as_can_be() -> None:
    assert tile(levels(*[0.0] * 16), gutter=0).shape == (256, 256)
    assert tile(levels(*[0.0] * 5), gutter=0).shape == (128, 192)
    assert tile(levels(0.0), columns=8, gutter=0).shape == (64, 64)


def test_captions_stand_below_their_pictures() -> None:
    grid = tile(levels(1, 1), columns=2, gutter=0, captions=["a", ""])
    assert grid.shape == (76, 128)
    assert grid[64:, :64].min() < 64
    assert grid[64:, 64:].min() == 255


@pytest.mark.parametrize("shape", [(2, 1, 5, 8, 8), (0, 8, 8), (0, 1, 8, 8), (0, 3)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=re.escape(str(list(shape)))):
        save_grid(torch.zeros(shape), tmp_path / "grid.png")


def test_points_become_a_plot(tmp_path: Path) -> None:
    angle = torch.arange(8) * torch.pi / 4
    save_grid(torch.stack([angle.cos(), angle.sin()], 1), tmp_path / "ring.png")
    picture = np.asarray(opened(tmp_path / "ring.png").convert("RGB"))
    assert picture.shape == (500, 500, 3)
    blue = picture[..., 2].astype(int) - picture[..., 0] > 60
    assert blue.sum() > 8
    middle = blue[200:300, 200:300]
    assert not middle.any()


def test_a_grid_that_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "grid.png").mkdir()
    with pytest.raises(OSError, match=r"grid\.png"):
        save_grid(levels(0.0), tmp_path / "grid.png")
    assert [p.name for p in tmp_path.iterdir()] == ["grid.png"]


def make_run(folder: Path, grids: int) -> Path:
    (folder / "samples").mkdir(parents=True)
    (folder / "config.yaml").write_text(
        "ganwright: 0.1.0\nfamily: dcgan\ndata: <digits>\nlog: [a, b]\ngame:\n  latent: 100\n",
        encoding="utf-8",
    )
    rows = [
        {
            "step": s,
            "images": 64 * s,
            "images_per_second": 9.5,
            "D/adv": 1 / s,
            "G/adv": float("nan"),
        }
        for s in (10, 20, 30)
    ]
    lines = [json.dumps(row) for row in rows]
    (folder / "metrics.jsonl").write_text(
        "\n".join(lines) + '\n{"step": 40, "D/a', encoding="utf-8"
    )
    for i in range(grids):
        save_grid(levels(i / grids), folder / "samples" / f"step-{i:06}.png")
    return folder


class Page(HTMLParser):
    """Collects what a browser would fetch, and the text it would show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("img", "script", "link", "iframe"):
            self.sources.append(str(values.get("src") or values.get("href")))
        if tag == "a":
            self.links.append(str(values["href"]))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_report_shows_settings_curves_and_samples_in_order(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "first", grids=3)
    assert write_report(run) == run / "report.html"
    text = (run / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    shown = " ".join(page.words)
    assert "30 steps, 1,920 images" in shown
    assert "D/adv: 0.03333" in shown
    assert "G/adv" not in shown
    assert "<digits>" in shown
    assert "game.latent" in shown
    speed, adv = re.findall(r'polyline points="(.*?)"', text)
    assert speed == "60.0,65.0 210.0,65.0 360.0,65.0"
    assert adv == "60.0,10.0 210.0,92.5 360.0,120.0"
    for mark in (">0.1<", ">0.03333<", ">step 10<", ">30<"):
        assert mark in text
    assert page.links[:3] == ["config.yaml", "metrics.jsonl", "samples"]
    assert [link for link in page.links if link.endswith(".png")] == [
        f"samples/step-{i:06}.png" for i in range(3)
    ]
    first = base64.b64decode(page.sources[0].removeprefix("data:image/png;base64,"))
    assert first == (run / "samples" / "step-000000.png").read_bytes()
    assert sorted(p.name for p in run.iterdir()) == [
        "config.yaml",
        "metrics.jsonl",
        "report.html",
        "samples",
    ]


def test_the_report_asks_nothing_of_the_network(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", grids=1)
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert all(source.startswith("data:") for source in page.sources)
    assert not any("://" in link for link in page.links)


def test_of_many_grids_the_first_and_the_last_are_kept(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", grids=SHOWN + 10)
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert len(page.sources) == SHOWN
    grids = [link for link in page.links if link.endswith(".png")]
    assert grids == sorted(grids)
    assert (grids[0], grids[-1]) == ("samples/step-000000.png", f"samples/step-{SHOWN + 9:06}.png")


def test_an_empty_run_has_a_report_and_a_folder_that_is_no_run_has_none(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("family: gan\n", encoding="utf-8")
    assert "No metrics have been logged yet" in write_report(tmp_path).read_text(encoding="utf-8")
    with pytest.raises(RunError, match=r"it has no config\.yaml"):
        write_report(tmp_path / "nowhere")


def test_metrics_of_a_step_made_twice_are_the_last_ones(tmp_path: Path) -> None:
    lines = [{"step": 2, "a": 1}, {"step": 1, "a": 2}, {"step": 2, "a": 3}, {"no": 1}, [1]]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert read_metrics(tmp_path / "m.jsonl") == [{"step": 1, "a": 2}, {"step": 2, "a": 3}]


def test_long_curves_are_averaged() -> None:
    line = np.stack([np.arange(4.0 * POINTS), np.arange(4.0 * POINTS) % 2], 1)
    x, y = thinned(line)
    assert x.shape == (POINTS,)
    assert (y == 0.5).all()
    assert x[:2].tolist() == [1.5, 5.5]
    short, _ = thinned(line[:3])
    assert short.tolist() == [0, 1, 2]
