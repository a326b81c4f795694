"""Metrics against torch-fidelity's and torchmetrics' on the same features, and by hand."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganwright.data.label_map import LabelMap
from ganwright.data.types import Images, Paired, Spec
from ganwright.errors import DataError, SettingsError
from ganwright.metrics import diversity, inception, weights
from ganwright.metrics.digit_features import DigitFeatures
from ganwright.metrics.distances import FID, KID, InceptionScore, frechet, inception_scores
from ganwright.metrics.diversity import LPIPS, Diversity, pairs, slerp, spread
from ganwright.metrics.image_set import ImageSet, of_tensor
from ganwright.metrics.inception import DinoFeatures, InceptionFeatures
from ganwright.metrics.labelled import ClassificationAccuracy, ConditionalAccuracy
from ganwright.metrics.masks import MeanIoU
from ganwright.metrics.metric import matching
from ganwright.metrics.neighbours import DensityCoverage, Memorisation, PrecisionRecall
from ganwright.metrics.restoration import Restoration
from ganwright.metrics.stacked import triples
from ganwright.metrics.statistics import Moments, Statistics, collect
from ganwright.pixels import from_bytes


def statistics(rows: Tensor, **more: Any) -> Statistics:
    """Of features that are given, taken in a hundred at a time."""
    moments = Moments()
    for part in rows.split(100):
        moments.add(part)
    covariance = moments.scatter / (moments.count - 1)
    return Statistics(moments.count, moments.mean, covariance, rows, **more)


def line(*values: float) -> Statistics:
    """Of features that are one number each."""
    return statistics(torch.tensor(values)[:, None])


@pytest.fixture(scope="module")
def sets() -> tuple[Tensor, Tensor]:
    """Two sets of features that differ in mean, spread and number."""
    generator = torch.Generator().manual_seed(3)
    real = torch.randn(700, 24, generator=generator).relu()
    return real, (1.2 * torch.randn(800, 24, generator=generator) + 0.1).relu()


# Against torch-fidelity and torchmetrics


def test_fid_is_torch_fidelitys(sets: tuple[Tensor, Tensor]) -> None:
    from torch_fidelity import metric_fid as theirs

    known = [theirs.fid_features_to_statistics(x) for x in sets]
    found = theirs.fid_statistics_to_metric(*known, False)["frechet_inception_distance"]
    real, fake = map(statistics, sets)
    assert frechet(real, fake) == pytest.approx(found, rel=1e-5)
    assert FID().compare(real, fake) == {"FID": frechet(real, fake)}


def test_kid_is_torch_fidelitys(sets: tuple[Tensor, Tensor]) -> None:
    from torch_fidelity import metric_kid as theirs

    real, fake = (x.double() for x in sets)
    settings = {"kid_subsets": 10, "kid_subset_size": 200, "rng_seed": 5, "verbose": False}
    found = theirs.kid_features_to_metric(fake, real, **settings)
    ours = KID(subsets=10, size=200, seed=5).compare(*map(statistics, sets))
    assert ours["KID"] == pytest.approx(found["kernel_inception_distance_mean"], rel=1e-6)
    assert ours["KID spread"] == pytest.approx(found["kernel_inception_distance_std"], rel=1e-6)


def test_inception_score_is_torch_fidelitys() -> None:
    from torch_fidelity import metric_isc as theirs

    logits = 2 * torch.randn(600, 10)
    found = theirs.isc_features_to_metric(logits, 10, True, 7)
    ours = inception_scores(logits, 10, 7)
    assert float(ours.mean()) == pytest.approx(found["inception_score_mean"], rel=1e-8)
    assert float(ours.std(correction=0)) == pytest.approx(found["inception_score_std"], rel=1e-6)


def test_precision_and_recall_are_torch_fidelitys(sets: tuple[Tensor, Tensor]) -> None:
    from torch_fidelity import metric_prc as theirs

    real, fake = sets
    settings = {"prc_neighborhood": 3, "prc_batch_size": 500, "save_cpu_ram": False}
    found = theirs.prc_features_to_metric(fake.double(), real.double(), **settings, verbose=False)
    ours = PrecisionRecall().compare(statistics(real), statistics(fake))
    assert ours["precision"] == pytest.approx(found["precision"], rel=1e-5)
    assert ours["recall"] == pytest.approx(found["recall"], rel=1e-5)


def test_psnr_and_ssim_are_torchmetrics() -> None:
    from torchmetrics.functional.image import peak_signal_noise_ratio as psnr
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim

    truth = torch.randint(0, 256, (2, 1, 24, 24)).float()
    made = (truth + torch.randint(-20, 21, truth.shape)).clamp(0, 255)
    real, fake = (of_tensor(x / 127.5 - 1, paired=True) for x in (truth, made))
    found = Restoration(border=2).judge(real, fake)
    inner = [x[..., 2:-2, 2:-2] for x in (made, truth)]
    each = [psnr(a[None], b[None], data_range=255.0) for a, b in zip(*inner, strict=True)]
    assert found["PSNR"] == pytest.approx(float(torch.stack(each).mean()), rel=1e-4)
    _, each = ssim(made, truth, data_range=255.0, sigma=1.5, return_full_image=True)
    theirs = float(each[..., 5:-5, 5:-5].mean())  # where the window fits entirely
    assert Restoration().judge(real, fake)["SSIM"] == pytest.approx(theirs, rel=1e-4)


# By hand


def test_fid_of_gaussians_on_a_line() -> None:
    """(m1 - m2)² + (s1 - s2)²: means 1 and 4, deviations √2 and 2√2."""
    found = FID().compare(line(0, 2), line(2, 6))
    assert found["FID"] == pytest.approx(9 + 2)


def test_kid_of_two_and_two() -> None:
    """k(x, y) = (xy + 1)³: 1 within {0, 1}, 27 within {1, 2}, 37/4 between them."""
    found = KID(subsets=3, size=2).compare(line(0, 1), line(1, 2))
    assert found == {"KID": pytest.approx(1 + 27 - 2 * 37 / 4), "KID spread": pytest.approx(0)}


def test_inception_score_of_sure_and_even_samples_is_their_classes() -> None:
    logits = 100 * torch.eye(4).repeat(5, 1)
    scores = inception_scores(logits, 1, 0)
    assert scores.tolist() == pytest.approx([4])


def test_precision_and_recall_on_a_line() -> None:
    """Balls of radius 1 around 0, 1, 2, 3 hold 0.5 and not 10, whose balls hold them all."""
    found = PrecisionRecall(k=1).compare(line(0, 1, 2, 3), line(0.5, 10))
    assert found == {"precision": 0.5, "recall": 1.0}


def test_density_and_coverage_on_a_line() -> None:
    """0.5 lies in two balls of four; two of them hold a sample."""
    found = DensityCoverage(k=1).compare(line(0, 1, 2, 3), line(0.5, 10))
    assert found == {"density": 1.0, "coverage": 0.5}


def test_copies_are_told_from_others() -> None:
    training = line(0, 1, 2)
    assert Memorisation().compare(training, line(0, 1)) == {"authenticity": 0, "nearest ratio": 0}
    assert Memorisation().compare(training, line(5, 7)) == {"authenticity": 1, "nearest ratio": 3}


def test_diversity_is_relative_to_real_images() -> None:
    found = Diversity().compare(line(0, 0, 4, 4), line(1, 1, 2, 2))
    assert found == {"diversity": pytest.approx(0.25)}


def test_any_seed_chooses_subsets() -> None:
    """NumPy takes 32 bits of it."""
    rows = torch.arange(6.0)[:, None]
    known = statistics(rows, logits=torch.eye(6))
    for seed in (7, 2**32, 2**63):
        assert math.isfinite(KID(subsets=2, size=3, seed=seed).compare(known, known)["KID"])
        assert InceptionScore(splits=2, seed=seed).compare(known, known)["IS"] > 1


def test_samples_are_compared_with_those_of_any_class() -> None:
    """Labels in turn: the i-th sample and the one half the set away are of one class."""
    found = spread(torch.tensor([0.0, 4.0] * 200)[:, None])
    assert found == pytest.approx(2, abs=0.5)
    images = torch.arange(130).float()[:, None, None, None].expand(-1, 1, 2, 2)
    two = [(a[:, 0, 0, 0], b[:, 0, 0, 0]) for a, b in pairs(of_tensor(images))]
    assert torch.cat([torch.cat(pair) for pair in two]).sort().values.equal(images[:, 0, 0, 0])
    alike = torch.cat([(a - b) % 2 == 0 for a, b in two])
    assert 0.25 < float(alike.double().mean()) < 0.75


def test_the_great_circle() -> None:
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    half = slerp(a, b, torch.tensor([[0.5]]))
    assert half.tolist() == [pytest.approx([math.sqrt(0.5)] * 2)]
    assert torch.allclose(slerp(a, b, torch.zeros(1, 1)), a)


def test_triples_of_digits() -> None:
    """A stand-in reads the mean grey of a channel, in twentieths of it, as a digit."""

    def extract(x: Tensor) -> tuple[Tensor, Tensor]:
        digit = (x.mean((1, 2, 3)) * 10).round().long()
        return x, torch.nn.functional.one_hot(digit, 36).float()

    images = torch.tensor([[0.1, 0.2, 0.3], [0.0, 0.9, 0.0]])[..., None, None].expand(2, 3, 8, 8)
    assert triples(images, extract).tolist() == [123, 90]
    with pytest.raises(SettingsError, match="StackedModes reads three digits, one per channel"):
        triples(images[:, :1], extract)


def test_conditional_accuracy_reads_the_classes_of_the_data() -> None:
    """The second is an O to the whole classifier, and a 0 among digits."""
    logits = torch.zeros(3, 36)
    logits[0, 3], logits[1, 10 + 14], logits[1, 0], logits[2, 5] = 9, 9, 5, 9
    digits = tuple("0123456789")
    known = statistics(
        torch.rand(3, 2), logits=logits, labels=torch.tensor([3, 0, 7]), classes=digits
    )
    found = ConditionalAccuracy(DigitFeatures()).compare(known, known)
    assert found["conditional accuracy"] == pytest.approx(2 / 3)
    other = statistics(torch.rand(3, 2), logits=logits, labels=torch.zeros(3), classes=("cat",))
    with pytest.raises(SettingsError, match=r"features that name the classes .* not cat"):
        ConditionalAccuracy(DigitFeatures()).compare(other, other)


def test_a_classifier_learns_from_samples() -> None:
    """Bright and dark images teach it; labels that are swapped teach the contrary."""
    labels = torch.arange(64) % 2
    images = (labels * 2.0 - 1)[:, None, None, None] * torch.full((64, 1, 8, 8), 0.8)
    classes = ("dark", "bright")
    real = of_tensor(images, labels, classes=classes)
    metric = ClassificationAccuracy(steps=40)
    assert metric.judge(real, real)["classification accuracy"] > 0.95
    swapped = of_tensor(images, 1 - labels, classes=classes)
    assert metric.judge(real, swapped)["classification accuracy"] < 0.05


def test_moments_of_parts_are_those_of_the_whole() -> None:
    rows = 1000 + torch.randn(257, 5, dtype=torch.float64)
    first, second = Moments(), Moments()
    for part in rows[:130].split(40):
        first.add(part)
    second.add(rows[130:])
    first.merge(second)
    assert first.count == 257
    assert torch.allclose(first.mean, rows.mean(0), rtol=1e-12)
    assert torch.allclose(first.scatter / 256, rows.T.cov(), rtol=1e-8)


def test_names_say_their_features() -> None:
    assert DigitFeatures().named("FID") == "FID (digits)"
    assert InceptionFeatures().named("FID") == "FID"
    assert matching("FID", ["KID", "FID (digits)"]) == "FID (digits)"
    assert matching("FI", ["FID (digits)"]) is None


# Sets of images


def test_statistics_come_back_from_a_file(tmp_path: Path) -> None:
    images = torch.rand(70, 1, 16, 16) * 2 - 1
    found = of_tensor(images, torch.arange(70), classes=("a", "b")).statistics(DigitFeatures())
    found.save(tmp_path / "x.safetensors")
    again = Statistics.load(tmp_path / "x.safetensors")
    assert again is not None
    assert (again.count, again.classes, again.content) == (70, ("a", "b"), found.content)
    for name in ("mean", "covariance", "vectors", "logits", "labels"):
        assert torch.equal(getattr(again, name), getattr(found, name))
    (tmp_path / "x.safetensors").write_bytes(b"cut")
    assert Statistics.load(tmp_path / "x.safetensors") is None


def test_a_store_spares_walking_the_images(tmp_path: Path) -> None:
    walks = []

    def walk() -> Any:
        walks.append(1)
        yield Images(torch.zeros(4, 1, 8, 8))

    for _ in range(2):
        images = ImageSet("x", 4, walk, "test", store=tmp_path, marks="x")
        images.statistics(DigitFeatures())
    assert walks == [1]
    ImageSet("y", 4, walk, "test", store=tmp_path, marks="y").statistics(DigitFeatures())
    assert walks == [1, 1]


def test_images_are_compared_as_files_hold_them() -> None:
    """Differences below half a grey level vanish."""
    images = torch.zeros(4, 1, 8, 8)
    one, other = (of_tensor(x).statistics(DigitFeatures()) for x in (images, images + 0.003))
    assert one.content == other.content
    assert torch.equal(one.mean, other.mean)


def test_statistics_hold_no_images() -> None:
    """Parts can be let go of as soon as they were seen."""
    import weakref

    alive: list[Any] = []

    def parts() -> Any:
        for _ in range(6):
            images = torch.zeros(8, 1, 8, 8)
            alive.append(weakref.ref(images))
            assert sum(ref() is not None for ref in alive) <= 2
            yield Images(images)
            del images

    assert collect(parts(), DigitFeatures().build(torch.device("cpu"))).count == 48


# Wrong input


@pytest.mark.parametrize(
    ("metric", "real", "fake", "said"),
    [
        (FID(), line(0, 1), line(0), "FID of 1 features needs more than 1 images on either side"),
        (KID(), line(*range(5)), line(*range(5)), "KID's subsets have 1000 images, and one side"),
        (PrecisionRecall(), line(0, 1, 2), line(0, 1, 2), "needs more than 3 images on either"),
        (DensityCoverage(), line(0, 1, 2), line(0, 1, 2), "DensityCoverage with k=5 needs more"),
        (
            InceptionScore(),
            line(0, 1),
            statistics(torch.zeros(5, 1), logits=torch.zeros(5, 3)),
            "in 10 parts needs 20 samples or more, got 5",
        ),
        (InceptionScore(DigitFeatures()), line(0, 1), line(0, 1), "needs class probabilities"),
    ],
)
def test_too_few_or_unfit(metric: Any, real: Statistics, fake: Statistics, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        metric.compare(real, fake)


@pytest.mark.parametrize("metric", [Diversity(), Memorisation()])
def test_real_images_that_are_equal_are_no_measure(metric: Any) -> None:
    """Their features differ by rounding, as they come in parts of other sizes."""
    real = of_tensor((torch.rand(1, 1, 16, 16) * 2 - 1).expand(70, -1, -1, -1))
    fake = of_tensor(torch.rand(70, 1, 16, 16) * 2 - 1)
    with pytest.raises(DataError, match=f"{type(metric).__name__} compares with how far .* apart"):
        metric.judge(real, fake)
    assert all(map(math.isfinite, metric.judge(fake, real).values()))


def test_masks_are_compared_by_areas_and_pixels() -> None:
    """Over both masks: class 0 in both at 3 pixels, in either at 5; class 1: 2 of 4; class 2 does
    not occur, and one pixel truly belongs to no class."""
    maps = LabelMap((0, 1, 2), ignore=255)
    true = torch.tensor([[[0, 0, 1, 1]], [[0, 0, 1, 3]]], dtype=torch.uint8)
    drawn = torch.tensor([[[0, 0, 1, 0]], [[0, 1, 1, 2]]], dtype=torch.uint8)
    spec = Spec(Paired, (3, 1, 4), (3, 1, 4), target_map=maps)
    real, fake = (
        of_tensor(
            from_bytes(torch.stack([maps.coloured(m[None]) for m in each])), paired=True, spec=spec
        )
        for each in (true, drawn)
    )
    found = MeanIoU().judge(real, fake)
    assert found == pytest.approx({"mean IoU": (3 / 5 + 2 / 4) / 2, "pixel accuracy": 5 / 7})
    assert MeanIoU().judge(real, real) == {"mean IoU": 1, "pixel accuracy": 1}
    empty = maps.coloured(torch.full((1, 1, 4), 3, dtype=torch.uint8))
    nothing = from_bytes(torch.stack([empty, empty]))
    with pytest.raises(DataError, match="no pixel of these true masks belongs to a class"):
        MeanIoU().judge(of_tensor(nothing, paired=True, spec=spec), fake)


def test_images_of_other_kinds_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"compare grey or colour images.* got 4 channels"):
        of_tensor(torch.zeros(4, 4, 8, 8)).statistics(DigitFeatures())
    with pytest.raises(SettingsError, match=r"compare images, got shape .*MixtureModes"):
        of_tensor(torch.zeros(4, 2)).statistics(DigitFeatures())
    with pytest.raises(DataError, match="FID compares with real images; name them with --against"):
        FID().judge(None, of_tensor(torch.zeros(4, 1, 8, 8)))
    with pytest.raises(SettingsError, match="compares each translation with its truth"):
        Restoration().judge(*[of_tensor(torch.zeros(2, 1, 8, 8))] * 2)
    with pytest.raises(SettingsError, match="it needs a run whose domain b is masks, such as"):
        MeanIoU().judge(*[of_tensor(torch.zeros(2, 3, 8, 8), paired=True)] * 2)


def test_weights_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: Any, **__: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    cpu = torch.device("cpu")
    with pytest.raises(SettingsError, match=r"weights cannot be fetched \(Name or service .*--wei"):
        InceptionFeatures().build(cpu)
    with pytest.raises(SettingsError, match=r"there is no file .*none\.pth"):
        InceptionFeatures(weights=tmp_path / "none.pth").build(cpu)
    (tmp_path / "cut.pth").write_bytes(b"cut")
    with pytest.raises(SettingsError, match=r"cut\.pth does not hold Inception V3's weights"):
        InceptionFeatures(weights=tmp_path / "cut.pth").build(cpu)
    (tmp_path / "checkpoints").mkdir(exist_ok=True)
    (tmp_path / "checkpoints" / "x.pth").write_bytes(b"other")
    with pytest.raises(SettingsError, match="is not X's weights: its SHA-256 differs"):
        weights.fetched("https://example.org/x.pth", "0" * 64, "X")


def test_weights_have_one_key_wherever_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SHA-256 of "abc": ba7816bf 8f01cfea ..."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"abc")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_: str(file))
    inception._from_hub.cache_clear()
    keys = [DinoFeatures("small").key, DinoFeatures("small", weights=file).key]
    inception._from_hub.cache_clear()
    assert keys == ["dinov2-small-ba7816bf8f01cfea"] * 2


def test_the_key_of_lpips_has_a_hash_of_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchmetrics.functional.image import lpips
    from torchvision.models import alexnet

    def key(value: float) -> str:
        backbone = alexnet().features
        for weight in backbone.parameters():
            torch.nn.init.constant_(weight, value)
        monkeypatch.setattr(lpips, "_get_tv_model_features", lambda *_: backbone)
        diversity._network.cache_clear()
        return LPIPS().about()["features"]

    one, same, other = key(1.0), key(1.0), key(2.0)
    diversity._network.cache_clear()
    assert one == same != other
    assert re.fullmatch("lpips-alex-[0-9a-f]{16}", one)


def test_inception_is_torch_fidelitys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With weights drawn at random, which its name then says."""
    from torch_fidelity import feature_extractor_inceptionv3 as fidelity

    kind = fidelity.FeatureExtractorInceptionV3
    with monkeypatch.context() as patch:
        patch.setattr(fidelity, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(kind, "load_state_dict", lambda *_: None)
        net = kind("inception-v3-compat", ["2048", "logits_unbiased"])
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    torch.save(net.state_dict(), tmp_path / "w.pth")
    features = InceptionFeatures(weights=tmp_path / "w.pth")
    assert features.title == f"Inception {weights.digest(tmp_path / 'w.pth')[:8]}"
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 16, 16), np.uint8))
    vectors, logits = features.build(torch.device("cpu"))(pixels.float() / 127.5 - 1)
    with torch.no_grad():
        theirs = net(pixels)
    size = float(theirs[0].std())
    assert size > 0.01
    assert torch.allclose(vectors, theirs[0], rtol=1e-4, atol=1e-4 * size)
    assert logits is not None
    assert torch.allclose(logits, theirs[1], rtol=1e-4, atol=1e-4 * float(theirs[1].std()))


def test_digit_features_know_digits_and_letters() -> None:
    """Of the embedded sets' held-out images; the file is below a megabyte."""
    from ganwright.metrics.digit_net import SHIPPED
    from ganwright.metrics.judge import opened

    assert SHIPPED.stat().st_size < 1 << 20
    extract = DigitFeatures().build(torch.device("cpu"))
    for data, least in (("digits", 0.97), ("glyphs", 0.9)):
        batch = opened(data, 32, Path()).held_out(300)
        assert isinstance(batch, Images)
        assert batch.labels is not None
        own = slice(0, 10) if data == "digits" else slice(10, 36)
        logits = extract(batch.images)[1]
        assert logits is not None
        found = logits[:, own].argmax(1)
        assert float((found == batch.labels).float().mean()) > least


def test_rows_are_kept_in_blocks_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    from ganwright.metrics import statistics as module

    monkeypatch.setattr(module, "BLOCK", 4)
    monkeypatch.setattr(module, "KEPT", 10)
    kept, rows = module.Kept(), torch.arange(36.0).reshape(12, 3)
    assert kept.whole() is None
    for part in rows.split(5):
        kept.add(part)
    found = kept.whole()
    assert found is not None
    assert torch.equal(found, rows[:10])
    assert len(kept.blocks) == 3
