"""Data sets and labels that a Python caller hands over."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import CONV, tensors
from PIL import Image
from torch import Tensor

import ganwright
from ganwright.data import Data, DataOptions, Images, Paired, SemiSupervised, Unpaired, open_data
from ganwright.data.types import Spec
from ganwright.errors import DataError, SettingsError
from ganwright.families.aae import AAE
from ganwright.families.aae_codes import AAESemi
from ganwright.families.cgan import CGAN
from ganwright.seeds import generators_kept, seed_everything

CPU = torch.device("cpu")
FORKS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def opened(source: Any, task: type = Images, **options: Any) -> Data:
    return open_data(source, task=task, options=DataOptions(**({"workers": 0} | options)))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"balance": "no"}, "balance is 'no'; it must be true or false"),
        ({"workers": -1}, "workers is -1; it must be at least 0"),
        ({"range": 4}, "range is 4; give two numbers, the lower one first"),
        ({"range": (4, 0)}, "range is 4 0; give two numbers, the lower one first"),
        ({"held_out": 2}, "held_out is 2; it must be auto or a number, from 0 to below 1"),
        ({"labels_per_class": 0}, "labels_per_class is 0; it must be at least 1"),
        ({"channels": "two"}, "channels is 'two'; it must be a whole number, at least 1"),
        ({"on_bad_file": "Skip"}, "on_bad_file is 'Skip'; it must be refuse or skip"),
        ({"alpha": "black"}, "alpha is 'black'; it must be keep or white or drop"),
        ({"depth": 16}, "depth is 16; it must be keep or 8"),
        ({"max_megapixels": -3}, "max_megapixels is -3.0; it must be at least 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_that_are_none_are_refused(told: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        DataOptions(**told)
    assert str(caught.value).startswith(said)


def test_options_mean_what_their_types_say() -> None:
    options = DataOptions(workers="0", image_size="32", flip="true")  # type: ignore[arg-type]
    assert (options.workers, options.size, options.flip) == (0, (32, 32), True)


class Set(torch.utils.data.Dataset[Any]):
    """Items that a function makes of their numbers."""

    def __init__(self, make: Any, count: int = 20) -> None:
        self.make, self.count = make, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return self.make(index)


def augmented(index: int) -> Tensor:
    """A picture that every global generator has a part in."""
    noise = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8)
    noise[0] = torch.from_numpy(np.random.randint(0, 256, (8, 8), dtype=np.uint8))
    noise[1] = random.randrange(256)
    return noise


def different(data: Data, draws: int = 20) -> int:
    return len({x.numpy().tobytes() for k in range(draws) for x in data.batch(k, 10).images})


def states() -> list[Any]:
    return [torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()]


def test_a_data_set_is_read_anew_each_time() -> None:
    assert different(opened(Set(augmented, 10))) == 200


def test_a_data_set_is_read_once_if_it_is_to_be_cached() -> None:
    data = opened(Set(augmented, 10), cache=True)
    assert different(data) == 10
    assert torch.equal(
        data.batch(3, 10).images, opened(Set(augmented, 10), cache=True).batch(3, 10).images
    )


def test_a_list_holds_still() -> None:
    items = [augmented(i) for i in range(10)]
    read: list[int] = []
    counted = Set(lambda i: (read.append(i), items[i])[1], 10)
    assert torch.equal(opened(items).batch(0, 10).images, opened(counted).batch(0, 10).images)
    assert different(opened(items)) == 10


@FORKS
def test_an_item_depends_on_seed_and_place_alone() -> None:
    one, other = opened(Set(augmented, 10), seed=3), opened(Set(augmented, 10), seed=3, workers=1)
    later = one.batch(7, 4)
    one.batch(0, 4)
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    assert torch.equal(later.images, one.batch(7, 4).images)
    assert torch.equal(later.images, other.batch(7, 4).images)
    shares = [one.batch(7, 4, rank, 2).images for rank in range(2)]
    assert torch.equal(later.images, torch.cat(shares))
    assert not torch.equal(later.images, opened(Set(augmented, 10), seed=4).batch(7, 4).images)


@pytest.mark.parametrize("cache", [False, True])
def test_reading_leaves_the_global_generators_alone(cache: bool) -> None:
    before = states()
    data = opened(Set(lambda i: (augmented(i), i % 2)), cache=cache)
    data.batch(0, 5)
    data.preview(4)
    assert states() == before


def test_generators_are_given_back_after_an_error() -> None:
    def fail() -> None:
        with generators_kept():
            seed_everything("elsewhere")
            raise KeyError

    before = states()
    with pytest.raises(KeyError):
        fail()
    assert states() == before


def test_the_two_of_a_pair_are_augmented_alike() -> None:
    batch = opened((Set(augmented), Set(augmented)), Paired).batch(0, 8)
    assert torch.equal(batch.a, batch.b)
    assert len(torch.unique(batch.a.flatten(1), dim=0)) == 8


def test_labelled_and_unlabelled_items_are_augmented_apart() -> None:
    data = opened(Set(lambda i: (augmented(i), i % 2), 2), SemiSupervised)
    batch = data.batch(0, 4)
    everything = torch.cat([batch.images, batch.unlabelled])
    assert len(torch.unique(everything.flatten(1), dim=0)) == 8


def test_cache_is_for_data_sets() -> None:
    with pytest.raises(SettingsError, match="cache keeps decoded folders and zip files"):
        opened("digits", cache=True)


def test_what_is_too_large_is_not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganwright.data.serve.load.RESIDENT_BYTES", 1)
    with pytest.raises(SettingsError, match="too much to keep; leave cache out"):
        opened(Set(augmented), cache=True)


@FORKS
@pytest.mark.parametrize("workers", [0, 1])
def test_a_resumed_run_on_augmented_data_is_the_unbroken_one(workers: int, tmp_path: Path) -> None:
    def play(out: str, steps: int) -> None:
        ganwright.train(
            "dcgan", data=Set(augmented), out=tmp_path / out, steps=steps, networks=CONV,
            image_size=8, batch_size=4, workers=workers, device="cpu", precision="fp32",
            quiet=True,
        )  # fmt: skip

    play("whole", 4)
    play("broken", 2)
    ganwright.resume(tmp_path / "broken", steps=4, data=Set(augmented), quiet=True)
    whole, broken = tensors(tmp_path / "whole"), tensors(tmp_path / "broken")
    assert whole.keys() == broken.keys()
    assert all(torch.equal(whole[name], broken[name]) for name in whole)


PICTURE = torch.linspace(-1, 1, 75).view(3, 5, 5)
BAD: list[tuple[Any, str]] = [
    (torch.full((3, 5, 5), torch.nan), r"item 18 \(holds NaN\)"),
    (PICTURE * 300, r"item 18 \(spans -300 to 300 in float32; images are uint8, or floats in"),
    (np.arange(75).reshape(5, 5, 3) * 4, r"item 18 \(holds int64, which the others do not\)"),
    (PICTURE[:1], r"item 18 \(has 1 channels, the first items 3; channels=3 allows it\)"),
    (PICTURE[:2], r"item 18 \(has 2 channels, the first items 3\)"),
    (torch.zeros(3, 6, 6), r"item 18 \(is 6x6, not 5x5\)"),
    ("text", r"item 18 \(is of type str\)"),
]


@pytest.mark.parametrize(("bad", "sentence"), BAD, ids=[b[1] for b in BAD])
def test_items_that_turn_bad_are_named_as_they_come(bad: Any, sentence: str) -> None:
    data = Set(lambda i: bad if i == 18 else PICTURE)
    with pytest.raises(DataError, match=f"1 image cannot be used: {sentence}") as caught:
        opened(data).batch(0, 20)
    assert "\n" not in str(caught.value)
    with pytest.warns(UserWarning, match=f"skipped 1 image so far, the last {sentence}"):
        batch = opened(data, on_bad_file="skip").batch(0, 20)
    assert len(batch.images) == 20
    assert bool(batch.images.isfinite().all())


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("listed", [False, True])
def test_floats_after_bytes_are_no_images_of_the_same_kind(listed: bool, cache: bool) -> None:
    """Where the first items are bytes, a float of -1 would be taken for less than black."""
    byte = (PICTURE * 127).abs().to(torch.uint8)
    parts = [Set(lambda i: byte, 16), Set(lambda i: PICTURE, 4)]
    joined = torch.utils.data.ConcatDataset(parts)
    data = list(joined) if listed else joined
    sentence = r"cannot be used: item 1[6-9] \(holds float32, which the others do not\)"
    with pytest.raises(DataError, match=sentence):
        opened(data, cache=cache).batch(0, 20)
    with pytest.warns(UserWarning, match="holds float32, which the others do not"):
        batch = opened(data, cache=cache, on_bad_file="skip").batch(0, 20)
    assert float(batch.images.min()) == -1
    assert float(batch.images.max()) == pytest.approx(127 / 127.5 - 1)


@FORKS
def test_a_worker_that_dies_is_one_sentence() -> None:
    def deadly(index: int) -> Tensor:
        if torch.utils.data.get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return PICTURE

    with pytest.raises(DataError, match=r"reads the data was killed.*fewer --workers"):
        opened(Set(deadly), workers=1).batch(0, 4)


def test_bad_first_items_are_named_or_passed_over() -> None:
    with pytest.raises(DataError, match=r"3 images cannot be used: item 0 \(has the shape \(5"):
        opened(Set(lambda i: PICTURE[0, 0], 3))
    early = Set(lambda i: PICTURE[0, 0] if i < 2 else PICTURE)
    with pytest.raises(DataError, match=r"item [01] \(has the shape"):
        opened(early).batch(0, 20)
    with pytest.warns(UserWarning, match="skipped 1 image so far"):
        assert len(opened(early, on_bad_file="skip").batch(0, 20).images) == 20


def test_channels_may_stand_last() -> None:
    pixels = torch.arange(60, dtype=torch.uint8).view(4, 5, 3)
    last, first = Set(lambda i: pixels), Set(lambda i: pixels.permute(2, 0, 1))
    arrays = Set(lambda i: pixels.numpy())
    expected = opened(first).batch(0, 1).images
    assert expected.shape == (1, 3, 4, 5)
    assert torch.equal(opened(last).batch(0, 1).images, expected)
    assert torch.equal(opened(arrays).batch(0, 1).images, expected)


def test_what_a_data_set_raises_is_one_sentence() -> None:
    def failing(index: int) -> Tensor:
        return {17: PICTURE}[index] if index > 17 else PICTURE

    with pytest.raises(DataError, match=r"item 18 \(raised KeyError: 18, in test_data_given.py, l"):
        opened(Set(failing, 19)).batch(0, 19)
    with pytest.raises(DataError, match=r"item 0 of the data set raised ZeroDivisionError: "):
        opened(Set(lambda i: 1 // i))


def test_turning_colour_grey_may_be_asked_for() -> None:
    data = Set(lambda i: Image.new("L" if i < 17 else "RGB", (4, 4)))
    with pytest.raises(DataError, match=r"item 1[789] \(has 3 channels, the first items 1"):
        opened(data).batch(0, 20)
    assert opened(data, channels=1).batch(0, 20).images.shape == (20, 1, 4, 4)


def test_floats_of_arrays_are_held_to_the_range_of_tensors() -> None:
    def noise(high: float) -> Set:
        return Set(lambda i: (np.random.rand(4, 4, 3) * high).astype(np.float32))

    with pytest.raises(DataError, match=r"are in \[0, 1\]; bring them to \[-1, 1\]"):
        opened(noise(1))
    with pytest.raises(DataError, match=r"must be in \[-1, 1\], got \["):
        opened(noise(255))


def test_arrays_may_be_mirrored_or_read_only() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    pixels.setflags(write=False)
    mirrored = opened(Set(lambda i: pixels[:, ::-1])).batch(0, 1).images
    assert torch.equal(mirrored.flip(-1), opened(Set(lambda i: pixels)).batch(0, 1).images)


NOT_DATA: list[tuple[Any, str]] = [
    (Set, r"the data is the class Set; pass an instance, as in data=Set\(\)"),
    (np.array([{}, {}]), "data of type object cannot be read"),
    (torch.full((2, 1, 4, 4), torch.nan), "holds NaN or infinite values"),
    (torch.full((2, 2), torch.inf), "holds NaN or infinite values"),
]


@pytest.mark.parametrize(("given", "sentence"), NOT_DATA, ids=[n[1] for n in NOT_DATA])
def test_what_is_no_data_is_refused(given: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        opened(given)


def test_a_list_of_pictures_and_labels_is_as_good_as_a_tuple() -> None:
    pictures = torch.zeros(4, 1, 4, 4, dtype=torch.uint8)
    assert opened([pictures, [0, 1, 0, 1]]).spec.classes == ("0", "1")
    assert opened([pictures[0], pictures[1]]).spec.count == 2


LABELS: list[tuple[Any, tuple[str, ...], list[int]]] = [
    ([3, 7] * 10, tuple("01234567"), [3, 7]),
    (torch.tensor([1, 0] * 10, dtype=torch.uint8), ("0", "1"), [1, 0]),
    (["dog", "cat"] * 10, ("cat", "dog"), [1, 0]),
    (np.array(["dog", "cat"] * 10), ("cat", "dog"), [1, 0]),
    (["10", "9"] * 10, ("9", "10"), [1, 0]),
    ([True, False] * 10, ("0", "1"), [1, 0]),
]


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(("labels", "classes", "first"), LABELS, ids=[str(x[1]) for x in LABELS])
def test_labels_are_numbers_or_names(
    wrapped: bool, labels: Any, classes: tuple[str, ...], first: list[int]
) -> None:
    # A picture's brightness tells its number.
    pictures = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4)
    given = Set(lambda i: (pictures[i], labels[i])) if wrapped else (pictures, labels)
    data = opened(given)
    assert data.spec.classes == classes
    batch = data.batch(0, 20)
    number = ((batch.images[:, 0, 0, 0] + 1) * 127.5).round().long()
    assert torch.equal(batch.labels, torch.tensor(first * 10)[number])


def test_a_data_set_names_its_classes() -> None:
    data = Set(lambda i: (PICTURE, ["b", "a"][i % 2]))
    data.classes = ["a", "b", "c"]
    spec = opened(data).spec
    assert (spec.classes, spec.present) == (("a", "b", "c"), (0, 1))


def test_labels_that_a_transform_changes_are_asked_of_the_items() -> None:
    data = Set(lambda i: (PICTURE, i % 2))
    data.targets = [9] * 20
    assert opened(data).spec.classes == ("0", "1")
    data.targets = [0, 1] * 10
    assert opened(data).batch(0, 20).labels.sum() == 10


WRONG: list[tuple[Any, str]] = [
    ([1, -1] * 10, "from 0, but image 1 has -1; renumber them, or leave the labels out"),
    ([0, 10**9] * 10, "a label is 1000000000, but at most 100000 may be"),
    ([0.5] * 20, "labels must be 20 whole numbers from 0, or names"),
]


@pytest.mark.parametrize(("labels", "sentence"), WRONG, ids=[w[1] for w in WRONG])
def test_labels_that_name_no_class_are_refused(labels: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        opened((torch.zeros(20, 1, 4, 4), labels))
    if isinstance(labels[0], int):
        with pytest.raises(DataError, match=sentence):
            opened(Set(lambda i: (PICTURE, labels[i])))


def test_items_with_something_else_than_a_label_are_unlabelled_and_it_is_said() -> None:
    with pytest.warns(UserWarning, match="is not a label but arrays, so it is ignored"):
        assert opened(Set(lambda i: (PICTURE, torch.eye(5)[i % 5]))).spec.classes == ()
    with pytest.warns(UserWarning, match="is not a label but dict"):
        assert opened(Set(lambda i: (PICTURE, {"box": i}))).spec.classes == ()


def test_a_data_set_may_come_with_labels_beside_it() -> None:
    data = opened((Set(lambda i: PICTURE), [0, 1] * 10))
    assert data.spec.classes == ("0", "1")


SPARSE = Spec(Images, (1, 8, 8), classes=tuple("01234567"), count=40, present=(3, 7))


def test_samples_are_asked_of_classes_that_occur() -> None:
    game = CGAN(CGAN.Config(), SPARSE)
    assert game.in_turn(5).tolist() == [3, 7, 3, 7, 3]
    assert game.preview_columns == 2
    styled = AAE(AAE.Config(styled=True), SPARSE)
    assert styled.restyled(torch.zeros(4, 1, 8, 8)).shape[0] == 4 * (1 + 2)
    assert styled.preview_columns == 3
    torch.manual_seed(0)
    semi = AAESemi(AAESemi.Config(), SPARSE)
    assert semi.draw_y(100).sum(0).nonzero()[:, 0].tolist() == [3, 7]
    assert semi.turns(3).tolist() == [3, 7, 3]
    assert not any("drawable" in name for name in semi.state_dict())


def test_classes_that_do_not_occur_are_not_asked_for(tmp_path: Path) -> None:
    asked: list[Tensor] = []
    pictures = torch.zeros(40, 1, 8, 8, dtype=torch.uint8)
    model = ganwright.train(
        "cgan",
        data=(pictures, [3, 7] * 20),
        steps=1,
        batch_size=4,
        image_size=8,
        out=tmp_path / "r",
        quiet=True,
    )
    model.game.G.register_forward_pre_hook(lambda _, inputs: asked.append(inputs[1]))
    assert ganwright.load(tmp_path / "r").spec == model.spec
    assert model.sample(4).shape == (4, 1, 8, 8)
    model.sample(1, labels=["3"])
    assert set(torch.cat(asked).tolist()) == {3, 7}
    with pytest.raises(SettingsError, match="no training image was of class 5; choose one of 3, 7"):
        model.sample(1, labels=[5])
    path = tmp_path / "r" / "spec.json"
    old = {k: v for k, v in json.loads(path.read_text(encoding="utf-8")).items() if k != "present"}
    path.write_text(json.dumps(old), encoding="utf-8")  # as older versions wrote it
    assert ganwright.load(tmp_path / "r").spec.asked == tuple(range(8))


def test_few_labels_are_kept_of_the_classes_that_occur() -> None:
    data = opened((torch.zeros(40, 1, 4, 4), [3, 7] * 20), SemiSupervised, labels_per_class=2)
    assert sorted(data.batch(0, 4).labels.tolist()) == [3, 3, 7, 7]


def test_a_bad_labelled_item_gives_way_to_a_labelled_one() -> None:
    """Its neighbours are unlabelled, and what they show must not come with a label."""
    items = [(torch.full((1, 4, 4), n, dtype=torch.uint8), n % 2) for n in range(60)]
    known = opened(items, SemiSupervised, labels_per_class=3)._streams[0].subset
    assert known is not None
    bad = int(known[0])
    broken = Set(lambda i: ("broken", i % 2) if i == bad else items[i], 60)
    if bad < 16:
        broken.make = lambda i: items[i] if i != bad else (torch.zeros(1, 5, 5), i % 2)
    data = opened(broken, SemiSupervised, labels_per_class=3, on_bad_file="skip")
    with pytest.warns(UserWarning, match="skipped 1 image"):
        drawn = [data.batch(draw, 6) for draw in range(8)]
    shown = {round((float(x) + 1) * 127.5) for b in drawn for x in b.images[:, 0, 0, 0]}
    assert shown == set(known.tolist()) - {bad}
    for batch in drawn:
        levels = ((batch.images[:, 0, 0, 0] + 1) * 127.5).round().long()
        assert torch.equal(levels % 2, batch.labels)


def test_items_may_be_pairs() -> None:
    def both(index: int) -> tuple[Any, Tensor]:
        noise = torch.rand(())
        a = Image.new("L", (8, 8), index)
        return a, (torch.full((3, 8, 8), index / 10 - 1) + noise / 100).clamp(-1, 1)

    data = opened(Set(both), Paired)
    assert (data.spec.shape, data.spec.target) == ((1, 8, 8), (3, 8, 8))
    batch = data.batch(1, 10)
    levels = (batch.a[:, 0, 0, 0] * 127.5 + 127.5).round()
    apart = batch.b[:, 0, 0, 0] - (levels / 10 - 1)
    assert float(apart.min()) >= 0
    assert float(apart.max()) <= 0.0101
    assert len(set(apart.tolist())) > 5  # each item is read anew, with noise of its own
    assert torch.equal(opened(Set(both), Paired).batch(1, 10).b, batch.b)
    assert data.fingerprint["train"][0]["type"] == "Set"
    assert len(opened(Set(both), ganwright.data.Unpaired).batch(0, 4).b) == 4


def test_both_sides_of_a_pair_see_the_same_randomness() -> None:
    def both(index: int) -> tuple[Tensor, Tensor]:
        noise = torch.rand(1, 8, 8) * 2 - 1
        return noise, -noise

    batch = opened(Set(both), Paired).batch(0, 4)
    assert torch.equal(batch.a, -batch.b)
    listed = opened([both(i) for i in range(5)], Paired).batch(0, 4)
    assert torch.equal(listed.a, -listed.b)


def test_an_item_that_is_no_pair_is_named() -> None:
    mixed = Set(lambda i: (PICTURE, PICTURE) if i != 17 else PICTURE)
    with pytest.raises(DataError, match=r"item 17 \(raised TypeError: the item is no pair"):
        opened(mixed, Paired).batch(0, 20)


def test_numbers_may_stand_in_another_order_of_bytes(tmp_path: Path) -> None:
    deep = (np.arange(4 * 64) * 250).astype(np.uint16).reshape(4, 8, 8)
    turned = deep.astype(">u2")
    np.save(tmp_path / "x.npy", turned)
    expected = opened(deep).batch(0, 4).images
    for given in (turned, tmp_path / "x.npy", list(turned)):
        assert torch.equal(opened(given).batch(0, 4).images, expected)
    assert opened((deep, np.eye(4, dtype=">f4"))).batch(0, 4).labels.sum() == 4


@pytest.mark.parametrize("name", ["labels", "targets"])
def test_labels_that_are_no_list_are_asked_of_the_items(name: str) -> None:
    for labels in (lambda: [1], torch.tensor(3), np.int64(3), 7):
        data = Set(lambda i: (PICTURE, i % 2))
        setattr(data, name, labels)
        assert opened(data).spec.classes == ("0", "1")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("digits->sines", "sides of digits->sines hold images and signals; give two of the same"),
        ("ring->digits", "sides of ring->digits hold points or rows and images; give two of the"),
        ((torch.rand(9, 2), torch.zeros(9, 1, 8, 8)), "the data hold points or rows and images"),
    ],
)
def test_domains_of_different_things_are_refused(given: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        opened(given, Unpaired)
