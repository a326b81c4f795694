"""Runs in one table: what is grouped, and what does not compare."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers import tiny
from test_evaluate import rows, trained

import ganwright
from ganwright.callbacks.metrics_log import append
from ganwright.cli import main
from ganwright.config.settings import Settings
from ganwright.data.types import Images, Spec
from ganwright.errors import RunError
from ganwright.metrics.diversity import Diversity
from ganwright.run import run_folder
from ganwright.run.assembly import resolved
from ganwright.run.compare import Table, compare
from ganwright.run.evaluation import Choice, evaluate

FEW = Choice(n=100, device="cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that measured FID."""
    out = tmp_path_factory.mktemp("runs") / "run"
    trained(out)
    return out


def made(
    path: Path, seed: int, loss: str, value: float, precision: str = "fp32", **protocol: Any
) -> Path:
    """A run folder with one evaluation, without training."""
    cls, settings = tiny("dcgan", seed=seed, precision=precision)
    config = cls.Config(loss=loss)
    settings = resolved(cls, Settings(**vars(settings) | {"game": config}))
    run_folder.make(path, cls, settings, Spec(Images, (1, 8, 8)), {})
    row = {"name": "FID (digits)", "value": value, "seed": seed, "samples": 100} | protocol
    (path / "evaluation.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def four(tmp_path: Path) -> list[str]:
    """Hinge with 3 and 5, Wasserstein with 10 and 16."""
    return [
        str(made(tmp_path / f"{loss}-{seed}", seed, loss, value))
        for loss, seed, value in [
            *(("Hinge", 0, 3.0), ("Hinge", 1, 5.0)),
            *(("Wasserstein", 0, 10.0), ("Wasserstein", 1, 16.0)),
        ]
    ]


def test_runs_are_grouped_by_all_but_the_seed(
    four: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *four]) == 0
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    cells = [[c.strip() for c in line if c.strip()] for line in lines]
    assert cells == [
        ["family", "loss", "FID (digits)", "seeds"],
        ["dcgan", "Hinge()", "4 ± 1.4", "2"],
        ["dcgan", "Wasserstein()", "13 ± 4.2", "2"],
    ]


def test_a_run_that_repeats_another_is_no_second_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, again = (made(tmp_path / n, 0, "Hinge", 3.0) for n in ("first", "again"))
    other = made(tmp_path / "other", 1, "Hinge", 5.0)
    twice = [first, other, tmp_path / "again" / ".." / "first"]
    table = compare(twice)
    assert (table.rows[0][1]["FID (digits)"][2], table.notes) == (2, ())
    assert main(["compare", *map(str, (*twice, again))]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1].split() == ["dcgan", "4", "±", "1.4", "2"]
    assert said.err == f"ganwright: left out {again}: {first} has its settings and its seed 0\n"


def test_one_seed_in_two_precisions_makes_two_groups(tmp_path: Path) -> None:
    """Where each seed was trained in one, as on two machines, they are one group."""
    runs = [
        made(tmp_path / f"{seed}-{precision}", seed, "Hinge", 3.0 + seed, precision)
        for seed, precision in ((0, "fp32"), (0, "bf16"), (1, "bf16"))
    ]
    table = compare(runs)
    assert table.heads == ("family", "precision")
    counts = {labels: found["FID (digits)"][2] for labels, found in table.rows}
    assert counts == {("dcgan", "fp32"): 1, ("dcgan", "bf16"): 2}
    assert compare([runs[0], runs[2]]).heads == ("family",)


def test_runs_that_were_never_evaluated_are_compared_by_what_training_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path / "run", 0, "Hinge", 1.0)
    (run / "evaluation.jsonl").unlink()
    terms = {"D/adv": 1.0, "D/gradient": 2.0, "images": 64, "health/diversity": 1.0}
    own = {"PSNR": 20.0, "MixtureModes/modes": 8.0, "held_out/l1": 0.5, "KID (digits)": 3.0}
    row = {"step": 2, **terms, **own, "KID (digits) spread": 0.25}
    (run / "metrics.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert main(["compare", str(run), "--csv"]) == 0
    head = capsys.readouterr().out.splitlines()[0].split(",")
    assert [name for name in head[1:] if not name.endswith((" spread", " seeds"))] == [*own]


def test_forms_of_the_table(four: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *four[:2], "--csv"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head == "family,FID (digits),FID (digits) spread,FID (digits) seeds"
    assert row.split(",")[:2] == ["dcgan", "4.0"]
    assert float(row.split(",")[2]) == pytest.approx(2**0.5)
    assert main(["compare", "--latex", *four[:2]]) == 0
    assert r"dcgan & 4 $\pm$ 1.4 & 2 \\" in capsys.readouterr().out
    assert main(["compare", "--latex", "--csv", *four]) == 2
    assert main(["compare", four[0], "--csv"]) == 0  # one seed has no spread
    assert capsys.readouterr().out.splitlines()[1] == "dcgan,3.0,,1"
    marks = Table(("a~b^c\\d_e",), (), ()).latex()
    escaped = r"a\textasciitilde{}b\textasciicircum{}c\textbackslash{}d\_e & seeds"
    assert marks.splitlines()[2] == rf"{escaped} \\"


def test_numbers_of_other_protocols_do_not_compare(tmp_path: Path) -> None:
    runs = [
        made(tmp_path / "a", 0, "Hinge", 3.0),
        made(tmp_path / "b", 1, "Hinge", 5.0, samples=50),
    ]
    with pytest.raises(
        RunError, match="do not compare: samples 100 and 50; evaluate them in the same way"
    ):
        compare(runs)


def only_logged(run: Path, value: float, **protocol: Any) -> Path:
    """The same run, never evaluated, whose training logged a FID in a way that it says or not."""
    (run / "evaluation.jsonl").unlink()
    text = json.dumps({"step": 2, "FID (digits)": value}) + "\n"
    (run / "metrics.jsonl").write_text(text, encoding="utf-8")
    if protocol:
        (run / "protocols.json").write_text(json.dumps({"FID (digits)": protocol}), "utf-8")
    return run


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ({}, "samples 100 and unknown"),
        ({"samples": 50}, "samples 100 and 50"),
        ({"samples": 100, "weights": "raw"}, "weights average and raw"),
    ],
)
def test_what_was_evaluated_and_what_training_logged_are_not_one_number(
    tmp_path: Path, protocol: dict[str, Any], said: str
) -> None:
    runs = [
        made(tmp_path / "a", 0, "Hinge", 3.0),
        only_logged(made(tmp_path / "b", 1, "Hinge", 0.0), 5.0, **protocol),
    ]
    with pytest.raises(RunError, match=f"of .*a and of .*b do not compare: {said}; evaluate them"):
        compare(runs)


def test_logged_numbers_compare_by_their_protocols(tmp_path: Path) -> None:
    """Runs of before do not say how: that is a note."""
    a, b, c, d = (
        only_logged(made(tmp_path / name, seed, "Hinge", 0.0), value, **protocol)
        for name, seed, value, protocol in [
            ("a", 0, 3.0, {"samples": 80}),
            ("b", 1, 5.0, {"samples": 80, "weights": "average"}),
            ("c", 2, 5.0, {"samples": 40}),
            ("d", 3, 5.0, {}),
        ]
    )
    assert compare([a, b]).notes == ()
    assert compare([a, b]).rows[0][1]["FID (digits)"] == (4, pytest.approx(2**0.5), 2)
    with pytest.raises(RunError, match="samples 80 and 40"):
        compare([a, c])
    assert compare([a, d]).notes == (
        f"how FID (digits) of {d} was measured is not known; evaluate it",
    )


def test_training_says_how_it_measures(run: Path, tmp_path: Path) -> None:
    """Three ways differ in samples, in weights, and in nothing."""
    known = json.loads((run / "protocols.json").read_text(encoding="utf-8"))["FID (digits)"]
    assert (known["samples"], known["reference_count"], known["seed"]) == (80, 180, 0)
    trained(tmp_path / "fewer", seed=1, evaluate_samples=70)
    trained(tmp_path / "alike", seed=2)
    (run_again := tmp_path / "first").mkdir()
    shutil.copytree(run, run_again, dirs_exist_ok=True)
    (run_again / "evaluation.jsonl").unlink(missing_ok=True)
    with pytest.raises(RunError, match="do not compare: samples 80 and 70"):
        compare([run_again, tmp_path / "fewer"])
    assert compare([run_again, tmp_path / "alike"]).rows[0][1]["FID (digits)"][2] == 2


def test_raw_weights_and_another_truncation_are_another_protocol(tmp_path: Path) -> None:
    cls, settings = tiny("stylegan2", steps=1)
    model = ganwright.train(cls, settings, tmp_path / "run", quiet=True)
    truncated = model.truncated(0.5)
    found = [
        dict(evaluate(which, [Diversity()], choice=FEW, **more)[0].protocol)
        for which, more in ((model, {}), (model.run, {"raw": True}), (truncated, {}))
    ]
    assert [about["weights"] for about in found] == ["average", "raw", "average"]
    assert [about.get("truncation") for about in found] == [None, None, 0.5]


def test_runs_at_different_steps_are_named(tmp_path: Path) -> None:
    steps = (4, 2, 4)
    a, b, c = (made(tmp_path / "abc"[i], i, "Hinge", 3.0, step=steps[i]) for i in range(len(steps)))
    (note,) = compare([a, b, c]).notes
    assert note.startswith("one row holds runs measured at different steps: ")
    assert f"{b} at step 2, the rest at 4 of " in note
    assert compare([a, c]).notes == ()


def test_steps_are_compared_for_each_number(tmp_path: Path) -> None:
    """One run was trained on and evaluated again, by another metric alone."""
    a, b = (made(tmp_path / "ab"[i], i, "Hinge", 3.0, step=(2, 4)[i]) for i in range(2))
    for run in (a, b):
        with (run / "evaluation.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"name": "KID", "value": 1.0, "step": 4}) + "\n")
    assert [note.partition(" of ")[0] for note in compare([a, b]).notes] == [
        f"one row holds runs measured at different steps: {a} at step 2, the rest at 4"
    ]
    assert compare([a, b]).notes[0].endswith(" (FID (digits))")
    assert compare([a]).notes == (
        "numbers of one row were measured at different steps: FID (digits) at step 2, KID at step "
        "4; evaluate them again",
    )
    assert compare([b]).notes == ()


@pytest.mark.parametrize("written", ["NaN", "Infinity", "null"])
def test_what_is_not_finite_is_named(
    written: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files of before hold NaN and Infinity, which are no JSON."""
    runs = [made(tmp_path / str(i), i, "Hinge", 3.0) for i in range(3)]
    text = f'{{"name": "FID (digits)", "samples": 100, "value": {written}}}\n'
    (runs[2] / "evaluation.jsonl").write_text(text, encoding="utf-8")
    assert main(["compare", *map(str, runs)]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1].split() == ["dcgan", "nan", "±", "nan", "3"]
    value = {"NaN": "nan", "Infinity": "inf", "null": "nan"}[written]
    assert said.err == f"ganwright: FID (digits) of {runs[2]} is {value}, so its mean is nan\n"


def test_lines_of_numbers_are_json(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    append(file, {"step": 1, "own": math.nan, "other": -math.inf, "FID": 2.0})
    assert json.loads(file.read_text(encoding="utf-8"), parse_constant=pytest.fail) == {
        "step": 1,
        "own": None,
        "other": None,
        "FID": 2.0,
    }


def test_a_cell_of_fewer_seeds_says_how_many(tmp_path: Path) -> None:
    runs = [made(tmp_path / str(i), i, "Hinge", 3.0) for i in range(3)]
    for i, run in enumerate(runs):
        with (run / "evaluation.jsonl").open("a", encoding="utf-8") as file:
            row = {"name": "KID", "value": 1.0 + i, "samples": 100} if i else {}
            file.write(json.dumps(row) + "\n")
            file.write((json.dumps({"name": "IS", "value": 7}) if i == 2 else "") + "\n")
    assert compare(runs).cells()[1][1:] == ["3 ± 0", "2.5 ± 0.71 (2 seeds)", "7 (1 seed)", "3"]


def test_a_run_without_numbers_is_named(four: list[str]) -> None:
    (Path(four[1]) / "evaluation.jsonl").unlink()
    table = compare(four)
    assert [row[-1] for row in table.cells()[1:]] == ["1", "2"]
    assert table.notes == (f"{four[1]} was never measured, so no number counts it; evaluate it",)


def test_labels_in_turn_do_not_compare_with_those_as_in_the_data(tmp_path: Path) -> None:
    """Nor does what was evaluated before protocols said it; a family without labels does."""
    new = {"weights": "average"}
    protocols = [new | {"labels": "as in the data"}, new, {}, {"labels": "in turn"}]
    runs = [made(tmp_path / str(i), i, "Hinge", 3.0, **p) for i, p in enumerate(protocols)]
    assert compare(runs[:2]).rows[0][1]["FID (digits)"][2] == 2
    assert compare(runs[2:]).rows[0][1]["FID (digits)"][2] == 2
    with pytest.raises(RunError, match="labels as in the data and in turn"):
        compare([runs[0], runs[2]])


def test_numbers_of_training_serve_where_nothing_was_evaluated(run: Path, tmp_path: Path) -> None:
    trained(tmp_path / "run")
    (group,) = compare([tmp_path / "run"]).rows
    last = rows(tmp_path / "run" / "metrics.jsonl")[-1]["FID (digits)"]
    assert group[1]["FID (digits)"] == (last, 0.0, 1)
