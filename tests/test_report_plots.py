"""Which terms share a plot, what they mean, and how plots are drawn."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from pages import CONFIG, make_run, row
from PIL import Image

from ganwright.families import FAMILIES
from ganwright.report import terms
from ganwright.report.drawing import axis_of, drawn, short
from ganwright.report.plots import POINTS, Plot, Series, epochs, explained, groups, thinned
from ganwright.report.records import Record, read_record
from ganwright.report.terms import ALONE, GRADIENT, LOSS, SCORE, SHARE, Meaning, meaning

NONE = Meaning(LOSS, "", "")


def record_of(folder: Path, names: str, family: str = "dcgan", count: int = 640) -> Record:
    rows = [row(s, **dict.fromkeys(names.split(), float(s))) for s in (10, 20)]
    config = CONFIG.replace("dcgan", family)
    return read_record(make_run(folder / "run", rows, config=config, count=count))


def titles(record: Record) -> dict[str, dict[str, list[str]]]:
    return {
        group.title: {plot.title: [s.label for s in plot.series] for plot in group.plots}
        for group in groups(record)
    }


def test_terms_that_compare_share_an_axis(tmp_path: Path) -> None:
    names = "D__adv D__R1 D__real D__fake D__gradient G__adv G__gradient D__real_sign D__p"
    found = titles(record_of(tmp_path, names))
    assert found == {
        "Training": {
            "D: losses": ["D/adv", "D/R1"],
            "D: scores": ["D/real", "D/fake"],
            "D: shares": ["D/p"],
            "D/real_sign": ["D/real_sign"],
            "G: losses": ["G/adv"],
            "Gradient norms": ["D/gradient", "G/gradient"],
        },
        "Speed": {"Images per second": ["images per second"]},
    }


def test_what_metrics_and_callbacks_log_is_no_players(tmp_path: Path) -> None:
    names = "D__adv D__gradient MixtureModes__modes mine__number health__diversity PSNR"
    assert titles(record_of(tmp_path, names)) == {
        "Training": {
            "D: losses": ["D/adv"],
            "health/diversity": ["health/diversity"],
            "Gradient norms": ["D/gradient"],
        },
        "Metrics": {n: [n] for n in ("MixtureModes/modes", "mine/number", "PSNR")},
        "Speed": {"Images per second": ["images per second"]},
    }
    means = explained(record_of(tmp_path / "other", names), "MixtureModes/modes")
    assert means.text == "A number that was logged in training."


def test_held_out_numbers_stand_next_to_those_of_training_if_they_compare(tmp_path: Path) -> None:
    names = "Q__reconstruction G__l1 held_out__reconstruction held_out__l1"
    assert titles(record_of(tmp_path, names))["Held-out data"] == {
        "held_out/reconstruction": ["held_out/reconstruction", "Q/reconstruction"],
        "held_out/l1": ["held_out/l1"],
    }


def test_a_metric_has_its_spread_as_a_band(tmp_path: Path) -> None:
    rows = [row(s) | {"KID (digits)": 3.0, "KID (digits) spread": 0.5} for s in (1, 2)]
    (metrics,) = (g for g in groups(read_record(make_run(tmp_path, rows))) if g.title == "Metrics")
    (plot,) = metrics.plots
    (own,) = plot.series
    assert own.spread is not None
    assert own.spread.tolist() == [0.5, 0.5]
    assert own.meaning.text.startswith("Kernel distance")


def test_what_is_logged_seldom_keeps_its_steps(tmp_path: Path) -> None:
    rows = [row(s) | ({"FID (x)": 1.0 * s} if s % 2 == 0 else {}) for s in range(1, 7)]
    found = groups(read_record(make_run(tmp_path, rows)))
    own = found[0].plots[0].series[0]
    assert own.x.tolist() == own.y.tolist() == [2, 4, 6]


@pytest.mark.parametrize(
    ("family", "name", "kind"),
    [
        ("dcgan", "adv", LOSS),
        ("cyclegan", "adv_B", LOSS),
        ("cyclegan", "real_A", SCORE),
        ("dcgan", "real", SCORE),
        ("began", "real", LOSS),
        ("began", "M", ALONE),
        ("pixelda", "accuracy_adapted", SHARE),
        ("pixelda", "task_source", LOSS),
        ("dcgan", "GradientPenalty_A", LOSS),
        ("dcgan", "gradient", GRADIENT),
        ("dcgan", "diversity", ALONE),  # of the callback that watches a run's health
        ("stylegan2", "path_length", ALONE),
        ("cdc", "dist", LOSS),
        ("mine:Game", "whatever_it_is", LOSS),
    ],
)
def test_the_kind_of_a_term(family: str, name: str, kind: terms.Kind) -> None:
    assert meaning(family, "D", name).kind is kind


def test_an_unknown_term_is_its_players() -> None:
    assert meaning("dcgan", "Q", "new").text == "A term of Q's objective."
    assert set(terms.FAMILY_TERMS) <= set(FAMILIES)


def test_keys_of_files_are_safe_and_unique(tmp_path: Path) -> None:
    rows = [row(s) | {"../x/adv": 1.0, "..?x/adv": 1.0, "SPEED": 2.0} for s in (1, 2)]
    keys = [p.key for g in groups(read_record(make_run(tmp_path, rows))) for p in g.plots]
    assert keys == ["x-losses", "x-losses-2", "SPEED", "speed-2"]


@pytest.mark.parametrize(("values", "log"), [([1, 100], True), ([1, 99], False), ([0, 500], False)])
def test_two_decades_make_the_axis_logarithmic(values: list[float], log: bool) -> None:
    curve = Series("a", np.arange(2.0), np.array(values, float), NONE)
    assert Plot("a", "a", "", (curve,)).log is log


def test_long_curves_are_averaged() -> None:
    x, y = thinned(np.arange(4.0 * POINTS), np.arange(4.0 * POINTS) % 2)
    assert x.shape == (POINTS,)
    assert (y == 0.5).all()
    assert x[:2].tolist() == [1.5, 5.5]
    assert thinned(np.arange(3.0), np.arange(3.0))[0].tolist() == [0, 1, 2]


def test_epochs_follow_images(tmp_path: Path) -> None:
    places, said = epochs(record_of(tmp_path, "D__adv"))
    assert said == ["0", "0.5", "1", "1.5", "2"]
    assert places.tolist() == [0, 5, 10, 15, 20]
    empty = epochs(record_of(tmp_path / "other", "D__adv", count=0))
    assert empty[1] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "0.25"), (0, "0"), (9999, "9999"), (12_000, "12k"), (1.5e6, "1.5M"), (-2e4, "-20k")],
)
def test_numbers_on_an_axis_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_a_plot_takes_the_colours_of_its_page(tmp_path: Path) -> None:
    record = record_of(tmp_path, "D__adv D__R1")
    plot = groups(record)[0].plots[0]
    svg, png = drawn(plot, axis_of(record))
    assert svg.startswith('<svg viewBox="')
    assert 'aria-label="D: losses"' in svg
    assert "currentColor" in svg
    assert "var(--line)" in svg
    assert not re.search(r'id="\w+_\d+"|xmlns|metadata', svg)
    words = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"epochs", "steps, with images below", "loss", "20", "1280", "2"} <= set(words)
    with Image.open(io.BytesIO(png)) as image:
        assert image.getpixel((0, 0)) == (255, 255, 255, 255)


@pytest.mark.parametrize("label", ["$x^", "_hidden", "字", r"\frac{"])
def test_any_label_can_be_drawn(label: str) -> None:
    curves = tuple(Series(label, np.arange(2.0), np.arange(2.0), NONE) for _ in range(2))
    axis = axis_of(Record(Path("x"), {}, [{"step": 2}], 0, {}, {}))
    assert drawn(Plot("a", label, "", curves), axis).png.startswith(b"\x89PNG")
