"""Evaluating runs and folders, while they train and afterwards; comparing and sweeping them."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import TINY, tiny
from PIL import Image

import ganwright
from ganwright import callbacks
from ganwright.callbacks import Plateau
from ganwright.cli import main
from ganwright.config.settings import Settings
from ganwright.data import open_data
from ganwright.errors import DataError, RunError, SettingsError
from ganwright.game import Game
from ganwright.metrics.distances import FID, KID, InceptionScore
from ganwright.metrics.diversity import Diversity, PathLength
from ganwright.metrics.evaluation import evaluate as metrics_of
from ganwright.metrics.image_set import of_game, of_tensor
from ganwright.metrics.labelled import ClassificationAccuracy, ConditionalAccuracy
from ganwright.metrics.masks import MeanIoU
from ganwright.metrics.metric import Metric
from ganwright.metrics.modes import MixtureModes
from ganwright.metrics.neighbours import DensityCoverage, Memorisation, PrecisionRecall
from ganwright.metrics.restoration import Restoration, restored
from ganwright.metrics.two_sample import TwoSample
from ganwright.report import write_report
from ganwright.report.protocols import unlike
from ganwright.report.terms import meaning
from ganwright.run import evaluation
from ganwright.run.assembly import assemble, resolved
from ganwright.run.evaluation import Choice, evaluate
from ganwright.training import checkpoint
from ganwright.training.engine import Engine

FEW = Choice(n=100, device="cpu")
PSNR = "held_out/psnr"


class Stream(torch.utils.data.IterableDataset[torch.Tensor]):
    """Images without end."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        while True:
            yield torch.rand(1, 16, 16) * 2 - 1


def trained(out: Path, **changes: Any) -> ganwright.Model:
    """A tiny DCGAN on embedded digits, measured every other step."""
    cls, settings = tiny("dcgan", image_size=16, batch_size=8, steps=4, log_every=2)
    wanted = {"metrics": [FID()], "evaluate_every": 2, "evaluate_samples": 80, "quiet": True}
    return ganwright.train(cls, settings, out, **(wanted | changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that kept its best checkpoint by FID."""
    out = tmp_path_factory.mktemp("runs") / "run"
    trained(out, keep_best="FID")
    return out


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def folder(path: Path, images: torch.Tensor) -> Path:
    """Images, uint8 [n, H, W] or [n, H, W, 3], as files."""
    path.mkdir()
    for i, pixels in enumerate(images):
        Image.fromarray(pixels.numpy()).save(path / f"{i:03}.png")
    return path


def test_images_that_are_named_are_read_as_a_runs_own(tmp_path: Path) -> None:
    """In its range and, on either side, at its size: other numbers would be other images."""
    pixels = torch.randint(0, 256, (80, 20, 20), generator=torch.Generator().manual_seed(0))
    data = folder(tmp_path / "data", pixels.to(torch.uint8))
    trained(tmp_path / "run", data=data, range=(50, 150), metrics=(), evaluate_every=None)
    run, few = tmp_path / "run", replace(FEW, n=80, split="train")
    own = evaluate(run, [Diversity()], choice=few)[0]
    named = evaluate(run, [Diversity()], against=data, choice=few)[0]
    assert named.protocol["reference_hash"] == own.protocol["reference_hash"]
    swapped = evaluate(data, [TwoSample(epochs=1)], against=run, choice=few)[0]
    assert swapped.protocol["samples"] == 80  # of its 20x20 pixels, and 16x16 of the samples


@pytest.mark.parametrize(
    ("ends", "kind"), [((0, 65535), np.uint16), ((-1, 1), np.float32)], ids=["16 bits", "floats"]
)
def test_images_that_are_named_are_read_in_the_levels_that_a_run_found(
    ends: tuple[int, int], kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dark ones of 16 bits are no 12 bits to it, and floats above 0 are none from 0 to 1."""
    low, high = ends
    values = torch.rand(80, 16, 16, generator=torch.Generator().manual_seed(0)).numpy()
    for name, least, most in (("data", low, high), ("few", high / 50, high / 20)):
        (tmp_path / name).mkdir()
        for i, pixels in enumerate(values * (most - least) + least):
            np.save(tmp_path / name / f"{i:03}.npy", pixels.astype(kind))
    trained(tmp_path / "run", data=tmp_path / "data", metrics=(), evaluate_every=None)
    opened: list[Any] = []
    monkeypatch.setattr(
        evaluation,
        "open_data",
        lambda *given, **how: opened.append(open_data(*given, **how)) or opened[-1],
    )
    few, choice = tmp_path / "few", replace(FEW, n=80, split="train")
    evaluate(tmp_path / "run", [Diversity()], against=few, choice=choice)
    evaluate(few, [Diversity()], against=tmp_path / "run", choice=choice)
    for data in opened:
        images = (data.batch(0, 80).images + 1) / 2 * (high - low) + low
        assert 0.019 * high < images.min() < images.max() < 0.051 * high
    assert len(opened) == 2


def test_a_pack_keeps_its_size_next_to_a_run(run: Path, tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (80, 16, 16), generator=torch.Generator().manual_seed(0))
    data = str(folder(tmp_path / "data", pixels.to(torch.uint8)))
    assert main(["data", data, "--pack", str(tmp_path / "own")]) == 0  # no size is named
    assert main(["pack", data, str(tmp_path / "sized"), "--image-size", "16"]) == 0
    for name in ("own", "sized"):
        pack = tmp_path / name
        plain = evaluate(run, [Diversity()], against=data, choice=FEW)[0]
        packed = evaluate(run, [Diversity()], against=pack, choice=FEW)[0]
        assert packed.value == pytest.approx(plain.value)
        assert evaluate(pack, [Diversity()], against=run, choice=FEW)
        assert evaluate(pack, [Diversity()], against=pack, choice=FEW)


# In training


def test_metrics_stand_in_the_rows_and_the_best_is_kept(run: Path) -> None:
    values = {row["step"]: row["FID (digits)"] for row in rows(run / "metrics.jsonl")}
    assert values.keys() == {2, 4}
    known = json.loads((run / "best" / "best.json").read_text(encoding="utf-8"))
    best = min(values, key=lambda step: values[step])
    assert known == {"metric": "FID (digits)", "value": values[best], "step": best}
    assert [checkpoint.step_of(p) for p in checkpoint.steps(run / "best")] == [best]
    assert ganwright.load(run, best=True).step == best
    assert ganwright.load(run).step == 4


def test_what_was_best_is_remembered_when_a_run_goes_on(tmp_path: Path) -> None:
    trained(tmp_path / "run", keep_best="FID")
    known = tmp_path / "run" / "best" / "best.json"
    about = json.loads(known.read_text(encoding="utf-8")) | {"value": -1.0}
    known.write_text(json.dumps(about), encoding="utf-8")
    more = {"metrics": [FID()], "evaluate_every": 2, "evaluate_samples": 80, "keep_best": "FID"}
    ganwright.resume(tmp_path / "run", steps=6, quiet=True, **more)
    assert json.loads(known.read_text(encoding="utf-8")) == about


def test_a_better_one_of_an_earlier_step_is_kept(tmp_path: Path) -> None:
    """After a rollback, or a crash behind a measurement, steps are made again."""
    trained(tmp_path / "run", keep_best="FID")
    best = tmp_path / "run" / "best"
    (had,) = checkpoint.steps(best)
    late = had.rename(best / "step-000009")
    about = {"metric": "FID (digits)", "value": 1e9, "step": 9}
    (best / "best.json").write_text(json.dumps(about), encoding="utf-8")
    more = {"metrics": [FID()], "evaluate_every": 2, "evaluate_samples": 80, "keep_best": "FID"}
    ganwright.resume(tmp_path / "run", steps=6, quiet=True, **more)
    assert not late.exists()
    assert [checkpoint.step_of(p) for p in checkpoint.steps(best)] == [6]
    assert ganwright.load(tmp_path / "run", best=True).step == 6


def test_the_best_is_not_the_last_that_was_kept(tmp_path: Path) -> None:
    """A process may be killed before it removes the best of a step that was undone."""
    cls, settings = tiny("dcgan", steps=2, save_every=1)
    ganwright.train(cls, settings, tmp_path, quiet=True)
    best = shutil.copytree(tmp_path / "checkpoints", tmp_path / "best")
    about = {"metric": "FID (digits)", "value": 3.0, "step": 1}
    (best / "best.json").write_text(json.dumps(about), encoding="utf-8")
    assert [checkpoint.step_of(p) for p in checkpoint.steps(best)] == [1, 2]
    assert ganwright.load(tmp_path, best=True).step == 1
    assert ganwright.load(tmp_path, best=True, step=2).step == 2


def test_measuring_changes_no_weight(run: Path, tmp_path: Path) -> None:
    trained(tmp_path / "plain", metrics=[])
    newest = [checkpoint.load_newest(r / "checkpoints") for r in (run, tmp_path / "plain")]
    assert newest[0] is not None
    assert newest[1] is not None
    assert all(torch.equal(x, newest[1].game[name]) for name, x in newest[0].game.items())


def own_numbers(name: str) -> tuple[type[Game], dict[str, Any]]:
    """A family, and what it measures on held-out data."""
    cls, settings = tiny(name)
    settings = resolved(cls, settings)
    trainer, source = assemble(cls, settings, Engine.pick("cpu", "fp32"))
    batch = source.held_out(8)
    with trainer.inferring() as game:
        return cls, {} if batch is None else dict(game.measure(batch))


@pytest.mark.parametrize("name", sorted(TINY.keys() - {"stylegan3"}))
def test_a_family_s_own_numbers_are_best_where_its_report_says_so(name: str) -> None:
    cls, found = own_numbers(name)
    rising = {key for key in found if meaning(name, "", key).healthy.startswith("Rises")}
    told = {key for key in found if key in cls.larger_is_better}
    assert told == rising


def test_the_highest_psnr_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([5.0, 1.0, 7.0, 3.0])  # the first is measured to see that it can be
    monkeypatch.setattr(callbacks.evaluation, "_measured", lambda *_: {PSNR: next(values)})
    cls, settings = tiny("pix2pix", steps=3, sample_every=1, log_every=1)
    wanted: dict[str, Any] = {"keep_best": PSNR, "evaluate_every": 1, "quiet": True}
    model = ganwright.train(cls, settings, tmp_path / "run", **wanted)
    assert model.step == 3
    known = json.loads((tmp_path / "run" / "best" / "best.json").read_text(encoding="utf-8"))
    assert (known["value"], known["step"]) == (7, 2)


def test_no_number_that_is_not_finite_is_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([5.0, 5.0, math.inf, math.nan, 7.0, 6.0])
    monkeypatch.setattr(callbacks.evaluation, "_measured", lambda *_: {PSNR: next(values)})
    cls, settings = tiny("pix2pix", steps=5, sample_every=1, log_every=1)
    wanted: dict[str, Any] = {"keep_best": PSNR, "evaluate_every": 1, "quiet": True}
    ganwright.train(cls, settings, tmp_path / "run", **wanted)
    known = tmp_path / "run" / "best" / "best.json"
    assert json.loads(known.read_text(encoding="utf-8"))["value"] == 7
    about = {"metric": PSNR, "value": math.inf, "step": 4}  # as it was written before
    known.write_text(json.dumps(about), encoding="utf-8")
    values = iter([6.0, 6.0])
    ganwright.resume(tmp_path / "run", steps=6, **wanted)
    assert json.loads(known.read_text(encoding="utf-8")) == about | {"value": 6, "step": 6}


def test_a_plateau_knows_which_numbers_rise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([1.0, 2.0, 2.0, 9.0, 9.0])
    monkeypatch.setattr(callbacks.evaluation, "_measured", lambda *_: {PSNR: next(values)})
    cls, settings = tiny("pix2pix", steps=5, sample_every=1, log_every=1)
    plateau = Plateau(PSNR, patience=1)
    model = ganwright.train(cls, settings, tmp_path / "run", callbacks=[plateau], quiet=True)
    assert model.step == 3


def test_a_plateau_of_a_metric_stops_the_run(tmp_path: Path) -> None:
    class Worse(FID):
        def compare(self, real: Any, fake: Any) -> dict[str, float]:
            return {"FID": 1.0}

    plateau = Plateau("FID", patience=1)
    cls, settings = tiny("dcgan", image_size=16, batch_size=8, steps=9)
    options: dict[str, Any] = {"metrics": [Worse()], "evaluate_every": 2, "evaluate_samples": 4}
    model = ganwright.train(
        cls, settings, tmp_path / "run", callbacks=[plateau], quiet=True, **options
    )
    assert model.step == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keep_best": "KID"}, "--keep-best KID is not measured; measure it: --metrics KID"),
        (
            {"metrics": [PrecisionRecall()], "keep_best": "PrecisionRecall"},
            r"not measured; name one of the numbers that are: .*precision \(digits\), recall",
        ),
        ({"keep_best": "FDI"}, r"--keep-best FDI is not measured; .*FID \(digits\)"),
        ({"metrics": [], "keep_best": "KID"}, "--keep-best KID is not measured; .* --metrics KID"),
        ({"metrics": [], "keep_best": "PSNR"}, "--keep-best PSNR .* measure one: --metrics FID"),
        ({"evaluate_samples": 20}, "FID of 64 features needs more than 64 images on either side"),
    ],
)
def test_what_cannot_be_measured_is_said_before_a_run(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        trained(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_what_compares_with_nothing_is_measured_on_endless_data(tmp_path: Path) -> None:
    alone = [InceptionScore(splits=2), PathLength(samples=2)]
    trained(tmp_path / "run", metrics=alone, data=Stream())
    row = rows(tmp_path / "run" / "metrics.jsonl")[-1]
    found = evaluate(tmp_path / "run", alone, choice=replace(FEW, n=80))
    assert {r.name: pytest.approx(r.value, rel=1e-4) for r in found}.items() <= row.items()
    told = (tmp_path / "run" / "protocols.json").read_text(encoding="utf-8")
    assert "reference" not in f"{told} {[dict(r.protocol) for r in found]}"
    with pytest.raises(DataError, match="a Stream has no last item, so metrics cannot read it to"):
        trained(tmp_path / "other", data=Stream())


# Afterwards


def test_a_run_is_evaluated_without_its_data(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics of its data, made in training, are in the run; the protocol says all."""

    def gone(*_: Any, **__: Any) -> None:
        raise AssertionError("the data was opened")

    monkeypatch.setattr(evaluation, "open_data", gone)
    choice = Choice(device="cpu")
    model = ganwright.load(run, device="cpu")
    monkeypatch.setattr(evaluation, "of_game", lambda g, n, *a: of_game(g, 80, *a))
    (found,) = evaluate(model, [FID()], choice=choice)
    last = rows(run / "metrics.jsonl")[-1]["FID (digits)"]
    assert found.value == pytest.approx(last, rel=1e-4)
    about = dict(found.protocol)
    assert about.pop("features").startswith("digits-")
    assert len(about.pop("reference_hash")) == 32
    assert about == {
        "resize": "grey, bilinear with antialiasing to 32x32",
        "samples": 80,
        "seed": 0,
        "step": 4,
        "weights": "average",
        "reference": "digits",
        "reference_count": 180,
        "split": "test",
    }
    page = write_report(run).read_text(encoding="utf-8")
    assert f"<td>FID (digits)</td><td>{found.value:.4g}</td><td>features digits-" in page
    row = rows(run / "evaluation.jsonl")[-1]
    assert (row["name"], row["value"], row["samples"]) == ("FID (digits)", found.value, 80)


def test_a_run_to_compare_with_is_told_by_its_step_and_weights(run: Path, tmp_path: Path) -> None:
    images = folder(tmp_path / "made", torch.randint(0, 256, (80, 16, 16), dtype=torch.uint8))
    about = dict(evaluate(images, [Diversity()], against=str(run), choice=FEW)[0].protocol)
    assert about["reference"] == f"samples of {run}"
    assert (about["reference_step"], about["reference_weights"]) == (4, "average")
    assert "step" not in about
    before = {k: v for k, v in about.items() if k not in ("reference_step", "reference_weights")}
    assert unlike(about, before) == ""
    other = unlike(about, about | {"reference_hash": "x", "reference_step": 2})
    assert other.startswith("reference hash")


def test_each_metric_has_the_split_that_it_needs(run: Path) -> None:
    results = evaluate(run, [PrecisionRecall(), Memorisation()], choice=FEW)
    splits = {r.name: (r.protocol["split"], r.protocol["reference_count"]) for r in results}
    assert splits["precision (digits)"] == ("test", 100)
    assert splits["authenticity (digits)"] == ("train", 100)
    said = "is a run, whose samples have no train split, which Memorisation compares with"
    with pytest.raises(SettingsError, match=said):
        evaluate(run, [Memorisation()], against=str(run), choice=FEW)


def measured(name: str, out: Path, *metrics: Any, **changes: Any) -> dict[str, float]:
    """Numbers of a family after a step."""
    cls, settings = tiny(name, steps=1, **changes)
    ganwright.train(cls, settings, out, quiet=True)
    return {r.name: r.value for r in evaluate(out, metrics, choice=FEW)}


def test_labels_and_latents_are_measured(tmp_path: Path) -> None:
    metrics = (ConditionalAccuracy(), ClassificationAccuracy(steps=2), PathLength(samples=8))
    found = measured("cgan", tmp_path / "run", *metrics, Diversity())
    assert found.keys() == {
        "conditional accuracy (digits)",
        "classification accuracy",
        "path length (digits)",
        "diversity (digits)",
    }
    assert 0 <= found["conditional accuracy (digits)"] < 0.5
    assert found["path length (digits)"] > 0


def test_translations_are_measured_against_their_truth(tmp_path: Path) -> None:
    found = measured("pix2pix", tmp_path / "run", Restoration(), PrecisionRecall(k=1))
    assert found.keys() == {"PSNR", "SSIM", "precision (photos)", "recall (photos)"}
    assert 0 < found["PSNR"] < 30
    with pytest.raises(SettingsError, match="PathLength needs a family that makes samples from"):
        evaluate(tmp_path / "run", [PathLength()], choice=FEW)


@pytest.mark.parametrize("query", ["", "&onehot=b"])
def test_masks_are_measured_in_training_and_afterwards(query: str, tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    numbers = torch.randint(4, (6, 16, 16), generator=rng).to(torch.uint8)
    (tmp_path / "data").mkdir()
    folder(tmp_path / "data" / "mask", numbers)
    folder(tmp_path / "data" / "photo", numbers * 60)
    data = f"{tmp_path / 'data'}?a=photo&b=mask{query}"
    cls, settings = tiny("pix2pix", data=data, image_size=16, steps=1)
    metrics: list[Any] = [MeanIoU(), PrecisionRecall(k=1)]
    ganwright.train(cls, settings, tmp_path / "run", metrics=metrics, quiet=True)
    row = rows(tmp_path / "run" / "metrics.jsonl")[-1]
    found = evaluate(tmp_path / "run", metrics, choice=FEW)
    assert {r.name for r in found} <= row.keys()
    assert 0 < row["mean IoU"] < row["pixel accuracy"] < 1
    assert found[0].value == pytest.approx(row["mean IoU"])


@pytest.mark.parametrize("pairs", [Restoration(), MeanIoU()])
def test_metrics_of_pairs_have_as_many_truths_as_samples(pairs: Any, tmp_path: Path) -> None:
    """70 test pairs, more than a part of a walk; others compare with all of them."""
    numbers = torch.randint(4, (71, 16, 16)).to(torch.uint8)
    for part in ("train", "test"):
        (tmp_path / "data" / part).mkdir(parents=True)
        kept = numbers[:4] if part == "train" else numbers[1:]
        folder(tmp_path / "data" / part / "mask", kept)
        folder(tmp_path / "data" / part / "photo", kept * 60)
    data = f"{tmp_path / 'data'}?a=photo&b=mask"
    cls, settings = tiny("pix2pix", data=data, image_size=16, steps=1, batch_size=1)
    wanted: dict[str, Any] = {"metrics": [pairs, PrecisionRecall(k=1)], "evaluate_samples": 67}
    ganwright.train(cls, settings, tmp_path / "run", quiet=True, **wanted)
    row = rows(tmp_path / "run" / "metrics.jsonl")[-1]
    choice = Choice(n=67, device="cpu")
    for found in evaluate(tmp_path / "run", wanted["metrics"][:1], choice=choice):
        assert found.value == pytest.approx(row[found.name])


def test_only_metrics_of_pairs_have_a_smaller_reference() -> None:
    """Of 130 truths and 100 translations that are right, the last 30 truths are no one's."""
    truth = torch.rand(130, 1, 16, 16) * 2 - 1
    real, fake = of_tensor(truth, paired=True), of_tensor(truth[:100], paired=True)
    found = metrics_of([Restoration(), PrecisionRecall(k=1)], lambda _: real, fake)
    counts = {r.name: r.protocol["reference_count"] for r in found}
    assert counts == dict.fromkeys(("PSNR", "SSIM"), 100) | dict.fromkeys(
        ("precision (digits)", "recall (digits)"), 130
    )
    assert next(r.value for r in found if r.name == "SSIM") == pytest.approx(1)


class Shift(Metric):
    def measure(self, real: torch.Tensor | None, fake: torch.Tensor) -> dict[str, float]:
        assert real is not None
        return {"samples": len(fake), "real": len(real)}


@pytest.mark.parametrize(("there", "made"), [(80, 130), (130, 80)])
@pytest.mark.parametrize("metric", [TwoSample(epochs=1), Shift()])
def test_the_protocol_counts_what_was_compared(metric: Metric, there: int, made: int) -> None:
    """Of 80 and 130, the first 80 of either."""
    points = torch.randn(130, 2)
    real, fake = of_tensor(points[:there]), of_tensor(points[:made])
    known = of_tensor(points[:80]).content
    for result in metrics_of([metric], lambda _: real, fake):
        about = result.protocol
        assert (about["samples"], about["reference_count"]) == (80, 80)
        assert about["reference_hash"] == known
        assert result.spread is None or result.spread == pytest.approx(0.5 / 80**0.5)


def test_the_protocol_counts_only_the_features_that_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """FID is of all images, as its moments are."""
    monkeypatch.setattr("ganwright.metrics.statistics.KEPT", 70)
    images = torch.rand(80, 1, 16, 16) * 2 - 1
    labels = torch.zeros(80, dtype=torch.int64)
    real, fake = (of_tensor(images, labels, classes=("7",)) for _ in range(2))
    kept = [KID(size=20, subsets=2), PrecisionRecall(), DensityCoverage(), Memorisation()]
    kept += [Diversity(), InceptionScore(), ConditionalAccuracy()]
    for metric in [FID(), *kept]:
        about = metrics_of([metric], lambda _: real, fake)[0].protocol
        there = 70 if metric in kept[:5] else 80
        assert about["samples"] == (70 if metric in kept else 80)
        assert about["reference_count"] == there


@pytest.mark.filterwarnings("ignore:skipped 1 image")
@pytest.mark.parametrize("side", ["real", "fake"])
@pytest.mark.parametrize("metric", [PrecisionRecall(), TwoSample(epochs=1), Shift()])
def test_the_protocol_counts_no_file_that_was_skipped(
    metric: Metric, side: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of data that is streamed, that is known once it was walked."""
    monkeypatch.setattr("ganwright.data.serve.load.RESIDENT_BYTES", 0)
    images = torch.randint(0, 256, (80, 8, 8), dtype=torch.uint8)
    sets = {name: folder(tmp_path / name, images) for name in ("real", "fake")}
    broken = sets[side] / "000.png"
    broken.write_bytes(broken.read_bytes()[:60])
    choice = replace(FEW, settings=Settings(on_bad_file="skip"))
    results = evaluate(sets["fake"], [metric], against=str(sets["real"]), choice=choice)
    both = isinstance(metric, TwoSample | Shift)
    there, made = (79 if both or side == name else 80 for name in ("real", "fake"))
    for result in results:
        about = result.protocol
        assert (about["samples"], about["reference_count"]) == (made, there)
    if isinstance(metric, Shift):
        assert {result.value for result in results} == {79}


@pytest.mark.parametrize("shape", [(32, 32), (40, 32)])
def test_a_border_that_leaves_nothing_is_one_sentence(shape: tuple[int, int]) -> None:
    images = torch.rand(3, 1, *shape) * 2 - 1
    with pytest.raises(SettingsError, match=f"border of 16 .* {shape[0]}x32 images; .* most 15"):
        restored(images, images, 16)
    assert restored(images, images, 15).psnr.shape == (3,)


def test_the_reference_s_hash_depends_on_no_other_metric() -> None:
    """A metric that looks at the real images has it, whether or not one before it did."""
    images = torch.rand(90, 1, 16, 16) * 2 - 1
    other = images.clone()
    other[-1] = -other[-1]

    def hashes(real: torch.Tensor, *metrics: Any) -> dict[str, Any]:
        known = of_tensor(real)
        found = metrics_of(metrics, lambda _: known, of_tensor(images))
        return {r.name: r.protocol.get("reference_hash") for r in found}

    two, fid = TwoSample(epochs=1), FID()
    one = hashes(images, two, fid)
    assert one == hashes(images, fid, two) == hashes(images, fid) | hashes(images, two)
    assert len(set(one.values())) == 1
    assert set(one.values()).isdisjoint(hashes(other, two).values())
    points = of_tensor(torch.randn(60, 2))
    about = metrics_of([two], lambda _: points, of_tensor(torch.randn(60, 2)))[0].protocol
    assert len(about["reference_hash"]) == 32


def test_a_metric_that_compares_with_nothing_has_no_reference_s_hash(run: Path) -> None:
    found = evaluate(run, [FID(), PathLength(samples=2)], choice=FEW)
    assert ["reference_hash" in r.protocol for r in found] == [True, False]


def test_the_seed_chooses_the_steps_of_a_path_which_the_protocol_counts(run: Path) -> None:
    one, same, other = (
        evaluate(run, [PathLength(samples=3)], choice=replace(FEW, seed=seed))[0]
        for seed in (0, 0, 1)
    )
    assert one.value == same.value != other.value
    assert (one.protocol["samples"], one.protocol["seed"]) == (3, 0)
    assert one.protocol["steps"] == "3 of 0.01"


def test_points_have_metrics_of_their_own(tmp_path: Path) -> None:
    found = measured("gan", tmp_path / "run", MixtureModes(), data="ring", image_size=None)
    assert found.keys() == {f"MixtureModes/{x}" for x in ("modes", "high_quality", "reverse_kl")}
    with pytest.raises(SettingsError, match="these metrics compare images"):
        evaluate(tmp_path / "run", [FID()], choice=FEW)


def test_the_same_images_are_at_no_distance(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (80, 12, 12), dtype=torch.uint8)
    one, other = folder(tmp_path / "a", images), folder(tmp_path / "b", images)
    found = {r.name: r.value for r in evaluate(one, against=str(other), choice=FEW)}
    assert found["FID (digits)"] == pytest.approx(0, abs=1e-4)
    assert (found["precision (digits)"], found["recall (digits)"]) == (1, 1)
    assert found["coverage (digits)"] == 1


def test_the_command_prints_numbers_and_protocol(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["evaluate", str(run), "-n", "100", "--metrics", "KID(size=50, subsets=5)", "FID"]
    assert main([*argv, "--best", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "KID (digits)  " in out
    assert " ± " in out.splitlines()[0]
    assert "samples 100, seed 0, step" in out
    assert "reference digits, reference count 100, split test, reference hash" in out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["-n", "50"], "FID of 64 features needs more than 64 images"),
        (
            ["--metrics", "KID", "-n", "100"],
            "KID's subsets have 1000 images, and one side has 100; take more (-n; in training, "
            '--evaluate-samples), or "KID(size=50)"',
        ),
        (["--channels", "3"], "--channels is for images that you name, and a run's are as it"),
        (["--image-size", "8"], "leave it out, or name images as --against"),
        (["--data-root", "x", "--best"], "--data-root is for images that you name"),
        (["--on-bad-file", "skip"], "--on-bad-file is for images that you name"),
        (["--against", "nowhere", "-n", "100"], "no data set or folder is called nowhere"),
        (["--weights", "x.pth"], "--weights is for features whose weights are fetched"),
        (
            ["--against", "glyphs", "-n", "100"],
            "run have 1 channel and glyphs has 3 channels; bring it to theirs with --channels 1",
        ),
        (["--step", "77"], "there is no checkpoint of step 77"),
        (["--features", "Nothing"], "unknown Features Nothing"),
    ],
)
def test_wrong_input_is_one_sentence(
    run: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert main(["evaluate", str(run), *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.filterwarnings("ignore:skipped 1 image")
def test_images_are_brought_to_the_channels_of_a_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other way round is not possible."""
    images = folder(tmp_path / "images", torch.randint(0, 256, (80, 16, 16, 3), dtype=torch.uint8))
    (images / "broken.png").write_bytes(b"")
    argv = ["evaluate", str(images), "--against", str(run), "-n", "80", "--device", "cpu"]
    assert main([*argv, "--metrics", "PrecisionRecall"]) == 2
    assert "fix or remove it, or pass --on-bad-file skip" in capsys.readouterr().err
    skipping = [*argv, "--metrics", "PrecisionRecall", "--on-bad-file", "skip"]
    assert main(skipping) == 2
    said = f"images has 3 channels and samples of {run} have 1 channel; bring it to theirs with"
    assert f"{said} --channels 1" in capsys.readouterr().err
    assert main([*skipping, "--channels", "1"]) == 0


def test_a_run_that_cannot_be_written_is_evaluated(tmp_path: Path) -> None:
    trained(tmp_path / "run")
    (tmp_path / "run" / "evaluation.jsonl").mkdir()
    with pytest.warns(UserWarning, match=r"evaluation.jsonl cannot be written, so the run keeps"):
        (found,) = evaluate(tmp_path / "run", [Diversity()], choice=FEW)
    assert found.name == "diversity (digits)"


def test_a_run_without_a_best_checkpoint_says_so(tmp_path: Path) -> None:
    trained(tmp_path / "run")
    with pytest.raises(RunError, match="kept no best checkpoint; train it with --keep-best"):
        ganwright.load(tmp_path / "run", best=True)


def test_a_field_of_choice_is_named_as_such(run: Path) -> None:
    with pytest.raises(SettingsError, match=r"no n, which is .*; give choice=Choice\(n=4\), from"):
        evaluate(run, n=4)


@pytest.mark.parametrize(
    ("name", "value"), [("n", 0), ("n", "a"), ("n", 2.5), ("seed", -1), ("split", "val")]
)
def test_a_field_of_choice_holds_what_its_type_says(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"^{name} of Choice is {value!r}; it must be"):
        Choice(**{name: value})
    assert Choice(n=60).n == 60


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"choice": {"n": 4}}, "choice is a dict; give a Choice, as Choice(n=100), from ganwright"),
        ({"choice": Choice}, "choice is the class Choice; give a Choice"),
        ({"against": torch.zeros(2, 1, 8, 8)}, "against of evaluate is a tensor of shape"),
        ({"target": 3}, "target of evaluate is an int; give a run folder, a trained model or the"),
    ],
)
def test_arguments_of_another_type_are_one_sentence(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        evaluate(**({"target": "digits", "against": "digits"} | given))
    assert str(caught.value).startswith(said)


def test_a_folder_to_compare_with_may_be_a_path(run: Path, tmp_path: Path) -> None:
    other = folder(tmp_path / "other", torch.randint(0, 256, (80, 16, 16), dtype=torch.uint8))
    found = evaluate(run, [Diversity()], against=other, choice=FEW)
    assert found[0].protocol["reference"] == str(other)


def test_data_given_in_python_must_be_named(tmp_path: Path) -> None:
    images = torch.rand(90, 1, 16, 16) * 2 - 1
    cls, settings = tiny("dcgan", image_size=16, batch_size=8, steps=2)
    ganwright.train(cls, settings, tmp_path / "run", data=images, quiet=True)
    with pytest.raises(RunError, match=r"was trained on data given in Python.* --against"):
        evaluate(tmp_path / "run", [FID()], choice=FEW)
