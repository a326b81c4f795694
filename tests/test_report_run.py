"""Reports of real, tiny runs: written in training, again by command, and of several runs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny
from pages import CONFIG, Page, make_run, row
from PIL import Image

from ganwright.callbacks import report as hook
from ganwright.callbacks.callback import Callback, Run
from ganwright.cli import main
from ganwright.data.types import Images, Spec
from ganwright.errors import NonFiniteError, RunError
from ganwright.game import Game
from ganwright.report import comparison, exhibits
from ganwright.report.comparison import write_comparison
from ganwright.run import train as runs
from ganwright.training.machine import processor

pytestmark = pytest.mark.plots


def train(out: Path, name: str = "dcgan", callbacks: Any = (), **changes: Any) -> Path:
    given = {"steps": 4, "log_every": 1, "sample_every": 2, "save_every": 2} | changes
    cls, settings = tiny(name, **given)
    runs.train(cls, settings, out, callbacks=callbacks, quiet=True)
    return out


def page_of(run: Path) -> Page:
    return Page((run / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs") / "first")


def test_a_trained_run_has_its_report(trained: Path) -> None:
    page = page_of(trained)
    rows = [json.loads(x) for x in (trained / "metrics.jsonl").read_bytes().splitlines()]
    images = rows[-1]["images"]
    assert f"4 of 4 steps, {images} images ({images / 1617:.3g} epochs)" in page.text
    for name in ("D/adv", "G/adv", "D/gradient", "D/real"):
        assert f"{name}: {rows[-1][name]:.4g}" in page.text
    assert page.labels == [
        "D: losses",
        "D: scores",
        "G: losses",
        "Gradient norms",
        "Images per second",
    ]
    for title in ("Over training", "Real images", "Interpolation", "Nearest training images"):
        assert title in page.headings
    assert page.value("processor") == [processor(torch.device("cpu"))]
    assert page.value("torch") == [torch.__version__]
    numbers = dict(part.split() for part in page.value("parameters")[0].split(", "))
    assert set(numbers) == {"D", "G"}
    assert (
        "At step 4: each row is a sample, then its 4 nearest by pixels among 1,617 of" in page.text
    )


@pytest.mark.parametrize(
    ("family", "shown"),
    [
        ("cgan", {"Interpolation", "Nearest training images", "Real images"}),
        ("cyclegan", {"Inputs"}),
        ("aae", {"Interpolation", "Nearest training images", "Real images"}),
    ],
)
def test_each_kind_of_family_shows_what_it_has(
    family: str, shown: set[str], tmp_path: Path
) -> None:
    page = page_of(train(tmp_path / "run", family))
    own = {"Interpolation", "Nearest training images", "Real images", "Inputs"}
    assert own & set(page.headings) == shown


def test_points_have_neither_interpolation_nor_neighbours(tmp_path: Path) -> None:
    page = page_of(train(tmp_path / "run", "gan", data="ring", image_size=None))
    assert "Over training" in page.headings
    assert not {"Interpolation", "Nearest training images"} & set(page.headings)


class Ticking:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Advance(Callback):
    """Lets time pass in each step, and counts reports."""

    def __init__(self, clock: Ticking, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds

    def stepped(self, run: Run) -> None:
        self.clock.now += self.seconds


@pytest.mark.parametrize(("seconds", "steps"), [(10, [4, 12]), (1000, [2, 4, 6, 8, 10, 12])])
def test_reports_take_a_hundredth_of_the_time(
    seconds: float, steps: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, found = Ticking(), []
    monkeypatch.setattr(hook.time, "monotonic", clock)

    def write(run: Path) -> None:
        clock.now += 2.0  # after which 200 seconds are training's
        found.append(json.loads((run / "metrics.jsonl").read_bytes().splitlines()[-1])["step"])

    monkeypatch.setattr(hook, "write_report", write)
    monkeypatch.setattr(hook, "write_exhibits", lambda *args, **how: None)
    train(tmp_path / "run", callbacks=[Advance(clock, seconds)], steps=12)
    assert found == steps


class Poison(Callback):
    """Makes G not finite."""

    def stepped(self, run: Run) -> None:
        if run.step == 3:
            with torch.no_grad():
                next(iter(run.game.G.parameters())).fill_(math.nan)


def test_a_run_that_ends_in_a_nan_has_its_curves(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError):
        train(tmp_path / "run", callbacks=[Poison()], steps=6)
    assert "3 of 6 steps" in page_of(tmp_path / "run").text


def test_a_report_that_fails_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **how: Any) -> None:
        raise ZeroDivisionError("of someone's family")

    monkeypatch.setattr(hook, "write_exhibits", fail)
    text = "could not write the report: ZeroDivisionError: of someone's family"
    with pytest.warns(UserWarning, match=text):
        run = train(tmp_path / "run")
    assert "4 of 4 steps" in page_of(run).text


def test_a_report_draws_no_random_numbers(tmp_path: Path) -> None:
    class Asked(Callback):
        def __init__(self) -> None:
            self.states: list[torch.Tensor] = []

        def stepped(self, run: Run) -> None:
            hook.Report(1).started(run)
            before = torch.get_rng_state()
            report = hook.Report(1)
            report.started(run)
            report.act(run)
            self.states += [before, torch.get_rng_state()]

    asked = Asked()
    train(tmp_path / "run", callbacks=[asked], steps=1)
    assert torch.equal(*asked.states)


class Shift(Game):
    """Makes images of one level each, from the level."""

    def sample(self, n: int) -> torch.Tensor:
        return torch.linspace(-0.9, 0.9, n)[:, None, None, None].expand(n, 1, 2, 2)


class Levels:
    """Training images of one level each."""

    def __init__(self, levels: list[float], held_out: list[float]) -> None:
        self.levels, self.held = levels, held_out
        self.spec = Spec(Images, (1, 2, 2), count=len(levels))

    def splits(self) -> dict[str, int]:
        return {"train": len(self.levels)}

    def held_out(self, count: int) -> Images | None:
        return Images(self._images(self.held[:count])) if self.held else None

    def each(self, split: str, size: int, limit: int | None = None) -> Any:
        for start in range(0, min(len(self.levels), limit or 10**9), 2):
            yield Images(self._images(self.levels[start : start + 2]))

    @staticmethod
    def _images(levels: list[float]) -> torch.Tensor:
        return torch.tensor(levels)[:, None, None, None].expand(-1, 1, 2, 2)


def test_neighbours_are_the_nearest_by_pixels() -> None:
    data: Any = Levels([0.8, -1.0, 0.0, -0.5, 1.0, -0.85], held_out=[0.1, 0.6])
    found = exhibits.neighbours(Shift(None, data.spec), data, search=100, n=1)
    assert found is not None
    # the first of 64 samples is at -0.9; a level's distance is half, since white is 2 from black
    assert found.images[:, 0, 0, 0].tolist() == pytest.approx([-0.9, -0.85, -1.0, -0.5, 0.0])
    assert found.distance == pytest.approx(0.025, abs=1e-6)
    assert found.held_out == pytest.approx(0.05, abs=1e-6)
    assert (found.searched, found.of, found.nearest) == (6, 6, 4)


def test_few_training_images_are_fewer_neighbours() -> None:
    data: Any = Levels([0.5, -0.5], held_out=[])
    found = exhibits.neighbours(Shift(None, data.spec), data, search=100, n=2)
    assert found is not None
    assert found.images.shape == (6, 1, 2, 2)
    assert "then its 2 nearest" in found.sentence
    assert found.sentence.endswith("Near 0, samples are copies.")


def test_the_command_draws_again_what_is_missing_or_old(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = page_of(trained)
    (trained / "plots" / "exhibits.json").write_text('{"step": 2}', encoding="utf-8")
    (trained / "report.html").unlink()
    assert main(["report", str(trained), "--price", "2"]) == 0
    assert capsys.readouterr().out == f"{trained / 'report.html'}\n"
    after = page_of(trained)
    assert after.value("price at 2 an hour")
    assert [h for h in after.headings if h in before.headings] == before.headings
    assert exhibits.exhibited(trained / "plots") == 4


def test_the_command_searches_as_many_images_as_asked(trained: Path) -> None:
    assert main(["report", str(trained), "--search", "100"]) == 0
    assert "among 100 of 1,617 training images" in page_of(trained).text


@pytest.mark.filterwarnings("always")
def test_data_that_is_gone_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(6):
        Image.new("L", (8, 8), 40 * i).save(pictures / f"{i}.png")
    run = train(tmp_path / "run", data=str(pictures))
    for path in pictures.iterdir():
        path.unlink()
    pictures.rmdir()
    (run / "plots" / "exhibits.json").unlink()
    assert main(["report", str(run)]) == 0
    assert "nearest training images are not shown: " in capsys.readouterr().err
    page = page_of(run)
    assert "Interpolation" in page.headings
    assert "Nearest training images" not in page.headings


@pytest.mark.filterwarnings("always")
def test_networks_that_cannot_be_loaded_are_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", [row(1, D__adv=1.0), row(2, D__adv=2.0)])
    (run / "checkpoints" / "step-000002").mkdir(parents=True)
    assert main(["report", str(run)]) == 0
    assert "the networks are not shown: " in capsys.readouterr().err
    assert "D/adv: 2" in page_of(run).text


def two_runs(folder: Path) -> list[Path]:
    first = [row(s) | {"D/adv": 1.0 * s, "FID (x)": 2.0 * s} for s in (1, 2)]
    second = [row(s) | {"D/adv": 3.0 * s, "held_out/error": 0.5} for s in (1, 2, 4)]
    other = CONFIG.replace("latent: 100", "latent: 7").replace("digits", "ring")
    return [
        make_run(folder / "a", first, grids=2),
        make_run(folder / "b", second, grids=1, config=other),
    ]


def test_several_runs_are_compared_on_one_page(tmp_path: Path) -> None:
    runs_ = two_runs(tmp_path)
    line = json.dumps({"step": 2, "name": "IS (y)", "value": 3.25})
    (runs_[0] / "evaluation.jsonl").write_text(line + "\n", encoding="utf-8")
    out = tmp_path / "page.html"
    assert main(["report", *map(str, runs_), "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    page = Page(text)
    assert page.headings[0] == "2 runs compared"
    assert page.value("steps") == ["2", "4"]
    assert page.value("images") == ["128", "256"]
    assert page.value("time") == ["4 s", "8 s"]
    assert page.value("game.latent") == ["100", "7"]
    assert page.value("data") == ["digits", "ring"]
    assert not any(cells[0] == "family" for cells in page.cells[2:] if cells)
    assert page.value("FID (x)") == ["4", "-"]
    assert page.value("held_out/error") == ["-", "0.5"]
    assert page.value("IS (y) (evaluated)") == ["3.25", "-"]
    assert page.labels == ["FID (x)", "held_out/error", "D/adv"]
    assert "do not compare" not in page.text
    adv = page.text[page.text.index("D/adv") :]
    assert "a: 2" in adv
    assert "b: 12" in adv
    assert len(page.sources) == 3
    assert "://" not in text
    assert not (runs_[0] / "plots").exists()


def test_numbers_of_other_protocols_are_said_on_the_page(tmp_path: Path) -> None:
    runs_ = [make_run(tmp_path / name, [row(1)]) for name in "abc"]
    for run, samples in zip(runs_, (100, 100, 50), strict=True):
        about = {"name": "FID", "value": 1.0, "step": 1, "samples": samples}
        (run / "evaluation.jsonl").write_text(json.dumps(about) + "\n", encoding="utf-8")
        known = json.dumps({"KID": {"samples": samples * 2}})
        (run / "protocols.json").write_text(known, encoding="utf-8")
    page = Page(write_comparison(runs_, tmp_path / "c.html").read_text(encoding="utf-8"))
    assert "FID (evaluated) of a and of c do not compare: samples 100 and 50." in page.text
    assert "KID of a and of c do not compare: samples 200 and 100." in page.text
    assert page.text.count("do not compare") == 2


def test_runs_without_names_of_their_own_go_by_their_paths(tmp_path: Path) -> None:
    one = make_run(tmp_path / "x" / "run", [row(1)])
    other = make_run(tmp_path / "y" / "run", [row(1)])
    page = Page(write_comparison([one, other], tmp_path / "c.html").read_text(encoding="utf-8"))
    assert page.cells[0] == ["", str(one), str(other)]
    assert "None." in page.text
    assert "Nothing was measured yet." in page.text
    with pytest.raises(RunError, match="is named twice; name each run once"):
        write_comparison([one, other, one], tmp_path / "d.html")
    assert not (tmp_path / "d.html").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere"], "nowhere is not a run: it does not exist"),
        (["RUN", "nowhere", "--out", "c.html"], "nowhere is not a run: it does not exist"),
        (["RUN", "--out", "page.png"], "--out is page.png; name a .html file"),
        (["RUN", "RUN2", "--price", "2"], "--price is for the report of one run"),
        (["RUN", "RUN2", "--search", "2"], "--search is for the report of one run"),
        (["RUN", "--out", "TAKEN"], "exists; add --overwrite to replace it"),
        (["RUN", "--serch", "2"], "unknown setting --serch; did you mean --search?"),
        ([], "RUN"),
    ],
)
def test_the_command_refuses_in_a_sentence(
    words: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    taken = tmp_path / "taken.html"
    taken.write_text("mine", encoding="utf-8")
    first, second = two_runs(tmp_path)
    places: Mapping[str, Path] = {"RUN": first, "RUN2": second, "TAKEN": taken}
    assert main(["report", *(str(places.get(word, word)) for word in words)]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert not (first / "report.html").exists()
    assert taken.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "c.html").exists()


def test_a_curve_of_one_run_alone_is_drawn_too(tmp_path: Path) -> None:
    runs_ = comparison._named([comparison.read_record(run) for run in two_runs(tmp_path)])
    plot = comparison._plot(runs_, "FID (x)")
    assert [each.label for each in plot.series] == ["a"]
