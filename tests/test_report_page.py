"""The report's page: what it shows of a run folder, and what it makes of a damaged one."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from pages import Page, make_run, row
from PIL import Image

from ganwright.errors import RunError
from ganwright.report import write_report
from ganwright.report.html import SIDE
from ganwright.report.page import SHOWN
from ganwright.report.records import read_record

pytestmark = pytest.mark.plots

ROWS = [
    row(s, D__adv=1 / s, D__gradient=1.0, G__adv=float("nan"), G__gradient=2.0 * s)
    for s in (10, 20, 30)
]


def page_of(run: Path) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def test_links_lead_to_the_run_wherever_the_page_is(tmp_path: Path) -> None:
    """Names may be text."""
    run = make_run(tmp_path / "a run", ROWS, grids=1)
    (tmp_path / "else").mkdir()
    for out in (None, str(tmp_path / "else" / "page.html")):
        page = write_report(str(run), out)
        links = re.findall(r'<a href="([^"#]+)">', page.read_text(encoding="utf-8"))
        assert len(links) >= 3
        assert all((page.parent / unquote(link)).exists() for link in links)
    assert "../a%20run/config.yaml" in links


def test_the_page_gives_progress_time_and_settings(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path / "first", ROWS, grids=1))
    assert page.headings[0] == "dcgan · first"
    assert "30 of 100 steps, 1,920 images (3 epochs), 1 min 0 s." in page.text
    assert page.value("time") == ["1 min 0 s"]
    assert page.value("images per second") == ["32.0"]
    assert page.value("milliseconds per step") == ["2e+03"]
    assert page.value("game.latent") == ["100"]
    assert "Deep convolutional GAN (arXiv:1511.06434)" in page.text


def test_each_kind_of_term_has_its_plot_and_each_term_its_meaning(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ROWS)
    page = page_of(run)
    assert page.labels == ["D: losses", "Gradient norms", "Images per second"]
    assert "D/adv: 0.03333" in page.text
    assert "G/adv" not in page.text
    assert "G/gradient: 60" in page.text
    assert "The adversarial loss. D's and G's settle into a noisy balance." in page.text
    files = sorted(path.name for path in (run / "plots").iterdir())
    assert files == ["D-losses.png", "gradient-norms.png", "speed.png"]
    for name in files:
        with Image.open(run / "plots" / name) as image:
            assert image.size == (600, 450)


def test_one_row_is_a_table_of_numbers(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ROWS[:1])
    page = page_of(run)
    assert page.labels == []
    assert page.value("D/adv") == ["0.1"]
    assert not (run / "plots").exists()


def test_the_page_asks_nothing_of_the_network(tmp_path: Path) -> None:
    text = write_report(make_run(tmp_path / "run", ROWS, grids=3)).read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.sources) == 3
    assert all(source.startswith("data:image/") for source in page.sources)
    assert "://" not in text
    assert "@import" not in text
    assert "url(#" in text
    assert text.count("url(") == text.count("url(#")


def test_the_slider_holds_each_grid_and_starts_at_the_newest(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", grids=3)
    text = write_report(run).read_text(encoding="utf-8")
    assert 'min="0" max="2" value="2"' in text
    assert "<output>step 2</output>" in text
    page = Page(text)
    held = [base64.b64decode(s.removeprefix("data:image/png;base64,")) for s in page.sources]
    files = [run / "samples" / f"step-{i:06}.png" for i in range(3)]
    assert held[:3] == [file.read_bytes() for file in files]
    assert text.count(" hidden>") == 2


def test_of_many_grids_the_first_and_the_last_are_kept(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", grids=SHOWN + 10)
    text = write_report(run).read_text(encoding="utf-8")
    assert text.count('alt="step ') == SHOWN
    assert 'alt="step 0"' in text
    assert f'alt="step {SHOWN + 9}"' in text


def test_a_large_grid_is_shown_smaller(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", grids=1)
    noise = np.random.default_rng(0).integers(0, 256, (1000, 2400, 3), np.uint8)
    Image.fromarray(noise).save(run / "samples" / "step-000001.png")
    kind, _, data = page_of(run).sources[1].partition(";base64,")
    assert kind == "data:image/jpeg"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (SIDE, SIDE * 1000 // 2400)


def test_real_images_stand_next_to_the_newest_samples(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", grids=2)
    (run / "samples" / "step-000000.png").rename(run / "samples" / "data.png")
    page = page_of(run)
    assert "Real images" in page.headings
    assert "Generated, step 1" in page.headings


def test_the_inputs_of_a_translator_are_no_real_images_to_compare_with(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", grids=2)
    (run / "samples" / "step-000000.png").rename(run / "samples" / "data.png")
    (run / "spec.json").write_text('{"count": 5, "target": [3, 8, 8]}', encoding="utf-8")
    page = page_of(run)
    assert "Inputs" in page.headings
    assert "Real images" not in page.headings


def test_all_of_a_user_is_escaped(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    rows = [{**row(s), f"{bad}/adv": float(s), f"x{bad}$^": 1.0} for s in (1, 2)]
    config = f"family: '{bad}'\ndata: '{bad}'\nsteps: '{bad}'\ngame:\n  '{bad}': '{bad}'\n"
    run = make_run(tmp_path / "a<b>&c", rows, grids=1, config=config)
    line = json.dumps({"step": 1, "name": bad, "value": 1.0, "how": bad})
    (run / "evaluation.jsonl").write_text(line + "\n", encoding="utf-8")
    line = json.dumps({"step": 1, "sentence": bad})
    (run / "health.jsonl").write_text(line + "\n", encoding="utf-8")
    (run / "environment.json").write_text(json.dumps({bad: bad}), encoding="utf-8")
    (run / "plots").mkdir()
    (run / "plots" / "exhibits.json").write_text(json.dumps({bad: bad}), encoding="utf-8")
    text = write_report(run).read_text(encoding="utf-8")
    assert text.count("<script>") == 1
    assert "alert(1)</script>" not in text
    assert Page(text).text.count("alert(1)") > 10
    assert "<b>" not in text


def test_health_is_shown_where_there_is_some(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ROWS)
    assert "Health" not in page_of(run).headings
    lines = ['{"step": 1200, "sentence": "D wins."}', "{", '{"step": 1}']
    (run / "health.jsonl").write_text("\n".join(lines), encoding="utf-8")
    page = page_of(run)
    assert "Health" in page.headings
    assert "Step 1,200: D wins." in page.text


def test_an_empty_run_has_a_report(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("family: gan\n", encoding="utf-8")
    page = page_of(tmp_path)
    assert "No metrics have been logged yet" in page.text
    assert page.text.count("There are none yet.") == 2


def test_a_damaged_log_and_damaged_images_are_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ROWS, grids=2)
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b'\xff\xfe\n{"step": Infinity}\n[1]\n{"step": 40, "D/a')
    (run / "samples" / "step-000001.png").write_bytes(b"no image")
    for name in ("spec.json", "environment.json"):
        (run / name).write_text("{", encoding="utf-8")
    page = page_of(run)
    assert "4 lines of metrics.jsonl cannot be read and are left out." in page.text
    assert "30 of 100 steps, 1,920 images, 1 min 0 s." in page.text
    assert page.text.count("step 0") == 1
    assert len(page.sources) == 1


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (None, r"it has no config\.yaml; name a folder"),
        ("a: [", r"config\.yaml cannot be read"),
        ("[1]", r"config\.yaml holds no settings"),
    ],
)
def test_what_is_no_run_is_a_sentence(tmp_path: Path, config: str | None, sentence: str) -> None:
    if config is not None:
        (tmp_path / "config.yaml").write_text(config, encoding="utf-8")
    with pytest.raises(RunError, match=sentence):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_folder_that_does_not_exist_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run: it does not exist"):
        write_report(tmp_path / "nowhere")


def test_the_price_is_that_of_the_time(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ROWS)
    page = Page(write_report(run, price=30).read_text(encoding="utf-8"))
    assert page.value("price at 30 an hour") == ["0.50"]


def test_metrics_of_a_step_made_twice_are_the_last_ones(tmp_path: Path) -> None:
    lines = [{"step": 2, "a": 1}, {"step": 1, "a": 2}, {"step": 2, "a": 3}, {"no": 1}, [1]]
    record = read_record(make_run(tmp_path / "run", lines))  # type: ignore[arg-type]
    assert record.rows == [{"step": 1, "a": 2}, {"step": 2, "a": 3}]
    assert record.damaged == 2


def test_a_failed_page_leaves_the_old_one(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ROWS)
    page = write_report(run)
    before = page.read_bytes()
    (run / "config.yaml").write_text("[", encoding="utf-8")
    with pytest.raises(RunError):
        write_report(run)
    assert page.read_bytes() == before
